"""Which values come next, and what is known of those before: Optuna's study, kept in one SQLite file.

In go axes, a file and figures of epochs; out come values and whether to give a trial up. The sampler is a tree of
Parzen estimators (Bergstra et al. 2011), at random for the first ten trials; its draws are keyed by the seed and the
number of the trial, so that a study that was killed goes on as if it had not been. A trial is given up when its best
epoch so far is worse than the median of the completed trials at this epoch (Optuna's MedianPruner). Nothing is trained
here.
"""

import sqlite3
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, Trial, TrialState

from spatial_swin.errors import RunError
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.recipe_keys import written
from spatial_swin.sweep.space import Axis, Choice
from spatial_swin.sweep.trial import Outcome

NAME = "sweep"
COMPLETED_FIRST = 5  # trials before any is given up, and figures that a median needs
WHY = "why"  # of a trial that failed
GIVEN_UP = "given up"
STATES = {
    TrialState.COMPLETE: "completed",
    TrialState.PRUNED: GIVEN_UP,
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "begun",
    TrialState.WAITING: "begun",
}


@dataclass(frozen=True)
class Told:
    """One trial as the study knows it; outcome: None while it runs and when it failed."""

    number: int
    state: str
    values: dict[str, Any]
    outcome: Outcome | None
    why: str | None = None


class Study:
    """The study in `file`, made or gone on with.

    Args:
        patient_epochs: no trial is given up before this many epochs; None: never.

    Raises RunError when the file is damaged.
    """

    def __init__(
        self, file: Path, axes: Sequence[Axis], seed: int, *, greater: bool, patient_epochs: int | None
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.axes, self.seed = axes, seed
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if patient_epochs is not None:
            pruner = optuna.pruners.MedianPruner(COMPLETED_FIRST, patient_epochs, n_min_trials=COMPLETED_FIRST)
        # by a connection of our own: a URL would read ?, # and {} in the names of folders
        engine = {"creator": lambda: sqlite3.connect(file, timeout=60), "poolclass": sqlalchemy.NullPool}
        try:
            self.study = optuna.create_study(
                storage=optuna.storages.RDBStorage("sqlite://", engine_kwargs=engine),
                study_name=NAME,
                load_if_exists=True,
                direction="maximize" if greater else "minimize",
                pruner=pruner,
            )
        except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, RuntimeError) as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise RunError(
                f"{file}: cannot be read ({reason}); put back a copy, or choose another --output_dir"
            ) from None

    def trials(self) -> list[Told]:
        return [self._told(trial) for trial in self.study.get_trials(deepcopy=False)]

    def ended(self) -> int:
        """How many trials are completed, given up or failed."""
        return sum(trial.state.is_finished() for trial in self.study.get_trials(deepcopy=False))

    def next(self) -> Trial:
        """The trial that was begun and not ended, else a new one; it has its values."""
        begun = [trial for trial in self.study.get_trials(deepcopy=False) if not trial.state.is_finished()]
        number = begun[0].number if begun else len(self.study.get_trials(deepcopy=False))
        draws = keyed_generator("sweep", self.seed, number)
        self.study.sampler = optuna.samplers.TPESampler(seed=int(draws.integers(2**32)))
        trial = Trial(self.study, begun[0]._trial_id) if begun else self.study.ask()
        for axis in self.axes:
            _suggest(trial, axis)
        return trial

    def values(self, trial: Trial | FrozenTrial) -> dict[str, Any]:
        """The values of a trial by key, as a recipe takes them."""
        return {axis.key: _value(axis, trial.params[axis.key]) for axis in self.axes if axis.key in trial.params}

    def tell_epoch(self, trial: Trial, epoch: int, figure: float) -> bool:
        """Note the figure of an epoch; True when the trial is to be given up."""
        with warnings.catch_warnings():  # an epoch that is trained again after a kill has been told before
            warnings.simplefilter("ignore")
            trial.report(figure, epoch)
        if trial.should_prune():
            trial.set_user_attr(GIVEN_UP, epoch)
            return True
        return False

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """End a trial that was trained, to its end or until it was given up."""
        for name, value in vars(outcome).items():
            trial.set_user_attr(name, value)
        given_up = GIVEN_UP in trial.user_attrs
        if given_up:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, outcome.figure)

    def fail(self, trial: Trial, why: str) -> None:
        trial.set_user_attr(WHY, why)
        self.study.tell(trial, state=TrialState.FAIL)

    def _told(self, trial: FrozenTrial) -> Told:
        known = trial.user_attrs
        outcome = Outcome(**{name: known[name] for name in Outcome.__annotations__}) if "figure" in known else None
        return Told(trial.number, STATES[trial.state], self.values(trial), outcome, known.get(WHY))


def _suggest(trial: Trial, axis: Axis) -> None:
    """Draw a value, unless the trial has one."""
    if isinstance(axis, Choice):
        trial.suggest_categorical(axis.key, [written(value) for value in axis.values])
    elif axis.whole:
        trial.suggest_int(axis.key, int(axis.low), int(axis.high), step=int(axis.step or 1), log=axis.log)
    else:
        trial.suggest_float(axis.key, axis.low, axis.high, step=axis.step, log=axis.log)


def _value(axis: Axis, drawn: Any) -> Any:
    """Choices are drawn by the text of their values, because Optuna keeps no lists."""
    if isinstance(axis, Choice):
        return next(value for value in axis.values if written(value) == drawn)
    return drawn
