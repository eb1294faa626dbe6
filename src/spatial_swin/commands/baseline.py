"""What a simple model already knows: gradient boosting on pooled cues, cross-validated by group.

    spatial-swin baseline data                       # groups: programmes, else recordings
    spatial-swin baseline data --split_by listener   # does it hold for a head that it never heard?

Each band of each tile of a picture becomes mean, spread and two percentiles. The folds are those of `spatial-swin
crossval` with the same seed. Prints accuracy with its spread and interval, F1 of every class and the confusion; writes
baseline.json, folds.csv, predictions.csv, confusion.csv and cues.csv (how much each tile matters) to --output_dir. A
deep model has to beat this.
"""

import argparse
from pathlib import Path

from spatial_swin.commands import values
from spatial_swin.commands.audit import add_data_options


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("data", type=Path, help="folder that `spatial-swin mosaic` or `render` made")
    parser.add_argument(
        "--split_by", help="factor kept whole in the folds, or none (default: programme, else recording)"
    )
    parser.add_argument("--folds", type=values.folds, default=5, help="number of folds")
    add_data_options(parser, seed_of="the folds and of the model", output="baselines")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.folds.baseline import baseline, summary_text, write

    output = arguments.output_dir or values.folder_for("baselines", arguments.data)
    values.require_outside(output, arguments.data)
    outcome = baseline(
        arguments.data,
        arguments.split_by,
        arguments.folds,
        arguments.seed,
        arguments.factors,
        arguments.manifest,
        arguments.workers,
    )
    write(outcome, output)
    print(f"{summary_text(outcome)}\nopen {output / 'baseline.json'}")
    return 0
