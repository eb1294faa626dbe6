"""`evaluate` on a real tiny run: what training predicted is used, predicting again is counted and changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spatial_swin.cli import main
from spatial_swin.config import load_recipe
from spatial_swin.runs import RunFolder
from spatial_swin.training import fine_tune


@pytest.fixture
def run(write_recipe: Callable[..., Path]) -> RunFolder:
    return fine_tune(load_recipe(write_recipe(num_train_epochs=2, head_only_epochs=1)))


def test_metrics_and_temperature_come_from_the_kept_predictions(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run.predictions_file("test").read_bytes()
    assert main(["evaluate", str(run.path), "--resamples", "200"]) == 0
    assert run.predictions_file("test").read_bytes() == before
    metrics = run.read_metrics()
    assert [entry["by"] for entry in metrics["test_openings"]] == ["training"]
    saved = json.loads((run.model / "temperature.json").read_text())
    assert saved["temperature"] == metrics["temperature"]
    assert saved["fitted_on"] == "validation"
    out = capsys.readouterr().out
    assert "accuracy" in out
    assert "WARNING" not in out


def test_predicting_again_agrees_with_training_and_is_counted(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    first = {part: run.read_predictions(part) for part in ("validation", "test")}
    assert main(["evaluate", str(run.path), "--repredict", "true", "--resamples", "200"]) == 0
    for part, kept in first.items():
        again = run.read_predictions(part)
        assert again.paths == kept.paths
        assert np.allclose(again.probabilities, kept.probabilities, atol=1e-5)
    assert len(run.read_metrics()["test_openings"]) == 2
    assert "opened 2 times" in capsys.readouterr().out


def test_missing_predictions_are_made(run: RunFolder) -> None:
    run.predictions_file("test").unlink()
    assert main(["evaluate", str(run.path), "--resamples", "200"]) == 0
    assert run.predictions_file("test").is_file()


def test_a_changed_picture_is_refused_before_anything_is_predicted(
    run: RunFolder, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = next(s for s in run.read_split() if s.split == "test")
    (pictures / sample.path).write_bytes(b"other")
    assert main(["evaluate", str(run.path), "--repredict", "true"]) == 1
    assert "is not the picture of the split" in capsys.readouterr().err


def test_an_unfinished_run_is_refused(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    run.write_progress({"state": "stopped", "epoch": 1, "epochs": 2})
    assert main(["evaluate", str(run.path)]) == 1
    assert "the training is stopped" in capsys.readouterr().err
