"""What a run is doing: its folder and the process table go in, a `Status` comes out.

Running, finished, stopped, failed, died (the process is gone, nobody wrote why) and stalled (it is there and writes
nothing) are distinguished. A pid counts only when it is the process that was written down: not a zombie, not a later
process with the same number. Nothing is written or locked here, no signal is sent, and torch is not imported.
"""

import os
import socket
import time
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder

KEEPER = "spatial_swin.background.keep"  # the module whose process start_training.sh leaves behind
PROGRAMS = ("spatial-swin", "spatial_swin", "spatial_swin.cli")
TRAINING_VERBS = ("train", "crossval", "generalise", "demo")
EXIT_CODES = {"finished": 0, "preparing": 5, "running": 5, "stalled": 6, "died": 7, "failed": 8, "stopped": 143}
KINDS = {
    **dict.fromkeys(("epoch", "epochs", "step", "steps", "eta_seconds"), int | float),
    **dict.fromkeys(("last", "best"), dict),
    "pid": int,
}
ACTIVE = ("preparing", "running", "stalled")
CLOCK_SLACK = 5.0  # seconds between the clock of files and the kernel's account of when a process began
QUIET_STEPS = 20  # usual steps without a sign of life before a run counts as stalled ...
QUIET_SECONDS = 300.0  # ... and the least time: progress.json is also written in evaluation, every 2 s or every step
QUIET_FIRST = 1800.0  # before the first step there is no usual step yet; the first may compile or download
QUIET_UNBORN = 1800.0  # a plain `spatial-swin train` has no pid file while it reads the data


@dataclass(frozen=True)
class Status:
    """One run: `state` is a key of EXIT_CODES; `silent` seconds since its last sign, None when it gave none."""

    path: Path
    state: str
    progress: dict[str, Any] = field(default_factory=dict)
    pid: int | None = None
    host: str | None = None
    here: bool = True
    silent: float | None = None
    note: str = ""

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.state]

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


def look(run: RunFolder, now: float | None = None) -> Status:
    """The state of a run, now (seconds since 1970). Raises RunError for no run folder or a damaged progress.json."""
    if not is_run(run.path):
        raise RunError(f"{run.path}: not a run folder; give the --output_dir of a training")
    now = time.time() if now is None else now
    keeper = keeper_pid(run)
    if not run.progress_file.is_file():
        return _before_progress(run, keeper, now)
    progress = run.read_progress()
    state, pid, host = progress.get("state"), progress.get("pid"), progress.get("host")
    if state not in EXIT_CODES:
        raise RunError(f"{run.progress_file}: state {state!r} is none of {', '.join(EXIT_CODES)}")
    if wrong := sorted(name for name, kind in KINDS.items() if not isinstance(progress.get(name), kind | None)):
        raise RunError(f"{run.progress_file}: {', '.join(wrong)} cannot be read; the training writes it again")
    heard = _seconds(progress.get("updated"), run.progress_file)
    silent = max(0.0, now - heard)
    here = host in (None, socket.gethostname())
    about: dict[str, Any] = {"progress": progress, "pid": keeper or pid, "host": host, "here": here, "silent": silent}
    there = here and pid is not None and is_training(run, pid, before=heard)
    if keeper is not None and not there and _newer(run.pid_file, run.progress_file):
        return Status(run.path, "preparing", progress, keeper, socket.gethostname(), note="to continue")
    if state != "running":
        return Status(run.path, state, **about)
    quiet = stall_limit(progress)
    if not here:
        note = f"on {host}; its process cannot be seen from {socket.gethostname()}"
        return Status(run.path, "stalled" if silent > quiet else "running", **about, note=note)
    if not there and keeper is not None:
        return Status(run.path, "running", **about, note="ending")
    if not there:
        return Status(run.path, "died", **about, note="its process is gone and nobody wrote why")
    if silent > quiet:
        return Status(
            run.path, "stalled", **about, note=f"its process is there; a sign was due within {quiet / 60:.0f} min"
        )
    return Status(run.path, "running", **about)


def _before_progress(run: RunFolder, keeper: int | None, now: float) -> Status:
    """A run that has not written progress.json: it reads the data, or it failed before the first step."""
    if keeper is not None:
        return Status(run.path, "preparing", pid=keeper, host=socket.gethostname(), note="reading data and model")
    if run.log_file.is_file() or not run.recipe_file.is_file():
        return Status(run.path, "failed", note="before the first step")
    silent = max(0.0, now - run.recipe_file.stat().st_mtime)
    if silent < QUIET_UNBORN:
        return Status(run.path, "preparing", silent=silent, note="reading data and model, if its process is alive")
    return Status(run.path, "died", silent=silent, note="before the first step")


def is_run(path: Path) -> bool:
    run = RunFolder(path)
    return any(file.is_file() for file in (run.recipe_file, run.progress_file, run.log_file, run.pid_file))


def find_runs(folder: Path) -> list[RunFolder]:
    """Every run folder in `folder` or one level below (the folds of a cross-validation), newest sign first."""
    paths = [path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_dir() and is_run(path)]
    return [RunFolder(path) for path in sorted(paths, key=_last_written, reverse=True)]


def _last_written(path: Path) -> float:
    run = RunFolder(path)
    times = [file.stat().st_mtime for file in (run.progress_file, run.recipe_file, run.pid_file) if file.is_file()]
    return max(times, default=path.stat().st_mtime)


# -- processes --


def process_is(pid: int, before: float) -> bool:
    """Whether `pid` lives and is the process that had this number at time `before`: a later one began after it."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= before + CLOCK_SLACK
    except (psutil.NoSuchProcess, ValueError):
        return False
    except psutil.AccessDenied:
        return True


def is_training(run: RunFolder, pid: int, before: float) -> bool:
    """Whether `pid` lives and holds the lock of `run` open; where that cannot be seen, whether it is old enough."""
    held = holds_lock(run, pid)
    return process_is(pid, before) if held is None else held


def holds_lock(run: RunFolder, pid: int) -> bool | None:
    """Whether `pid` has the lock of `run` open; None without a lock, or where its files cannot be seen."""
    lock = run.path / ".lock"
    try:
        return (
            any(Path(file.path) == lock.resolve() for file in psutil.Process(pid).open_files())
            if lock.is_file()
            else None
        )
    except (psutil.NoSuchProcess, ValueError):
        return False
    except psutil.AccessDenied:
        return None


def is_ours(pid: int) -> bool:
    """Whether the command line of `pid` is a verb of this package that trains."""
    try:
        words = psutil.Process(pid).cmdline()
    except (psutil.Error, ValueError):
        return False
    return any(Path(word).name in PROGRAMS and verb in TRAINING_VERBS for word, verb in pairwise(words))


def keeper_pid(run: RunFolder) -> int | None:
    """The pid in the run folder when it is the living keeper of this very folder; None for a stale pid file."""
    try:
        pid = int(run.pid_file.read_text().split()[0])
        words = psutil.Process(pid).cmdline()  # none, of a zombie
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return None
    except psutil.AccessDenied:
        return pid
    kept = words[words.index(KEEPER) + 1] if KEEPER in words[:-1] else None
    try:
        return pid if kept is not None and os.path.samefile(kept, run.path) else None
    except OSError:
        return None


def stall_limit(progress: dict[str, Any]) -> float:
    """Seconds without a sign after which a running run counts as stalled, from its own usual step."""
    eta, step, steps = (progress.get(key) for key in ("eta_seconds", "step", "steps"))
    if not step or eta is None:
        return QUIET_FIRST
    left = (steps or 0) - step
    return max(QUIET_SECONDS, QUIET_STEPS * eta / left) if left > 0 else QUIET_FIRST


def _seconds(updated: Any, file: Path) -> float:
    try:
        return datetime.fromisoformat(updated).timestamp()
    except (TypeError, ValueError):
        return file.stat().st_mtime


def _newer(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_mtime_ns > other.stat().st_mtime_ns
    except OSError:  # the keeper took its pid file away just now
        return False
