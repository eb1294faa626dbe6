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
import shutil
import subprocess
import time
from pathlib import Path

from spatial_swin.background import lines, monitor
from spatial_swin.commands import values
from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder

LOOK_EVERY = 1.0  # seconds between two looks of --follow
GPU_QUERY = "index,name,utilization.gpu,memory.used,memory.total,temperature.gpu"


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
    if arguments.run is None or (path.is_dir() and not monitor.is_run(path) and monitor.find_runs(path)):
        if arguments.follow:
            raise RunError("--follow goes with one run: give its folder")
        return list_runs(path)
    folder = RunFolder(path)
    status = monitor.look(folder)
    print("\n".join(lines.describe(folder, status) + gpus(status)), flush=True)
    if arguments.follow and status.active:
        status = follow(folder, status, max(LOOK_EVERY, arguments.every))
        print("\n".join(lines.describe(folder, status)), flush=True)
    return status.exit_code


def list_runs(folder: Path) -> int:
    runs = monitor.find_runs(folder)
    if not runs:
        raise RunError(f"{folder}: no runs here yet; `bash scripts/start_training.sh RECIPE` starts one")
    statuses: list[monitor.Status | RunError] = []
    for run in runs:
        try:
            statuses.append(monitor.look(run))
        except RunError as error:
            statuses.append(error)
    print("\n".join(lines.table(statuses, [run.path for run in runs])))
    return 0


def follow(folder: RunFolder, status: monitor.Status, every: float) -> monitor.Status:
    """Print a line at each new epoch, at each change of state, and every so many seconds; return the end."""
    said, epoch = time.monotonic(), _last_epoch(status)
    before = status.state
    while status.active:
        time.sleep(LOOK_EVERY)
        status = monitor.look(folder)
        news = status.state != before or _last_epoch(status) != epoch
        if status.active and (news or time.monotonic() - said >= every):
            print(lines.follow_line(status), flush=True)
            said = time.monotonic()
        before, epoch = status.state, _last_epoch(status)
    return status


def _last_epoch(status: monitor.Status) -> int | None:
    return (status.progress.get("last") or {}).get("epoch")


def gpus(status: monitor.Status) -> list[str]:
    """One line per GPU, as nvidia-smi sees it; nothing without one, or for a run that is not alive on this machine."""
    program = shutil.which("nvidia-smi")
    if program is None or not (status.active and status.here):
        return []
    command = [program, f"--query-gpu={GPU_QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ["  GPU        nvidia-smi does not answer"]
    shown = []
    for row in done.stdout.splitlines():
        cells = [cell.strip() for cell in row.split(",")]
        if len(cells) != 6:
            continue
        index, name, busy, used, total, heat = cells
        memory = f"{float(used) / 1024:.1f} of {float(total) / 1024:.1f} GiB" if _numbers(used, total) else "memory ?"
        shown.append(f"  GPU {index:<6} {name}: {busy} % busy, {memory}, {heat} °C")
    return shown


def _numbers(*cells: str) -> bool:
    try:
        return all(float(cell) >= 0 for cell in cells)
    except ValueError:  # `[N/A]`, on cards that do not say
        return False
