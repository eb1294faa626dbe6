"""One training, from a recipe to a finished run folder.

`fine_tune` reads like the run itself: run folder, data, model, Trainer, train, save, evaluate. It is called by the
verbs (train, crossval, generalise, demo) and by nothing below them. With several processes, the first one prepares the
data and writes the run folder; the others read what it wrote.
"""

import contextlib
import logging
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import accelerate
import datasets
import numpy as np
import torch
import transformers
from accelerate import PartialState
from PIL import Image
from transformers import set_seed

from spatial_swin.audio.manifest import TILES, pictures_folder
from spatial_swin.config import Recipe
from spatial_swin.data.augment_sound import read_tile_map
from spatial_swin.data.factors import factor_table, find_factors
from spatial_swin.data.folder import scan_folder
from spatial_swin.data.pictures import build_processor, load_pictures
from spatial_swin.data.preflight import preflight, require_same_pictures
from spatial_swin.data.splits import describe_split, split_samples
from spatial_swin.errors import DataError, Problem, RecipeError, RunError, Stopped, raise_problems
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.metric_names import Shown, in_words, names
from spatial_swin.modeling import swin
from spatial_swin.modeling.callbacks import (
    ConsoleCallback,
    DiaryCallback,
    PatienceCallback,
    PhaseCallback,
    TerminationCallback,
    TrainerBound,
)
from spatial_swin.modeling.compiling import settle_compiler
from spatial_swin.modeling.metrics import LayoutMetrics
from spatial_swin.modeling.trainer import TwoPhaseTrainer, last_checkpoint, remove_broken
from spatial_swin.runs import SPLITS, Predictions, RunFolder, Sample
from spatial_swin.tracking.callback import TrackingCallback, track_results, tracked_config
from spatial_swin.tracking.choice import choose_tracking, remove_theirs
from spatial_swin.tracking.tracker import Trackers
from spatial_swin.trunk.training import train_from_cache

# What may lie in a run folder before training writes to it: the lock, the log and pid of start_training.sh.
BEFORE_TRAINING = {".lock", "training.log", "pid"}
ADVICE = "or choose a new --output_dir"  # where the data is not what the split was made from


def fine_tune(recipe: Recipe, samples: Sequence[Sample] | None = None) -> RunFolder:
    """Run one training into `recipe.output_dir`, or continue it where it stopped; return its run folder.

    Args:
        recipe: as `config.load_recipe` resolves it.
        samples: the split to use as it is; made from the data folder by the recipe when None.

    Raises:
        DataError, RecipeError, RunError: something given is wrong; nothing half-made is left to be taken for whole.
        Stopped: SIGTERM, with a checkpoint.
    """
    state = PartialState()
    run = RunFolder(recipe.output_dir)
    with (
        _quiet_libraries(),
        run.lock() if state.is_main_process else contextlib.nullcontext(),
        contextlib.ExitStack() as leaving,
    ):
        began = time.monotonic()
        trackers = Trackers()  # the main process alone has any
        if state.is_main_process:
            _open(run, recipe)
            trackers = leaving.enter_context(choose_tracking(recipe, run))
            _prepare_split(run, recipe, samples)
            remove_broken(run.checkpoints)
        state.wait_for_everyone()
        split = run.read_split()
        class_names = _class_names(split)
        if (sentence := settle_compiler(recipe.trainer)) and state.is_main_process:
            print(sentence, flush=True)
        set_seed(recipe.trainer.seed)
        model = swin.build_model(recipe.model, class_names)
        trainer, callbacks = build_trainer(recipe, run, split, model, trackers)
        if state.is_main_process:
            run.write_environment(environment(trainer, recipe))
            print(_about(trainer, recipe, model), flush=True)
            trackers.start(tracked_config(recipe, run.read_environment()))
        try:
            if recipe.data.trunk_cache_views:
                tell = callbacks["diary"].tell_filling
                leaving.enter_context(train_from_cache(trainer, recipe, split, class_names, tell))
            checkpoint = last_checkpoint(run.checkpoints)
            if checkpoint and state.is_main_process:
                print(f"continuing from {checkpoint}", flush=True)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            if not callbacks["termination"].terminated:
                _finish(run, recipe, trainer, split, class_names, time.monotonic() - began)
                track_results(trackers, recipe, run, trainer.state.global_step)
        except (KeyboardInterrupt, SystemExit, Stopped):  # outside the steps: the last checkpoint holds all there is
            callbacks["diary"].write_progress(trainer.state, "stopped")
            raise
        except BaseException as error:
            callbacks["diary"].write_progress(trainer.state, "failed", error=str(error))
            raise
        if callbacks["termination"].terminated:
            callbacks["diary"].write_progress(trainer.state, "stopped")
            state.wait_for_everyone()  # the first process to leave makes the launcher end the others
            raise Stopped(
                f"stopped by SIGTERM at step {trainer.state.global_step}; the same command continues the run"
            )
        if state.is_main_process:
            callbacks["diary"].write_progress(trainer.state, "finished")
        state.wait_for_everyone()
    return run


def build_trainer(
    recipe: Recipe,
    run: RunFolder,
    split: Sequence[Sample],
    model: transformers.SwinForImageClassification,
    trackers: Trackers | None = None,
) -> tuple[TwoPhaseTrainer, dict[str, Any]]:
    """The Trainer with its data and callbacks, ready for `train()`."""
    class_names = _class_names(split)
    processor = build_processor(recipe.model.image_size)
    pictures = load_pictures(recipe.data.data_dir, split, class_names, recipe.model.image_size)
    metrics = LayoutMetrics(class_names)
    console = ConsoleCallback(recipe)
    callbacks: dict[str, TrainerBound] = {
        "phase": PhaseCallback(recipe),
        "patience": PatienceCallback(recipe),
        "console": console,
        "diary": (diary := DiaryCallback(recipe, run, metrics, console)),
        "tracking": TrackingCallback(recipe, trackers or Trackers(), diary, _draw_confusion),
        "termination": TerminationCallback(recipe),
    }
    trainer = TwoPhaseTrainer(
        recipe,
        checkpoints=run.checkpoints,
        mean=list(processor.image_mean),
        std=list(processor.image_std),
        tile_map=read_tile_map(recipe.data.data_dir, recipe.data),
        class_weights=class_weights(recipe, split, class_names),
        model=model,
        processing_class=processor,
        train_dataset=pictures["train"],
        eval_dataset=pictures["validation"],
        compute_metrics=metrics,
        callbacks=list(callbacks.values()),
    )
    for theirs in (transformers.ProgressCallback, transformers.PrinterCallback):
        trainer.remove_callback(theirs)  # the console is ours: one line an epoch
    remove_theirs(trainer)
    for callback in callbacks.values():
        callback.trainer = trainer
    return trainer, callbacks


def _draw_confusion(counts: np.ndarray, class_names: list[str]) -> Image.Image:
    """The confusion matrix as the report draws it, for the trackers; matplotlib is imported only where one tracks."""
    from spatial_swin.reporting.figures_classes import confusion_matrix
    from spatial_swin.reporting.style import picture, thesis_style

    with thesis_style():
        return picture(confusion_matrix(counts, class_names))


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
            "give one a class"
        )
    return [float(weight) for weight in given]


# -- before training --


def _open(run: RunFolder, recipe: Recipe) -> None:
    """Start or continue: refuse a finished run and the run of another recipe; `--overwrite true` starts anew."""
    started = run.recipe_file.is_file()
    if started and recipe.trainer.overwrite:
        _clear(run)
    elif started and run.state() == "finished":
        raise RunError(f"{run.path}: this run is finished; choose another --output_dir, or pass --overwrite true")
    elif started:
        _require_same_recipe(run, recipe)
    elif others := sorted(path.name for path in run.path.iterdir() if path.name not in BEFORE_TRAINING):
        raise RunError(f"{run.path}: holds other files ({', '.join(others[:5])}); choose another --output_dir")
    try:
        run.write_recipe(recipe.requested)
    except OSError as error:
        raise RunError(f"{run.path}: cannot be written ({error.strerror}); choose another --output_dir") from None


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


def _require_same_recipe(run: RunFolder, recipe: Recipe) -> None:
    stored = run.read_recipe()
    before = replace(recipe, requested=stored).computed()
    now = recipe.computed()
    problems = [
        Problem(key, f"was {before.get(key)!r} when the run began, is {now.get(key)!r} now", "use the first value")
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    raise_problems(
        RunError,
        problems,
        f"{run.path}: this unfinished run is of another recipe; choose another --output_dir, or mend",
    )


def _prepare_split(run: RunFolder, recipe: Recipe, samples: Sequence[Sample] | None) -> None:
    """Check every file once; reuse split.csv and verify it, or make it and show the data."""
    data = recipe.data
    folder = scan_folder(data.data_dir)
    sha256 = preflight(folder, workers=data.preflight_workers)
    if run.split_file.is_file():
        split: Sequence[Sample] = run.read_split()
        require_same_pictures(folder.root, split, sha256, ADVICE)
    elif samples is not None:
        split = samples
        require_same_pictures(folder.root, split, sha256, ADVICE)
    else:
        factors = find_factors(folder.root, [picture.path for picture in folder.pictures], data.factors, data.manifest)
        print(factor_table(factors), flush=True)
        shares = (data.train_share, data.validation_share, data.test_share)
        seed = recipe.trainer.seed if data.split_seed is None else data.split_seed
        split = split_samples(
            folder, sha256, factors, shares, seed, None if data.split_by == "none" else data.split_by
        )
    for part in ("train", "validation"):
        if not any(sample.split == part for sample in split):
            raise DataError(f"{data.data_dir}: the split has no {part} pictures; add some or change the shares")
    run.write_split(split)
    print(
        f"\n{len(split)} pictures of {len(_class_names(split))} classes in {folder.root}\n{describe_split(split)}\n",
        flush=True,
    )


def _class_names(split: Sequence[Sample]) -> list[str]:
    return sorted({sample.label for sample in split})


# -- after training --


def _finish(
    run: RunFolder,
    recipe: Recipe,
    trainer: TwoPhaseTrainer,
    split: Sequence[Sample],
    class_names: list[str],
    seconds: float,
) -> None:
    """Save the best model, predict validation and test, write metrics.json, print the summary."""
    pictures = load_pictures(recipe.data.data_dir, split, class_names, recipe.model.image_size)
    summaries: dict[str, Any] = {}
    for part in SPLITS[1:]:
        members = [sample for sample in split if sample.split == part]
        if not members:
            continue
        logits = trainer.predict(pictures[part], metric_key_prefix=part).predictions
        if not trainer.is_world_process_zero():
            continue
        assert isinstance(logits, np.ndarray), "our loss gives logits alone"
        predictions = Predictions.of_logits(logits, members, class_names)
        run.write_predictions(part, predictions)
        summaries[part] = summarise(predictions.labels, predictions.probabilities, predictions.groups, class_names)
    if not trainer.is_world_process_zero():
        return
    save_model(run, trainer, recipe.data.data_dir)
    best_step = trainer.state.best_global_step or trainer.state.global_step
    best_epoch = -(-best_step // trainer.updates_per_epoch)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    opened = [{"when": when, "by": "training"}] if "test" in summaries else []
    run.write_metrics({"class_names": class_names, "best_epoch": best_epoch, "test_openings": opened, **summaries})
    run.write_environment({**run.read_environment(), "seconds_total": round(seconds, 1)})
    print(summary_text(run, summaries, class_names, best_epoch), flush=True)


def save_model(run: RunFolder, trainer: TwoPhaseTrainer, data_dir: str | os.PathLike[str]) -> None:
    """model/: weights, config and processor in plain Hugging Face format, in place only when whole.

    tiles.json goes with them where the data has one: with it the model alone can hear a recording.
    """
    temporary = run.path / ".model"
    shutil.rmtree(temporary, ignore_errors=True)
    trainer.model.save_pretrained(temporary)
    processor = trainer.processing_class
    assert processor is not None
    processor.save_pretrained(temporary)
    tiles = pictures_folder(data_dir) / TILES
    if tiles.is_file():
        shutil.copyfile(tiles, temporary / TILES)
    shutil.rmtree(run.model, ignore_errors=True)
    os.replace(temporary, run.model)


def summary_text(run: RunFolder, summaries: dict[str, Any], class_names: Sequence[str], best_epoch: int) -> str:
    """What a person wants at the end: accuracy, macro F1, the confusion matrix, the folder to open."""
    part = "test" if "test" in summaries else "validation"
    summary = summaries[part]
    lines = [f"\nbest epoch {best_epoch}; {part} part, {summary['items']} pictures of {summary['groups']} groups:"]
    for name in names(Shown.LINE):
        figure = summary[name]
        interval = "" if figure.get("low") is None else f"  [{figure['low']:.4f}, {figure['high']:.4f}]"
        lines.append(f"  {in_words(name):<9} {figure['value']:.4f}{interval}")
    width = max(8, *(len(name) + 1 for name in class_names))
    lines.append(f"\n  {'true, predicted:':<18}" + "".join(f"{name:>{width}}" for name in class_names))
    for name, row in zip(class_names, summary["confusion"], strict=True):
        lines.append(f"  {name:<18}" + "".join(f"{count:>{width}}" for count in row))
    return "\n".join([*lines, f"\nrun folder: {run.path}"])


def environment(trainer: TwoPhaseTrainer, recipe: Recipe) -> dict[str, Any]:
    """Versions, device, the precision really used, git revision: what a committee asks for."""
    device = trainer.args.device
    used = trainer.accelerator.mixed_precision
    return {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "accelerate": accelerate.__version__,
            "datasets": datasets.__version__,
            "numpy": np.__version__,
        },
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU ({_processor_name()})",
        "processes": trainer.args.world_size,
        "precision": {"no": "fp32"}.get(used, used),
        "git_revision": git_revision(),
        "host": socket.gethostname(),
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "command": " ".join(Path(word).name if index == 0 else word for index, word in enumerate(sys.argv)),
        "seconds_total": None,
    }


def git_revision() -> str | None:
    """The commit of the code that runs, with `+changes` when the work tree differs; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+changes", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _about(trainer: TwoPhaseTrainer, recipe: Recipe, model: transformers.SwinForImageClassification) -> str:
    device = trainer.args.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    learning = recipe.model.unfreeze_stages
    stages = (
        ("stage " if len(learning) == 1 else "stages ") + " and ".join(map(str, learning)) if learning else "nothing"
    )
    phases = (
        "all stages from the start"
        if recipe.model.train_all_stages
        else f"head only for {recipe.model.head_only_epochs:g} epochs, then {stages} too"
    )
    return (
        f"{recipe.model.model_name_or_path}: {model.num_parameters() / 1e6:.1f} M parameters at "
        f"{recipe.model.image_size} px "
        f"on {trainer.args.world_size} x {name}, {recipe.precision}; {phases}"
    )


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Let our console speak alone: libraries keep their errors, not their bars and notices."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("spatial_swin").setLevel(logging.WARNING)
    datasets.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="torch.utils.data")
        warnings.filterwarnings("ignore", module="huggingface_hub")
        yield
