"""`spatial-swin demo` in bad circumstances: no room, no permission, two at once, interrupted; and the whole way."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from spatial_swin.cli import main
from spatial_swin.runs import RunFolder

WAIT = 240  # s


def test_less_than_a_gigabyte_of_disk_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4e8))
    assert main(["demo", "--output_dir", str(tmp_path / "demo")]) == 1
    assert "0.40 GB are free, the demo wants 1 GB" in capsys.readouterr().err
    assert not list((tmp_path / "demo").iterdir())


@pytest.mark.parametrize("exists", [False, True], ids=["folder cannot be made", "folder is read-only"])
def test_no_write_permission_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], exists: bool) -> None:
    closed = tmp_path / "closed"
    target = closed / "demo"
    (target if exists else closed).mkdir(parents=True)
    for folder in (target, closed):
        if folder.is_dir():
            folder.chmod(0o555)
    parents = [folder for folder in tmp_path.parents if folder.owner() == tmp_path.owner() and folder != Path("/")]
    modes = {folder: folder.stat().st_mode for folder in (tmp_path, *parents)}
    user = os.geteuid()
    try:
        if user == 0:  # root may write everywhere, so be somebody else for a moment
            for folder in modes:
                folder.chmod(modes[folder] | 0o055)
            os.seteuid(65534)
        code = main(["demo", "--output_dir", str(target)])
    finally:
        if user == 0:
            os.seteuid(0)
            for folder, mode in modes.items():
                folder.chmod(mode)
        closed.chmod(0o755)
    assert code == 1
    error = capsys.readouterr().err
    assert "Permission denied" in error
    assert "choose another --output_dir" in error


def test_second_demo_at_the_same_time_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunFolder(tmp_path).lock():
        assert main(["demo", "--output_dir", str(tmp_path)]) == 1
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert "another process is using this run folder" in capsys.readouterr().err


def demo(folder: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "spatial_swin", "demo", "--short", "true", "--programmes", "20"]
    return subprocess.Popen(
        [*words, "--output_dir", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + WAIT
    while not file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.slow
def test_interrupted_demo_continues_finishes_and_is_not_made_twice(tmp_path: Path) -> None:
    """Stopped once while rendering and once while training; then whole; then only shown, and not mixed with others."""
    first = demo(tmp_path)
    wait_for(tmp_path / "data" / "pictures" / "100", first)
    first.send_signal(signal.SIGTERM)
    _, error = first.communicate(timeout=WAIT)
    assert (first.returncode, "demo: stopped by SIGTERM; the same command continues it" in error) == (143, True), error
    second = demo(tmp_path)
    wait_for(tmp_path / "run" / "history.csv", second)
    second.send_signal(signal.SIGTERM)
    _, error = second.communicate(timeout=WAIT)
    assert second.returncode == 143, error
    assert "the same command continues" in error
    done_before = RunFolder(tmp_path / "run").read_progress()["step"]
    out, error = demo(tmp_path).communicate(timeout=WAIT)
    assert "continuing from" in out, error
    assert f"checkpoint-{done_before}" in out
    assert "programmes never heard" in out
    assert "(one seed, 42)" in out
    assert "heard by 6 people of CIPIC whom neither model learnt from" in out
    rows = [line for line in out.splitlines() if line.startswith(("  this run  ", "  the detector that ships  "))]
    assert len(rows) == 2
    assert (tmp_path / "people.png").is_file()
    assert (tmp_path / "run" / "thesis_results" / "report.html").is_file()
    openings = RunFolder(tmp_path / "run").read_metrics()["test_openings"]
    out, _ = demo(tmp_path).communicate(timeout=WAIT)
    assert "this demo is done" in out
    assert RunFolder(tmp_path / "run").read_metrics()["test_openings"] == openings
    assert main(["demo", "--output_dir", str(tmp_path), "--programmes", "21"]) == 1
