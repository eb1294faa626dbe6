"""`spatial-swin mosaic`: what a person types, what comes out, what is said when it cannot be."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_swin.cli import main
from spatial_swin.data.factors import find_factors
from spatial_swin.data.folder import scan_folder

FIELD_NAME = "binaural_audio_D1_48K_24bit_0.3s_FIR_SOFA_ac01-globo-1_0"


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for label in ("100", "514"):
        (tmp_path / "in" / label).mkdir(parents=True)
        for name in (FIELD_NAME, "own"):
            sound = 0.1 * generator.standard_normal((int(1.6 * 44_100), 2))
            soundfile.write(tmp_path / "in" / label / f"{name}.flac", sound, 44_100)
    return tmp_path / "in"


def test_recordings_become_a_folder_that_training_reads(recordings, tmp_path, capsys):
    options = ["--seconds", "0.5", "--size", "192", "--workers", "2"]
    assert main(["mosaic", str(recordings), str(tmp_path / "out"), *options]) == 0
    assert "12 pictures of 4 recordings (0 flagged" in capsys.readouterr().out
    folder = scan_folder(tmp_path / "out")
    assert folder.class_names == ["100", "514"]
    factors = find_factors(folder.root, [picture.path for picture in folder.pictures])
    with (tmp_path / "out" / "manifest.csv").open() as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    row = rows[f"100/{FIELD_NAME}_chunk0002.png"]
    assert (row["listener"], row["programme"], row["source"], row["chunk"]) == ("D1", "ac01", "globo", "2")
    assert rows["514/own_chunk0000.png"]["programme"] == "own"
    assert len(set(factors.groups("recording").values())) == 4


def test_bad_recordings_stop_it_all_at_once_or_are_left_out(recordings, tmp_path, capsys):
    soundfile.write(recordings / "100" / "six.wav", np.ones((48_000, 6)), 48_000)
    soundfile.write(recordings / "514" / "brief.wav", np.ones((4_800, 2)), 48_000)
    command = ["mosaic", str(recordings), str(tmp_path / "out"), "--seconds", "0.5", "--size", "192"]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "100/six.wav: 6 channels" in said
    assert "514/brief.wav: 0.100 s" in said
    assert main([*command, "--skip_bad", "true"]) == 0
    assert "left out (2)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--size", "100", "--arrangement", "4x6"], 1, "100 pixels does not divide"),
        (["--seconds", "0.1"], 1, "--seconds 0.1"),
        (["--factors", "("], 1, "not a regular expression"),
    ],
)
def test_options_that_cannot_work_are_said(recordings, tmp_path, capsys, options, code, words):
    assert main(["mosaic", str(recordings), str(tmp_path / "out"), *options]) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_shard_that_is_none_is_a_usage_error(recordings, tmp_path, capsys, shard):
    with pytest.raises(SystemExit) as caught:
        main(["mosaic", str(recordings), str(tmp_path / "out"), "--shard", shard])
    assert caught.value.code == 2
