"""A simple model beside a run: fitted once on the train part, kept, and a reason where its pictures are gone."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_runs import make_run
from PIL import Image

from spatial_swin.boosting import add_baseline, fit_and_predict, pooled_below
from spatial_swin.evaluation import baseline as simple
from spatial_swin.files import sha256_of
from spatial_swin.runs import BASELINE, RunFolder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run whose pictures are the brighter the higher their class."""
    monkeypatch.setattr(simple, "ITERATIONS", 5)
    made = make_run(tmp_path / "run", items=32, pictures=True)
    names = made.read_predictions("test").class_names
    samples = []
    for sample in made.read_split():
        file = tmp_path / "run_data" / sample.path
        level = 40 + 60 * names.index(sample.label)
        noise = np.random.default_rng(len(samples)).integers(-9, 9, (32, 32))
        Image.fromarray((level + noise).astype(np.uint8)).save(file)
        samples.append(replace(sample, sha256=sha256_of(file)))
    made.write_split(samples)
    return made


def test_it_is_fitted_on_the_train_part_and_says_what_it_makes_of_every_test_item(run: RunFolder) -> None:
    assert add_baseline(run) == ""
    said, test = run.read_predictions(BASELINE), run.read_predictions("test")
    assert sorted(said.paths) == sorted(test.paths)
    assert (said.predicted == said.labels).all(), "brightness tells the classes apart"
    about = run.read_baseline()
    assert about["train_items"] == 64
    assert about["train_groups"] == 16


def test_it_is_fitted_once_and_again_when_the_split_changed(run: RunFolder) -> None:
    add_baseline(run)
    kept = run.predictions_file(BASELINE)
    before = kept.stat().st_mtime_ns
    add_baseline(run)
    assert kept.stat().st_mtime_ns == before
    samples = run.read_split()
    first = next(k for k, sample in enumerate(samples) if sample.split == "train")
    samples[first] = replace(samples[first], split="validation")
    run.write_split(samples)
    assert add_baseline(run) == ""
    assert run.read_baseline()["train_items"] == 63


def test_pictures_that_are_gone_or_changed_are_a_reason_and_no_error(run: RunFolder, tmp_path: Path) -> None:
    victim = next(sample for sample in run.read_split() if sample.split == "train")
    Image.new("L", (32, 32)).save(tmp_path / "run_data" / victim.path)
    assert f"{victim.path}: is not the picture the split was made with" in add_baseline(run)
    shutil.rmtree(tmp_path / "run_data")
    assert "say where the pictures are now with --data_dir" in add_baseline(run)
    assert not run.has_baseline()


def test_a_class_that_training_lacks_has_probability_0(run: RunFolder, tmp_path: Path) -> None:
    samples = run.read_split()
    train = [sample for sample in samples if sample.split == "train" and sample.label != "510"]
    test = [sample for sample in samples if sample.split == "test"]
    said = fit_and_predict(pooled_below(tmp_path / "run_data"), train, test, ["100", "200", "510", "514"])
    assert (said.probabilities[:, 2] == 0).all()
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1)
