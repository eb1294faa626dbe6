"""What libsndfile does not read goes through ffmpeg, if it is there: streamed, whole or with a sentence."""

import os
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_swin.audio import ffmpeg
from spatial_swin.audio.clips import Cut, Recording, clips, judge
from spatial_swin.audio.sound_files import BY_FFMPEG, open_sound
from spatial_swin.errors import BadSound

RATE = 48_000
CUT = Cut(1.0, 1.0, 1.0)
FAKE = """#!{python}
# Says what ffmpeg says of a file: an AU header and samples as 32-bit floats, or a complaint.
import pathlib, struct, sys, time
arguments = sys.argv[1:]
path = pathlib.Path(arguments[arguments.index("-i") + 1].removeprefix("file:"))
content = path.read_bytes()
if content.startswith(b"hangs"):
    time.sleep(60)
if content.startswith(b"broken"):
    sys.exit("moov atom not found")
sys.stdout.buffer.write(struct.pack(">4s5I4x", b".snd", 28, 0xFFFFFFFF, 6, 48000, 2))
sys.stdout.buffer.write(content)
if content.endswith(b"cut!"):
    sys.exit("Invalid data found when processing input")
"""


def sound(seconds: float = 2.5) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((round(seconds * RATE), 2)).astype(np.float32)


def recording(path: Path, content: bytes) -> Recording:
    path.write_bytes(content)
    return Recording(path, "510", path.stem, f"510/{path.name}")


@pytest.fixture
def with_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(FAKE.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("ending", sorted(BY_FFMPEG))
def test_without_ffmpeg_its_endings_say_what_is_missing(tmp_path: Path, monkeypatch, ending: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    problem = judge(recording(tmp_path / f"x{ending}", b"anything"), CUT)
    assert problem is not None
    assert str(problem) == (
        f"510/x{ending}: {ending} cannot be read without ffmpeg, which is not installed; "
        "install ffmpeg, or convert it to WAV or FLAC"
    )


@pytest.mark.usefixtures("with_ffmpeg")
def test_what_ffmpeg_decodes_is_cut_into_clips_like_any_sound(tmp_path: Path) -> None:
    samples = sound()
    film = recording(tmp_path / "a film.mp4", samples.astype(">f4").tobytes())
    assert judge(film, CUT) is None
    pieces = list(clips(film, CUT))
    assert len(pieces) == 2
    np.testing.assert_array_equal(np.concatenate([clip.sound for clip in pieces], axis=1), samples[: 2 * RATE].T)


@pytest.mark.usefixtures("with_ffmpeg")
def test_what_ffmpeg_complains_of_is_named(tmp_path: Path) -> None:
    cut = sound().astype(">f4").tobytes() + b"cut!"
    reasons = {b"broken": "moov atom not found", cut: "Invalid data found when processing input"}
    for content, reason in reasons.items():
        problem = judge(recording(tmp_path / "x.m4a", content), CUT)
        assert problem is not None
        assert reason in problem.what


@pytest.mark.usefixtures("with_ffmpeg")
def test_ffmpeg_that_stands_still_is_ended(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ffmpeg, "PATIENCE", 0.5)
    began = time.monotonic()
    problem = judge(recording(tmp_path / "x.webm", b"hangs"), CUT)
    assert problem is not None
    assert "ffmpeg gave nothing for 0.5 s" in problem.what
    assert time.monotonic() - began < 30


def test_a_reader_that_stops_early_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.oga"
    soundfile.write(path, sound(5), RATE, format="OGG")
    with open_sound(path) as opened:
        assert opened.channels == 2
        assert len(next(opened.blocks)) > 0
    with pytest.raises(BadSound, match="cannot be read"), open_sound(tmp_path / "missing.wav"):
        pass
