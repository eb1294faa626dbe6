"""Run folders as a training leaves them, and processes that look like a keeper, one that is gone, and others."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from spatial_swin import files
from spatial_swin.background.status import KEEPER
from spatial_swin.runs import RunFolder

LAST = {
    "epoch": 3,
    "train_loss": 1.25,
    "validation_loss": 1.1,
    "validation_accuracy": 0.8,
    "validation_macro_f1": 0.79,
    "seconds": 42.0,
    "images_per_second": 55.5,
    "memory_gb": 2.1,
}


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """A function that writes a run folder whose progress.json was written `ago` seconds ago by this very process."""

    def write(name: str = "first", ago: float = 0.0, **changes: Any) -> RunFolder:
        run = RunFolder(tmp_path / "runs" / name)
        progress = {
            "state": "running",
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "epoch": 3.25,
            "epochs": 80,
            "step": 120,
            "steps": 3000,
            "phase": 2,
            "eta_seconds": 2880.0,
            "best": {"epoch": 2, "validation_accuracy": 0.8125},
            "last": LAST,
            "updated": datetime.fromtimestamp(time.time() - ago, UTC).isoformat(timespec="seconds"),
            **changes,
        }
        files.write_json(run.progress_file, progress)
        return run

    return write


@pytest.fixture
def gone() -> int:
    """A pid that was a process and is none any more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.fixture
def keeper(tmp_path: Path) -> Any:
    """A function that starts a process which looks like the keeper of a run folder, and writes its pid file."""
    children = []

    def start(run: RunFolder, kept: Path | None = None) -> int:
        words = [KEEPER, str(kept or run.path)]
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words])
        children.append(child)
        while not psutil.Process(child.pid).cmdline():  # in the moment of exec it has none
            time.sleep(0.01)
        files.write_text(run.pid_file, f"{child.pid}\n")
        return child.pid

    yield start
    for child in children:
        child.kill()
        child.wait()


@pytest.fixture
def sleeper() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """A function that starts a sleeping process with more words on its command line."""
    children: list[subprocess.Popen[bytes]] = []

    def begin(*words: str) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words])
        children.append(child)
        while not psutil.Process(child.pid).cmdline():  # in the moment of exec it has none
            time.sleep(0.01)
        return child

    yield begin
    for child in children:
        child.kill()
        child.wait()
