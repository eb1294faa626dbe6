"""Cross-validation around a made-up trainer: held-out test, resume, plans that differ, folds side by side."""

import csv
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import fold_fakes as fakes
import numpy as np
import pytest

from spatial_swin.errors import DataError, RunError, SpatialSwinError, Stopped, UsageError
from spatial_swin.folds.crossval import cross_validate
from spatial_swin.folds.runs import FoldRun, Work, open_plan, run_folds, split_file
from spatial_swin.folds.side_by_side import worker_environment
from spatial_swin.runs import Sample, read_samples


def crossval(output: Path, train: Any = fakes.write_run, **changes: Any) -> dict[str, Any]:
    options = {"folds": 3, "repeats": 2, "group": "recording", "hold_out_test": True, **changes}
    recipe = options.pop("recipe", fakes.fake_recipe())
    samples = options.pop("samples", fakes.paired_samples())
    work = Work(output, train, lambda fold: [], options.pop("jobs", 1), options.pop("overwrite", False))
    return cross_validate(recipe, samples, work, **options)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that is a result; progress carries the time of writing, PDFs are compared too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "progress.json"
    }


def test_every_picture_but_the_held_out_ones_is_tested_once_a_repeat(tmp_path: Path) -> None:
    seen: list[FoldRun] = []

    def train(fold: FoldRun) -> None:
        seen.append(fold)
        fakes.write_run(fold)

    crossval(tmp_path, train)
    held_out = {sample.path for sample in fakes.paired_samples() if sample.split == "test"}
    assert [fold.name for fold in seen] == [f"fold_{k}_repeat_{r}" for r in (1, 2) for k in (1, 2, 3)]
    assert not any(sample.path in held_out for fold in seen for sample in fold.samples)
    assert {sample.path for sample in read_samples(tmp_path / "held_out_test.csv")} == held_out
    for repeat in (seen[:3], seen[3:]):
        tested = [sample.path for fold in repeat for sample in fold.samples if sample.split == "test"]
        assert sorted(tested) == sorted(
            sample.path for sample in fakes.paired_samples() if sample.path not in held_out
        )


def test_without_a_held_out_test_every_picture_is_tested(tmp_path: Path) -> None:
    summary = crossval(tmp_path, hold_out_test=False, repeats=1)
    with open(tmp_path / "crossval.csv", newline="") as file:
        assert sum(int(row["items"]) for row in csv.DictReader(file)) == len(fakes.paired_samples())
    assert summary["held_out_test"] == 0


def test_a_refusal_says_what_was_held_out_and_how_to_change_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        crossval(tmp_path, folds=40)
    held_out = sum(sample.split == "test" for sample in fakes.paired_samples())
    assert f"{held_out} of {len(fakes.paired_samples())} pictures" in str(caught.value)
    assert "--hold_out_test false" in str(caught.value)
    with pytest.raises(DataError) as caught:
        crossval(tmp_path, folds=40, hold_out_test=False)
    assert "held out" not in str(caught.value)


def test_interrupted_and_resumed_equals_uninterrupted_and_finished_folds_are_left_alone(tmp_path: Path) -> None:
    crossval(tmp_path / "whole")
    trained: list[str] = []

    def breaks(fold: FoldRun) -> None:
        trained.append(fold.name)
        if len(trained) == 3:
            fold.run.write_progress({"state": "stopped"})
            raise KeyboardInterrupt
        fakes.write_run(fold)

    with pytest.raises(KeyboardInterrupt):
        crossval(tmp_path / "broken", breaks)
    assert not (tmp_path / "broken" / "summary.json").exists()
    first = trained.copy()
    crossval(tmp_path / "broken", breaks)
    assert trained[3:] == [first[2], *[f"fold_{k}_repeat_2" for k in (1, 2, 3)]]
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def test_the_summary_is_the_corrected_interval_by_hand(tmp_path: Path) -> None:
    scores = iter((0.70, 0.80, 0.90))
    summary = crossval(tmp_path, lambda fold: fakes.write_run(fold, next(scores)), repeats=1)
    found = summary["scores"]["accuracy"]
    with open(tmp_path / "crossval.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    ratio = np.mean([int(row["items"]) / int(row["train_items"]) for row in rows])
    half = 4.302653 * 0.1 * np.sqrt(1 / 3 + ratio)  # t of 2 degrees of freedom, SD 0.1, variance (1/J + n2/n1) s^2
    assert found["mean"] == pytest.approx(0.8)
    assert found["deviation"] == pytest.approx(0.1)
    assert found["low"] == pytest.approx(max(0, 0.8 - half), abs=1e-6)
    assert found["high"] == pytest.approx(min(1, 0.8 + half), abs=1e-6)
    assert summary["confusion"] == [[9, 3], [3, 9]]
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


def test_the_figure_is_written_as_png_and_pdf(tmp_path: Path) -> None:
    crossval(tmp_path)
    assert (tmp_path / "crossval.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "crossval.pdf").read_bytes()[:4] == b"%PDF"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"folds": 4}, "folds: was 3, is 4 now"),
        ({"group": "none"}, "group: was 'recording', is 'none' now"),
        ({"recipe": fakes.fake_recipe(learning_rate=0.2)}, "recipe: was"),
    ],
)
def test_another_plan_in_the_same_folder_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    crossval(tmp_path)
    with pytest.raises(RunError, match=said):
        crossval(tmp_path, **changes)


def test_other_data_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    crossval(tmp_path)
    changed = [Sample(s.path, s.label, s.group, s.split, s.sha256 + "x", s.factors) for s in fakes.paired_samples()]
    with pytest.raises(RunError, match="the data is not what fold_1_repeat_1 was divided from"):
        crossval(tmp_path, samples=changed)


def test_overwrite_trains_every_fold_anew(tmp_path: Path) -> None:
    crossval(tmp_path)
    trained: list[str] = []

    def train(fold: FoldRun) -> None:
        trained.append(fold.name)
        fakes.write_run(fold)

    crossval(tmp_path, train, folds=2, repeats=1, overwrite=True)
    assert trained == ["fold_1", "fold_2"]


def test_a_fold_that_does_not_finish_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not finished: fold_1_repeat_1"):
        crossval(tmp_path, lambda fold: None)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"repeats": 0}, UsageError),
        ({"jobs": 0}, UsageError),
        ({"folds": 1}, SpatialSwinError),
        ({"folds": 40}, SpatialSwinError),
    ],
)
def test_numbers_that_cannot_work_are_refused(tmp_path: Path, changes: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        crossval(tmp_path, **changes)


# -- side by side --

WORKER = """
import json, os, pathlib, sys, time
target, behaviour = pathlib.Path(sys.argv[1]), sys.argv[2]
target.mkdir(parents=True, exist_ok=True)
if behaviour == "fail":
    sys.exit("the picture fell off the wall")
if behaviour == "slow":
    time.sleep(60)
(target / "began").write_text(str(time.time()))
(target / "threads").write_text(os.environ["OMP_NUM_THREADS"])
time.sleep(0.6)
(target / "metrics.json").write_text("{}")
(target / "progress.json").write_text(json.dumps({"state": "finished"}))
"""


def folds_in(output: Path, count: int) -> list[FoldRun]:
    return [FoldRun(f"fold_{k}", output / f"fold_{k}", fakes.paired_samples()) for k in range(1, count + 1)]


def never(fold: FoldRun) -> None:
    raise AssertionError("trained in this process")


def test_jobs_run_side_by_side_and_share_the_threads(tmp_path: Path) -> None:
    folds = folds_in(tmp_path, 2)
    command = [sys.executable, "-c", WORKER]
    run_folds(Work(tmp_path, never, lambda f: [*command, str(f.output_dir), "well"], jobs=2), folds)
    began = [float((fold.output_dir / "began").read_text()) for fold in folds]
    assert abs(began[0] - began[1]) < 0.6  # the second began before the first ended
    share = str(max(1, (os.cpu_count() or 1) // 2))
    assert {(fold.output_dir / "threads").read_text() for fold in folds} == {share}


def test_a_fold_that_fails_side_by_side_is_told_with_its_last_line_and_the_others_are_kept(tmp_path: Path) -> None:
    def command(fold: FoldRun) -> list[str]:
        behaviour = "fail" if fold.name == "fold_2" else "well"
        return [sys.executable, "-c", WORKER, str(fold.output_dir), behaviour]

    folds = folds_in(tmp_path, 3)
    with pytest.raises(RunError, match=r"fold_2: the picture fell off the wall; read .*fold_2\.log"):
        run_folds(Work(tmp_path, never, command, jobs=2), folds)
    assert [fold.finished() for fold in folds] == [True, False, True]
    trained: list[str] = []

    def train(fold: FoldRun) -> None:
        trained.append(fold.name)
        fakes.write_run(fold)

    run_folds(Work(tmp_path, train, command), folds)
    assert trained == ["fold_2"]


def test_sigterm_stops_all_folds_and_starts_no_other(tmp_path: Path) -> None:
    folds = folds_in(tmp_path, 3)
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    began = time.monotonic()
    slow = Work(tmp_path, never, lambda f: [sys.executable, "-c", WORKER, str(f.output_dir), "slow"], jobs=2)
    with pytest.raises(Stopped) as caught:
        run_folds(slow, folds)
    assert caught.value.exit_code == 143
    assert time.monotonic() - began < 30
    assert not (tmp_path / "fold_3").exists()


def test_every_job_gets_a_gpu_of_its_own_among_the_visible_ones() -> None:
    given = [worker_environment(slot, 3, 2, {})["CUDA_VISIBLE_DEVICES"] for slot in range(3)]
    assert given == ["0", "1", "0"]
    assert worker_environment(1, 2, 2, {"CUDA_VISIBLE_DEVICES": "5,7"})["CUDA_VISIBLE_DEVICES"] == "7"
    assert "CUDA_VISIBLE_DEVICES" not in worker_environment(0, 2, 0, {})


def test_the_worker_gets_the_split_that_the_plan_wrote(tmp_path: Path) -> None:
    fold = folds_in(tmp_path, 1)[0]
    open_plan(tmp_path, {"verb": "test"}, [fold])
    words = Work.of(tmp_path, "recipe.yaml", ["--seed", "3"], 1, False).command(fold)
    assert words[-2:] == ["--seed", "3"]
    assert words[words.index("--fold_split") + 1] == str(split_file(tmp_path, fold))
    assert read_samples(split_file(tmp_path, fold)) == fold.samples


def test_a_plan_that_kept_the_words_of_the_command_line_is_the_same_plan(tmp_path: Path) -> None:
    folds = folds_in(tmp_path, 1)
    open_plan(tmp_path, {"verb": "test", "recipe": {"seed": "42", "use_cpu": "true"}, "recipe, seed": "42"}, folds)
    open_plan(tmp_path, {"verb": "test", "recipe": {"seed": 42, "use_cpu": True}, "recipe, seed": 42}, folds)
    with pytest.raises(RunError, match="seed"):
        open_plan(tmp_path, {"verb": "test", "recipe": {"seed": 42, "use_cpu": True}, "recipe, seed": 43}, folds)


def rewrite(file: Path, damage: str) -> None:
    text = file.read_text()
    cuts = {"emptied": 0, "cut in a row": len(text) // 2, "cut between rows": text.index("\n", len(text) // 2) + 1}
    file.write_text(text[: cuts[damage]])


@pytest.mark.parametrize("damage", ["emptied", "cut in a row", "cut between rows"])
def test_a_damaged_split_is_named_and_written_again_once_removed(tmp_path: Path, damage: str) -> None:
    crossval(tmp_path)
    split = tmp_path / "splits" / "fold_2_repeat_1.csv"
    whole = split.read_text()
    rewrite(split, damage)
    with pytest.raises(
        RunError, match=r"fold_2_repeat_1\.csv: is (cut|damaged).*; remove it: the same command writes"
    ):
        crossval(tmp_path)
    split.unlink()
    crossval(tmp_path)
    assert split.read_text() == whole


@pytest.mark.parametrize(
    ("content", "said"), [("", "empty"), ('{"verb": "cro', "not readable as JSON"), ("[]", "not a table")]
)
def test_a_damaged_plan_is_named_with_the_way_out(tmp_path: Path, content: str, said: str) -> None:
    crossval(tmp_path)
    whole = (tmp_path / "plan.json").read_text()
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(RunError, match=rf"plan\.json: {said}.*remove it and run the command again"):
        crossval(tmp_path)
    (tmp_path / "plan.json").unlink()
    crossval(tmp_path)
    assert (tmp_path / "plan.json").read_text() == whole
