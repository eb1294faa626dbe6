"""What is sent to the trackers, and when: each logged step, each epoch's row and confusion matrix, the end of the run.

Rows of history.csv, metrics.json and files of the run folder go in. The matrix is drawn by a function that is given,
because figures are made elsewhere. Never sent: pictures of the data, tokens, absolute paths.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from transformers import TrainerControl, TrainerState, TrainingArguments

from spatial_swin.config import Recipe
from spatial_swin.metric_names import CLASS_METRICS, Shown, names
from spatial_swin.modeling.callbacks import DiaryCallback, TrainerBound
from spatial_swin.runs import SPLITS, RunFolder
from spatial_swin.tracking.tracker import TrackedFiles, Trackers

# Facts of environment.json that say how a figure came about; host and command line are nobody else's business.
FACTS = ("versions", "device", "processes", "precision", "git_revision", "cpu_count", "threads")
SPEED = {"seconds": "epoch_seconds", "images_per_second": "pictures_per_second", "memory_gb": "memory_gb"}
Draw = Callable[[np.ndarray, list[str]], Image.Image]


class TrackingCallback(TrainerBound):
    """One call per logged step and one per epoch; stands after the diary, whose last row it passes on."""

    def __init__(self, recipe: Recipe, trackers: Trackers, diary: DiaryCallback, draw: Draw) -> None:
        super().__init__(recipe)
        self.trackers, self.diary, self.draw = trackers, diary, draw

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if not self.trackers or self.trainer is None or not logs or "loss" not in logs:
            return
        scalars = {f"step/{key}": float(logs[key]) for key in ("loss", "grad_norm") if key in logs}
        epoch = state.global_step / self.trainer.updates_per_epoch
        self.trackers.log(state.global_step, {"epoch": round(epoch, 4), **scalars})

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if not self.trackers or self.trainer is None or not self.trainer.is_in_train or not self.diary.rows:
            return
        class_names, counts = self.diary.metrics.class_names, self.diary.metrics.confusion
        self.trackers.log(state.global_step, epoch_scalars(self.diary.rows[-1], class_names))
        self.trackers.log_confusion(state.global_step, counts, class_names, self.draw(counts, class_names))


def track_results(trackers: Trackers, recipe: Recipe, run: RunFolder, step: int) -> None:
    """Pass on what a finished run folder holds: final figures, the test part file by file, split, best model."""
    if not trackers:
        return
    metrics = run.read_metrics()
    figures = final_figures(metrics)
    trackers.log_summary(step, figures)
    if run.predictions_file("test").is_file():
        trackers.log_predictions(step, "test", run.read_predictions("test"))
    facts = {"best_epoch": metrics["best_epoch"]}
    if recipe.trainer.track_split:
        trackers.log_files(TrackedFiles("split", "split", {run.split_file.name: run.split_file}, {}))
    if recipe.trainer.track_model:
        files = {path.name: path for path in sorted(run.model.iterdir()) if path.is_file()}
        trackers.log_files(TrackedFiles("model", "model", files, facts | figures))


def epoch_scalars(row: Mapping[str, Any], class_names: Sequence[str]) -> dict[str, float]:
    """A row of history.csv under names that trackers group by their first word: validation/accuracy, f1/510 ..."""
    named: dict[str, float] = {"epoch": row["epoch"], "phase": row["phase"], "train/loss": row["train_loss"]}
    if "train_accuracy" in row:
        named["train/accuracy"] = row["train_accuracy"]
    named |= {f"validation/{key[11:]}": value for key, value in row.items() if key.startswith("validation_")}
    named |= {f"{kind}/{label}": row[f"{kind}_{label}"] for kind in CLASS_METRICS for label in class_names}
    named |= {f"learning_rate/{part}": row[f"learning_rate_{part}"] for part in ("head", "backbone")}
    return named | {f"speed/{name}": row[key] for key, name in SPEED.items()}


def final_figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The main figures of metrics.json with their intervals: final/test_accuracy, final/test_accuracy_low ..."""
    figures: dict[str, float] = {"best_epoch": metrics["best_epoch"]}
    for part in SPLITS[1:]:
        for name in names(Shown.SUMMARY):
            entry = metrics.get(part, {}).get(name) or {}
            for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
                if entry.get(key) is not None:
                    figures[f"final/{part}_{name}{suffix}"] = entry[key]
    return figures


def tracked_config(recipe: Recipe, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Recipe and environment as a tracker may see them: no tokens, and of absolute paths only the last name."""
    facts = {key: environment[key] for key in FACTS if key in environment}
    return _public({**recipe.requested, "Environment": facts})


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _public(item) for key, item in value.items() if "token" not in str(key).lower()}
    if isinstance(value, (list, tuple)):
        return [_public(item) for item in value]
    if isinstance(value, Path) or (isinstance(value, str) and value.startswith(("/", "~", "\\"))):
        return Path(value).name
    return value
