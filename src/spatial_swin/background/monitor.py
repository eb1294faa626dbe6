"""What the runs are doing, on a terminal: a run folder goes in, plain lines come out, once or until the run ends.

Reads the run's `Status`, metrics.json and the end of training.log, and asks nvidia-smi; writes nothing, no colours.
Names and lines of the log are shown `printable`, so that no terminal obeys them.
"""

import math
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatial_swin.background.status import Status, find_runs, is_run, look
from spatial_swin.errors import RunError, printable
from spatial_swin.metric_names import Shown, epoch_figures, in_words, names
from spatial_swin.runs import RunFolder

LOG_TAIL = 16_384  # bytes
LOOK_EVERY = 1.0  # seconds between two looks of `follow`
GPU_QUERY = "index,name,utilization.gpu,memory.used,memory.total,temperature.gpu"


def show_runs(folder: Path) -> int:
    """Print every run in `folder`, one per line. Raises RunError when there is none."""
    runs = find_runs(folder)
    if not runs:
        raise RunError(f"{folder}: no runs here yet; `bash scripts/start_training.sh RECIPE` starts one")
    statuses: list[Status | RunError] = []
    for run in runs:
        try:
            statuses.append(look(run))
        except RunError as error:
            statuses.append(error)
    print("\n".join(table(statuses, [run.path for run in runs])))
    return 0


def show_run(run: RunFolder, until_end: bool, every: float) -> int:
    """Print one run, and go on until its end when asked; return the exit code of its state."""
    status = look(run)
    print("\n".join(describe(run, status) + gpus(status)), flush=True)
    if until_end and status.active:
        status = follow(run, status, max(LOOK_EVERY, every))
        print("\n".join(describe(run, status)), flush=True)
    return status.exit_code


def holds_runs(path: Path) -> bool:
    """Whether `path` is a folder of runs and no run itself."""
    return path.is_dir() and not is_run(path) and bool(find_runs(path))


def follow(run: RunFolder, status: Status, every: float) -> Status:
    """Print a line at each new epoch, at each change of state, and every so many seconds; return the last status."""
    printed, before = time.monotonic(), _stage(status)
    while status.active:
        time.sleep(LOOK_EVERY)
        status = look(run)
        if status.active and (_stage(status) != before or time.monotonic() - printed >= every):
            print(follow_line(status), flush=True)
            printed = time.monotonic()
        before = _stage(status)
    return status


def _stage(status: Status) -> tuple[str, int | None]:
    return status.state, (status.progress.get("last") or {}).get("epoch")


def describe(run: RunFolder, status: Status) -> list[str]:
    """The run in some lines: state, epoch, time left, last and best epoch; why it ended; what to do next."""
    progress = status.progress
    lines = [f"{run.path}: {headline(status)}"]
    if "step" in progress:
        lines.append(
            f"  epoch      {progress['epoch']:g} of {progress['epochs']:g}, phase {progress['phase']}, "
            f"step {progress['step']} of {progress['steps']}"
        )
    if status.state == "running" and progress.get("eta_seconds") is not None:
        done = progress["step"] >= progress["steps"]
        lines.append("  time left  " + ("last predictions" if done else f"about {span(progress['eta_seconds'])}"))
    if last := progress.get("last"):
        lines.append(f"  last       {epoch_line(last)}")
    if best := progress.get("best"):
        lines.append(f"  best       epoch {best['epoch']}: validation accuracy {best['validation_accuracy']:.4f}")
    if status.state == "finished" and run.metrics_file.is_file():
        lines += _final(run)
    if status.state == "failed" and progress.get("error"):
        lines.append(f"  error      {progress['error']}")
    if status.state in ("failed", "died", "stalled"):
        tail = log_tail(run.log_file)
        lines += [f"  the end of {run.log_file}:", *(f"    {line}" for line in tail)] if tail else []
    if advice := _advice(run, status):
        lines.append(f"  {advice}")
    return [printable(line) for line in lines]


def headline(status: Status) -> str:
    """`running (pid 12 on host, last sign 3 s ago)`."""
    facts = []
    if status.active and status.pid is not None and status.here:
        facts.append(f"pid {status.pid} on {status.host}")
    if status.note:
        facts.append(status.note)
    if status.silent is not None:
        facts.append(f"last sign {span(status.silent)} ago" if status.active else f"{span(status.silent)} ago")
    return status.state + (f" ({'; '.join(facts)})" if facts else "")


def follow_line(status: Status) -> str:
    """One line for a log of `--follow`: time of day, state, epoch, step, time left, best."""
    progress, words = status.progress, [time.strftime("%H:%M:%S"), status.state]
    if "step" in progress:
        words.append(f"epoch {progress['epoch']:g}/{progress['epochs']:g} step {progress['step']}/{progress['steps']}")
    if status.state == "running" and progress.get("eta_seconds"):
        words.append(f"left {span(progress['eta_seconds'])}")
    if last := progress.get("last"):
        words.append(f"loss {last['train_loss']:.4f} accuracy {last['validation_accuracy']:.4f}")
    if best := progress.get("best"):
        words.append(f"best {best['validation_accuracy']:.4f} (epoch {best['epoch']})")
    return printable("  ".join(words))


def epoch_line(row: dict[str, Any]) -> str:
    """One row of history.csv as progress.json repeats it."""
    return (
        f"epoch {row['epoch']}: loss {row['train_loss']:.4f}, validation loss {row['validation_loss']:.4f}, "
        f"{epoch_figures(row)}; {span(row['seconds'])}, {row['images_per_second']:.1f} pictures/s, "
        f"{row['memory_gb']:.1f} GB"
    )


def table(statuses: Sequence[Status | RunError], paths: Sequence[Path]) -> list[str]:
    """All runs, one per line, in columns."""
    rows: list[tuple[str, ...]] = [("run", "state", "epoch", "left", "best", "last sign")]
    for status, path in zip(statuses, paths, strict=True):
        if isinstance(status, RunError):
            rows.append((str(path), "unreadable", "", "", "", ""))
            continue
        progress = status.progress
        best = progress.get("best")
        left = progress.get("eta_seconds") if status.state == "running" else None
        state = status.state if status.here else f"{status.state} on {status.host}"
        epoch = f"{progress['epoch']:g}/{progress['epochs']:g}" if "step" in progress else ""
        accuracy = f"{best['validation_accuracy']:.4f}" if best else ""
        sign = "" if status.silent is None else f"{span(status.silent)} ago"
        rows.append((str(path), state, epoch, "" if left is None else span(left), accuracy, sign))
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def span(seconds: float) -> str:
    """12 -> `12 s`, 340 -> `5 min 40 s`, 4000 -> `1 h 06 min`, 200000 -> `2 d 7 h`."""
    if not math.isfinite(seconds):
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 9.95 and seconds != whole else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def log_tail(path: Path, lines: int = 10) -> list[str]:
    """The last lines of the log; a log of gigabytes costs no more than a short one. Nothing when it cannot be read."""
    if not path.is_file():  # a symbolic link to a device would never end
        return []
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL))
            return file.read(LOG_TAIL).decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []


def _final(run: RunFolder) -> list[str]:
    metrics = run.read_metrics()
    part = "test" if "test" in metrics else "validation"
    try:
        figures = [f"{in_words(name)} {metrics[part][name]['value']:.4f}" for name in names(Shown.LINE)]
        pictures = metrics[part]["items"]
    except (KeyError, TypeError):
        return []
    return [f"  {part:<10} {', '.join(figures)}, {pictures} pictures"]


def _advice(run: RunFolder, status: Status) -> str:
    if status.state in ("stopped", "died", "failed") and status.here:
        return "the command that started it continues it" + (
            " from its last checkpoint" if run.checkpoints.is_dir() else ", once the cause is fixed"
        )
    if status.state == "finished":
        return f"report: spatial-swin report {run.path}"
    if status.active and not status.here:
        return f"look on its machine: ssh {status.host}"
    return ""


def gpus(status: Status) -> list[str]:
    """One line per GPU, as nvidia-smi sees it; nothing without one, or for a run that is not alive on this machine."""
    program = shutil.which("nvidia-smi")
    if program is None or not (status.active and status.here):
        return []
    command = [program, f"--query-gpu={GPU_QUERY}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ["  GPU        nvidia-smi does not answer"]
    rows = [[cell.strip() for cell in row.split(",")] for row in answer.splitlines()]
    return [_gpu_line(*row) for row in rows if len(row) == 6]


def _gpu_line(index: str, name: str, busy: str, used: str, total: str, heat: str) -> str:
    try:
        memory = f"{float(used) / 1024:.1f} of {float(total) / 1024:.1f} GiB"
    except ValueError:  # `[N/A]`, on cards that do not report it
        memory = "memory ?"
    return f"  GPU {index:<6} {name}: {busy} % busy, {memory}, {heat} °C"
