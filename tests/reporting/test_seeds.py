"""The report of a folder of seeds: pooled over the same items, unfinished ones named, other items refused."""

from pathlib import Path

import numpy as np
import pytest
from made_up_runs import make_run

from spatial_swin import files
from spatial_swin.cli import main
from spatial_swin.errors import DataError, RunError
from spatial_swin.reporting.seeds import in_short, is_seeds, pool_seeds, read_seeds
from spatial_swin.reporting.seeds_page import report_seeds
from spatial_swin.runs import BASELINE, Predictions, RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three finished seeds of one split."""
    files.write_json(tmp_path / "several" / "plan.json", {"verb": "seeds", "recipe": {}})
    for seed in (42, 43, 7):
        make_run(tmp_path / "several" / f"seed_{seed}", seed=seed)
    return tmp_path / "several"


def test_report_pools_the_seeds_and_writes_page_figure_and_tables(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(folder), "--resamples", "100"]) == 0
    out = capsys.readouterr().out
    assert "3 seeds (7, 42, 43), test part, 96 items of 24 groups:" in out
    rows = {row["metric"]: row for row in files.read_csv(folder / "thesis_results" / "seeds.csv")}
    each = [float(rows["accuracy"][f"seed_{seed}"]) for seed in (7, 42, 43)]
    assert float(rows["accuracy"]["mean"]) == pytest.approx(np.mean(each))
    assert float(rows["accuracy"]["sd"]) == pytest.approx(np.std(each, ddof=1))
    assert float(rows["accuracy"]["low"]) < np.mean(each) < float(rows["accuracy"]["high"])
    items = files.read_csv(folder / "thesis_results" / "items.csv")
    right = sum(row[f"seed_{seed}"] == row["label"] for row in items for seed in (7, 42, 43))
    assert right == sum(int(row["seeds_right"]) for row in items) == round(sum(each) * 96)
    page = (folder / "thesis_results" / "report.md").read_text()
    assert "Mean accuracy of 3 seeds" in page
    assert "seed 7" in page.lower()
    assert (folder / "thesis_results" / "seeds.pdf").read_bytes()[:4] == b"%PDF"
    assert "data:image/png" in (folder / "thesis_results" / "report.html").read_text()


def test_a_simple_model_stands_beside_the_seeds_on_the_same_items(tmp_path: Path) -> None:
    folder = tmp_path / "several"
    files.write_json(folder / "plan.json", {"verb": "seeds", "recipe": {}})
    for seed in (42, 43):
        make_run(folder / f"seed_{seed}", baseline=seed == 43, skill=3.0 if seed == 42 else 2.0, seed=seed)
    labels = RunFolder(folder / "seed_42").read_predictions("test").labels
    simple = RunFolder(folder / "seed_43").read_predictions(BASELINE)
    report = report_seeds(folder, resamples=200)
    accuracy, alone = report.difference["accuracy"], report.simple["accuracy"].mean
    assert alone == pytest.approx(np.mean(simple.predicted == labels))
    assert accuracy.values == pytest.approx(report.pooled["accuracy"].values - alone)
    assert accuracy.mean == pytest.approx(accuracy.values.mean())
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low < accuracy.mean < accuracy.high
    page = (folder / "thesis_results" / "report.md").read_text()
    assert f"| Accuracy | {report.pooled['accuracy'].mean:.4f}" in page
    assert f"{alone:.4f}" in page.partition("Beside a simple model")[2]
    assert f"seeds minus it {accuracy.mean:+.4f}" in in_short(report)
    (folder / "seed_43" / "baseline.json").unlink()
    report_seeds(folder, resamples=50, no_baseline="the pictures are gone")
    page = (folder / "thesis_results" / "report.md").read_text()
    assert "No simple model stands beside these seeds: the pictures are gone." in page


def test_items_are_paired_whatever_their_order(folder: Path) -> None:
    before = pool_seeds(folder, resamples=50).pooled["accuracy"].values
    file = folder / "seed_42" / "predictions" / "test.csv"
    head, *rows = file.read_text().splitlines(keepends=True)
    file.write_text("".join([head, *rows[::-1]]))
    after = pool_seeds(folder, resamples=50)
    assert after.pooled["accuracy"].values == pytest.approx(before)
    first: Predictions = after.predictions[0]
    assert all(one.paths == first.paths for one in after.predictions)


def test_a_seed_that_is_not_finished_is_named_and_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = folder / "seed_43" / "progress.json"
    progress.write_text(progress.read_text().replace("finished", "stopped"))
    assert main(["report", str(folder), "--resamples", "50"]) == 1
    said = "seed 43 is stopped and left out; the same command continues it"
    assert said in capsys.readouterr().out
    assert said[1:] in (folder / "thesis_results" / "report.md").read_text()
    assert read_seeds(folder).seeds == [7, 42]


def test_one_seed_says_that_it_is_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (43, 7):
        (folder / f"seed_{seed}" / "recipe.yaml").unlink()
        (folder / f"seed_{seed}" / "progress.json").unlink()
    assert main(["report", str(folder), "--resamples", "50"]) == 1
    assert "one seed (42), test part" in capsys.readouterr().out
    page = (folder / "thesis_results" / "report.md").read_text()
    assert "how much the seed moves it is unknown" in page
    assert "of 1 seeds" not in page


def test_seeds_without_a_test_part_are_pooled_on_validation_and_say_so(folder: Path) -> None:
    for file in folder.glob("seed_*/predictions/test.csv"):
        file.unlink()
    assert main(["report", str(folder), "--resamples", "50"]) == 0
    assert "no test part" in (folder / "thesis_results" / "report.md").read_text()


def test_other_items_and_no_finished_seed_are_refused(folder: Path, tmp_path: Path) -> None:
    make_run(folder / "seed_44", items=48, seed=44)
    with pytest.raises(DataError, match=r"seed_44: .*different items"):
        read_seeds(folder)
    files.write_json(tmp_path / "empty" / "plan.json", {"verb": "seeds"})
    with pytest.raises(RunError, match="no seed is finished yet"):
        read_seeds(tmp_path / "empty")


def test_a_folder_of_seeds_is_known_by_its_plan_and_reported_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "plan.json").write_text('{"verb": "cros')
    assert [is_seeds(folder), is_seeds(folder / "seed_42"), is_seeds(tmp_path / "other")] == [True, False, False]
    assert main(["report", str(folder), str(folder / "seed_42")]) == 2
    assert "give it alone" in capsys.readouterr().err
