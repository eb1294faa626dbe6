"""The run folder reads back what it wrote, and a damaged file is named with its line."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_up_runs import make_run, read_confusion

from spatial_swin.errors import RunError
from spatial_swin.runs import Predictions, RunFolder, Sample


def predictions() -> Predictions:
    table = np.array([[0.7, 0.3], [1 / 3, 2 / 3], [0.5, 0.5]])
    return Predictions(["a/1.png", "a/2.png", "b/3.png"], ["r1", "r1", "r2"], ["a", "b"], np.array([0, 0, 1]), table)


def test_predictions_come_back_bit_for_bit(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_predictions("test", predictions())
    back = run.read_predictions("test")
    assert back.paths == predictions().paths
    assert back.groups == predictions().groups
    assert np.array_equal(back.labels, predictions().labels)
    assert np.array_equal(back.probabilities, predictions().probabilities)
    assert back.predicted.tolist() == [0, 1, 0]


def test_a_split_comes_back_with_its_factors(tmp_path: Path) -> None:
    samples = [
        Sample("100/a,b.png", "100", "g 1", "train", "ab", {"listener": "D1", "content": "ac01"}),
        Sample('200/"c".png', "200", "g2", "test", "cd", {"listener": "H3", "content": ""}),
    ]
    run = RunFolder(tmp_path)
    run.write_split(samples)
    assert run.read_split() == samples
    assert [dict(s.factors) for s in run.read_split()] == [dict(s.factors) for s in samples]


def test_history_and_confusion_come_back(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    rows = [
        {"epoch": 1, "phase": 1, "step": 7, "train_loss": 0.25},
        {"epoch": 2, "phase": 2, "step": 14, "train_loss": None},
    ]
    run.write_history(rows)
    back = run.read_history()
    assert back[0] == rows[0]
    assert np.isnan(back[1]["train_loss"])
    run.write_confusion(3, np.array([[5, 1], [0, 4]]), ["x", "y"])
    matrix, names = read_confusion(run, 3)
    assert (matrix.tolist(), names) == ([[5, 1], [0, 4]], ["x", "y"])
    assert run.confusion_file(3).name == "epoch_003.csv"


def test_a_training_that_goes_on_has_every_epoch_before_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_history([{"epoch": epoch, "phase": 1, "step": 7 * epoch} for epoch in (1, 2, 3)])
    assert [row["epoch"] for row in run.read_history_to(2)] == [1, 2]
    with pytest.raises(RunError, match=r"history\.csv: a checkpoint has epochs 1 to 4, this has 1, 2, 3; put back"):
        run.read_history_to(4)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text.replace("0.7", "o.7"), "line 2: could not convert"),
        (lambda text: text.replace("0.7", "nan"), "line 2: a probability is not finite"),
        (lambda text: text.replace("p_b", "q_b"), "line 4: label 'b' has no column"),
        (lambda text: text.splitlines()[0] + "\n", "test.csv: has no row; run `spatial-swin evaluate`"),
        (lambda text: text.replace("group", "grp"), "column group is missing"),
        (lambda text: text.rpartition(",")[0] + "\n", "line 4: the row has not as many cells"),
    ],
)
def test_damaged_predictions_are_named(tmp_path: Path, spoil: object, said: str) -> None:
    run = RunFolder(tmp_path)
    run.write_predictions("test", predictions())
    path = run.predictions_file("test")
    path.write_text(spoil(path.read_text()))  # type: ignore[operator]
    with pytest.raises(RunError, match=said):
        run.read_predictions("test")


READERS: dict[str, Callable[[RunFolder], object]] = {
    "recipe.yaml": RunFolder.read_recipe,
    "environment.json": RunFolder.read_environment,
    "split.csv": RunFolder.read_split,
    "history.csv": RunFolder.read_history,
    "progress.json": RunFolder.state,
    "metrics.json": RunFolder.read_metrics,
    "tracking.json": RunFolder.read_tracking,
    "explanations/explanations.json": RunFolder.read_explanations,
    "predictions/test.csv": lambda run: run.read_predictions("test"),
    "predictions/validation.csv": lambda run: run.read_predictions("validation"),
}
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda content: b"",
    "blank": lambda content: b"\n\n",
    "cut": lambda content: content[: 2 * len(content) // 3].rstrip(b"\n"),
    "cut by a letter": lambda content: content.rstrip(b"\n"),
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "zeros, as after a power cut": lambda content: bytes(len(content)),
    "of another kind": lambda content: b"[1, 2]\n",
    "a binary file": lambda content: b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = make_run(tmp_path_factory.mktemp("runs") / "whole", items=8)
    run.write_metrics({"test": {}})
    run.write_tracking("wandb", {"id": "x"})
    run.explanations.mkdir()
    run.explanations_file.write_text('{\n  "tiles": []\n}\n')
    return run


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", READERS)
def test_every_damaged_file_is_named_with_the_way_out(
    tmp_path: Path, whole: RunFolder, name: str, damage: str
) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    READERS[name](run)
    file = run.path / name
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    if damage == "cut by a letter" and name.endswith("json"):
        return  # all of it is there, and JSON says so itself
    with pytest.raises(RunError) as caught:
        READERS[name](run)
    assert str(caught.value).startswith(str(file))
    assert re.search("; (put back|remove it|run `spatial-swin)", str(caught.value))
    assert len(str(caught.value).splitlines()) == 1


def test_a_recipe_cut_between_its_sections_is_named(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.recipe_file.write_text("Model:\n  image_size: 384\nData:\n")
    with pytest.raises(RunError, match=r"recipe\.yaml: has no section Trainer; put back a copy"):
        run.read_recipe()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with pytest.raises(RunError, match="not a run folder"):
        run.require()
    with pytest.raises(RunError, match="no such file"):
        run.read_metrics()
    assert run.state() is None


def test_a_split_with_an_unknown_part_is_named(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.split_file.write_text("path,label,group,split,sha256\na.png,a,g,holdout,00\n")
    with pytest.raises(RunError, match="line 2: split is 'holdout', not one of train"):
        run.read_split()


def test_the_lock_keeps_another_process_out_and_ends_with_its_holder(tmp_path: Path) -> None:
    code = f"from spatial_swin.runs import RunFolder\nwith RunFolder({str(tmp_path)!r}).lock(): print('locked')"

    def other_process() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    with RunFolder(tmp_path).lock():
        assert "another process" in other_process().stderr
    assert other_process().stdout == "locked\n"


def test_reading_a_run_needs_no_torch() -> None:
    code = "import sys, spatial_swin.runs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_lock_leaves_nothing_behind_where_nothing_was_written(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "new").lock():
        assert (tmp_path / "new" / ".lock").is_file()
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").mkdir()
    with RunFolder(tmp_path / "mine").lock():
        pass
    assert list((tmp_path / "mine").iterdir()) == [], "a folder that was there stays"


def test_a_lock_whose_file_was_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder before us removes the file between our opening and our locking it."""
    real, opened = os.open, []

    def open_and_lose(path: Path, *rest: int) -> int:
        handle = real(path, *rest)
        opened.append(handle)
        if len(opened) == 1:
            Path(path).unlink()
        return handle

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", open_and_lose)
        lock = RunFolder(tmp_path).lock()
        lock.__enter__()
    assert len(opened) == 2
    with pytest.raises(RunError, match="another process"), RunFolder(tmp_path).lock():
        pass
    lock.__exit__(None, None, None)
