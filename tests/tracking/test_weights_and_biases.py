"""What trackers hold after a run, read back from what they wrote: wandb offline, TensorBoard, trackio."""

import builtins
import contextlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pictures_and_swins as shared
import pytest
import wandb_records
import yaml
from made_up_runs import read_confusion
from PIL import Image

from spatial_swin.config import load_recipe
from spatial_swin.errors import Stopped
from spatial_swin.modeling.callbacks import TerminationCallback
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import RunFolder
from spatial_swin.tracking import choice
from spatial_swin.tracking.callback import final_figures, tracked_config
from spatial_swin.tracking.tracker import Tracker, Trackers
from spatial_swin.training import fine_tune

HERE = Path(__file__).parent
Write = Callable[..., Path]
KEY = "0123456789abcdef" * 3
SCALARS = {  # column of history.csv: what trackers call it
    "train_loss": "train/loss",
    "validation_loss": "validation/loss",
    "validation_accuracy": "validation/accuracy",
    "validation_macro_f1": "validation/macro_f1",
    "precision_100": "precision/100",
    "recall_510": "recall/510",
    "f1_514": "f1/514",
    "learning_rate_head": "learning_rate/head",
    "learning_rate_backbone": "learning_rate/backbone",
    "phase": "phase",
    "images_per_second": "speed/pictures_per_second",
    "seconds": "speed/epoch_seconds",
    "memory_gb": "speed/memory_gb",
}


class Terminal(io.StringIO):
    """A terminal at which nobody sits."""

    def isatty(self) -> bool:
        return True

    def readline(self, *_: Any) -> str:
        raise AssertionError("asked a question")


@dataclass
class Tracked:
    run: RunFolder
    wandb: Any
    said: str
    root: Path

    @property
    def files(self) -> Path:
        (folder,) = self.run.path.glob("wandb/offline-run-*/files")
        return folder


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracked]:
    """One run with all three trackers, no key, at a terminal."""
    root = tmp_path_factory.mktemp("tracked")
    shared.make_pictures(root / "data")
    (root / "tiny").mkdir()
    (root / "tiny" / "config.json").write_text(json.dumps(shared.TINY_SWIN))
    recipe = {
        "Model": {"model_name_or_path": str(root / "tiny" / "config.json"), "image_size": 32},
        "Data": {"data_dir": str(root / "data"), "preflight_workers": 1},
        "Trainer": {
            "output_dir": str(root / "runs" / "first"),
            "num_train_epochs": 4,
            "per_device_train_batch_size": 4,
            "warmup_epochs": 1,
            "seed": 7,
            "use_cpu": True,
            "run_name": "tiny run",
            "tags": ["tiny", "test"],
            "report_to": ["wandb", "tensorboard", "trackio"],
        },
    }
    (root / "first.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.MonkeyPatch.context() as patch:
        without_key(patch, root)
        patch.setenv("TRACKIO_DIR", str(root / "trackio"))
        for name in [name for name in sys.modules if name.partition(".")[0] == "trackio"]:
            patch.delitem(sys.modules, name)  # it reads TRACKIO_DIR when it is imported
        patch.setattr(sys, "stdin", Terminal())
        patch.setattr(builtins, "input", Terminal().readline)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            run = fine_tune(load_recipe(root / "first.yaml"))
        (folder,) = run.path.glob("wandb/offline-run-*")
        yield Tracked(run, wandb_records.read_run(folder), said.getvalue(), root)


def without_key(patch: pytest.MonkeyPatch, root: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("WANDB_", "TRACKIO_"))]:
        patch.delenv(name)
    patch.setenv("NETRC", str(root / "no netrc"))
    patch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nobody listens


# -- wandb --


def test_wandb_holds_every_epoch_of_the_history(tracked: Tracked) -> None:
    history = tracked.run.read_history()
    rows = [row for row in tracked.wandb.history if "train/loss" in row]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4] == [row["epoch"] for row in history]
    assert [row["_step"] for row in rows] == [row["step"] for row in history]
    for column, name in SCALARS.items():
        assert [row[name] for row in rows] == [row[column] for row in history], name
    for kind in ("precision", "recall", "f1"):
        assert {f"{kind}/{label}" for label in shared.CLASSES} <= rows[0].keys()
    assert all(row["step/grad_norm"] > 0 for row in rows)


def test_wandb_draws_over_epochs_and_not_over_calls(tracked: Tracked) -> None:
    assert tracked.wandb.metrics == {"epoch": "", "step": "", "*": "epoch", "step/*": "step"}


def test_wandb_holds_the_confusion_matrix_of_every_epoch_as_plot_and_image(tracked: Tracked) -> None:
    rows = [row for row in tracked.wandb.history if "confusion/plot_table/path" in row]
    assert len(rows) == 4
    for row in rows:
        matrix, names = read_confusion(tracked.run, row["epoch"])
        table = json.loads((tracked.files / row["confusion/plot_table/path"]).read_text())
        assert table["columns"] == ["Actual", "Predicted", "nPredictions"]
        cells = {(true, predicted): count for true, predicted, count in table["data"]}
        assert cells == {(a, b): matrix[i, j] for i, a in enumerate(names) for j, b in enumerate(names)}
        image = Image.open(tracked.files / row["confusion/image/path"])
        assert min(image.size) >= 300
        assert np.asarray(image.convert("L")).std() > 10, "nothing is drawn on it"
    panel = tracked.wandb.config["_wandb/visualize/confusion/plot"]
    assert panel["panel_config"]["panelDefId"] == "wandb/confusion_matrix/v1"


def test_wandb_holds_the_test_part_file_by_file(tracked: Tracked) -> None:
    (row,) = [row for row in tracked.wandb.history if "predictions/test/path" in row]
    table = json.loads((tracked.files / row["predictions/test/path"]).read_text())
    test = tracked.run.read_predictions("test")
    assert table["columns"] == ["file", "group", "label", "prediction", "correct", "p_100", "p_200", "p_510", "p_514"]
    assert [line[0] for line in table["data"]] == test.paths
    assert np.array_equal([line[5:] for line in table["data"]], test.probabilities)
    assert [line[4] for line in table["data"]] == (test.predicted == test.labels).tolist()


def test_wandb_keeps_the_best_model_and_the_split_and_no_picture(tracked: Tracked) -> None:
    assert tracked.wandb.artifacts["split"] == ["split.csv"]
    assert {"config.json", "model.safetensors", "preprocessor_config.json"} <= set(tracked.wandb.artifacts["model"])
    data = {path.name for path in (tracked.root / "data").rglob("*.png")}
    sent = [Path(name).name for names in tracked.wandb.artifacts.values() for name in names]
    assert not data & set(sent)
    assert all("confusion" in path.parts for path in tracked.files.rglob("*.png"))
    copies = [path for path in (tracked.run.path / "wandb").rglob("*") if path.suffix == ".safetensors"]
    assert copies == [], "the model is sent from where it lies"


def test_wandb_holds_recipe_versions_name_tags_and_project(tracked: Tracked) -> None:
    assert tracked.wandb.project == "spatial-audio-classification-phd"
    assert (tracked.wandb.name, tracked.wandb.tags) == ("tiny run", ["tiny", "test"])
    assert tracked.wandb.config["Trainer"]["num_train_epochs"] == 4
    assert tracked.wandb.config["Model"]["unfreeze_stages"] == [4]
    assert tracked.wandb.config["Environment"]["precision"] == tracked.run.read_environment()["precision"]


def test_wandb_hears_no_absolute_path(tracked: Tracked) -> None:
    heard = json.dumps([tracked.wandb.config, tracked.wandb.history, tracked.wandb.summary])
    for folder in (str(tracked.root), str(Path.cwd()), sys.executable):
        assert folder not in heard
    # where files wait to be sent is all that the local record may name
    named = [line.strip() for line in tracked.wandb.text.splitlines() if str(tracked.root) in line]
    assert all(line.startswith("local_path:") for line in named)
    assert not list(tracked.files.glob("wandb-metadata.json"))
    assert not list(tracked.files.glob("output.log"))


def test_wandb_ends_with_the_final_figures(tracked: Tracked) -> None:
    metrics = tracked.run.read_metrics()
    assert tracked.wandb.exit_code == 0
    assert tracked.wandb.summary["final/test_accuracy"] == metrics["test"]["accuracy"]["value"]
    assert tracked.wandb.summary["final/test_accuracy_low"] == metrics["test"]["accuracy"]["low"]
    assert tracked.wandb.summary["best_epoch"] == metrics["best_epoch"]


def test_wandb_samples_the_machine(tracked: Tracked) -> None:
    assert any("memory_percent" in sample for sample in tracked.wandb.system)


def test_each_tracker_says_one_line(tracked: Tracked) -> None:
    lines = tracked.said.splitlines()
    for name in ("wandb", "tensorboard", "trackio"):
        assert len([line for line in lines if line.startswith(f"{name}:")]) == 1, tracked.said
    (line,) = [line for line in lines if line.startswith("wandb:")]
    assert "offline (no key" in line
    assert f"wandb sync {os.path.relpath(tracked.run.path)}/wandb/offline-run-*-{tracked.wandb.id}" in line
    assert len(lines) < 45


# -- TensorBoard, trackio --


def test_tensorboard_holds_the_same_scalars(tracked: Tracked) -> None:
    board = read_board(tracked.run)
    history = tracked.run.read_history()
    for column, name in SCALARS.items():
        events = board.Scalars(name)
        assert [event.step for event in events] == [row["step"] for row in history], name
        assert [event.value for event in events] == pytest.approx([row[column] for row in history]), name
    assert [image.step for image in board.Images("confusion/image")] == [row["step"] for row in history]
    assert board.Scalars("final/test_accuracy")
    recipe = board.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "num_train_epochs: 4" in recipe
    assert str(tracked.root) not in recipe


def read_board(run: RunFolder) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(run.path / "tensorboard"))
    board.Reload()
    return board


def test_trackio_holds_the_same_scalars_on_this_machine(tracked: Tracked) -> None:
    from trackio.sqlite_storage import SQLiteStorage

    project = "spatial-audio-classification-phd"
    assert SQLiteStorage.get_runs(project) == ["tiny run"]
    logs = SQLiteStorage.get_logs(project, "tiny run")
    rows = [row for row in logs if "train/loss" in row]
    history = tracked.run.read_history()
    assert [row["step"] for row in rows] == [row["step"] for row in history]
    for column, name in SCALARS.items():
        assert [row[name] for row in rows] == pytest.approx([row[column] for row in history]), name
    assert sum("confusion/image" in row for row in logs) == 4
    assert SQLiteStorage.get_space_id(project) is None
    assert str(tracked.root) not in json.dumps(SQLiteStorage.get_run_config(project, "tiny run"))


# -- continued, broken, scrubbed --


def test_a_continued_run_is_the_same_run_and_leaves_no_key(
    write_recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_key(monkeypatch, tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    recipe = write_recipe(report_to=["wandb", "tensorboard"], track_model=False)
    with monkeypatch.context() as patch:
        patch.setattr(TerminationCallback, "_agreed", lambda self, args, at: at == 17)
        with pytest.raises(Stopped):
            fine_tune(load_recipe(recipe))
    first = json.loads((tmp_path / "runs" / "tiny" / "tracking.json").read_text())
    run = fine_tune(load_recipe(recipe))
    assert run.read_tracking() == first
    parts = [wandb_records.read_run(folder) for folder in sorted(run.path.glob("wandb/offline-run-*"))]
    assert [part.id for part in parts] == [first["wandb"]["id"]] * 2
    assert [part.exit_code for part in parts] == [143, 0]
    assert [[row["epoch"] for row in part.history if "train/loss" in row] for part in parts] == [[1, 2], [3, 4]]
    assert parts[1].history[0]["_step"] > parts[0].history[-1]["_step"]
    assert "model" not in parts[1].artifacts
    assert parts[1].artifacts["split"] == ["split.csv"]
    assert [event.step for event in read_board(run).Scalars("train/loss")] == [7, 14, 21, 28]
    leaks = [path for path in run.path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert leaks == []
    assert os.environ.get("WANDB_DATA_DIR") is None, "the next run of this process keeps its own files"


def test_an_epoch_that_was_told_twice_counts_once_on_tensorboard(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the telling of epoch 3 and its checkpoint: the epoch is trained, and told, again."""
    recipe = write_recipe(report_to="tensorboard")
    original = TwoPhaseTrainer._save_checkpoint

    def die(trainer: TwoPhaseTrainer, *rest: Any, **named: Any) -> None:
        if trainer.state.global_step == 21:
            raise KeyboardInterrupt
        original(trainer, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(TwoPhaseTrainer, "_save_checkpoint", die)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(load_recipe(recipe))
    assert len(read_board(RunFolder(load_recipe(recipe).output_dir)).Scalars("train/loss")) == 3
    run = fine_tune(load_recipe(recipe))
    assert [event.step for event in read_board(run).Scalars("train/loss")] == [7, 14, 21, 28]


def test_overwriting_begins_another_tracked_run(write_recipe: Write) -> None:
    short = {"num_train_epochs": 2, "head_only_epochs": 1}
    run = fine_tune(load_recipe(write_recipe(**short)))
    run.write_tracking("wandb", {"id": "old", "project": "p"})
    run.tensorboard.mkdir()
    fine_tune(load_recipe(write_recipe(**short, overwrite=True)))
    assert run.read_tracking() == {}
    assert not run.tensorboard.exists()


class Breaking(Tracker):
    """Works for one epoch, then its disk is full."""

    name = "wandb"
    told: list[int]

    def __init__(self, *_: Any) -> None:
        Breaking.told = []

    def log_confusion(self, step: int, *_: Any) -> None:
        Breaking.told.append(step)
        if len(Breaking.told) == 2:
            raise OSError(28, "No space left on device")


def test_training_outlives_a_tracker(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(choice.OURS, "wandb", Breaking)
    run = fine_tune(load_recipe(write_recipe(report_to="wandb")))
    assert run.state() == "finished"
    assert Breaking.told == [7, 14]
    said = capsys.readouterr().err
    assert said.count("wandb: log_confusion failed ([Errno 28] No space left on device); the run goes on without") == 1


class Hanging(Tracker):
    """Its network dies without a word after the start."""

    name = "wandb"
    patience = 0.2

    def log(self, step: int, scalars: Any) -> None:
        threading.Event().wait(60)


def test_a_call_that_hangs_is_left_behind(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    with Trackers([Hanging()]) as trackers:
        trackers.start({})
        trackers.log(1, {"a": 1.0})
        assert not trackers
        trackers.log(2, {"a": 1.0})
    assert time.monotonic() - began < 30
    assert "wandb: log failed (no answer within 0.2 s); the run goes on without wandb" in capsys.readouterr().err


def test_what_is_tracked_names_no_folder_and_no_token(write_recipe: Write, tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe())
    recipe.requested["Trainer"] |= {"hub_token": "hf_secret", "extra": {"push_token": "x", "file": "~/lab/w.bin"}}
    told = tracked_config(recipe, {"host": "lab-3", "command": "train /home/anna", "device": "CPU", "versions": {}})
    assert "hf_secret" not in str(told)
    assert str(tmp_path) not in str(told)
    assert told["Data"]["data_dir"] == "data"
    assert told["Trainer"]["extra"] == {"file": "w.bin"}
    assert told["Environment"] == {"device": "CPU", "versions": {}}


def test_a_figure_without_a_value_is_left_out() -> None:
    entry = {"value": 0.5, "low": None, "high": None}
    figures = final_figures({"best_epoch": 3, "validation": {"accuracy": entry, "ece": {"value": None}, "items": 8}})
    assert figures == {"best_epoch": 3, "final/validation_accuracy": 0.5}
