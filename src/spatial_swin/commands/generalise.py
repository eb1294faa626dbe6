"""How much of the score is left for recordings, listeners and programmes never heard: the generalisation matrix.

    spatial-swin generalise --config recipes/swin-base-384/spatial_audio.yaml --factors listener content
    spatial-swin generalise --config ... --factors listener programme --folds 5 --jobs 2
    spatial-swin generalise --config ... --factors laboratory       # whole databases of heads, as `render` names them

Trains the recipe on folds of each scheme: random chunks, leave-recording, leave-<factor> for each factor, and both
factors new at once. Every fold is an ordinary run under --output_dir; the same command continues. At the end:
generalisation.csv, generalisation.png and .pdf, each row with its 95 % interval and the drop against random chunks.
Gradient boosting on pooled cues is fitted on the same folds for comparison (--baseline false leaves it out).
Any key of the recipe can be overridden, as in `spatial-swin train`; its regular expression goes into the YAML's
`factors`.
"""

import argparse
from pathlib import Path

from spatial_swin.commands import values
from spatial_swin.commands.crossval import add_fold_options

TAKES_RECIPE_KEYS = True


def add_arguments(parser: values.Parser) -> None:
    add_fold_options(parser, folds=3, verb="generalise")
    parser.add_argument(
        "--factors", nargs="+", required=True, metavar="FACTOR", help="what to leave out: listener, laboratory, kind"
    )
    parser.boolean_option("--baseline", "fit gradient boosting too", default=True)


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.config import load_recipe
    from spatial_swin.folds.baseline import boosting
    from spatial_swin.folds.data import load_undivided, require_one_process
    from spatial_swin.folds.generalise import generalise
    from spatial_swin.folds.runs import Work

    require_one_process()
    recipe = load_recipe(arguments.config, arguments.overrides)
    output = arguments.output_dir or Path("runs") / f"{recipe.name}_generalise"
    values.require_outside(output, recipe.data.data_dir)
    samples, factors = load_undivided(recipe, arguments.factors)
    work = Work.of(output, arguments.config, arguments.overrides, arguments.jobs, arguments.overwrite)
    baseline = boosting(recipe.data.data_dir, output) if arguments.baseline else None
    names = [factors.resolve(name) for name in arguments.factors]
    generalise(recipe, samples, names, work, arguments.folds, baseline)
    return 0
