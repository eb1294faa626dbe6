"""k-fold cross-validation: divide, train every fold, and sum up with the corrected interval.

In go a recipe, its samples with their parts, and the `Work` (where and how folds are trained); out come crossval.csv,
summary.json and a figure. The held-out test part is written down and never opened.
"""

from collections.abc import Sequence
from typing import Any

from spatial_swin.config import Recipe
from spatial_swin.data.factors import WITHOUT
from spatial_swin.data.splits import fold_samples
from spatial_swin.errors import DataError, UsageError
from spatial_swin.folds.runs import FoldRun, Work, fold_row, inner_share, open_plan, run_folds, seed_of
from spatial_swin.reporting.figures_crossval import summary_text, write_crossval
from spatial_swin.runs import Sample, write_samples


def cross_validate(
    recipe: Recipe, samples: list[Sample], work: Work, folds: int, repeats: int, group: str, hold_out_test: bool
) -> dict[str, Any]:
    """Divide, train every fold, write the summary and return it. `samples`: the recipe's split, with its parts."""
    if repeats < 1:
        raise UsageError(f"--repeats {repeats}: 1 or more")
    held_out = [sample for sample in samples if hold_out_test and sample.split == "test"]
    rest = [sample for sample in samples if not (hold_out_test and sample.split == "test")]
    share, by_group, seed = inner_share(recipe), group.lower() not in WITHOUT, seed_of(recipe)
    runs = []
    for repeat in range(repeats):
        for fold, split in enumerate(_folds(rest, held_out, folds, seed, by_group, repeat, share), start=1):
            name = f"fold_{fold}" + (f"_repeat_{repeat + 1}" if repeats > 1 else "")
            runs.append(FoldRun(name, work.output / name, split))
    plan = {
        "verb": "crossval",
        "folds": folds,
        "repeats": repeats,
        "group": group,
        "hold_out_test": hold_out_test,
        "recipe": recipe.computed(),
    }
    open_plan(work.output, plan, runs, work.overwrite)
    write_samples(work.output / "held_out_test.csv", held_out)
    print(f"{len(rest)} pictures in {folds} folds x {repeats}; {len(held_out)} held out and not opened", flush=True)
    run_folds(work, runs)
    rows = [
        {**fold_row(fold), "repeat": number // folds + 1, "fold": number % folds + 1}
        for number, fold in enumerate(runs)
    ]
    summary = write_crossval(work.output, rows, group, len(held_out))
    print(summary_text(summary, work.output))
    return summary


def _folds(
    rest: list[Sample], held_out: Sequence[Sample], folds: int, seed: int, by_group: bool, repeat: int, share: float
) -> list[list[Sample]]:
    """`fold_samples`. Raises DataError that says what was held out of the folds, where that may be why."""
    try:
        return fold_samples(rest, folds, seed, by_group, repeat, validation_share=share)
    except DataError as error:
        if not held_out:
            raise
        groups, all_groups = len({s.group for s in held_out}), len({s.group for s in [*rest, *held_out]})
        raise DataError(
            f"{error}\n{len(held_out)} of {len(rest) + len(held_out)} pictures ({groups} of {all_groups} groups) are "
            "held out of the folds as the recipe's test share; --hold_out_test false gives them to the folds, a "
            "smaller --test_share keeps fewer"
        ) from None
