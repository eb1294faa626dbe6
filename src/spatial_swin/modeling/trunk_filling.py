"""Fill the trunk cache for one run, and let its Trainer train from there.

In goes a built Trainer with its pictures, out comes the same Trainer with datasets of stored trunk output and a model
that accepts it. Training pictures are stored in every view, validation pictures plain; predictions at the end of the
run are made from pictures by the ordinary model, so no figure of a report rests on what is stored. Every process
computes its share of what is missing; a second run that needs the same waits and then reuses it.
"""

import ast
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import kornia
import PIL
import torch
import transformers
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from spatial_swin import keyed_random
from spatial_swin.config import Recipe
from spatial_swin.data import augment, augment_sound, pictures
from spatial_swin.data.augment_sound import SoundAugmentationArguments, asks_for_sound
from spatial_swin.data.pictures import sample_key
from spatial_swin.data.trunk_cache import ShardWriter, TrunkStore, cache_root, require_room
from spatial_swin.data.trunk_dataset import STORED, TrunkDataset, encode
from spatial_swin.data.trunk_shards import PLAIN, Entry
from spatial_swin.errors import RunError, SpatialSwinError
from spatial_swin.modeling import trunk
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import Sample

PROBED = 4  # pictures that the storage precision is chosen with
WAIT = 2.0  # seconds between two looks whether another run has done its filling
TOLD_EVERY = 2.0  # seconds between two notes of the progress
SMALL = 16  # kB: an output of which fp32 costs nothing worth saving

Tell = Callable[[int, int], None]  # entries done and in all, by this process


class FillingStopped(SpatialSwinError):
    """SIGTERM came while the cache was filled: what was computed is kept, and the same command continues."""

    exit_code = 143


@dataclass(frozen=True)
class Job:
    """One picture with the views of it that are missing."""

    part: int
    row: int
    sha256: str
    views: tuple[int, ...]


@dataclass
class TrunkCache:
    """The stores of one run and what it needs from them."""

    plain: TrunkStore
    drawn: TrunkStore | None  # None when the recipe draws nothing: then every view is the plain one
    views: tuple[int, ...]  # that a training picture is needed in
    stored: str
    computed: torch.dtype
    shape: tuple[int, ...]  # of one entry

    @property
    def stores(self) -> list[TrunkStore]:
        return [store for store in (self.drawn, self.plain) if store is not None]

    @property
    def entry_bytes(self) -> int:
        return int(torch.Size(self.shape).numel()) * STORED[self.stored].itemsize

    def store_of(self, view: int) -> TrunkStore:
        return self.plain if view == PLAIN or self.drawn is None else self.drawn

    def wanted(self, parts: Sequence[Sequence[Sample]]) -> dict[TrunkStore, set[Entry]]:
        """All entries that the run needs, by store; `parts` are the training and the validation pictures."""
        needed: dict[TrunkStore, set[Entry]] = {store: set() for store in self.stores}
        for members, views in zip(parts, (self.views, (PLAIN,)), strict=True):
            for view in views:
                needed[self.store_of(view)] |= {(sample.sha256, view) for sample in members}
        return needed


def train_from_cache(
    trainer: TwoPhaseTrainer, recipe: Recipe, split: Sequence[Sample], class_names: Sequence[str], tell: Tell
) -> list[int]:
    """Fill what is missing and give the Trainer its stored data; return locks to keep open while it trains.

    Args:
        tell: called now and then with the entries done and in all.

    Raises:
        RunError: no room, no writing, a damaged disk.
        FillingStopped: SIGTERM.
    """
    model, main = trainer.model, trainer.is_world_process_zero()
    cut = trunk.cut_stage(recipe.model)
    assert 2 <= cut <= trunk.ALL_FROZEN, "the recipe was not checked"
    parts = [[sample for sample in split if sample.split == part] for part in ("train", "validation")]
    datasets = [trainer.train_dataset, trainer.eval_dataset]
    with torch.random.fork_rng(), _frozen(model):  # training draws what it would draw without a cache
        cache = open_cache(trainer, recipe, cut, parts[0], datasets[0])
        wanted = cache.wanted(parts)
        lock = _take_turn(trainer, cache.stores[0])
        try:
            if main:
                for store in cache.stores:
                    store.remove_unfinished()
                    store.places(wanted[store], verify=True)
            trainer.accelerator.wait_for_everyone()
            jobs = missing_jobs(cache, parts, wanted)
            if main:
                _announce(cache, recipe, jobs, wanted)
            _fill(trainer, cache, cut, jobs, datasets, tell)
            trainer.accelerator.wait_for_everyone()
        finally:
            if lock is not None:
                os.close(lock)
    _use(trainer, cache, recipe, parts, class_names, wanted)
    trunk.accept_trunk(model, cut, cache.computed)
    trainer.trunk_fingerprint = (cut, cache.plain.key["trunk"])
    return [handle for store in cache.stores if (handle := store.use()) is not None]


# -- what there is --


def open_cache(
    trainer: TwoPhaseTrainer, recipe: Recipe, cut: int, members: Sequence[Sample], dataset: Any
) -> TrunkCache:
    """The stores of this trunk, precision and augmentation; a few pictures tell the shape and the precision."""
    first = sorted(range(len(members)), key=lambda row: members[row].sha256)[:PROBED]
    pixels = torch.stack([dataset[row]["pixel_values"] for row in first]).to(trainer.args.device)
    output = _compute(trainer, cut, pixels, [], None)
    stored = choose_storage(output, recipe.data.trunk_cache_precision)
    data, model = recipe.data, trainer.model
    processor: Any = trainer.processing_class
    key = {
        "trunk": trunk.trunk_fingerprint(model, cut),
        "cut": cut,
        "config": trunk.trunk_config(model),
        "preprocessing": {
            name: json.loads(processor.to_json_string())[name]
            for name in ("size", "resample", "image_mean", "image_std", "rescale_factor")
        },
        "precision": recipe.precision,
        "computed": str(output.dtype),
        "stored": stored,
        "device": trainer.args.device.type,
        "versions": {
            "torch": torch.__version__, "transformers": transformers.__version__, "kornia": kornia.__version__,
            "pillow": PIL.__version__,
        },
        "code": _code(pictures, trunk),
        "draws": None,
    }  # fmt: skip
    about = {"model": recipe.model.model_name_or_path, "entry_shape": list(output.shape[1:])}
    root = cache_root(data.trunk_cache_dir).resolve()
    plain = TrunkStore(root, key, about)
    draws = _draws(trainer, recipe)
    views = tuple(range(data.trunk_cache_views)) if draws else (PLAIN,)
    drawn = TrunkStore(root, {**key, "draws": draws}, about) if draws else None
    return TrunkCache(plain, drawn, views, stored, output.dtype, tuple(output.shape[1:]))


def _draws(trainer: TwoPhaseTrainer, recipe: Recipe) -> dict[str, Any] | None:
    """All that decides what a view looks like; None when the recipe draws nothing."""
    data = recipe.data
    sound = asks_for_sound(data)
    if not (data.augmentation or sound):
        return None
    values = asdict(data)
    picture_keys = {f.name for f in fields(augment.AugmentationArguments)}
    sound_keys = {f.name for f in fields(SoundAugmentationArguments)}
    return {
        "seed": data.augmentation_views_seed,
        "picture": {name: values[name] for name in picture_keys} if data.augmentation else None,
        "sound": {name: values[name] for name in sound_keys} if sound else None,
        "tiles": asdict(trainer.tile_map) if sound else None,
        "code": _code(augment, augment_sound, keyed_random),
    }


def _code(*modules: Any) -> str:
    """A hash of what the modules do: of their syntax, so that comments and layout count nothing."""
    syntax = [ast.dump(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))) for module in modules]
    return hashlib.sha256("\n".join(syntax).encode()).hexdigest()


def choose_storage(output: torch.Tensor, wish: str) -> str:
    """fp16, bf16 or fp32 for a trunk's output [B, ...], as asked for; `auto`:

    as it was computed where that takes 16 bits (nothing is lost) or is small, else the 16 bits that err less on it.
    """
    native = {dtype: name for name, dtype in STORED.items()}[output.dtype]
    if wish != "auto":
        return wish
    if native != "fp32" or output[0].numel() * output.element_size() <= SMALL * 1000:
        return native
    return min(("fp16", "bf16"), key=lambda stored: storage_error(output, stored))


def storage_error(output: torch.Tensor, stored: str) -> float:
    """Relative root mean square error of storing `output`; infinite when a value exceeds what can be stored."""
    exact = output.double()
    error = float((output.to(STORED[stored]).double() - exact).square().mean().sqrt())
    return error / max(float(exact.square().mean().sqrt()), 1e-300) if error == error else float("inf")


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


def _take_turn(trainer: TwoPhaseTrainer, store: TrunkStore) -> int | None:
    """Wait until no other run fills the store. The main process takes the lock, the others learn that it has it.

    They ask one another again and again, because no collective call may last as long as another run's filling.
    """
    told, lock = False, None
    while True:
        if trainer.is_world_process_zero():
            lock = store.try_filling()
        mine = torch.tensor(float(lock is not None), device=trainer.args.device)
        if trainer.accelerator.reduce(mine, reduction="sum").item() > 0:
            return lock
        if trainer.is_world_process_zero() and not told:
            print(
                f"trunk cache: another run is filling {store.folder}; waiting, to reuse what it computes", flush=True
            )
            told = True
        time.sleep(WAIT)


# -- filling --


def _announce(cache: TrunkCache, recipe: Recipe, jobs: Sequence[Job], wanted: Mapping[TrunkStore, set[Entry]]) -> None:
    """Say in one line that all is there, or check the room for what is not. What it takes is said once measured."""
    entries = sum(map(len, wanted.values()))
    missing = [(job.sha256, view) for job in jobs for view in job.views]
    root = cache.plain.folder.parent
    if not missing:
        print(
            f"trunk cache: all {entries:,} outputs ({entries * cache.entry_bytes / 1e9:.2f} GB, {cache.stored}) are "
            f"in {root}; no trunk is computed in training",
            flush=True,
        )
        return
    pictures = len({sha256 for sha256, _ in missing})
    require_room(
        root, cache.entry_bytes, missing, pictures, recipe.data.trunk_cache_views, recipe.data.trunk_cache_max_gb
    )


def _fill(
    trainer: TwoPhaseTrainer, cache: TrunkCache, cut: int, jobs: Sequence[Job], datasets: Sequence[Any], tell: Tell
) -> None:
    """Compute this process's share of the jobs and write it. Raises FillingStopped on SIGTERM, when all is written."""
    args = trainer.args
    share = jobs[args.process_index :: args.world_size]
    total = sum(len(job.views) for job in share)
    if not total:
        return
    loader = DataLoader(
        _Pictures(share, datasets), batch_size=args.per_device_train_batch_size,
        num_workers=args.dataloader_num_workers, pin_memory=args.dataloader_pin_memory, generator=torch.Generator(),
    )  # fmt: skip
    writers = {store: ShardWriter(store, cache.entry_bytes) for store in cache.stores}
    done, told, first = 0, 0.0, True
    bar = tqdm(total=total, desc="trunk cache", unit="output", leave=False, disable=None)
    with _termination() as terminated:
        try:
            for pixels, numbers in loader:
                batch = [share[number] for number in numbers.tolist()]
                if first and trainer.is_world_process_zero():
                    print(_cost(trainer, cache, cut, pixels, jobs), flush=True)
                first = False
                for view in sorted({view for job in batch for view in job.views}):
                    rows = [row for row, job in enumerate(batch) if view in job.views]
                    output = _stored_output(trainer, cache, cut, pixels[rows], [batch[row] for row in rows], view)
                    writers[cache.store_of(view)].add([(batch[row].sha256, view) for row in rows], output)
                    done += len(rows)
                    bar.update(len(rows))
                    if terminated():
                        break
                if time.monotonic() - told > TOLD_EVERY:
                    told = time.monotonic()
                    tell(done, total)
                if terminated():
                    break
        finally:
            bar.close()
            for writer in writers.values():
                writer.close()
    if terminated():
        raise FillingStopped(
            f"stopped by SIGTERM while filling the trunk cache, {done:,} of {total:,} outputs done; the same command "
            "continues"
        )


def _stored_output(
    trainer: TwoPhaseTrainer, cache: TrunkCache, cut: int, pixels: torch.Tensor, jobs: Sequence[Job], view: int
) -> Any:
    """The trunk's output of some pictures in one view, in the bits it is stored in.

    A batch that is not full is filled up, so that every one is computed by the kernels that training would use.
    """
    missing = trainer.args.per_device_train_batch_size - len(pixels)
    filled = torch.cat([pixels, pixels[-1:].expand(missing, -1, -1, -1)]) if missing > 0 else pixels
    keys = [sample_key(job.sha256) for job in jobs]
    keys += keys[-1:] * missing
    output = _compute(trainer, cut, filled.to(trainer.args.device), keys, None if view == PLAIN else view)
    narrow = output[: len(pixels)].to(STORED[cache.stored])
    if not bool(torch.isfinite(narrow).all()):
        found = "is not finite" if not bool(torch.isfinite(output).all()) else f"exceeds the range of {cache.stored}"
        advice = "check the model's weights" if "not" in found else "set trunk_cache_precision to bf16 or fp32"
        raise RunError(
            f"trunk cache: the trunk's output {found} for a picture with SHA-256 {jobs[0].sha256}; {advice}"
        )
    return encode(narrow, cache.stored)


@torch.no_grad()
def _compute(
    trainer: TwoPhaseTrainer, cut: int, pixels: torch.Tensor, keys: Sequence[int], view: int | None
) -> torch.Tensor:
    shown = trainer.shown(pixels, keys, view)
    with trainer.accelerator.autocast():
        return trunk.trunk_output(trainer.model, shown, cut)


def _cost(trainer: TwoPhaseTrainer, cache: TrunkCache, cut: int, pixels: torch.Tensor, jobs: Sequence[Job]) -> str:
    """What filling takes, and what it saves; measured on the first batch, once warm."""
    seconds = float("inf")
    pixels = pixels.to(trainer.args.device)
    for _ in range(2):
        began = time.perf_counter()
        _compute(trainer, cut, pixels, [], None)[0, 0].float().sum().item()  # waits for the device
        seconds = min(seconds, time.perf_counter() - began)
    rate = len(pixels) * trainer.args.world_size / seconds
    outputs = sum(len(job.views) for job in jobs)
    pictures = len({job.sha256 for job in jobs})
    epochs = trainer.args.num_train_epochs
    train, validation = (len(dataset) for dataset in (trainer.train_dataset, trainer.eval_dataset))  # type: ignore[arg-type]
    without = (train + validation) * epochs / rate
    return (
        f"trunk cache: {outputs:,} outputs of {pictures:,} pictures in {len(cache.views)} views "
        f"({outputs * cache.entry_bytes / 1e9:.2f} GB, {cache.stored}) go to {cache.plain.folder.parent}; about "
        f"{duration(outputs / rate)} at {rate:.1f} pictures/s, where {epochs:g} epochs without a cache would spend "
        f"{duration(without)} on the trunk"
    )


def duration(seconds: float) -> str:
    """For people: 12 s, 3 min, 2 h 40 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


class _Pictures(Dataset):
    """Pixels and the number of the job, decoded on workers, a picture once for all its views."""

    def __init__(self, jobs: Sequence[Job], datasets: Sequence[Any]) -> None:
        self.jobs, self.datasets = jobs, datasets

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        job = self.jobs[number]
        return self.datasets[job.part][job.row]["pixel_values"], number


@contextmanager
def _frozen(model: torch.nn.Module) -> Iterator[None]:
    """The whole model in eval mode for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@contextmanager
def _termination() -> Iterator[Callable[[], bool]]:
    """Note SIGTERM instead of dying of it; yields a function that tells whether it came."""
    signalled: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = signal.signal(signal.SIGTERM, lambda number, _: signalled.append(number))
    try:
        yield lambda: bool(signalled)
    finally:
        signal.signal(signal.SIGTERM, previous)


# -- training from it --


def _use(
    trainer: TwoPhaseTrainer,
    cache: TrunkCache,
    recipe: Recipe,
    parts: Sequence[Sequence[Sample]],
    class_names: Sequence[str],
    wanted: Mapping[TrunkStore, set[Entry]],
) -> None:
    """Replace the Trainer's pictures by stored output."""
    places = {}
    for store, entries in wanted.items():
        found = store.places(entries, verify=False)
        if len(found) < len(entries):
            raise RunError(
                f"trunk cache: {len(entries) - len(found):,} of {len(entries):,} outputs are not in {store.folder}; "
                "if the processes run on several machines, choose a trunk_cache_dir that all of them see"
            )
        places |= found
    index = {name: number for number, name in enumerate(class_names)}
    made = [
        TrunkDataset(
            [sample.sha256 for sample in members], [index[sample.label] for sample in members],
            [sample_key(sample.sha256) for sample in members], views, places, cache.stored,
        )
        for members, views in zip(parts, (cache.views, (PLAIN,)), strict=True)
    ]  # fmt: skip
    trainer.train_dataset, trainer.eval_dataset = made
