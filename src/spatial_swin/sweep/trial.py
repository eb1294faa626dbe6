"""One trial: a recipe with values in place of its own, trained like any other run, watched epoch by epoch.

In go the recipe, the values and the pictures to train and to choose on, out comes a run folder and its best figure on
the validation part. The test part is not in the split of a trial, so no figure of it exists and no picture of it is
read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import TrainerControl, TrainerState, TrainingArguments

from spatial_swin.config import Recipe
from spatial_swin.modeling.callbacks import TrainerBound
from spatial_swin.runs import RunFolder, Sample
from spatial_swin.training import fine_tune

Tell = Callable[[int, float], bool]  # epoch from 1 and its figure -> whether to give the trial up


@dataclass(frozen=True)
class Figure:
    """What the best epoch of a run is chosen by: a column of history.csv, and whether more is better."""

    name: str
    greater: bool

    @classmethod
    def of(cls, recipe: Recipe) -> "Figure":
        name = str(recipe.trainer.metric_for_best_model or "accuracy").removeprefix("eval_")
        return cls(name, bool(recipe.trainer.greater_is_better))

    def best(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The row of the best epoch, the first of equal ones."""
        return max(rows, key=lambda row: self.of_row(row) if self.greater else -self.of_row(row))

    def of_row(self, row: dict[str, Any]) -> float:
        """Figures of one class have no prefix in history.csv."""
        return float(row[f"validation_{self.name}" if f"validation_{self.name}" in row else self.name])


@dataclass(frozen=True)
class Outcome:
    """The best figure of a trial on the validation part, the epoch it is of, and how many epochs there were."""

    figure: float
    best_epoch: int
    epochs: int


class WatchCallback(TrainerBound):
    """Tells the figure of every epoch; ends the run, with its best epoch kept, when it is given up."""

    def __init__(self, recipe: Recipe, figure: Figure, tell: Tell) -> None:
        super().__init__(recipe)
        self.figure, self.tell = figure, tell

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        assert self.trainer is not None
        epoch = -(-state.global_step // self.trainer.updates_per_epoch)
        if self.tell(epoch, given["metrics"][f"eval_{self.figure.name}"]):
            control.should_training_stop = True


def train_trial(recipe: Recipe, samples: Sequence[Sample], figure: Figure, tell: Tell) -> Outcome:
    """Train `recipe`, or continue it; a run that is finished is only read.

    Raises what `fine_tune` raises.
    """
    assert all(sample.split != "test" for sample in samples)
    run = RunFolder(recipe.output_dir)
    if run.state() != "finished":
        run = fine_tune(recipe, samples, [WatchCallback(recipe, figure, tell)])
    rows = run.read_history()
    best = figure.best(rows)
    return Outcome(figure.of_row(best), best["epoch"], len(rows))
