"""A sweep from a recipe and a space to its best recipe: the trials one after another, then what they are worth.

OUTPUT/plan.json keeps what was asked for, splits/sweep.csv the one split of all trials, sweep.sqlite what is known of
them, trial_NNN/ each of them; the same command goes on, and another recipe or space is refused. The trials get no
picture of the test part. At the end: best.yaml, sweep.csv, sweep.png and .pdf.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_swin.config import Recipe, resolve
from spatial_swin.data.folder import scan_folder
from spatial_swin.data.preflight import usable_pictures
from spatial_swin.data.splits import describe_split
from spatial_swin.errors import RunError, UntrainableError, UsageError
from spatial_swin.folds.data import require_one_process
from spatial_swin.folds.runs import FoldRun, open_plan
from spatial_swin.preparing import make_split
from spatial_swin.recipe_keys import Given, read_recipe, written
from spatial_swin.runs import RunFolder, Sample
from spatial_swin.sweep.results import best_of, figure_in_words, summary_text, write_best, write_table
from spatial_swin.sweep.space import Space, read_space, with_values
from spatial_swin.sweep.study import Study, Told
from spatial_swin.sweep.trial import Figure, train_trial

PATIENT = ("head_only_epochs", "warmup_epochs")
FAILED_FIRST = 3  # trials that fail before any succeeds: then it is not their values


@dataclass(frozen=True)
class Sweep:
    """What is searched: the recipe as given and as resolved, the axes, the figure, and where all of it is kept."""

    output: Path
    given: Given
    recipe: Recipe
    axes: Space
    figure: Figure

    @classmethod
    def read(cls, config: str, overrides: Sequence[str], space: Path, output: Path | None) -> "Sweep":
        """Raises RecipeError, UsageError: the recipe, the space or both cannot be used."""
        given = read_recipe(config, overrides)
        output = output or Path("runs") / f"{Path(config).stem}_sweep"
        given["Trainer"]["output_dir"] = str(output)
        recipe = resolve(given, Path(config).stem)
        if recipe.trainer.overwrite:
            raise UsageError(
                "--overwrite: a sweep goes on where it stopped; choose another --output_dir to begin anew"
            )
        figure = Figure.of(recipe)
        return cls(output, given, recipe, read_space(space, given, figure.name), figure)

    def recipe_of(self, number: int, values: dict[str, Any]) -> Recipe:
        name = f"trial_{number:03d}"
        return resolve(with_values(self.given, {**values, "output_dir": str(self.output / name)}), name)

    def plan(self, *, prune: bool) -> dict[str, Any]:
        """What decides the trials, flat, so that a difference is named by its key."""
        varied = {axis.key for axis in self.axes}
        fixed = {f"recipe, {key}": value for key, value in self.recipe.computed().items() if key not in varied}
        return {"verb": "sweep", "prune": prune, **fixed, **{f"space, {a.key}": a.about() for a in self.axes}}

    def patient_epochs(self) -> int:
        """The first epoch at which a trial may be given up: after its head-only epochs and its warm-up, plus one."""
        greatest = {axis.key: max(map(float, axis.checked)) for axis in self.axes if axis.key in PATIENT}
        own = {
            "head_only_epochs": self.recipe.model.head_only_epochs,
            "warmup_epochs": self.recipe.trainer.warmup_epochs,
        }
        return math.ceil(max((own | greatest).values())) + 1


def search(
    config: str, overrides: Sequence[str], space: Path, trials: int, output: Path | None, *, prune: bool
) -> None:
    """Carry out trials until `trials` have ended, write the results and print them.

    Raises:
        RecipeError, UsageError: recipe or space cannot be used; nothing was written.
        RunError: the folder is of another sweep or in use; no trial could be trained.
        Stopped: SIGTERM; the same command goes on.
    """
    require_one_process()
    sweep = Sweep.read(config, overrides, space, output)
    folder = sweep.output
    if RunFolder(folder).recipe_file.is_file():
        raise RunError(f"{folder}: this is the run of one recipe; choose another --output_dir for a sweep")
    with RunFolder(folder).lock():
        samples = _divide(sweep)
        open_plan(folder, sweep.plan(prune=prune), [FoldRun("sweep", folder, samples)])
        _require_study(folder)
        study = Study(
            folder / "sweep.sqlite",
            sweep.axes,
            sweep.recipe.trainer.seed,
            greater=sweep.figure.greater,
            patient_epochs=sweep.patient_epochs() if prune else None,
        )
        if study.ended() >= trials:
            print(f"{study.ended()} trials have ended, and no other is asked for; --trials {trials}", flush=True)
        while study.ended() < trials:
            _one_trial(sweep, study, [sample for sample in samples if sample.split != "test"], trials)
        _conclude(sweep, study.trials())


def _divide(sweep: Sweep) -> list[Sample]:
    """The one split of all trials, with its test part, which none of them gets."""
    data = sweep.recipe.data
    folder, sha256 = usable_pictures(scan_folder(data.data_dir), data.preflight_workers, skip_bad=data.skip_bad)
    samples = make_split(sweep.recipe, folder, sha256)
    print(f"\nthe split of every trial; its test part is not opened:\n{describe_split(samples)}", flush=True)
    return samples


def _require_study(folder: Path) -> None:
    if any(folder.glob("trial_*")) and not (folder / "sweep.sqlite").is_file():
        raise RunError(f"{folder}: has trials and no sweep.sqlite; put back a copy, or choose another --output_dir")


def _one_trial(sweep: Sweep, study: Study, samples: Sequence[Sample], trials: int) -> None:
    trial = study.next()
    values = study.values(trial)
    recipe = sweep.recipe_of(trial.number, values)
    shown = ", ".join(f"{key} {written(value)}" for key, value in values.items())
    print(f"\n=== trial {trial.number} ({study.ended() + 1} of {trials}): {shown}", flush=True)
    try:
        outcome = train_trial(
            recipe, samples, sweep.figure, lambda epoch, figure: study.tell_epoch(trial, epoch, figure)
        )
    except UntrainableError as error:
        study.fail(trial, str(error))
        print(f"trial {trial.number} failed: {error}", flush=True)
        _require_some(study)
        return
    study.tell(trial, outcome)
    told = study.trials()[trial.number]
    what = f"{figure_in_words(sweep.figure)} {outcome.figure:.4f} on validation"
    where = f"at epoch {outcome.best_epoch} of {outcome.epochs}"
    print(f"trial {trial.number} {told.state}: {what} {where}", flush=True)


def _require_some(study: Study) -> None:
    """Raise RunError when nothing but failures came, which values can hardly explain."""
    trials = study.trials()
    if len(trials) >= FAILED_FIRST and all(trial.state == "failed" for trial in trials):
        raise RunError(f"the first {len(trials)} trials failed, so it is not their values alone; {trials[-1].why}")


def _conclude(sweep: Sweep, trials: Sequence[Told]) -> None:
    """Write what is known of the trials and the best recipe; print it."""
    write_table(sweep.output, trials, sweep.axes, sweep.figure)
    best = best_of(trials, sweep.figure)
    if best is None:
        raise RunError(f"{sweep.output}: none of {len(trials)} trials was completed; {trials[-1].why or 'give more'}")
    requested = sweep.recipe_of(best.number, best.values).requested
    own = {key: value for key, value in requested["Trainer"].items() if key not in ("output_dir", "overwrite")}
    write_best(sweep.output, {**requested, "Trainer": own}, best, trials, sweep.figure)
    print(summary_text(sweep.output, trials, best, sweep.figure), flush=True)
