"""Stop a running training cleanly: it ends its step and saves a checkpoint; the command that started it continues it.

    spatial-swin stop runs/first          (or: bash scripts/start_training.sh --stop runs/first)

It sends SIGTERM and waits for the end. Exit codes: 0 stopped (or finished meanwhile), 1 nothing runs there, it runs on
another machine, or it did not end within --wait seconds.
"""

import argparse
import math
import os
import signal
import time
from pathlib import Path

from spatial_swin.background import lines, monitor
from spatial_swin.commands import values
from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder

POLL = 0.2  # seconds


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument(
        "--wait", type=values.patience, default=600.0, metavar="SECONDS", help="how long to wait for its end, at most"
    )


def run(arguments: argparse.Namespace) -> int:
    folder = RunFolder(arguments.run)
    status = monitor.look(folder)
    if status.active and not status.here:
        raise RunError(f"{folder.path}: runs on {status.host}; stop it there: ssh {status.host}")
    pid = monitor.keeper_pid(folder) or (status.pid if status.state in ("running", "stalled") else None)
    if pid is None:
        raise RunError(f"{folder.path}: nothing runs here ({lines.headline(status)})")
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:  # it ended between the look and the signal
        pass
    except PermissionError:
        raise RunError(f"{folder.path}: pid {pid} belongs to another user; only they can stop it") from None
    print(f"sent SIGTERM to pid {pid}; it ends its step and saves a checkpoint", flush=True)
    deadline = time.monotonic() + arguments.wait
    while monitor.process_is(pid, before=math.inf):
        if time.monotonic() > deadline:
            raise RunError(
                f"{folder.path}: pid {pid} has not ended after {arguments.wait:g} s; it may still be saving"
            )
        time.sleep(POLL)
    print("\n".join(lines.describe(folder, monitor.look(folder))))
    return 0
