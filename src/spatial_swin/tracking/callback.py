"""Tell the trackers what the diary wrote: every epoch's row and confusion matrix, and the end of the run.

The matrix is drawn by a function that is given, because figures are made elsewhere.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image
from transformers import TrainerControl, TrainerState, TrainingArguments

from spatial_swin.config import Recipe
from spatial_swin.modeling.callbacks import DiaryCallback, TrainerBound
from spatial_swin.runs import RunFolder
from spatial_swin.tracking.tracker import TrackedFiles, Trackers, epoch_scalars, final_figures

Draw = Callable[[np.ndarray, list[str]], Image.Image]


class TrackingCallback(TrainerBound):
    """One call a logged step and one an epoch; stands after the diary, whose last row it passes on."""

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
        names = self.diary.metrics.class_names
        counts = self.diary.metrics.confusion
        self.trackers.log(state.global_step, epoch_scalars(self.diary.rows[-1], names))
        self.trackers.log_confusion(state.global_step, counts, names, self.draw(counts, names))


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
