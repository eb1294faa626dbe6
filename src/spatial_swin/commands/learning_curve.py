"""What more recordings would buy: the same recipe on more and more groups, tested on the same items.

    spatial-swin learning_curve --config demo --data_dir data/pictures
    spatial-swin learning_curve --config ... --points 4 --jobs 2

The points double: with 5 of them the smallest has a sixteenth of the groups of the train part, the largest all. Each
contains the one before it, and all have the same validation and test part; gradient boosting on the same pictures
stands beside the Swin. Each point is an ordinary run under --output_dir, whose test part is opened at its end. The
same command continues; finished points are not trained again. At the end: learning_curve.csv, .png and .pdf. Any key
of the recipe can be overridden, as in `spatial-swin train`.
"""

import argparse
from pathlib import Path

from spatial_swin.commands import values
from spatial_swin.commands.crossval import add_run_options

TAKES_RECIPE_KEYS = True


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("--points", type=values.whole(2, 12), default=5, help="sizes of the train part, doubling")
    add_run_options(parser, verb="learning_curve", several="points")
    parser.boolean_option("--baseline", "gradient boosting on the same pictures as well", default=True)


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.audio.manifest import pictures_folder
    from spatial_swin.boosting import pooled_below
    from spatial_swin.config import load_recipe
    from spatial_swin.folds.data import load_samples, require_one_process
    from spatial_swin.folds.learning_curve import learning_curve
    from spatial_swin.folds.runs import Work

    require_one_process()
    recipe = load_recipe(arguments.config, arguments.overrides)
    output = arguments.output_dir or Path("runs") / f"{recipe.name}_learning_curve"
    values.require_outside(output, recipe.data.data_dir)
    samples = load_samples(recipe, recipe.data.split_by)
    work = Work.of(output, arguments.config, arguments.overrides, arguments.jobs, arguments.overwrite)
    features = pooled_below(pictures_folder(recipe.data.data_dir)) if arguments.baseline else None
    learning_curve(recipe, samples, work, arguments.points, features)
    return 0
