"""Search values of recipe keys: trials one after another, compared on the validation part; the best recipe is kept.

    spatial-swin sweep swin-nano-192/demo space.yaml --trials 20 --output_dir runs/sweep --data_dir data

SPACE.yaml has a recipe key and its values on each line: a list is a choice, {low, high} a range.

    learning_rate: {low: 3.0e-4, high: 1.0e-2, log: true}
    drop_path_rate: {low: 0.0, high: 0.4, step: 0.1}
    unfreeze_stages: [[4], [3, 4]]

Every trial is an ordinary run, OUTPUT/trial_NNN, on one split and with one seed; none gets a picture of the test
part. Values come from Optuna's TPE sampler, seeded by the recipe's seed. After five completed trials, one whose best
epoch so far is worse than their median at the same epoch is given up (not before its warm-up is over). The same
command goes on where it stopped, also within a trial; a greater --trials adds some. At the end: best.yaml to train
with, sweep.csv, sweep.png and .pdf. Any other key of the recipe can be overridden after the two files. Needs
`pip install 'spatial-swin[sweep]'`.
"""

import argparse
import importlib.util
from pathlib import Path

from spatial_swin.commands import values

TAKES_RECIPE_KEYS = True


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("config", metavar="RECIPE", help=values.RECIPE)
    parser.add_argument("space", metavar="SPACE", type=Path, help="YAML with the keys to vary and their values")
    parser.add_argument(
        "--trials", type=values.whole(1, 10_000), default=20, help="trials in all, with those that are done"
    )
    parser.add_argument("--output_dir", type=Path, help="folder to write (default: runs/<recipe's name>_sweep)")
    parser.boolean_option("--prune", "give trials up that fall behind", default=True)


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.errors import SpatialSwinError

    if importlib.util.find_spec("optuna") is None:
        raise SpatialSwinError("sweep needs optuna, which is not installed: pip install 'spatial-swin[sweep]'")
    from spatial_swin.sweep.search import search

    given = (arguments.config, arguments.overrides, arguments.space, arguments.trials, arguments.output_dir)
    search(*given, prune=arguments.prune)
    return 0
