"""Stop a running training cleanly: it ends its step and saves a checkpoint; the command that started it continues it.

    spatial-swin stop runs/first          (or: bash scripts/start_training.sh --stop runs/first)

It sends SIGTERM and waits for the end. Exit codes: 0 stopped (or finished meanwhile), 1 nothing runs there, it runs on
another machine, or it did not end within --wait seconds.
"""

import argparse
from pathlib import Path

from spatial_swin.background.monitor import describe
from spatial_swin.background.stop import stop
from spatial_swin.commands import values
from spatial_swin.runs import RunFolder


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument(
        "--wait", type=values.patience, default=600.0, metavar="SECONDS", help="how long to wait for its end, at most"
    )


def run(arguments: argparse.Namespace) -> int:
    folder = RunFolder(arguments.run)
    status = stop(folder, arguments.wait)
    print("\n".join(describe(folder, status)))
    return 0
