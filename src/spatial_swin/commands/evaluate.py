"""Final figures of a finished run: metrics with intervals on the test part, temperature fitted on the validation part.

    spatial-swin evaluate runs/first

Training opened the test part once, at its end, and kept the predictions; they are used as they are. With --repredict
true (or when they are missing) the model in the run folder predicts again, and metrics.json counts how often the test
part was opened.

The validation part also gives the threshold of the prediction sets. With --domain_score true the training and
validation pictures, and loudspeaker stereo and mono that are made for it, give the score that lets `predict` say when
the model should not be asked; it needs the pictures, and a minute for small sets.
"""

import argparse
from pathlib import Path

from spatial_swin.commands import values


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--data_dir", type=Path, help="where the pictures are now (default: the recipe's data_dir)")
    parser.boolean_option("--repredict", "let the model predict again")
    parser.boolean_option("--domain_score", "fit what says whether a recording should be asked about")
    parser.add_argument("--resamples", type=values.resamples, default=10_000, help="of the bootstrap")
    parser.add_argument("--seed", type=values.seed, default=0, help="of the bootstrap")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.evaluating import evaluate, table
    from spatial_swin.runs import RunFolder

    folder = RunFolder(arguments.run)
    evaluation = evaluate(
        folder, arguments.repredict, arguments.data_dir, arguments.resamples, arguments.seed, arguments.domain_score
    )
    print(table(evaluation))
    if evaluation.openings > 1:
        print(
            f"WARNING: the test part has been opened {evaluation.openings} times; figures chosen by looking at it "
            "flatter"
        )
    print(f"\n{folder.metrics_file}")
    return 0
