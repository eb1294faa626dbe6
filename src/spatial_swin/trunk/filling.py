"""Compute what the trunk cache lacks, and write it: each process its share, a picture's views together.

It takes jobs (a picture and its missing views) and writes shards to the stores. SIGTERM ends it after the current
batch, with everything computed so far on disk; after kill -9 at most the last minute's work is done again.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from spatial_swin.data.pictures import sample_key
from spatial_swin.errors import RunError, Stopped
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import Sample
from spatial_swin.trunk.dataset import STORED, encode
from spatial_swin.trunk.key import TrunkCache, compute
from spatial_swin.trunk.shards import PLAIN, Entry
from spatial_swin.trunk.store import ShardWriter, TrunkStore

REPORT_EVERY = 2.0  # seconds between two notes of the progress

Tell = Callable[[int, int], None]  # entries done and in all, by this process


@dataclass(frozen=True)
class Job:
    """One picture with the views of it that are missing."""

    part: int
    row: int
    sha256: str
    views: tuple[int, ...]


def missing_jobs(
    cache: TrunkCache, parts: Sequence[Sequence[Sample]], wanted: Mapping[TrunkStore, set[Entry]]
) -> list[Job]:
    """The pictures of which entries are missing, each once, with what is missing of it."""
    left = {store: entries - store.places(entries, verify=False).keys() for store, entries in wanted.items()}
    jobs = []
    for number, (members, views) in enumerate(zip(parts, (cache.views, (PLAIN,)), strict=True)):
        for row, sample in enumerate(members):
            views_left = []
            for view in views:
                entry, store = (sample.sha256, view), cache.store_of(view)
                if entry in left[store]:
                    left[store].discard(entry)  # the same bytes twice, or in both parts, are computed once
                    views_left.append(view)
            if views_left:
                jobs.append(Job(number, row, sample.sha256, tuple(views_left)))
    return jobs


def fill(
    trainer: TwoPhaseTrainer, cache: TrunkCache, jobs: Sequence[Job], datasets: Sequence[Any], tell: Tell
) -> None:
    """Compute this process's share of the jobs and write it. Raises Stopped on SIGTERM, when all is written."""
    share = jobs[trainer.args.process_index :: trainer.args.world_size]
    total = sum(len(job.views) for job in share)
    if not total:
        return
    done, reported = 0, 0.0
    with (
        _termination() as terminated,
        tqdm(total=total, desc="trunk cache", unit="output", leave=False, disable=None) as bar,
        ExitStack() as stack,
    ):
        writers = {
            store: stack.enter_context(closing(ShardWriter(store, cache.entry_bytes))) for store in cache.stores
        }
        for batch, pixels, view in _batches(trainer, share, datasets):
            output = _stored_output(trainer, cache, pixels, batch, view)
            writers[cache.store_of(view)].add([(job.sha256, view) for job in batch], output)
            done += len(batch)
            bar.update(len(batch))
            if time.monotonic() - reported > REPORT_EVERY:
                reported = time.monotonic()
                tell(done, total)
            if terminated():
                break
    if terminated():
        raise Stopped(
            f"stopped by SIGTERM while filling the trunk cache, {done:,} of {total:,} outputs done; the same command "
            "continues"
        )


def _batches(
    trainer: TwoPhaseTrainer, jobs: Sequence[Job], datasets: Sequence[Any]
) -> Iterator[tuple[list[Job], torch.Tensor, int]]:
    """Jobs with their pixels [B, 3, S, S] and one view that all of them lack; a picture is decoded once."""
    args = trainer.args
    loader = DataLoader(
        _Pictures(jobs, datasets),
        batch_size=args.per_device_train_batch_size,
        num_workers=args.dataloader_num_workers,
        pin_memory=args.dataloader_pin_memory,
        generator=torch.Generator(),
    )
    for pixels, numbers in loader:
        batch = [jobs[number] for number in numbers.tolist()]
        for view in sorted({view for job in batch for view in job.views}):
            rows = [row for row, job in enumerate(batch) if view in job.views]
            yield [batch[row] for row in rows], pixels[rows], view


def _stored_output(
    trainer: TwoPhaseTrainer, cache: TrunkCache, pixels: torch.Tensor, jobs: Sequence[Job], view: int
) -> np.ndarray:
    """The trunk's output of some pictures in one view, in the bits it is stored in.

    A batch that is not full is filled up, so that every one is computed by the kernels that training would use.
    """
    missing = trainer.args.per_device_train_batch_size - len(pixels)
    filled = torch.cat([pixels, pixels[-1:].expand(missing, -1, -1, -1)]) if missing > 0 else pixels
    keys = [sample_key(job.sha256) for job in jobs]
    keys += keys[-1:] * missing
    output = compute(trainer, cache.cut, filled.to(trainer.args.device), keys, None if view == PLAIN else view)
    narrow = output[: len(pixels)].to(STORED[cache.stored])
    if not bool(torch.isfinite(narrow).all()):
        advice = "is not finite", "check the model's weights"
        if bool(torch.isfinite(output).all()):
            advice = f"exceeds the range of {cache.stored}", "set trunk_cache_precision to bf16 or fp32"
        raise RunError(f"trunk cache: for a picture with SHA-256 {jobs[0].sha256} the output {'; '.join(advice)}")
    return encode(narrow, cache.stored)


class _Pictures(Dataset[tuple[torch.Tensor, int]]):
    """Pixels and the number of the job, decoded on workers, a picture once for all its views."""

    def __init__(self, jobs: Sequence[Job], datasets: Sequence[Any]) -> None:
        self.jobs, self.datasets = jobs, datasets

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        job = self.jobs[number]
        return self.datasets[job.part][job.row]["pixel_values"], number


@contextmanager
def _termination() -> Iterator[Callable[[], bool]]:
    """Note SIGTERM instead of dying of it; yields a function that says whether it came."""
    signalled: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = signal.signal(signal.SIGTERM, lambda number, _: signalled.append(number))
    try:
        yield lambda: bool(signalled)
    finally:
        signal.signal(signal.SIGTERM, previous)
