"""`spatial-swin monitor`: exit codes to wait by, the list of runs, the GPU, --follow to the end, and no torch."""

import os
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spatial_swin import files
from spatial_swin.cli import main
from spatial_swin.runs import RunFolder


def write_run(path: Path, **changes: Any) -> RunFolder:
    run = RunFolder(path)
    progress = {
        "state": "running",
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "epoch": 1.5,
        "epochs": 4,
        "step": 10,
        "steps": 28,
        "phase": 1,
        "eta_seconds": 20.0,
        "best": None,
        "last": None,
        "updated": datetime.now(UTC).isoformat(timespec="seconds"),
        **changes,
    }
    files.write_json(run.progress_file, progress)
    return run


@pytest.mark.parametrize(("state", "code"), [("running", 5), ("finished", 0), ("stopped", 143), ("failed", 8)])
def test_the_exit_code_tells_the_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str, code: int
) -> None:
    run = write_run(tmp_path / "first", state=state)
    assert main(["monitor", str(run.path)]) == code
    assert capsys.readouterr().out.startswith(f"{run.path}: {state}")


def test_without_a_run_all_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["monitor"]) == 1
    assert "no runs here yet" in capsys.readouterr().err
    write_run(tmp_path / "runs" / "one", state="finished")
    damaged = write_run(tmp_path / "runs" / "two")
    damaged.progress_file.write_text("{")
    assert main(["monitor"]) == 0
    out = capsys.readouterr().out
    assert "runs/one" in out
    assert "unreadable" in out
    assert main(["monitor", "--follow"]) == 1


def test_no_such_run_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["monitor", str(tmp_path / "nothing")]) == 1
    assert "not a run folder" in capsys.readouterr().err


def test_the_gpu_is_shown_where_there_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho '0, NVIDIA H100, 93, 20480, 81559, 61'\necho '1, Old Card, [N/A], [N/A], 8, 40'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    run = write_run(tmp_path / "first")
    main(["monitor", str(run.path)])
    out = capsys.readouterr().out
    assert "NVIDIA H100: 93 % busy, 20.0 of 79.6 GiB, 61 °C" in out
    assert "Old Card: [N/A] % busy, memory ?" in out
    program.write_text("#!/bin/sh\nexit 9\n")
    assert main(["monitor", str(run.path)]) == 5
    assert "nvidia-smi does not answer" in capsys.readouterr().out


def test_follow_ends_with_the_run_and_with_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "first")

    def train() -> None:
        last = {"epoch": 2, "train_loss": 1.0, "validation_accuracy": 0.5}
        time.sleep(0.5)
        write_run(run.path, last=last, step=14)
        time.sleep(2)
        write_run(run.path, state="finished", step=28)

    thread = threading.Thread(target=train)
    thread.start()
    assert main(["monitor", str(run.path), "--follow"]) == 0
    thread.join()
    out = capsys.readouterr().out
    assert "step 14/28" in out, "a new epoch is a line"
    assert f"{run.path}: finished" in out


def test_it_answers_without_torch_and_without_a_terminal(tmp_path: Path) -> None:
    run = write_run(tmp_path / "first", state="finished")
    code = f"""
import sys
from spatial_swin.cli import main
code = main(["monitor", {str(run.path)!r}])
sys.exit(99 if {{"torch", "transformers", "matplotlib"}} & sys.modules.keys() else code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout
