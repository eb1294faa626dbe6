"""Let a Trainer train from the trunk cache: fill what is missing, then hand it stored output instead of pictures.

A built Trainer comes with its pictures and leaves with datasets of stored trunk output and a model that accepts it.
Training pictures are stored in every view, validation pictures plain; predictions at the end of the run are made from
pictures by the ordinary model, so no figure of a report rests on what is stored. A second run that needs the same
waits until the first has computed it, and reuses it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch

from spatial_swin.config import Recipe
from spatial_swin.data.pictures import sample_key
from spatial_swin.errors import RunError
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import Sample
from spatial_swin.trunk import forward
from spatial_swin.trunk.dataset import TrunkDataset
from spatial_swin.trunk.filling import Job, Tell, fill, missing_jobs
from spatial_swin.trunk.folders import release
from spatial_swin.trunk.key import TrunkCache, compute, open_cache
from spatial_swin.trunk.shards import PLAIN, Entry
from spatial_swin.trunk.store import Place, TrunkStore, require_room

WAIT = 2.0  # seconds between two looks whether another run has done its filling


def train_from_cache(
    trainer: TwoPhaseTrainer, recipe: Recipe, split: Sequence[Sample], class_names: Sequence[str], tell: Tell
) -> ExitStack:
    """Fill what is missing and give the Trainer its stored data; close what is returned when it has trained.

    Until then `spatial-swin cache rm` leaves the stores alone.

    Args:
        tell: called now and then with the entries done and in all.

    Raises:
        RunError: no room, no writing, a store that is being removed.
        Stopped: SIGTERM.
    """
    model, main = trainer.model, trainer.is_world_process_zero()
    cut = forward.cut_stage(recipe.model)
    assert 2 <= cut <= forward.ALL_FROZEN, "the recipe was not checked"
    parts = [[sample for sample in split if sample.split == part] for part in ("train", "validation")]
    datasets = [trainer.train_dataset, trainer.eval_dataset]
    with ExitStack() as using:
        with torch.random.fork_rng(), _frozen(model):  # training draws what it would draw without a cache
            cache = open_cache(trainer, recipe, cut, parts[0], datasets[0])
            for store in cache.stores:
                using.callback(release, store.use())
            wanted = cache.wanted(parts)
            with ExitStack() as filling:
                for store in cache.stores:
                    filling.callback(release, _take_turn(trainer, store))
                    if main:
                        store.remove_unfinished()
                        store.places(wanted[store], verify=True)
                trainer.accelerator.wait_for_everyone()
                jobs = missing_jobs(cache, parts, wanted)
                if main:
                    _announce(trainer, cache, recipe, jobs, wanted)
                fill(trainer, cache, jobs, datasets, tell)
                trainer.accelerator.wait_for_everyone()
        _use(trainer, cache, parts, class_names, wanted)
        forward.accept_trunk(model, cut, cache.computed)
        trainer.check_restored = partial(_require_trunk, trainer, cut, cache.plain.key["trunk"])
        kept = using.pop_all()
    return kept


def _require_trunk(trainer: TwoPhaseTrainer, cut: int, fingerprint: str, checkpoint: str) -> None:
    """Refuse a checkpoint, just loaded, whose frozen stages are not those that were stored."""
    if forward.trunk_fingerprint(trainer.model, cut) != fingerprint:
        raise RunError(
            f"{checkpoint}: its frozen stages are no longer those of {trainer.recipe.model.model_name_or_path}; "
            "continue with the model the run began with, or choose a new --output_dir"
        )


def _take_turn(trainer: TwoPhaseTrainer, store: TrunkStore) -> int | None:
    """Wait until no other run fills the store; the lock in the main process, None in the others once that has it.

    They ask each other again and again, because no collective call may last as long as another run's filling.
    """
    announced, lock = False, None
    while True:
        if trainer.is_world_process_zero():
            lock = store.try_filling()
        mine = torch.tensor(float(lock is not None), device=trainer.args.device)
        if trainer.accelerator.reduce(mine, reduction="sum").item() > 0:
            return lock
        if trainer.is_world_process_zero() and not announced:
            print(
                f"trunk cache: another run is filling {store.folder}; waiting, to reuse what it computes", flush=True
            )
            announced = True
        time.sleep(WAIT)


def _announce(
    trainer: TwoPhaseTrainer,
    cache: TrunkCache,
    recipe: Recipe,
    jobs: Sequence[Job],
    wanted: Mapping[TrunkStore, set[Entry]],
) -> None:
    """Say in one line that all is there, or what computing the rest takes and saves, once there is room for it."""
    entries = sum(map(len, wanted.values()))
    missing = [(job.sha256, view) for job in jobs for view in job.views]
    data, root = recipe.data, cache.plain.folder.parent
    if not missing:
        held = f"all {entries:,} outputs ({entries * cache.entry_bytes / 1e9:.2f} GB, {cache.stored}) are in {root}"
        print(f"trunk cache: {held}; no trunk is computed in training", flush=True)
        return
    pictures = len({sha256 for sha256, _ in missing})
    require_room(root, cache.entry_bytes, missing, pictures, data.trunk_cache_views, data.trunk_cache_max_gb)
    print(_cost(trainer, cache, recipe, jobs), flush=True)


def _cost(trainer: TwoPhaseTrainer, cache: TrunkCache, recipe: Recipe, jobs: Sequence[Job]) -> str:
    """What filling takes, and what it saves; measured on one batch, once warm."""
    seconds, size = float("inf"), recipe.model.image_size
    pixels = torch.zeros(trainer.args.per_device_train_batch_size, 3, size, size, device=trainer.args.device)
    for _ in range(2):
        began = time.perf_counter()
        compute(trainer, cache.cut, pixels, [], None)[0, 0].float().sum().item()  # waits for the device
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


@contextmanager
def _frozen(model: torch.nn.Module) -> Iterator[None]:
    """The whole model in eval mode for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _use(
    trainer: TwoPhaseTrainer,
    cache: TrunkCache,
    parts: Sequence[Sequence[Sample]],
    class_names: Sequence[str],
    wanted: Mapping[TrunkStore, set[Entry]],
) -> None:
    """Replace the Trainer's pictures by stored output."""
    places: dict[Entry, Place] = {}
    for store, entries in wanted.items():
        present = store.places(entries, verify=False)
        if len(present) < len(entries):
            raise RunError(
                f"trunk cache: {len(entries) - len(present):,} of {len(entries):,} outputs are not in {store.folder}; "
                "if the processes run on several machines, choose a trunk_cache_dir that all of them see"
            )
        places |= present
    index = {name: number for number, name in enumerate(class_names)}
    made = []
    for members, views in zip(parts, (cache.views, (PLAIN,)), strict=True):
        sha256, labels = [sample.sha256 for sample in members], [index[sample.label] for sample in members]
        made.append(TrunkDataset(sha256, labels, list(map(sample_key, sha256)), views, places, cache.stored))
    trainer.train_dataset, trainer.eval_dataset = made
    trainer.view_keys = made[0].keys
