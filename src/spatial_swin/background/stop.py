"""Stopping a training that runs on this machine: a run folder goes in, SIGTERM goes out, and the end is waited for.

Never signals a process that is not known to be this run's: its keeper, the holder of its lock, or, in a folder without
a lock (copied, cleaned up), a process whose command line is ours.
"""

import math
import os
import signal
import time

from spatial_swin.background.monitor import headline
from spatial_swin.background.status import Status, holds_lock, is_ours, keeper_pid, look, process_is
from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder

POLL = 0.2  # seconds


def stop(run: RunFolder, patience: float) -> Status:
    """End the training of `run`, which saves a checkpoint first; return its status after the end.

    Raises RunError: nothing runs here, it runs on another host, the process is not ours, or it has not ended after
    `patience` seconds.
    """
    pid = process_to_stop(run)
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:  # it ended between the look and the signal
        pass
    except PermissionError:
        raise RunError(f"{run.path}: pid {pid} belongs to somebody else; only they can stop it") from None
    print(f"sent SIGTERM to pid {pid}; it ends its step and saves a checkpoint", flush=True)
    deadline = time.monotonic() + patience
    while process_is(pid, before=math.inf):
        if time.monotonic() > deadline:
            raise RunError(f"{run.path}: pid {pid} has not ended after {patience:g} s; it may still be saving")
        time.sleep(POLL)
    return look(run)


def process_to_stop(run: RunFolder) -> int:
    """The pid of the training of `run`, known beyond its number. Raises RunError when there is none."""
    status = look(run)
    if status.active and not status.here:
        raise RunError(f"{run.path}: runs on {status.host}; stop it there: ssh {status.host}")
    if keeper := keeper_pid(run):
        return keeper
    if status.pid is None or status.state not in ("running", "stalled"):
        raise RunError(f"{run.path}: nothing runs here ({headline(status)})")
    if not (holds_lock(run, status.pid) or is_ours(status.pid)):
        raise RunError(
            f"{run.path}: pid {status.pid} is not known to be this training (nobody holds the folder's lock and its "
            f"command line is not ours), so nothing was sent; if it is, end it with `kill {status.pid}`"
        )
    return status.pid
