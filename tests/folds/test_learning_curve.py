"""The learning curve around a made-up trainer: nested groups, one test part, both models, continued and refused."""

import csv
from itertools import pairwise
from pathlib import Path
from typing import Any

import fold_fakes as fakes
import numpy as np
import pytest

from spatial_swin.errors import DataError, RunError
from spatial_swin.evaluation import baseline as simple
from spatial_swin.folds.learning_curve import curve_points, learning_curve, nested_order
from spatial_swin.folds.runs import FoldRun, Work
from spatial_swin.runs import Predictions, Sample


def features(paths: list[str]) -> np.ndarray:
    return np.array([[float(path.startswith("200")), len(path)] for path in paths])


def train(fold: FoldRun) -> None:
    """A finished run that is right in the more cases the more it was trained on."""
    fakes.write_run(fold)
    test = [sample for sample in fold.samples if sample.split == "test"]
    labels = np.array([fakes.CLASSES.index(sample.label) for sample in test])
    right = np.arange(len(test)) < len(test) * min(0.9, sum(s.split == "train" for s in fold.samples) / 60)
    table = np.where(np.eye(2)[np.where(right, labels, 1 - labels)] == 1, 0.8, 0.2)
    said = Predictions([s.path for s in test], [s.group for s in test], list(fakes.CLASSES), labels, table)
    fold.run.write_predictions("test", said)


def curve(output: Path, points: int = 3, trainer: Any = train, **changes: Any) -> list[dict[str, Any]]:
    work = Work(output, trainer, lambda fold: [])
    recipe = fakes.fake_recipe(**changes)
    return learning_curve(recipe, fakes.paired_samples(), work, points, features)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simple, "ITERATIONS", 2)
    monkeypatch.setattr("spatial_swin.reporting.figures_learning_curve.RESAMPLES", 50)


def groups_of(samples: list[Sample], part: str) -> set[str]:
    return {sample.group for sample in samples if sample.split == part}


def test_every_point_holds_the_one_before_it_and_classes_stay_in_proportion(tmp_path: Path) -> None:
    work = Work(tmp_path, train, lambda fold: [])
    points = curve_points(fakes.fake_recipe(), fakes.paired_samples(), work, 4)
    assert [point.groups for point in points] == [7, 14, 27, 54]
    for smaller, larger in pairwise(points):
        assert groups_of(smaller.fold.samples, "train") < groups_of(larger.fold.samples, "train")
        assert groups_of(smaller.fold.samples, "test") == groups_of(larger.fold.samples, "test")
    for point in points:
        counts = [sum(s.label == label and s.split == "train" for s in point.fold.samples) for label in fakes.CLASSES]
        assert abs(counts[0] - counts[1]) <= 2
    assert groups_of(points[-1].fold.samples, "train") == groups_of(fakes.paired_samples(), "train")


def test_the_order_is_that_of_the_seed_and_not_of_the_samples() -> None:
    samples = [sample for sample in fakes.paired_samples() if sample.split == "train"]
    assert nested_order(samples, 1) == nested_order(samples[::-1], 1)
    assert nested_order(samples, 1) != nested_order(samples, 2)


def test_both_models_are_in_the_table_with_their_difference(tmp_path: Path) -> None:
    rows = curve(tmp_path)
    assert [(row["model"], row["groups"]) for row in rows[::2]] == [("Swin", 14), ("Swin", 27), ("Swin", 54)]
    assert [row["model"] for row in rows[1::2]] == ["gradient boosting"] * 3
    assert rows[0]["accuracy"] < rows[4]["accuracy"]
    assert rows[4]["difference"] == pytest.approx(rows[4]["accuracy"] - rows[5]["accuracy"])
    assert rows[4]["accuracy_low"] < rows[4]["accuracy"] < rows[4]["accuracy_high"]
    with open(tmp_path / "learning_curve.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 6
    assert (tmp_path / "learning_curve.png").stat().st_size > 5000


def test_it_continues_where_it_stopped_and_refuses_another_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def breaks(fold: FoldRun) -> None:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(fold.name)
        train(fold)

    with pytest.raises(KeyboardInterrupt):
        curve(tmp_path, trainer=breaks)
    first = curve(tmp_path)
    assert trained == ["groups_14", "groups_27"]

    def never(*_: Any) -> None:
        raise AssertionError("it was fitted already")

    monkeypatch.setattr("spatial_swin.folds.learning_curve.fit_and_predict", never)
    assert curve(tmp_path, trainer=never) == first
    with pytest.raises(RunError, match="learning_rate"):
        curve(tmp_path, learning_rate=0.5)


def test_too_few_groups_are_refused_with_their_number(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"54 groups, too few for 7 points.*use fewer --points"):
        curve(tmp_path, points=7)
