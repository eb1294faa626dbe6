"""What comes before a training: every check first, and only then the first file of the run folder.

In go a recipe and, where one is given, a split; out comes a `Start`. With several processes the first one checks and
writes, and the others read what it wrote. A start that is refused leaves the folder as it was.
"""

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import PartialState
from transformers import TrainingArguments, set_seed

from spatial_swin.config import Recipe
from spatial_swin.data.agreement import agreement
from spatial_swin.data.factors import WITHOUT, factor_table, find_factors
from spatial_swin.data.folder import PictureFolder, scan_folder
from spatial_swin.data.preflight import require_same_pictures, usable_pictures
from spatial_swin.data.split_file import given_split, gives_other_parts
from spatial_swin.data.splits import describe_split, split_samples
from spatial_swin.errors import DataError, Problem, RecipeError, RunError, raise_problems
from spatial_swin.hub import require_within_reach
from spatial_swin.modeling import checkpoints, swin
from spatial_swin.runs import SPLITS, RunFolder, Sample
from spatial_swin.tracking.choice import choose_tracking
from spatial_swin.tracking.tracker import Trackers

# What may lie in a run folder before training writes to it: the lock, the log and pid of start_training.sh, and what
# `spatial-swin adapt` renders and notes there.
BEFORE_TRAINING = {".lock", "training.log", "pid", "data", "adapt.json"}
GRID = ("per_device_train_batch_size", "gradient_accumulation_steps")  # with the processes: the global batch
DYNAMO_KEYS = ("ACCELERATE_DYNAMO_BACKEND", "ACCELERATE_DYNAMO_MODE")  # where TrainingArguments leaves them


@dataclass
class Start:
    """What a training begins with, once every check has passed; `trackers` are the main process's alone."""

    split: list[Sample]
    model: swin.Swin
    class_weights: list[float] | None = None
    trackers: Trackers = field(default_factory=Trackers)
    checkpoint: Path | None = None  # to continue from

    @property
    def class_names(self) -> list[str]:
        return class_names_of(self.split)


def prepare(recipe: Recipe, run: RunFolder, samples: Sequence[Sample] | None) -> Start:
    """Check everything, write recipe.yaml and split.csv, and build the model.

    Raises:
        DataError, RecipeError, RunError: something given is wrong, and nothing was written.
    """
    state = PartialState()
    if not state.is_main_process:
        state.wait_for_everyone()
        settle_compiler(recipe.trainer)
        return _start(recipe, run, run.read_split())
    anew = _require_startable(run, recipe)
    require_within_reach(recipe.model.model_name_or_path)  # before every picture is looked at
    split = _decide_split(run, recipe, samples, keep=not anew)
    if sentence := settle_compiler(recipe.trainer):
        print(sentence, flush=True)
    start = _start(recipe, run, split)
    start.trackers = choose_tracking(recipe, run)
    if anew:
        _clear(run)
        start.checkpoint = None
    for sentence in checkpoints.remove_damaged(run.checkpoints):
        print(f"WARNING: {sentence}", flush=True)
    try:
        run.write_recipe(recipe.requested)
    except OSError as error:
        raise RunError(f"{run.path}: cannot be written ({error.strerror}); choose another --output_dir") from None
    run.write_split(split)
    state.wait_for_everyone()
    return start


def _start(recipe: Recipe, run: RunFolder, split: list[Sample]) -> Start:
    weights = class_weights(recipe, split, class_names_of(split))
    set_seed(recipe.trainer.seed)
    model = swin.build_model(recipe.model, class_names_of(split))
    return Start(split, model, weights, checkpoint=checkpoints.last_checkpoint(run.checkpoints))


def class_names_of(split: Sequence[Sample]) -> list[str]:
    return sorted({sample.label for sample in split})


def class_weights(recipe: Recipe, split: Sequence[Sample], class_names: Sequence[str]) -> list[float] | None:
    """Weights of the classes in the loss, in the order of `class_names`, with mean 1 over the training pictures."""
    given = recipe.data.class_weights
    if given == ["none"]:
        return None
    counts = Counter(sample.label for sample in split if sample.split == "train")
    if given == ["balanced"]:
        return [sum(counts.values()) / (len(class_names) * counts[name]) for name in class_names]
    if len(given) != len(class_names):
        raise RecipeError(
            f"class_weights: {len(given)} numbers for {len(class_names)} classes ({', '.join(class_names)}); "
            "give one per class"
        )
    return [float(weight) for weight in given]


# -- the run folder --


def _require_startable(run: RunFolder, recipe: Recipe) -> bool:
    """Refuse a finished run and the unfinished run of another recipe; True where what lies there is to be cleared.

    A run that has not reached a checkpoint has nothing to lose: another recipe may begin anew there.
    """
    if not run.recipe_file.is_file():
        others = sorted(path.name for path in run.path.iterdir() if path.name not in BEFORE_TRAINING)
        if others:
            raise RunError(f"{run.path}: holds other files ({', '.join(others[:5])}); choose another --output_dir")
        return False
    if recipe.trainer.overwrite:
        return True
    if run.state() == "finished":
        raise RunError(f"{run.path}: this run is finished; choose another --output_dir, or pass --overwrite true")
    problems = _differences(run, recipe)
    if problems and not checkpoints.checkpoints_in(run.checkpoints):
        return True
    heading = f"{run.path}: this unfinished run is of another recipe; choose another --output_dir, or correct"
    raise_problems(RunError, problems, heading)
    return False


def _differences(run: RunFolder, recipe: Recipe) -> list[Problem]:
    """The keys that decide what is computed and have another value than when the run began."""
    before, now = replace(recipe, requested=run.read_recipe()).computed(), recipe.computed()
    problems = [
        Problem(key, f"was {before.get(key)!r} when the run began, is {now.get(key)!r} now", "use the first value")
        for key in sorted((before.keys() | now.keys()) - set(GRID))
        if before.get(key) != now.get(key)
    ]
    return problems + _grid_problems(run, recipe, before)


def _grid_problems(run: RunFolder, recipe: Recipe, before: Mapping[str, Any]) -> list[Problem]:
    """Another division of the global batch: free at the end of an epoch, for there all of them have done the same."""
    known = run.read_environment() if run.environment_file.is_file() else {}
    batch, accumulation = (int(before.get(key) or 1) for key in GRID)
    began = Grid(int(known.get("processes", PartialState().num_processes)), batch, accumulation)
    trainer = recipe.trainer
    asked = Grid(
        PartialState().num_processes, trainer.per_device_train_batch_size, trainer.gradient_accumulation_steps
    )
    if asked == began:
        return []
    if asked.pictures != began.pictures:
        return [Problem("global batch", f"was {began} when the run began, is {asked} now", "make the products equal")]
    last = checkpoints.last_checkpoint(run.checkpoints)
    if last is None or checkpoints.ends_epoch(last):
        return []
    what = f"was divided as {began}, is divided as {asked} now, and {last.name} lies within an epoch"
    return [Problem("global batch", what, "use the first division until the epoch has ended")]


class Grid(NamedTuple):
    """How the pictures of one step are divided."""

    processes: int
    batch: int
    accumulation: int

    @property
    def pictures(self) -> int:
        return self.processes * self.batch * self.accumulation

    def __str__(self) -> str:
        return (
            f"{self.processes} process{'es' if self.processes > 1 else ''} x batch {self.batch} x accumulation "
            f"{self.accumulation} = {self.pictures} pictures per step"
        )


def _clear(run: RunFolder) -> None:
    """Remove what a training wrote, and nothing else that may lie there."""
    for folder in ("checkpoints", "model", "predictions", "confusion", "thesis_results", "explanations", "export"):
        shutil.rmtree(run.path / folder, ignore_errors=True)
    shutil.rmtree(run.tensorboard, ignore_errors=True)
    for file in (
        run.recipe_file,
        run.environment_file,
        run.split_file,
        run.history_file,
        run.progress_file,
        run.metrics_file,
        run.tracking_file,  # a new run for the trackers too; what wandb recorded of the old one stays
    ):
        file.unlink(missing_ok=True)


# -- the data --


def _decide_split(run: RunFolder, recipe: Recipe, samples: Sequence[Sample] | None, *, keep: bool) -> list[Sample]:
    """Check every file once; reuse split.csv and verify it, or make a split and show the data."""
    data, folder = recipe.data, scan_folder(recipe.data.data_dir)
    for line in agreement(folder.root, recipe.model.image_size, data.clip_seconds):
        print(line, flush=True)
    if samples is not None:  # no other picture is read: what is held out stays closed
        given = {sample.path for sample in samples}
        folder = replace(folder, pictures=[picture for picture in folder.pictures if picture.path in given])
    folder, sha256 = usable_pictures(folder, data.preflight_workers, skip_bad=data.skip_bad)
    if keep and run.split_file.is_file():
        samples = run.read_split()
        if data.split_file is not None and gives_other_parts(data.split_file, samples):
            raise RunError(
                f"{data.split_file}: it gives other parts than {run.split_file}, with which this run began; put the "
                "first one back, or choose another --output_dir"
            )
    if samples is not None:
        split = list(samples)
        require_same_pictures(folder.root, split, sha256, "or choose a new --output_dir")
    else:
        split = make_split(recipe, folder, sha256)
    for part in SPLITS[:2]:
        if not any(sample.split == part for sample in split):
            raise DataError(f"{data.data_dir}: the split has no {part} pictures; add some or change the shares")
    counted = f"{len(split)} pictures of {len(class_names_of(split))} classes in {folder.root}"
    print(f"\n{counted}\n{describe_split(split)}\n", flush=True)
    return split


def make_split(recipe: Recipe, folder: PictureFolder, sha256: Mapping[str, str]) -> list[Sample]:
    """The split that the recipe asks for, of pictures that were checked; the factors are shown."""
    data = recipe.data
    factors = find_factors(folder.root, [picture.path for picture in folder.pictures], data.factors, data.manifest)
    print(factor_table(factors), flush=True)
    by = None if data.split_by.lower() in WITHOUT else data.split_by
    if data.split_file is not None:
        return given_split(data.split_file, folder, sha256, factors, by)
    shares = (data.train_share, data.validation_share, data.test_share)
    seed = recipe.trainer.seed if data.split_seed is None else data.split_seed
    return split_samples(folder, sha256, factors, shares, seed, by)


# -- the machine --


def settle_compiler(arguments: TrainingArguments) -> str | None:
    """Switch torch_compile off where it cannot work, and return the sentence that says so; None when all is well.

    It needs a C++ compiler (CPU) or Triton (CUDA), which a small function finds out now, not hours later. What
    compiles in the small may still fail on a part of the model; that part is then run uncompiled.
    """
    if not arguments.torch_compile:
        return None
    try:
        backend = arguments.torch_compile_backend or "inductor"
        compiled = torch.compile(lambda x: torch.nn.functional.gelu(x * 2 + 1), backend=backend)
        compiled(torch.ones(8, device=arguments.device))
    except Exception as error:  # whatever the compiler's tool chain raises
        arguments.torch_compile, arguments.torch_compile_backend, arguments.torch_compile_mode = False, None, None
        for key in DYNAMO_KEYS:
            os.environ.pop(key, None)
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return f"torch_compile: this machine cannot compile ({reason}); training goes on without it"
    from torch._dynamo import config  # takes a second, and only those who compile need it

    config.suppress_errors = True
    return None
