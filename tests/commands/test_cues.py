"""`spatial-swin cues`: one figure of one sound."""

import numpy as np
import pytest
import soundfile
from PIL import Image

from spatial_swin.audio.clips import read_stretch
from spatial_swin.cli import main
from spatial_swin.reporting.figures_cues import rate_share


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((3 * 44_100, 2)), 44_100)
    return path


@pytest.mark.parametrize("arrangement", ["4x4", "4x6"])
def test_a_figure_is_drawn(sound, tmp_path, capsys, arrangement):
    output = tmp_path / "figures" / "clip.png"
    command = ["cues", str(sound), "--output", str(output), "--seconds", "1", "--start", "0.5"]
    assert main([*command, "--arrangement", arrangement]) == 0
    assert f"open {output}" in capsys.readouterr().out
    with Image.open(output) as figure:
        assert min(figure.size) > 1_000
        assert np.asarray(figure.convert("L")).std() > 20


def test_a_pdf_is_drawn(sound, tmp_path):
    assert main(["cues", str(sound), "--output", str(tmp_path / "clip.pdf"), "--seconds", "0.5"]) == 0
    assert (tmp_path / "clip.pdf").read_bytes().startswith(b"%PDF")


def test_the_stretch_asked_for_is_read(sound):
    whole, _ = soundfile.read(sound, dtype="float32")
    stretch = read_stretch(sound, 1.0, 0.5, 44_100)
    np.testing.assert_allclose(stretch, whole[44_100 : 44_100 + 22_050].T, atol=1e-6)
    assert read_stretch(sound, 2.0, None, 48_000).shape == (2, 48_000)


def test_frequencies_lie_on_the_erb_scale():
    assert rate_share(50, 50, 16_000) == 0
    assert rate_share(16_000, 50, 16_000) == 1
    assert 0.3 < rate_share(1_000, 50, 16_000) < 0.45


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "2.9"], "--start 2.9 leaves less"),
        (["--output", "clip.jpg"], "clip.jpg"),
        (["--sample_rate", "8000"], "8000"),
    ],
)
def test_what_cannot_be_shown_is_said(sound, tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(tmp_path)
    assert main(["cues", str(sound), *options]) == 1
    assert words in capsys.readouterr().err


def test_a_missing_and_a_mono_file_are_named(tmp_path, capsys):
    assert main(["cues", str(tmp_path / "none.wav")]) == 1
    assert "no such file" in capsys.readouterr().err
    soundfile.write(tmp_path / "mono.wav", np.ones(48_000), 48_000)
    assert main(["cues", str(tmp_path / "mono.wav")]) == 1
    assert "1 channel" in capsys.readouterr().err
