"""Trainings side by side, each a process with its share of the machine: one GPU each, or a part of the threads.

In go folds and the command that trains one; out come ended processes, and one log each in logs/. One that fails does
not stop the others; SIGTERM stops all, once each has saved a checkpoint. What is trained is not known here.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from spatial_swin.errors import STOPPED, Problem, RunError, Stopped, raise_problems

POLL_SECONDS = 0.2


class Fold(Protocol):
    """All that must be known of a fold here: its name, for people and for its log."""

    @property
    def name(self) -> str: ...


def worker_environment(slot: int, jobs: int, gpus: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Each job gets its share: one GPU by CUDA_VISIBLE_DEVICES, or a part of the processor's threads."""
    result = dict(environment)
    if gpus:
        visible = environment.get("CUDA_VISIBLE_DEVICES")
        devices = visible.split(",") if visible else [str(k) for k in range(gpus)]
        result["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        result[name] = threads
    return result


@dataclass
class _Job:
    fold: Fold
    slot: int
    process: subprocess.Popen[bytes]
    log: Path


def train_side_by_side(output: Path, folds: Sequence[Fold], command: Callable[[Any], list[str]], jobs: int) -> None:
    waiting, running, problems = list(folds), dict[int, _Job](), []
    gpus = _gpu_count()
    stopped = passed_on = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    before = signal.signal(signal.SIGTERM, stop)
    try:
        while (waiting and not stopped) or running:
            for slot in sorted(set(range(jobs)) - running.keys()):
                if waiting and not stopped:
                    running[slot] = _start(output, waiting.pop(0), slot, jobs, gpus, command)
            time.sleep(POLL_SECONDS)
            if stopped and not passed_on:  # once: training takes the first SIGTERM as "save a checkpoint and leave"
                _terminate(running.values())
                passed_on = True
            for slot, job in list(running.items()):
                code = job.process.poll()
                if code is not None:
                    del running[slot]
                    print(f"{job.fold.name}: {'finished' if code == 0 else f'ended with code {code}'}", flush=True)
                    if code not in (0, STOPPED, -signal.SIGTERM):
                        problems.append(Problem(job.fold.name, _last_line(job.log), f"read {job.log}"))
    finally:
        _terminate(running.values())
        for job in running.values():
            job.process.wait()
        signal.signal(signal.SIGTERM, before)
    raise_problems(RunError, problems, "Trainings that failed (the others are kept; the same command continues)")
    if stopped:
        raise Stopped("stopped by SIGTERM; the same command continues them")


def _start(output: Path, fold: Fold, slot: int, jobs: int, gpus: int, command: Callable[[Any], list[str]]) -> _Job:
    log = output / "logs" / f"{fold.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"{fold.name}: begins (log: {log})", flush=True)
    with open(log, "ab") as stream:
        process = subprocess.Popen(
            command(fold),
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=worker_environment(slot, jobs, gpus, os.environ),
        )
    return _Job(fold, slot, process, log)


def _terminate(jobs: Any) -> None:
    for job in jobs:
        if job.process.poll() is None:
            job.process.terminate()


def _gpu_count() -> int:
    import torch

    return torch.cuda.device_count()


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "ended without a word"
