"""The words of `spatial-swin monitor`: a `Status` goes in, lines for a terminal or `watch` come out; no colours.

Reads metrics.json and the end of training.log besides; writes nothing.
"""

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatial_swin.background.monitor import Status
from spatial_swin.errors import RunError
from spatial_swin.metric_names import Shown, epoch_figures, in_words, names
from spatial_swin.runs import RunFolder

LOG_TAIL = 16_384  # bytes


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
    return lines


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
    return "  ".join(words)


def epoch_line(row: dict[str, Any]) -> str:
    """One row of history.csv as progress.json repeats it."""
    return (
        f"epoch {row['epoch']}: loss {row['train_loss']:.4f}, validation loss {row['validation_loss']:.4f}, "
        f"{epoch_figures(row)}; "
        f"{span(row['seconds'])}, {row['images_per_second']:.1f} pictures/s, {row['memory_gb']:.1f} GB"
    )


def table(statuses: Sequence[Status | RunError], paths: Sequence[Path]) -> list[str]:
    """All runs, a line each, in columns."""
    rows = [("run", "state", "epoch", "left", "best", "last sign")]
    for status, path in zip(statuses, paths, strict=True):
        if isinstance(status, RunError):
            rows.append((str(path), "unreadable", "", "", "", ""))
            continue
        progress = status.progress
        best = progress.get("best")
        left = progress.get("eta_seconds") if status.state == "running" else None
        rows.append(
            (
                str(path),
                status.state if status.here else f"{status.state} on {status.host}",
                f"{progress['epoch']:g}/{progress['epochs']:g}" if "step" in progress else "",
                "" if left is None else span(left),
                "" if not best else f"{best['validation_accuracy']:.4f}",
                "" if status.silent is None else f"{span(status.silent)} ago",
            )
        )
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
    except (KeyError, TypeError):
        return []
    return [f"  {part:<10} {', '.join(figures)}, {metrics[part]['items']} pictures"]


def _advice(run: RunFolder, status: Status) -> str:
    if status.state in ("stopped", "died", "failed") and status.here:
        return "the command that started it continues it" + (
            " from its last checkpoint" if run.checkpoints.is_dir() else ", once the cause is mended"
        )
    if status.state == "finished":
        return f"report: spatial-swin report {run.path}"
    if status.active and not status.here:
        return f"look on its machine: ssh {status.host}"
    return ""
