"""The generalisation matrix: the same recipe trained on folds of every scheme of leaving something out.

In go a recipe, undivided samples whose groups are recordings, and the `Work`; out come generalisation.csv and a
figure, with a simple model on the same folds beside the deep one where it is asked for.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spatial_swin.config import Recipe
from spatial_swin.errors import DataError
from spatial_swin.folds.runs import FoldRun, Work, fold_row, inner_share, open_plan, run_folds, seed_of
from spatial_swin.folds.schemes import RANDOM, scheme_folds, schemes_for
from spatial_swin.reporting.figures_generalisation import matrix_text, write_matrix
from spatial_swin.runs import Sample

DEEP = "Swin"
BOOSTING = "gradient boosting"
Baseline = Callable[[FoldRun], dict[str, Any]]


def generalise(
    recipe: Recipe,
    samples: list[Sample],
    factors: Sequence[str],
    work: Work,
    folds: int,
    baseline: Baseline | None = None,
) -> list[dict[str, Any]]:
    """Train every fold of every scheme, write the matrix and return its rows; `samples`: groups are recordings."""
    runs, impossible = scheme_runs(samples, factors, work.output, folds, seed_of(recipe), inner_share(recipe))
    plan = {"verb": "generalise", "folds": folds, "factors": list(factors), "recipe": recipe.computed()}
    every = [fold for members in runs.values() for fold in members]
    open_plan(work.output, plan, every, work.overwrite)
    for name, why in impossible.items():
        print(f"{name} is not possible and is left out: {why}", flush=True)
    run_folds(work, every)
    scores = {(name, DEEP): [fold_row(fold) for fold in members] for name, members in runs.items()}
    if baseline:
        scores |= {(name, BOOSTING): [baseline(fold) for fold in members] for name, members in runs.items()}
    rows = write_matrix(work.output, scores, impossible, len({sample.label for sample in samples}))
    print(matrix_text(rows, work.output))
    return rows


def scheme_runs(
    samples: Sequence[Sample], factors: Sequence[str], output: Path, folds: int, seed: int, share: float
) -> tuple[dict[str, list[FoldRun]], dict[str, str]]:
    """Folds of every possible scheme by its name, and why the others are impossible.

    Raises DataError when not even random chunks can be divided.
    """
    runs: dict[str, list[FoldRun]] = {}
    impossible: dict[str, str] = {}
    for scheme in schemes_for([name for name in factors if name != "recording"]):
        try:
            splits = scheme_folds(samples, scheme, folds, seed, share)
        except DataError as error:
            if scheme.name == RANDOM:
                raise
            impossible[scheme.name] = " ".join(str(error).split())
            continue
        runs[scheme.name] = [
            FoldRun(f"{scheme.folder}_fold_{k}", output / scheme.folder / f"fold_{k}", split)
            for k, split in enumerate(splits, start=1)
        ]
    return runs, impossible
