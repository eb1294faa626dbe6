"""Cross-validations compared fold by fold: the corrected t against its closed form, pairing, refusals."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from spatial_swin import files
from spatial_swin.cli import main
from spatial_swin.errors import DataError, RunError
from spatial_swin.evaluation.significance import holm
from spatial_swin.reporting.fold_comparison import compare_crossvals, read_crossval
from spatial_swin.runs import Sample, write_samples

TEST, TRAIN = 10, 40


def made_up(folder: Path, accuracies: list[float], picture: str = "a") -> Path:
    """A finished cross-validation in `folder`: as many folds as `accuracies`, each testing other pictures."""
    rows = []
    for number, accuracy in enumerate(accuracies, start=1):
        samples = [
            Sample(f"x/{picture}{number}_{k}.png", "x", f"g{number}_{k}", part, "0" * 64)
            for part, count in (("train", TRAIN), ("test", TEST))
            for k in range(count)
        ]
        write_samples(folder / "splits" / f"fold_{number}.csv", samples)
        rows.append(
            {
                "name": f"fold_{number}",
                "train_items": TRAIN,
                "items": TEST,
                "accuracy": accuracy,
                "balanced_accuracy": accuracy,
                "macro_f1": accuracy - 0.01,
            }
        )
    files.write_csv(folder / "crossval.csv", rows, list(rows[0]))
    files.write_json(folder / "plan.json", {"verb": "crossval"})
    return folder


def test_difference_is_tested_as_nadeau_and_bengio_say(tmp_path: Path) -> None:
    one, two, three = [0.90, 0.86, 0.92, 0.88, 0.91], [0.93, 0.90, 0.93, 0.93, 0.92], [0.90, 0.87, 0.91, 0.89, 0.90]
    folders = [made_up(tmp_path / name, values) for name, values in (("a", one), ("b", two), ("c", three))]
    text = compare_crossvals(folders, tmp_path / "out")
    with open(tmp_path / "out" / "crossval_comparison.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "accuracy"]
    apart = np.subtract(two, one)
    t = apart.mean() / (apart.std(ddof=1) * np.sqrt(1 / 5 + TEST / TRAIN))
    assert float(rows[0]["difference"]) == pytest.approx(apart.mean())
    assert float(rows[0]["t"]) == pytest.approx(t)
    assert float(rows[0]["p"]) == pytest.approx(2 * stats.t.sf(t, 4))
    assert float(rows[0]["p"]) > stats.ttest_rel(two, one).pvalue, "the plain t is too sure"
    assert [float(row["p_holm"]) for row in rows] == pytest.approx(holm([float(row["p"]) for row in rows]))
    assert "5 folds" in text
    for suffix in ("png", "pdf", "md", "html", "tex"):
        assert (tmp_path / "out" / f"crossval_comparison.{suffix}").stat().st_size > 500


def test_folds_that_test_other_pictures_are_refused(tmp_path: Path) -> None:
    first, second = made_up(tmp_path / "a", [0.9, 0.8]), made_up(tmp_path / "b", [0.9, 0.8], picture="other")
    with pytest.raises(DataError, match="fold_1 tests other pictures"):
        compare_crossvals([first, second], tmp_path / "out")
    third = made_up(tmp_path / "c", [0.9, 0.8, 0.7])
    with pytest.raises(DataError, match="not as many folds"):
        compare_crossvals([first, third], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unfinished_and_damaged_ones_are_named(tmp_path: Path) -> None:
    folder = made_up(tmp_path / "a", [0.9, 0.8])
    (folder / "crossval.csv").write_text("name,accuracy\nfold_1,high\n")
    with pytest.raises(RunError, match=r"crossval\.csv: damaged"):
        read_crossval(folder)
    (folder / "crossval.csv").unlink()
    with pytest.raises(RunError, match="not finished"):
        read_crossval(folder)


def test_report_takes_cross_validations_and_not_one_beside_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [made_up(tmp_path / name, [0.9, 0.8, 0.7]) for name in ("a", "b")]
    command = ["report", *map(str, folders), "--output_dir", str(tmp_path / "out")]
    assert main(command) == 0
    assert "crossval_comparison.html" in capsys.readouterr().out
    assert main(["report", str(folders[0])]) == 2
    assert "give two or more of them" in capsys.readouterr().err
