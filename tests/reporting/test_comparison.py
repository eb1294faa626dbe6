"""Comparisons of runs: numbers against the statistics they come from, refusals, and what is written."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spatial_swin.errors import DataError, RunError
from spatial_swin.evaluation.significance import exact_mcnemar, holm
from spatial_swin.reporting.comparison import compare_runs
from spatial_swin.runs import Predictions, RunFolder

MakeRun = Callable[..., RunFolder]


def other_answers(run: RunFolder, source: RunFolder, wrong: int) -> None:
    """Give `run` the test items of `source`, in another order, with `wrong` answers turned."""
    test = source.read_predictions("test")
    table = np.where(np.eye(4)[test.labels] == 1, 0.85, 0.05)
    table[:wrong] = np.roll(table[:wrong], 1, axis=1)
    back = slice(None, None, -1)
    shuffled = Predictions(test.paths[back], test.groups[back], test.class_names, test.labels[back], table[back])
    run.write_predictions("test", shuffled)


def test_three_runs_are_compared_pair_by_pair(made_run: MakeRun, tmp_path: Path) -> None:
    first, second, third = made_run("first", skill=1.0), made_run("second"), made_run("third")
    other_answers(second, first, 4)
    other_answers(third, first, 6)
    text = compare_runs([first.path, second.path, third.path], tmp_path / "out", resamples=500)
    with open(tmp_path / "out" / "comparison.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "accuracy"]
    assert [(row["first"], row["second"]) for row in rows] == [
        ("first", "second"),
        ("first", "third"),
        ("second", "third"),
    ]
    test = first.read_predictions("test")
    right, other = test.predicted == test.labels, np.arange(96) >= 4
    expected = exact_mcnemar(right, other)
    assert float(rows[0]["mcnemar_p"]) == pytest.approx(expected.p)
    assert float(rows[0]["difference"]) == pytest.approx(other.mean() - right.mean())
    assert [float(row["mcnemar_p_holm"]) for row in rows] == pytest.approx(
        holm([float(row["mcnemar_p"]) for row in rows])
    )
    for name in ("comparison.png", "comparison.pdf", "comparison.md", "comparison.html", "comparison.tex"):
        assert (tmp_path / "out" / name).stat().st_size > 500
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "second is more accurate than first" in page
    assert "second is more accurate than third" not in page
    assert "trust the bootstrap" in page
    assert "96 test items of 24 groups" in text


def test_the_page_says_which_keys_differ_and_what_it_does_not_say(made_run: MakeRun, tmp_path: Path) -> None:
    first, second = made_run("first"), made_run("second")
    recipe = second.read_recipe()
    recipe["Trainer"] |= {"learning_rate": 0.5, "output_dir": "elsewhere", "warmup_epochs": 3}
    second.write_recipe(recipe)
    compare_runs([first.path, second.path], tmp_path / "out", resamples=50)
    page = (tmp_path / "out" / "comparison.md").read_text()
    assert "| Trainer | learning_rate | 0.001 | 0.5 |" in page
    assert "| Trainer | warmup_epochs | not there | 3 |" in page
    assert "output_dir" not in page
    limits = page[page.index("## Limits") :]
    assert "not with another seed" in limits
    assert "the two differ in no group" in limits, "they gave the same answers"


def test_different_test_parts_are_refused_with_both_names(made_run: MakeRun, tmp_path: Path) -> None:
    first, second = made_run("first"), made_run("second", items=80)
    with pytest.raises(DataError, match=r"first and second: .*different items"):
        compare_runs([first.path, second.path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_classes_same_names_and_missing_predictions_are_refused(made_run: MakeRun, tmp_path: Path) -> None:
    first, second = made_run("first"), made_run("second", class_names=("a", "b"))
    with pytest.raises(DataError, match="different classes"):
        compare_runs([first.path, second.path], tmp_path / "out")
    with pytest.raises(DataError, match="same name"):
        compare_runs([first.path, first.path], tmp_path / "out")
    second.predictions_file("test").unlink()
    with pytest.raises(RunError, match=r"test\.csv"):
        compare_runs([first.path, second.path], tmp_path / "out")
