"""How much of the score is left for recordings, listeners and programmes never heard: the generalisation matrix.

    spatial-swin generalise --config recipes/swin-base-384/spatial_audio.yaml --factors listener content
    spatial-swin generalise --config ... --factors listener programme --folds 5 --jobs 2

Trains the recipe on folds of each scheme: random chunks, leave-recording, leave-<factor> for each factor, and both
factors new at once. Every fold is an ordinary run under --output_dir; the same command continues. At the end:
generalisation.csv, generalisation.png and .pdf, each row with its 95 % interval and the drop against random chunks.
Beside the deep model stands gradient boosting on pooled cues, on the same folds (--baseline false leaves it out).
Any key of the recipe can be overridden, as in `spatial-swin train`; its regular expression goes into the YAML's
`factors`.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_swin.commands.values import boolean
from spatial_swin.folds.runs import FoldRun, Train, fold_row, open_plan, run_folds, seed_of, worker_command

if TYPE_CHECKING:
    from spatial_swin.config import Recipe
    from spatial_swin.folds.schemes import Scheme
    from spatial_swin.runs import Sample

TAKES_RECIPE_KEYS = True
DEEP = "Swin"
BOOSTING = "gradient boosting"

Baseline = Callable[[FoldRun], dict[str, Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="RECIPE", help="the recipe, a YAML file")
    parser.add_argument(
        "--factors", nargs="+", required=True, metavar="FACTOR", help="what to leave out: listener, content"
    )
    parser.add_argument("--folds", type=int, default=3, help="folds a scheme (3), or fewer where values are few")
    parser.add_argument(
        "--baseline", type=boolean, default=True, metavar="true|false", help="gradient boosting too (true)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="folds side by side, each in a process of its own (1)")
    parser.add_argument("--output_dir", type=Path, help="default: runs/<recipe's name>_generalise")
    parser.add_argument("--overwrite", type=boolean, default=False, metavar="true|false", help="train all folds anew")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.config import load_recipe
    from spatial_swin.folds.baseline import boosting
    from spatial_swin.folds.data import load_undivided, require_one_process, training

    require_one_process()
    recipe = load_recipe(arguments.config, arguments.overrides)
    output = arguments.output_dir or Path("runs") / f"{recipe.name}_generalise"
    samples, factors = load_undivided(recipe, arguments.factors)
    overrides = [*arguments.overrides, *(["--overwrite", "true"] if arguments.overwrite else [])]
    generalise(
        recipe,
        samples,
        [factors.resolve(name) for name in arguments.factors],
        output,
        arguments.folds,
        training(arguments.config, overrides),
        worker_command(output, arguments.config, overrides),
        boosting(recipe.data.data_dir, output) if arguments.baseline else None,
        arguments.jobs,
        arguments.overwrite,
    )
    return 0


def generalise(
    recipe: "Recipe",
    samples: "list[Sample]",
    factors: Sequence[str],
    output: Path,
    folds: int,
    train: Train,
    command: Callable[[FoldRun], list[str]],
    baseline: Baseline | None = None,
    jobs: int = 1,
    overwrite: bool = False,
) -> list[dict[str, Any]]:
    """Train every fold of every scheme, write the matrix and return its rows; `samples`: groups are recordings."""
    from spatial_swin.reporting.figures_generalisation import matrix_text, write_matrix

    data = recipe.data
    share = data.validation_share / (data.train_share + data.validation_share)
    runs, impossible = scheme_runs(samples, factors, output, folds, seed_of(recipe), share)
    plan = {"verb": "generalise", "folds": folds, "factors": list(factors), "recipe": recipe.computed()}
    every = [fold for members in runs.values() for fold in members]
    open_plan(output, plan, every, overwrite)
    for name, why in impossible.items():
        print(f"{name} is not possible and is left out: {why}", flush=True)
    run_folds(output, every, train, command, jobs, overwrite)
    scores = {(name, DEEP): [fold_row(fold) for fold in members] for name, members in runs.items()}
    if baseline:
        scores |= {(name, BOOSTING): [baseline(fold) for fold in members] for name, members in runs.items()}
    rows = write_matrix(output, scores, impossible, len({sample.label for sample in samples}))
    print(matrix_text(rows, output))
    return rows


def scheme_runs(
    samples: "Sequence[Sample]", factors: Sequence[str], output: Path, folds: int, seed: int, share: float
) -> tuple[dict[str, list[FoldRun]], dict[str, str]]:
    """Folds of every possible scheme by its name, and why the others are impossible.

    Raises DataError when not even random chunks can be divided.
    """
    from spatial_swin.errors import DataError
    from spatial_swin.folds.schemes import RANDOM, scheme_folds, schemes_for

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
        runs[scheme.name] = [_fold_run(output, scheme, k, split) for k, split in enumerate(splits, start=1)]
    return runs, impossible


def _fold_run(output: Path, scheme: "Scheme", number: int, split: "list[Sample]") -> FoldRun:
    return FoldRun(f"{scheme.folder}_fold_{number}", output / scheme.folder / f"fold_{number}", split)
