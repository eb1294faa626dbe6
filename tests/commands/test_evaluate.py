"""`spatial-swin evaluate`: metrics from kept predictions, and what happens when the test part is opened again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_runs import make_run
from PIL import Image
from transformers import AutoConfig, SwinForImageClassification

from spatial_swin.cli import main
from spatial_swin.data.pictures import build_processor
from spatial_swin.finished import open_finished
from spatial_swin.runs import RunFolder


@pytest.fixture
def run_with_model(tmp_path: Path, tiny_swin: Path) -> RunFolder:
    """A made-up run of 24 test pictures whose model is a tiny Swin with random weights."""
    run = make_run(tmp_path / "run", items=24, pictures=True)
    names = run.read_predictions("test").class_names
    config = AutoConfig.from_pretrained(
        tiny_swin, num_labels=4, id2label=dict(enumerate(names)), label2id={name: k for k, name in enumerate(names)}
    )
    torch.manual_seed(0)
    SwinForImageClassification(config).save_pretrained(run.model)
    build_processor(32).save_pretrained(run.model)
    run.write_metrics({"best_epoch": 3, "test_openings": [{"when": "2026-01-01T00:00:00+00:00", "by": "training"}]})
    return run


def test_kept_predictions_are_used_and_the_test_part_stays_closed(
    run_with_model: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run_with_model.predictions_file("test").read_bytes()
    assert main(["evaluate", str(run_with_model.path), "--resamples", "200"]) == 0
    metrics = run_with_model.read_metrics()
    assert run_with_model.predictions_file("test").read_bytes() == before
    assert len(metrics["test_openings"]) == 1
    assert metrics["best_epoch"] == 3, "what training noted is kept"
    assert metrics["test"]["accuracy"]["low"] < metrics["test"]["accuracy"]["value"]
    stored = json.loads((run_with_model.model / "temperature.json").read_text())
    assert stored["fitted_on"] == "validation"
    assert stored["temperature"] == metrics["temperature"]
    assert "model-index" in (run_with_model.model / "README.md").read_text()
    shown = capsys.readouterr().out
    assert f"{metrics['test']['accuracy']['value']:.4f}" in shown
    assert "opened" not in shown
    assert "of 6 groups only" in shown, "24 validation items are few"
    assert stored["groups"] == 6
    assert "of 6 groups only" in open_finished(run_with_model.path).caution
    assert "fewer than 9 programmes" in shown
    assert open_finished(run_with_model.path).sets.least == metrics["prediction_sets"]["least"] == 0
    assert metrics["prediction_sets"]["test_coverage"] == 1


def test_sets_are_fitted_on_validation_alone_and_held_against_the_test_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", items=400)
    assert main(["evaluate", str(run.path), "--resamples", "100"]) == 0
    assert "sets of labels with a probability of at least" in capsys.readouterr().out
    first = run.read_metrics()["prediction_sets"]
    assert 0 < first["least"] < 0.5
    assert first["test_coverage"] > 0.85
    assert 1 <= first["test_mean_size"] < 2.5
    assert [(part["value"], part["least"] is None) for part in first["parts"]] == [
        ("programmes", False),
        ("listeners", True),  # two of them
    ]
    test = run.read_predictions("test")
    turned = type(test)(test.paths, test.groups, test.class_names, test.labels, np.roll(test.probabilities, 1, axis=1))
    run.write_predictions("test", turned)
    assert main(["evaluate", str(run.path), "--resamples", "100"]) == 0
    second = run.read_metrics()["prediction_sets"]
    assert second["least"] == first["least"]
    assert second["test_coverage"] < 0.5


def test_temperature_never_looks_at_the_test_part(run_with_model: RunFolder) -> None:
    assert main(["evaluate", str(run_with_model.path), "--resamples", "100"]) == 0
    first = run_with_model.read_metrics()["temperature"]
    test = run_with_model.read_predictions("test")
    turned = type(test)(test.paths, test.groups, test.class_names, test.labels, np.roll(test.probabilities, 1, axis=1))
    run_with_model.write_predictions("test", turned)
    assert main(["evaluate", str(run_with_model.path), "--resamples", "100"]) == 0
    assert run_with_model.read_metrics()["temperature"] == first


def test_predicting_again_is_counted_and_warned_of(
    run_with_model: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run_with_model.path), "--repredict", "true", "--resamples", "100"]) == 0
    assert len(run_with_model.read_metrics()["test_openings"]) == 2
    assert "opened 2 times" in capsys.readouterr().out
    found = run_with_model.read_predictions("test")
    assert len(found) == 24
    model = SwinForImageClassification.from_pretrained(run_with_model.model).eval()
    data = Path(run_with_model.read_recipe()["Data"]["data_dir"])
    with Image.open(data / found.paths[0]) as picture:
        pixels = build_processor(32)(picture.convert("RGB"), return_tensors="pt")
    with torch.no_grad():
        expected = model(**pixels).logits.softmax(dim=1)[0].numpy()
    np.testing.assert_allclose(found.probabilities[0], expected, atol=1e-5)


def test_missing_predictions_are_made(run_with_model: RunFolder) -> None:
    run_with_model.predictions_file("test").unlink()
    assert main(["evaluate", str(run_with_model.path), "--resamples", "100"]) == 0
    assert run_with_model.predictions_file("test").is_file()
    assert len(run_with_model.read_metrics()["test_openings"]) == 2


def test_changed_and_missing_pictures_are_all_listed(
    run_with_model: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(run_with_model.read_recipe()["Data"]["data_dir"])
    first, second = run_with_model.read_predictions("test").paths[:2]
    (data / first).unlink()
    Image.new("L", (32, 32)).save(data / second)
    before = run_with_model.predictions_file("test").read_bytes()
    assert main(["evaluate", str(run_with_model.path), "--repredict", "true"]) == 1
    message = capsys.readouterr().err
    assert "2 problems" in message
    assert first in message
    assert second in message
    assert run_with_model.predictions_file("test").read_bytes() == before


def test_unfinished_run_is_refused(run_with_model: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    run_with_model.write_progress({"state": "stopped", "epoch": 1, "epochs": 4})
    assert main(["evaluate", str(run_with_model.path)]) == 1
    assert "the training is stopped" in capsys.readouterr().err
