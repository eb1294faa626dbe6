"""Folds as ordinary runs: each in its own run folder, one after another or side by side, continued where they stopped.

In go folds (a name, a folder, a split) and a recipe; out come finished run folders. What was asked for is kept in
plan.json and every split in splits/<fold>.csv: the same command continues, another plan in the same folder is refused.
A finished fold is not trained again. Scores are not looked at here.

`python -m spatial_swin.folds.runs` trains one fold in a process of its own, as --jobs starts it. It is not a verb.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_swin import files
from spatial_swin.errors import Problem, RunError, SpatialSwinError, UsageError, raise_problems
from spatial_swin.folds.side_by_side import train_side_by_side
from spatial_swin.metric_names import Shown, names
from spatial_swin.runs import RunFolder, Sample, read_samples, write_samples

if TYPE_CHECKING:
    from spatial_swin.config import Recipe

FIGURES = names(Shown.FOLDS)
RECIPE_KEY = "recipe, "  # before a key of the recipe, in plans that are flat


@dataclass(frozen=True)
class FoldRun:
    """One training to do: `name` for people and files, the run folder, and the split to take as it is.

    overrides: recipe keys that this one has to itself, as on the command line.
    """

    name: str
    output_dir: Path
    samples: list[Sample]
    overrides: tuple[str, ...] = ()

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.output_dir)

    def finished(self) -> bool:
        return self.run.state() == "finished" and self.run.metrics_file.is_file()


@dataclass(frozen=True)
class Work:
    """Where and how folds are trained: with `train` in this process, or `jobs` side by side, each by `command`.

    noun: what one of them is called, where they are not folds.
    """

    output: Path
    train: Callable[[FoldRun], Any]
    command: Callable[[FoldRun], list[str]]
    jobs: int = 1
    overwrite: bool = False
    noun: str = "fold"

    @classmethod
    def of(
        cls, output: Path, config: str, overrides: Sequence[str], jobs: int, overwrite: bool, noun: str = "fold"
    ) -> "Work":
        """Train the recipe at `config` with the `overrides` of the command line."""
        overrides = [*overrides, *(["--overwrite", "true"] if overwrite else [])]

        def train(fold: FoldRun) -> None:
            from spatial_swin.config import load_recipe
            from spatial_swin.training import fine_tune

            given = [*overrides, *fold.overrides, "--output_dir", str(fold.output_dir)]
            fine_tune(load_recipe(config, given), fold.samples)

        def command(fold: FoldRun) -> list[str]:
            worker = [sys.executable, "-m", "spatial_swin.folds.runs", "--config", config]
            places = ["--fold_split", str(split_file(output, fold)), "--fold_dir", str(fold.output_dir)]
            return [*worker, *places, *overrides, *fold.overrides]

        return cls(output, train, command, jobs, overwrite, noun)


def open_plan(output: Path, plan: Mapping[str, Any], folds: Sequence[FoldRun], overwrite: bool = False) -> None:
    """Write plan.json and the splits, or check that what is there is the same.

    Raises RunError listing every key that differs, and every split that does or is damaged.
    """
    file = output / "plan.json"
    now = json.loads(json.dumps(plan))
    if file.is_file() and not overwrite:
        before = _with_types(_read_plan(file))
        problems = [
            Problem(key, f"was {before.get(key)!r}, is {now.get(key)!r} now", "use the first, or another --output_dir")
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key)
        ]
        raise_problems(RunError, problems, f"{output} was begun with another plan")
    splits = {split_file(output, fold): fold for fold in folds}
    if not overwrite:
        kept = {split: fold for split, fold in splits.items() if split.is_file()}
        problems = [problem for split, fold in kept.items() for problem in _judge(split, fold)]
        raise_problems(RunError, problems, f"The folds of {output} cannot be continued")
    files.write_json(file, now)
    for split, fold in splits.items():
        if overwrite or not split.is_file():
            write_samples(split, fold.samples)


def _with_types(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan whose recipe keys have their types; earlier programs kept some as the text of the command line."""
    from spatial_swin.config import typed

    recipe = plan.get("recipe")
    nested = {"recipe": typed(recipe)} if isinstance(recipe, dict) else {}
    flat = {key.removeprefix(RECIPE_KEY): value for key, value in plan.items() if key.startswith(RECIPE_KEY)}
    return {**plan, **nested, **{RECIPE_KEY + key: value for key, value in typed(flat).items()}}


def _read_plan(file: Path) -> dict[str, Any]:
    """What an earlier command wrote. Raises RunError with the way out when it is damaged."""
    try:
        plan = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        plan = f"not readable as JSON ({error})" if file.stat().st_size else "empty"
    if not isinstance(plan, dict):
        why = plan if isinstance(plan, str) else "not a table of keys"
        raise RunError(
            f"{file}: {why}; with the recipe and the options that the folds were begun with, remove it and run the "
            "command again (finished folds are kept), else choose another --output_dir"
        )
    return plan


def _judge(split: Path, fold: FoldRun) -> list[Problem]:
    """What is wrong with a kept split: damaged, or of other data than the fold is divided from now."""
    remedy = "remove it: the same command writes it again and keeps what is trained"
    try:
        kept = _identity(read_samples(split))
    except RunError as error:
        return [Problem(str(split), f"is damaged ({str(error).removeprefix(str(split)).lstrip(':, ')})", remedy)]
    now = _identity(fold.samples)
    if kept != now and set(kept) < set(now):
        return [Problem(str(split), f"is cut: it has {len(kept)} of {len(now)} rows", remedy)]
    what, remedy = f"the data is not what {fold.name} was divided from", "choose another --output_dir"
    return [Problem(str(split), what, remedy)] if kept != now else []


def split_file(output: Path, fold: FoldRun) -> Path:
    return output / "splits" / f"{fold.name}.csv"


def run_folds(work: Work, folds: Sequence[FoldRun]) -> None:
    """Train every fold that is not finished: with `work.train` in this process, or side by side with `work.command`.

    Raises what `train` raises; RunError naming every fold that failed side by side; Stopped on SIGTERM.
    """
    if work.jobs < 1:
        raise UsageError(f"--jobs {work.jobs}: how many {work.noun}s run side by side, 1 or more")
    waiting = [fold for fold in folds if work.overwrite or not fold.finished()]
    if len(waiting) < len(folds):
        done = f"{len(folds) - len(waiting)} of {len(folds)} {work.noun}s"
        print(f"{done} are finished and are not trained again", flush=True)
    if work.jobs == 1 or len(waiting) < 2:
        for number, fold in enumerate(waiting, start=1):
            print(f"\n=== {fold.name} ({number} of {len(waiting)} to do): {fold.output_dir}", flush=True)
            work.train(fold)
    else:
        train_side_by_side(work.output, waiting, work.command, min(work.jobs, len(waiting)))
    unfinished = [fold.name for fold in folds if not fold.finished()]
    if unfinished:
        raise RunError(f"{work.output}: not finished: {', '.join(unfinished)}; the same command continues them")


def seed_of(recipe: "Recipe") -> int:
    """What the data is divided by: split_seed, else the training's seed."""
    return recipe.trainer.seed if recipe.data.split_seed is None else recipe.data.split_seed


def inner_share(recipe: "Recipe") -> float:
    """Share of what a fold does not test on which its best epoch is chosen."""
    return recipe.data.validation_share / (recipe.data.train_share + recipe.data.validation_share)


def fold_row(fold: FoldRun) -> dict[str, Any]:
    """The figures of one finished fold, from its run folder: scores of its test part with limits, and sizes."""
    metrics = fold.run.read_metrics()
    try:
        tested = metrics["test"]
        row: dict[str, Any] = {"name": fold.name, "items": tested["items"], "groups": tested["groups"]}
        row |= {name: tested[name]["value"] for name in FIGURES}
        row |= {"accuracy_low": tested["accuracy"]["low"], "accuracy_high": tested["accuracy"]["high"]}
        row |= {f"f1_{label}": entry["f1"]["value"] for label, entry in tested["per_class"].items()}
        row |= {"confusion": tested["confusion"], "class_names": metrics["class_names"]}
    except KeyError as error:
        raise RunError(
            f"{fold.run.metrics_file}: {error} is missing; run `spatial-swin evaluate` on the fold"
        ) from None
    row["train_items"] = sum(sample.split == "train" for sample in fold.samples)
    row["best_epoch"] = metrics.get("best_epoch")
    row["seconds"] = fold.run.read_environment().get("seconds_total") if fold.run.environment_file.is_file() else None
    return row


def _identity(samples: Sequence[Sample]) -> list[tuple[str, str, str, str, str]]:
    return sorted((s.path, s.label, s.group, s.split, s.sha256) for s in samples)


def main() -> int:
    parser = argparse.ArgumentParser(description="Train one fold.", allow_abbrev=False)
    parser.add_argument("--config", required=True)
    parser.add_argument("--fold_split", required=True, type=Path)  # not --split_file, which is a key of recipes
    parser.add_argument("--fold_dir", required=True, type=Path)
    given, overrides = parser.parse_known_args()
    try:
        fold = FoldRun(given.fold_dir.name, given.fold_dir, read_samples(given.fold_split))
        Work.of(given.fold_dir.parent, given.config, overrides, jobs=1, overwrite=False).train(fold)
    except SpatialSwinError as error:
        print(f"spatial-swin fold: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
