"""`spatial-swin predict --expect 514 --master`: the verdict stays, delivery and master are checked beside it."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from certain_models import write_certain_model
from tiny_masters import RATE, axml, bed_rows, write_bw64, write_master

from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.programme import programme_at
from spatial_swin.audio.render import render_layouts
from spatial_swin.cli import main
from spatial_swin.layouts import LAYOUTS


@pytest.fixture(scope="module")
def certain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certain_model(tmp_path_factory.mktemp("certain"))


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with master.wav (ADM, 5.1.4), stereo.wav (a poorer master) and binaural.wav, rendered of the first."""
    folder = tmp_path_factory.mktemp("delivery")
    samples = 0.02 * np.random.default_rng(0).standard_normal((RATE, 10)) * np.linspace(1, 0.4, 10)
    samples[:, 3] = 0
    write_master(folder / "master.wav", samples, bed_rows(), axml(tracks=range(1, 11)))
    write_bw64(folder / "stereo.wav", samples[:, [0, 0]])
    scene = programme_at(folder / "master.wav", 0).scene(0, RATE, RATE)
    (ears,) = render_layouts(scene, [LAYOUTS["514"]], [load_listener("kemar", RATE)]).values()
    soundfile.write(folder / "binaural.wav", match_loudness(ears, RATE)[0].T, RATE, subtype="PCM_24")
    return folder


def as_json(shown: str) -> dict:
    """What was printed, without what libraries print when they are loaded."""
    return json.loads(shown[shown.index("{\n") :])


def predict(certain: Path, delivery: Path, *options: str) -> int:
    return main(["predict", str(certain), str(delivery / "binaural.wav"), *options])


def test_a_delivery_that_is_as_declared_passes(certain, delivery, capsys):
    options = ["--expect", "514", "--master", str(delivery / "master.wav")]
    assert predict(certain, delivery, *options, "--format", "json") == 0
    found = as_json(capsys.readouterr().out)
    quality = found["files"][0]["quality"]
    assert (found["agrees"], found["quality_passed"], quality["passed"], quality["failed"]) == (True, True, True, [])
    assert quality["limits"] == {"loudness_lkfs": -18, "true_peak_dbtp": -1}
    assert quality["binaural"]["loudness_lkfs"] == pytest.approx(-23, abs=0.1)
    assert quality["master"]["bed"] == quality["master"]["declared"] == list(LAYOUTS["514"].names)
    assert (quality["master"]["kind"], quality["master"]["silent"]) == ("adm", ["LFE1"])
    assert quality["comparison"]["consistent"]
    assert quality["comparison"]["coherence_by_layout"].keys() == {"514", "100", "200", "510"}
    assert len(quality["comparison"]["bands"]["level_difference_db"]["left"]) == 24
    assert predict(certain, delivery, *options) == 0
    shown = capsys.readouterr().out
    assert "    quality passed: binaural -23.0 LKFS, " in shown
    assert "master (bed 5.1.4) -" in shown
    assert "consistent with kemar (coherence 1.00, +0.0 ms)" in shown
    assert "quality: 1 of 1 passed" in shown


def test_what_fails_is_named_and_the_exit_code_says_so(certain, delivery, capsys):
    options = ["--expect", "514", "--master", str(delivery / "stereo.wav"), "--loudness", "-30"]
    assert predict(certain, delivery, *options) == 4
    shown = capsys.readouterr().out
    for line in (
        "    - binaural: loudness -23.0 LKFS, limit -30",
        "    - master: bed is 2.0.0 stereo, declared 5.1.4: without M+000, LFE1, ",
        "    - master: all-Mid: M+030 and M-030 hold the same",
        "    - delivery differs from the master heard by kemar in rendering (coherence 0.",
    ):
        assert line in shown
    assert predict(certain, delivery, *options, "--format", "csv") == 4
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["verdict"] == "514"
    assert row["quality"].startswith("failed; binaural: loudness -23.0 LKFS, limit -30; master: bed is 2.0.0")


def test_limits_alone_check_the_recordings(certain, delivery, capsys):
    assert predict(certain, delivery, "--true_peak", "-40", "--format", "json") == 0  # nothing is declared
    quality = as_json(capsys.readouterr().out)["files"][0]["quality"]
    assert (quality["passed"], quality["master"], quality["comparison"]) == (False, None, None)
    assert predict(certain, delivery, "--true_peak", "-40", "--expect", "514") == 4
    assert predict(certain, delivery, "--true_peak", "0", "--expect", "514") == 0


def test_options_that_need_others_are_refused(certain, delivery, capsys):
    master = str(delivery / "master.wav")
    assert predict(certain, delivery, "--master", master) == 2
    assert "give --expect one of 100, 200, 510, 514" in capsys.readouterr().err
    assert predict(certain, delivery, "--listener", "kemar") == 2
    assert "give --master too" in capsys.readouterr().err
    assert predict(certain, delivery, "--expect", "514", "--master", "gone.wav") == 1
    assert "gone.wav: no such file or folder" in capsys.readouterr().err
    options = ["--expect", "514", "--master", master, "--listener", "nobody"]
    assert predict(certain, delivery, *options) == 1
    assert "there is no listener 'nobody'" in capsys.readouterr().out


def test_a_master_that_cannot_be_read_is_named_before_anything_is_judged(certain, delivery, capsys, tmp_path):
    xml = axml(tracks=[1], version="ITU-R_BS.2076-7")
    path = write_master(tmp_path / "new.wav", np.ones((100, 1)), bed_rows([1]), xml)
    assert predict(certain, delivery, "--expect", "514", "--master", str(path)) == 1
    assert "is of the ADM version 'ITU-R_BS.2076-7'" in capsys.readouterr().err


def test_render_takes_adm_masters_as_programmes(delivery, tmp_path):
    (tmp_path / "masters").mkdir()
    (tmp_path / "masters" / "song.wav").write_bytes((delivery / "master.wav").read_bytes())
    options = ["--layouts", "514", "510", "--seconds", "0.5", "--size", "96", "--workers", "1", "--sound", "false"]
    assert (
        main(["render", "--programmes", str(tmp_path / "masters"), *options, "--output_dir", str(tmp_path / "d")]) == 0
    )
    rows = list(csv.DictReader((tmp_path / "d" / "pictures" / "manifest.csv").open()))
    assert {(row["programme"], row["kind"], row["label"]) for row in rows} == {
        ("song", "adm", "514"),
        ("song", "adm", "510"),
    }
