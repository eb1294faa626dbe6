"""Where the model looks, region by region, and what it loses when a region is hidden.

    spatial-swin explain runs/first
    spatial-swin explain runs/first --samples 12 --limit 0 --class predicted

Regions are the cue tiles of tiles.json; a data set without one gets a grid of 4 x 4 cells. Relevance is attention
rollout through every block and merging of the Swin. It is an approximation: shifted windows and patch merging mix
tiles, and the values that the attention carries are left out. So every region is also hidden (replaced by the mean of
the train part), and the rank correlation of relevance and loss is reported beside it. Writes RUN/explanations/: an
overlay for each sample, the mean map of each class, regions by relevance and loss (.png and .pdf), tiles.csv,
samples.csv and explanations.json.
"""

import argparse
from pathlib import Path

from spatial_swin.commands import values


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("run", type=Path, help="a finished run folder")
    parser.add_argument(
        "--samples",
        type=values.whole_number,
        default=8,
        help="pictures with a figure of their own: confident right, confident wrong and uncertain in turn",
    )
    parser.add_argument("--part", choices=("test", "validation"), default="test", help="part of the split")
    parser.add_argument("--data_dir", type=Path, help="where the pictures are now (default: as in the run's recipe)")
    parser.boolean_option("--occlusion", "hide each region as well: one forward per region and picture", default=True)
    parser.add_argument(
        "--limit",
        type=values.whole_number,
        default=200,
        help="pictures behind the means, drawn evenly over the classes; 0 for all",
    )
    parser.add_argument(
        "--class",
        dest="target",
        choices=("none", "predicted", "true"),
        default="none",
        help="weigh attention by the positive gradient of this class (Chefer et al. 2021); none is the plain rollout",
    )
    parser.add_argument("--attention_share", type=values.share, default=0.5, help="a in (1 - a) I + a A, from 0 to 1")
    parser.add_argument("--batch_size", type=values.batch_size, default=8, help="pictures per forward")
    parser.add_argument("--output_dir", type=Path, help="where to write (default: RUN/explanations)")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.evaluation.opinions import ALONE, KNOWN_HEAD, SECOND_OPINION
    from spatial_swin.explaining import explain, open_run
    from spatial_swin.reporting.explanation_pages import summary_text, write

    subject = open_run(arguments.run, arguments.part, arguments.data_dir, arguments.samples, arguments.limit or None)
    folder = arguments.output_dir or arguments.run / "explanations"
    values.require_outside(folder, subject.root)
    print(subject.about, flush=True)
    if any((subject.finished.folder / name).is_file() for name in (SECOND_OPINION, KNOWN_HEAD)):
        print(f"note: {ALONE}", flush=True)
    explanation = explain(
        subject, arguments.occlusion, arguments.target, arguments.attention_share, arguments.batch_size
    )
    write(explanation, folder)
    print(summary_text(explanation), f"open {folder}", sep="\n\n")
    return 0
