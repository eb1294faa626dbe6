"""What a run is doing: state, epoch, time left, last figures, best epoch, GPU; without RUN, all runs, newest first.

    spatial-swin monitor                        all runs below runs/
    spatial-swin monitor runs/first             one run
    spatial-swin monitor runs/first --follow    a line each minute and each epoch, until the run ends
    watch -n 10 spatial-swin monitor runs/first

It reads the run folder and the process table, nothing else, so it can be called at any time and as often as wanted.

Exit codes for one run, so that scripts can wait: 0 finished, 5 running or preparing, 6 stalled (its process is there
and gives no sign), 7 died (its process is gone and nobody wrote why), 8 failed, 143 stopped by SIGTERM with a
checkpoint; 1 there is no such run. With --follow the code is that of the end, so `monitor RUN --follow && next` works.
"""

import argparse
from pathlib import Path

from spatial_swin.background.monitor import holds_runs, show_run, show_runs
from spatial_swin.commands import values
from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument(
        "run", nargs="?", type=Path, metavar="RUN", help="a run folder, or a folder of runs (default: runs)"
    )
    parser.boolean_option("--follow", "go on until the run ends, a line at a time")
    parser.add_argument(
        "--every", type=values.patience, default=60.0, metavar="SECONDS", help="between two lines of --follow"
    )


def run(arguments: argparse.Namespace) -> int:
    path = arguments.run or Path("runs")
    if arguments.run is not None and not holds_runs(path):
        return show_run(RunFolder(path), arguments.follow, arguments.every)
    if arguments.follow:
        raise RunError("--follow goes with one run: give its folder")
    return show_runs(path)
