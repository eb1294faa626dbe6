"""`spatial-swin predict`: every kind of file at once, bad ones listed, tables for people and machines, exit codes."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from certain_models import write_certain_model
from PIL import Image

from spatial_swin import files
from spatial_swin.cli import main
from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.domain_score import DomainScore
from spatial_swin.evaluation.domain_words import NOTHING_TOLD
from spatial_swin.prediction.tables import clock

RATE = 48_000


@pytest.fixture(scope="session")
def certain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certain_model(tmp_path_factory.mktemp("certain"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in: two pictures, a recording with a silent middle, and things that are neither."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "box" / "deep").mkdir(parents=True)
    Image.new("L", (192, 192), 90).save("box/a.png")
    Image.new("RGB", (50, 40), (9, 99, 199)).save("box/deep/b.jpg")
    sound = 0.1 * np.random.default_rng(0).standard_normal((3 * RATE // 2, 2))
    sound[RATE // 2 : RATE] = 0
    soundfile.write("box/deep/c.wav", sound, RATE)
    (tmp_path / "box" / "notes.txt").write_text("passed by")
    (tmp_path / "box" / ".hidden.png").write_text("not looked at")
    (tmp_path / "bad.png").write_text("not a picture")
    return tmp_path


def test_files_folders_and_patterns_are_judged_once_each_in_order(certain, here, capsys):
    assert main(["predict", str(certain), "box/deep/*.wav", "box", "box/a.png", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["file"], row["kind"], row["flags"]) for row in found["files"]] == [
        ("box/deep/c.wav", "sound", ["silent in 1 of 3 windows"]),
        ("box/a.png", "picture", []),
        ("box/deep/b.jpg", "picture", ["other size"]),
    ]
    assert all(row["verdict"] == "514" for row in found["files"])
    assert all(row["probabilities"]["514"] == pytest.approx(0.9, abs=1e-5) for row in found["files"])
    assert found["files"][0]["shares"] == {"100": 0, "200": 0, "510": 0, "514": 1}
    assert found["problems"] == []
    assert "agrees" not in found


def test_what_cannot_be_judged_is_listed_and_the_rest_is_done(certain, here, capsys):
    words = ["bad.png", "box/a.png", "gone.wav", "box/notes.txt", "none*.wav", "box/deep/c.wav"]
    assert main(["predict", str(certain), *words]) == 1
    shown = capsys.readouterr().out
    assert "2 files judged" in shown
    assert "could not be judged (4):" in shown
    for sentence in (
        "bad.png: not a picture, whatever its name says; export it again as PNG",
        "gone.wav: not found; give files",
        "box/notes.txt: neither sound nor picture by its name",
        "none*.wav: no sound and no picture there",
    ):
        assert f"  - {sentence}" in shown


def test_the_table_shows_verdicts_runners_up_and_stretches_of_windows(certain, here, capsys):
    assert main(["predict", str(certain), "box", "--timeline", "true", "--top_k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [*("file", "verdict", "probability", "also", "in", "steps", "windows", "notes")]
    row = next(number for number, line in enumerate(lines) if line.startswith("box/deep/c.wav"))
    assert lines[row].split()[1:6] == ["514", "514", "0.900", "100", "0.040"]
    assert "surround 0.93, of it 5.1.4 0.97  3, 100% 514" in lines[row]
    assert [line.split() for line in lines[row + 1 : row + 4]] == [
        ["0:00:00", "-", "0:00:00.5", "514", "0.900", "(1", "window)"],
        ["0:00:00.5", "-", "0:00:01", "silent", "(1", "window)"],
        ["0:00:01", "-", "0:00:01.5", "514", "0.900", "(1", "window)"],
    ]
    assert any("1 neither sound nor picture passed by" in line for line in lines)
    assert any("calibrated (temperature 1.000)" in line for line in lines)


def test_csv_has_a_row_a_file_and_one_a_window_when_asked(certain, here, capsys):
    assert main(["predict", str(certain), "box", "--format", "csv"]) == 0
    assert [row["kind"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == [
        "picture",
        "picture",
        "sound",
    ]
    assert main(["predict", str(certain), "box", "--format", "csv", "--timeline", "true", "--output", "t.csv"]) == 0
    assert "open t.csv" in capsys.readouterr().out
    rows = list(csv.DictReader((here / "t.csv").open()))
    assert [row["kind"] for row in rows] == ["picture", "picture", "sound", "window", "window", "window"]
    assert [(row["start"], row["end"], row["verdict"], row["flags"]) for row in rows[3:]] == [
        ("0.0", "0.5", "514", ""),
        ("0.5", "1.0", "", "silent"),
        ("1.0", "1.5", "514", ""),
    ]
    assert all(float(row["p_514"]) == pytest.approx(0.9, abs=1e-5) for row in rows)
    assert rows[2]["share"] == "1.0"


@pytest.mark.parametrize(
    ("options", "code", "agrees"),
    [
        (["box", "--expect", "514"], 0, True),
        (["box", "--expect", "510"], 4, False),
        (["box", "--expect", "514", "--minimum_confidence", "0.95"], 4, False),  # no verdict is no agreement
        (["box", "bad.png", "--expect", "514"], 1, False),  # not known to differ, not known to agree
        (["box", "bad.png", "--expect", "100"], 4, False),
    ],
)
def test_declared_against_detected(certain, here, capsys, options, code, agrees):
    assert main(["predict", str(certain), *options, "--format", "json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["agrees"] is agrees
    assert len(found["differing"]) == (3 if code == 4 else 0)


def test_the_verdict_comes_in_two_steps_and_as_a_set_where_sets_were_fitted(certain, here, capsys):
    assert main(["predict", str(certain), "box/a.png", "--format", "json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    first, second = plain["files"][0]["steps"]
    assert (first["answer"], second["answer"]) == ("surround", "514")
    assert first["probabilities"] == pytest.approx({"mono": 0.04, "stereo": 0.03, "surround": 0.93}, abs=1e-5)
    assert (plain["sets"], plain["files"][0]["set"]) == (None, None)
    shutil.copytree(certain, here / "model")
    files.write_json(here / "model" / "sets.json", PredictionSets(0.9, 0.035, 1.0, caution="few heads").as_record())
    assert main(["predict", "model", "box", "--format", "json", "--timeline", "true"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sets"] == {"coverage": 0.9, "least": 0.035, "caution": "few heads", "windows": "mean"}
    assert [row["set"] for row in found["files"]] == [["514", "100"]] * 3
    sound = next(row for row in found["files"] if row["kind"] == "sound")
    assert sound["timeline"][0]["set"] == ["514", "100"]
    assert main(["predict", "model", "box", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {(row["family"], row["family_probability"], row["set"]) for row in rows} == {
        ("surround", "0.93", "514 100")
    }
    assert main(["predict", "model", "box/a.png"]) == 0
    shown = capsys.readouterr().out
    assert "90% set" in shown
    assert "WARNING: few heads" in shown


def score_that_says(value: float) -> dict[str, Any]:
    """A domain score that gives every picture `value`."""
    ones = np.ones(16 * 8 * 4)
    return DomainScore(ones, ones, 0 * ones, value, 0.0, 1.0, {}).as_record()


def test_what_should_not_be_asked_is_flagged_and_can_be_required(certain, here, capsys):
    assert main(["predict", str(certain), "box", "--require_binaural", "true"]) == 2
    assert "--require_binaural needs a domain score" in capsys.readouterr().err
    shutil.copytree(certain, here / "model")
    files.write_json(here / "model" / "domain_score.json", score_that_says(1.5))
    assert main(["predict", "model", "box", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["files"]
    sound = next(row for row in found if row["kind"] == "sound")
    assert (sound["in_domain"], sound["domain_score"], sound["domain_reason"]) == (False, 1.5, None)
    assert all(row["in_domain"] is None for row in found if row["kind"] == "picture")  # 192 px, judged at 32
    assert main(["predict", "model", "box", "--require_binaural", "true"]) == 4
    shown = capsys.readouterr().out
    assert "NOTE: this should not be asked of the model (domain score +1.50, above 0)" in shown
    assert "1 that should not be asked" in shown
    files.write_json(here / "model" / "domain_score.json", score_that_says(-1.0))
    assert main(["predict", "model", "box", "--require_binaural", "true", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["domain_score"] for row in rows} == {"", "-1.0"}
    (here / "model" / "domain_score.json").write_text("{}")
    assert main(["predict", "model", "box"]) == 1
    assert "run `spatial-swin evaluate --domain_score true` on the run again" in capsys.readouterr().err


def test_below_the_confidence_there_is_no_verdict(certain, here, capsys):
    assert main(["predict", str(certain), "box", "--minimum_confidence", "0.95"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("unsure") == 3
    assert "3 without a verdict" in shown


def test_a_recording_outside_of_what_the_model_learnt_from_is_named_and_judged(certain, here, capsys):
    noise = 0.1 * np.random.default_rng(0).standard_normal((4 * RATE, 2))
    for k in range(4):
        soundfile.write(f"box/short{k}.wav", noise[: RATE // 3], RATE)
    soundfile.write("box/low.wav", noise[: 2 * 32_000], 32_000)
    words = ["predict", str(certain), "box/deep/c.wav", "box/low.wav", *(f"box/short{k}.wav" for k in range(4))]
    assert main([*words, "--minimum_seconds", "0.3", "--format", "json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert found["domain"] == {"in_words": NOTHING_TOLD}, "a folder without domain.json"
    by_name = {Path(row["file"]).stem: row for row in found["files"]}
    assert all(row["verdict"] == "514" for row in by_name.values())
    assert by_name["c"]["warnings"] == []
    assert by_name["low"]["warnings"][0].startswith("has 32000 Hz, so nothing above 16 kHz")
    assert by_name["short0"]["warnings"][0].startswith("lasts 0.33 s: silence fills the rest")
    lines = [line for line in shown.err.splitlines() if line.startswith("WARNING: ")]
    assert len(lines) == 2
    assert lines[1].startswith("WARNING: 4 files are shorter than a clip: ")
    assert lines[1].endswith("box/short0.wav, box/short1.wav, box/short2.wav and 1 more")


def test_a_label_that_the_model_does_not_know_is_wrong_usage(certain, here, capsys):
    assert main(["predict", str(certain), "box", "--expect", "515"]) == 2
    assert "the model knows 100, 200, 510, 514" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_named(certain, here, capsys):
    assert main(["predict", str(certain), "box", "--output", "bad.png/t.csv"]) == 1
    assert "bad.png/t.csv: cannot be written" in capsys.readouterr().err


def test_options_out_of_range_are_refused(certain, here, capsys):
    for options in (["--minimum_confidence", "1.5"], ["--top_k", "0"], ["--format", "xml"]):
        with pytest.raises(SystemExit, match="2"):
            main(["predict", str(certain), "box", *options])
    assert main(["predict", str(certain), "box", "--hop_seconds", "0.01"]) == 1
    assert "--hop_seconds 0.01 is less than 0.05" in capsys.readouterr().err


def test_times_are_written_as_a_clock_shows_them():
    assert [clock(s) for s in (0, 12.5, 59.96, 3599, 10_799.5)] == [
        "0:00:00",
        "0:00:12.5",
        "0:01:00",
        "0:59:59",
        "2:59:59.5",
    ]
