"""Uploads lie in a folder of their own and leave it: after the answer, when forgotten, and with the process."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spatial_swin.app.uploads import Uploads
from spatial_swin.errors import SpatialSwinError


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "before")
    made = Uploads()
    yield made
    made.close()
    assert not made.folder.exists()


def upload(uploads: Uploads, name: str = "take.wav") -> Path:
    path = uploads.folder / "hash" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("sound")
    return path


def test_the_folder_is_private_and_gradio_uses_it(uploads: Uploads) -> None:
    assert uploads.folder.stat().st_mode & 0o077 == 0
    assert os.environ["GRADIO_TEMP_DIR"] == str(uploads.folder)


def test_the_same_bytes_of_two_visitors_stay_until_both_are_answered(uploads: Uploads) -> None:
    path = upload(uploads)
    with uploads.held(path):
        with uploads.held(path):
            pass
        assert path.is_file()
    assert list(uploads.folder.iterdir()) == []


def test_nothing_outside_the_folder_is_removed(uploads: Uploads, tmp_path: Path) -> None:
    mine = tmp_path / "mine.wav"
    mine.write_text("sound")
    with uploads.held(mine):
        pass
    with uploads.held(uploads.folder / ".." / mine.name):
        pass
    assert mine.is_file()


def test_what_nobody_asked_about_is_forgotten(uploads: Uploads) -> None:
    old, new = upload(uploads, "old.wav"), upload(uploads, "new.wav")
    broken_off = uploads.folder / "tmpabc"
    broken_off.write_text("half")
    for path in (old, broken_off):
        os.utime(path, (time.time() - 2000,) * 2)
    uploads.sweep()
    assert [path.name for path in uploads.folder.rglob("*.wav")] == [new.name]
    assert not broken_off.exists()


def test_without_any_folder_that_can_be_written_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    with pytest.raises(SpatialSwinError, match="set TMPDIR to a folder that can be written"):
        Uploads()


def test_sigterm_removes_the_folder() -> None:
    program = """
import time
from spatial_swin import cli
from spatial_swin.commands import app
from spatial_swin.app.uploads import Uploads

def run(arguments):
    uploads = Uploads()
    (uploads.folder / "take.wav").write_text("sound")
    print(uploads.folder, flush=True)
    time.sleep(60)

app.run = run
raise SystemExit(cli.main(["app", "model"]))
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    folder = Path(child.stdout.readline().strip())
    assert (folder / "take.wav").is_file()
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) == 143
    assert not folder.exists()
