"""k-fold cross-validation of a recipe, resumable fold by fold.

    spatial-swin crossval --config recipes/swin-base-384/spatial_audio.yaml --data_dir data --folds 5 --group recording
    spatial-swin crossval --config ... --repeats 3 --jobs 2

A test part is held out first and never opened (held_out_test.csv). Of the rest, every picture is tested by exactly
one fold of each repeat; within a fold the epoch is chosen on pictures that the fold does not test. Each fold is an
ordinary run under --output_dir. The same command continues; finished folds are not trained again. At the end:
crossval.csv, summary.json, crossval.png and .pdf with mean, SD and the corrected 95 % interval. Any key of the recipe
can be overridden, as in `spatial-swin train`.
"""

import argparse
from pathlib import Path

from spatial_swin.commands import values

TAKES_RECIPE_KEYS = True


def add_arguments(parser: values.Parser) -> None:
    add_fold_options(parser, folds=5, verb="crossval")
    parser.add_argument("--repeats", type=values.whole(1, 1_000), default=1, help="repeats with other divisions")
    parser.add_argument("--group", help="factor kept whole in the folds, or none (default: the recipe's split_by)")
    parser.boolean_option("--hold_out_test", "keep the recipe's test share out of all folds", default=True)


def add_fold_options(parser: values.Parser, folds: int, verb: str) -> None:
    """What `crossval` and `generalise` share."""
    parser.add_argument("--folds", type=values.folds, default=folds, help="folds; fewer where values are few")
    add_run_options(parser, verb, several="folds")


def add_run_options(parser: values.Parser, verb: str, several: str) -> None:
    """What every verb that trains a recipe several times shares; `several`: what its trainings are called."""
    parser.add_argument("--config", required=True, metavar="RECIPE", help=values.RECIPE)
    parser.add_argument(
        "--jobs", type=values.workers, default=1, help=f"{several} side by side, each in its own process"
    )
    parser.add_argument("--output_dir", type=Path, help=f"folder to write (default: runs/<recipe's name>_{verb})")
    parser.boolean_option("--overwrite", f"train all {several} again")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.config import load_recipe
    from spatial_swin.folds.crossval import cross_validate
    from spatial_swin.folds.data import load_samples, require_one_process
    from spatial_swin.folds.runs import Work

    require_one_process()
    recipe = load_recipe(arguments.config, arguments.overrides)
    group = arguments.group or recipe.data.split_by
    output = arguments.output_dir or Path("runs") / f"{recipe.name}_crossval"
    values.require_outside(output, recipe.data.data_dir)
    samples = load_samples(recipe, group)
    work = Work.of(output, arguments.config, arguments.overrides, arguments.jobs, arguments.overwrite)
    cross_validate(recipe, samples, work, arguments.folds, arguments.repeats, group, arguments.hold_out_test)
    return 0
