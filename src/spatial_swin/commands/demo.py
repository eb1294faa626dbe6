"""The whole way in a few minutes on a laptop: render, fine-tune, evaluate, report.

Synthetic programmes are rendered in mono, stereo, 5.1 and 5.1.4 for the measured listener that ships with the package;
the small Swin that ships with it is fine-tuned in two phases and tested on programmes it never heard. Interrupted, the
same command continues; finished, it shows the result again (--overwrite true starts again).
"""

import argparse
from pathlib import Path

from spatial_swin.commands import values


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("--output_dir", type=Path, default="demo", help="folder for the data and the run")
    parser.add_argument("--programmes", type=values.count, help="programmes to render (default: 160; 60 when short)")
    parser.boolean_option("--short", "a minute or two, for CI")
    parser.add_argument("--seed", type=values.seed, default=42, help="of the programmes, the split and the training")
    parser.add_argument("--workers", type=values.workers, help="processes that render (default: one per core)")
    parser.boolean_option("--overwrite", "start again from nothing")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.cli import main
    from spatial_swin.demonstration import Demonstration

    programmes = arguments.programmes or (60 if arguments.short else 160)
    demonstration = Demonstration(arguments.output_dir, programmes, arguments.seed, arguments.short)
    return demonstration.make(main, arguments.workers, arguments.overwrite)
