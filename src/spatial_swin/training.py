"""One training, from a recipe to a finished run folder.

`fine_tune` reads like the run itself: prepare, build, train, save, evaluate. It is called by the verbs (train,
crossval, generalise, demo) and by nothing below them. What comes before the first step is `preparing`'s.
"""

import contextlib
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
import transformers
from accelerate import PartialState
from PIL import Image

from spatial_swin import files
from spatial_swin.audio.manifest import TILES, pictures_folder
from spatial_swin.audio.tiles import TileMap
from spatial_swin.config import Recipe
from spatial_swin.data.augment_sound import read_tile_map
from spatial_swin.data.pictures import build_processor, load_pictures
from spatial_swin.errors import AudioError, Stopped
from spatial_swin.evaluation.domain import DOMAIN, Domain
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.learnt import learnt_from
from spatial_swin.metric_names import Shown, in_words, names
from spatial_swin.modeling import callbacks, checkpoints, failures
from spatial_swin.modeling.metrics import LayoutMetrics
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.preparing import Start, prepare
from spatial_swin.runs import SPLITS, Predictions, RunFolder, Sample
from spatial_swin.tracking.callback import TrackingCallback, track_results, tracked_config
from spatial_swin.tracking.choice import remove_theirs
from spatial_swin.trunk.training import train_from_cache


def fine_tune(
    recipe: Recipe, samples: Sequence[Sample] | None = None, watchers: Sequence[callbacks.TrainerBound] = ()
) -> RunFolder:
    """Run one training into `recipe.output_dir`, or continue it where it stopped; return its run folder.

    Args:
        recipe: as `config.load_recipe` resolves it.
        samples: the split to use as it is; made from the data folder by the recipe when None. Without a test part
            none is read or predicted.
        watchers: callbacks that are asked after ours.

    Raises:
        DataError, RecipeError, RunError: something given is wrong; nothing half-made is left to be taken for whole.
        Stopped: SIGTERM, with a checkpoint.
    """
    began, state, run = time.monotonic(), PartialState(), RunFolder(recipe.output_dir)
    lock = run.lock() if state.is_main_process else contextlib.nullcontext()
    with quiet_libraries(), lock, contextlib.ExitStack() as leaving:
        start = prepare(recipe, run, samples)
        leaving.enter_context(start.trackers)
        training = build_trainer(recipe, run, start, watchers)
        trainer, diary = training.trainer, training.diary
        if state.is_main_process:
            run.write_environment(environment(trainer))
            print(_about(trainer, recipe), flush=True)
            start.trackers.start(tracked_config(recipe, run.read_environment()))
        with _end_recorded(training):
            if recipe.data.trunk_cache_views:
                leaving.enter_context(
                    train_from_cache(trainer, recipe, start.split, start.class_names, diary.tell_filling)
                )
            if start.checkpoint and state.is_main_process:
                print(f"continuing from {start.checkpoint}", flush=True)
            trainer.train(resume_from_checkpoint=str(start.checkpoint) if start.checkpoint else None)
            if training.termination.terminated:
                diary.write_progress(trainer.state, "stopped")
                state.wait_for_everyone()  # the first process to leave makes the launcher end the others
                raise Stopped(f"stopped by SIGTERM at step {trainer.state.global_step}; the same command continues it")
            _finish(training, start, began)
            track_results(start.trackers, recipe, run, trainer.state.global_step)
        state.wait_for_everyone()
    return run


@dataclass
class Training:
    """A Trainer that is ready for `train()`, and the callbacks that are asked afterwards."""

    recipe: Recipe
    run: RunFolder
    trainer: TwoPhaseTrainer
    diary: callbacks.DiaryCallback
    termination: callbacks.TerminationCallback


def build_trainer(
    recipe: Recipe, run: RunFolder, start: Start, watchers: Sequence[callbacks.TrainerBound] = ()
) -> Training:
    """The Trainer with its data and callbacks."""
    processor = build_processor(recipe.model.image_size)
    pictures = load_pictures(recipe.data.data_dir, start.split, start.class_names, recipe.model.image_size)
    metrics = LayoutMetrics(start.class_names, run.path)
    console = callbacks.ConsoleCallback(recipe)
    diary = callbacks.DiaryCallback(recipe, run, metrics, console)
    termination = callbacks.TerminationCallback(recipe)
    ours: list[callbacks.TrainerBound] = [
        callbacks.PhaseCallback(recipe),
        callbacks.AverageCallback(recipe),
        callbacks.PatienceCallback(recipe),
        console,
        diary,
        TrackingCallback(recipe, start.trackers, diary, _draw_confusion),
        termination,
        *watchers,
    ]
    trainer = TwoPhaseTrainer(
        recipe,
        folder=run.checkpoints,
        mean=list(processor.image_mean),
        std=list(processor.image_std),
        tile_map=read_tile_map(recipe.data.data_dir, recipe.data),
        class_weights=start.class_weights,
        model=start.model,
        processing_class=processor,
        train_dataset=pictures["train"],
        eval_dataset=pictures["validation"],
        compute_metrics=metrics,
        callbacks=ours,
    )
    for theirs in (transformers.ProgressCallback, transformers.PrinterCallback):
        trainer.remove_callback(theirs)  # the console is ours: one line per epoch
    remove_theirs(trainer)
    for callback in ours:
        callback.trainer = trainer
    return Training(recipe, run, trainer, diary, termination)


def _draw_confusion(counts: np.ndarray, class_names: list[str]) -> Image.Image:
    """The confusion matrix as the report draws it, for the trackers; matplotlib is imported only where one tracks."""
    from spatial_swin.reporting.figures_classes import confusion_matrix
    from spatial_swin.reporting.style import picture, thesis_style

    with thesis_style():
        return picture(confusion_matrix(counts, class_names))


@contextlib.contextmanager
def _end_recorded(training: Training) -> Iterator[None]:
    """Write in progress.json how the run ended; turn the limits of the machine into a sentence."""
    diary = training.diary
    try:
        yield
    except (KeyboardInterrupt, SystemExit, Stopped):  # outside the steps: the last checkpoint holds all there is
        diary.write_progress(training.trainer.state, "stopped")
        raise
    except BaseException as error:
        evaluating = not training.trainer.model.training
        said = failures.in_words(error, training.recipe, training.run.path, evaluating=evaluating)
        if said is not None and training.trainer.is_world_process_zero():
            checkpoints.remove_damaged(training.run.checkpoints)  # room for the word in progress.json
        diary.write_progress(training.trainer.state, "failed", error=str(said or error))
        if said is None:
            raise
        raise said from error
    diary.write_progress(training.trainer.state, "finished")


# -- after training --


def _finish(training: Training, start: Start, began: float) -> None:
    """Save the best model, predict validation and test, write metrics.json, print the summary."""
    recipe, run, trainer = training.recipe, training.run, training.trainer
    pictures = load_pictures(recipe.data.data_dir, start.split, start.class_names, recipe.model.image_size)
    summaries: dict[str, Any] = {}
    for part in SPLITS[1:]:
        members = [sample for sample in start.split if sample.split == part]
        if not members:
            continue
        logits = trainer.predict(pictures[part], metric_key_prefix=part).predictions
        if not trainer.is_world_process_zero():
            continue
        assert isinstance(logits, np.ndarray), "our loss gives logits alone"
        said = Predictions.of_logits(logits, members, start.class_names)
        run.write_predictions(part, said)
        summaries[part] = summarise(said.labels, said.probabilities, said.groups, start.class_names)
    if not trainer.is_world_process_zero():
        return
    domain = _domain(recipe, start)
    save_model(run, trainer, recipe.data.data_dir, domain)
    best_step = trainer.state.best_global_step or trainer.state.global_step
    best_epoch = -(-best_step // trainer.updates_per_epoch)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {
        "class_names": start.class_names,
        "best_epoch": best_epoch,
        "domain": domain.as_json(),
        "test_openings": [{"when": when, "by": "training"}] if "test" in summaries else [],
        **({"remarks": trainer.remarks} if trainer.remarks else {}),
    }
    run.write_metrics({**facts, **summaries})
    run.write_environment({**run.read_environment(), "seconds_total": round(time.monotonic() - began, 1)})
    for remark in trainer.remarks:
        print(f"WARNING: {remark}", flush=True)
    print(summary_text(run, summaries, start.class_names, best_epoch), flush=True)


def _domain(recipe: Recipe, start: Start) -> Domain:
    """What this training learnt from."""
    folder = pictures_folder(recipe.data.data_dir)
    try:
        tiles = TileMap.beside(folder)
    except AudioError:  # was whole when the training began; hours of it must not end with this
        tiles = None
    return learnt_from(start.split, folder, tiles, recipe.model.image_size)


def save_model(run: RunFolder, trainer: TwoPhaseTrainer, data_dir: str | os.PathLike[str], domain: Domain) -> None:
    """model/: weights, config and processor in plain Hugging Face format, in place only when whole and on the disk.

    tiles.json goes with them where the data has one: with it the model alone can hear a recording. domain.json says
    what it learnt from.
    """
    temporary = run.path / ".model"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        trainer.model.save_pretrained(temporary)
        processor = trainer.processing_class
        assert processor is not None
        processor.save_pretrained(temporary)
        tiles = pictures_folder(data_dir) / TILES
        if tiles.is_file():
            shutil.copyfile(tiles, temporary / TILES)
        files.write_json(temporary / DOMAIN, domain.as_json())
        checkpoints.share(temporary)
        files.sync(temporary)
        shutil.rmtree(run.model, ignore_errors=True)
        os.replace(temporary, run.model)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


# -- what is said of a run --


def environment(trainer: TwoPhaseTrainer) -> dict[str, Any]:
    """Versions, device, the precision really used, git revision: what a committee asks for."""
    device = trainer.args.device
    used = trainer.accelerator.mixed_precision
    libraries = ("torch", "transformers", "accelerate", "datasets", "numpy")
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in libraries}},
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


def _about(trainer: TwoPhaseTrainer, recipe: Recipe) -> str:
    """The run in one line: model, size, devices, precision, phases."""
    device, model = trainer.args.device, recipe.model
    learning = " and ".join(map(str, model.unfreeze_stages))
    stages = f"stage{'s' if len(model.unfreeze_stages) > 1 else ''} {learning}" if learning else "nothing"
    phases = f"head only for {model.head_only_epochs:g} epochs, then {stages} too"
    millions = trainer.model.num_parameters() / 1e6
    return (
        f"{model.model_name_or_path}: {millions:.1f} M parameters at {model.image_size} px "
        f"on {trainer.args.world_size} x {torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'}, "
        f"{recipe.precision}; {'all stages from the start' if model.train_all_stages else phases}"
    )


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Let our console speak alone: libraries keep their errors, not their bars and notices, and all comes back."""
    ours, theirs = transformers.utils.logging, datasets.utils.logging
    levels = ours.get_verbosity(), theirs.get_verbosity()
    bars = ours.is_progress_bar_enabled(), datasets.are_progress_bars_disabled()
    ours.set_verbosity_error()
    theirs.set_verbosity_error()
    ours.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="torch.utils.data")
            warnings.filterwarnings("ignore", module="huggingface_hub")
            yield
    finally:
        ours.set_verbosity(levels[0])
        theirs.set_verbosity(levels[1])
        if bars[0]:
            ours.enable_progress_bar()
        if not bars[1]:
            datasets.enable_progress_bars()
