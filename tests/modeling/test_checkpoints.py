"""A checkpoint is whole or it is named and passed over, and a run's history is exact whatever interrupts it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from spatial_swin.config import load_recipe
from spatial_swin.errors import RunError, Stopped
from spatial_swin.modeling import checkpoints
from spatial_swin.modeling.callbacks import TerminationCallback
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import RunFolder
from spatial_swin.training import fine_tune

Write = Callable[..., Path]
STEPS_PER_EPOCH = 7


def stop_at(recipe: Path, step: int, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> RunFolder:
    """Train until SIGTERM at `step`."""
    with monkeypatch.context() as patch:
        patch.setattr(TerminationCallback, "_agreed", lambda self, args, at: at == step)
        with pytest.raises(Stopped):
            fine_tune(load_recipe(recipe, overrides))
    return RunFolder(load_recipe(recipe, overrides).output_dir)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints folder of one finished run of four epochs."""
    from pictures_and_swins import TINY_SWIN, make_pictures

    root = tmp_path_factory.mktemp("finished")
    (root / "config.json").write_text(json.dumps(TINY_SWIN))
    trainer = {"output_dir": str(root / "run"), "num_train_epochs": 2, "warmup_epochs": 0, "use_cpu": True}
    content = {
        "Model": {"model_name_or_path": str(root / "config.json"), "image_size": 32, "head_only_epochs": 1},
        "Data": {"data_dir": str(make_pictures(root / "data")), "preflight_workers": 1},
        "Trainer": {**trainer, "per_device_train_batch_size": 4, "save_total_limit": 3},
    }
    recipe = root / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(content))
    return fine_tune(load_recipe(recipe)).checkpoints


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "checkpoints"))


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


FILES = ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "config.json"]
HARMS = {"emptied": lambda content: b"", "cut": lambda content: content[: len(content) // 2], "flipped": flipped}


@pytest.mark.parametrize("harm", [*HARMS, "removed"])
@pytest.mark.parametrize("name", [*FILES, checkpoints.SEAL])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(folder: Path, name: str, harm: str) -> None:
    before, last = checkpoints.checkpoints_in(folder)
    file = last / name
    if harm == "removed":
        file.unlink()
    else:
        file.write_bytes(HARMS[harm](file.read_bytes()))
    if (name, harm) == (checkpoints.SEAL, "removed"):
        assert checkpoints.damage(last) is None  # of an earlier version: its files open
        return
    assert name in str(checkpoints.damage(last))
    assert checkpoints.last_checkpoint(folder) == before
    (sentence,) = checkpoints.remove_damaged(folder)
    assert str(last) in sentence
    assert not last.exists()


@pytest.mark.parametrize("harm", ["emptied", "cut"])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_without_a_seal_a_cut_file_is_found_by_opening_it(folder: Path, name: str, harm: str) -> None:
    last = checkpoints.checkpoints_in(folder)[-1]
    (last / checkpoints.SEAL).unlink()
    (last / name).write_bytes(HARMS[harm]((last / name).read_bytes()))
    assert f"{name} cannot be opened" in str(checkpoints.damage(last))


def test_no_pickle_runs_when_a_checkpoint_is_looked_at(folder: Path) -> None:
    last = checkpoints.checkpoints_in(folder)[-1]
    (last / checkpoints.SEAL).unlink()
    (last / "optimizer.pt").write_bytes(b"cos\nsystem\n(S'touch " + os.fsencode(folder) + b"/ran'\ntR.")
    assert "optimizer.pt cannot be opened" in str(checkpoints.damage(last))
    assert not (folder / "ran").exists()


def test_a_checkpoint_and_the_model_have_the_mode_that_the_umask_gives(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o027)
    try:
        run = fine_tune(load_recipe(write_recipe(num_train_epochs=1, head_only_epochs=0, warmup_epochs=0)))
    finally:
        os.umask(before)
    written = [*run.model.iterdir(), *checkpoints.checkpoints_in(run.checkpoints)[-1].iterdir(), run.metrics_file]
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in written}
    assert set(modes.values()) == {"0o640"}, modes


def test_all_is_on_the_disk_before_the_run_is_called_finished(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    fsync, write = os.fsync, RunFolder.write_progress

    def note(handle: int) -> None:
        synced.add(os.path.realpath(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def progress(run: RunFolder, content: dict[str, object]) -> None:
        if content["state"] == "finished":
            assert any(path.endswith(".model/model.safetensors") for path in synced)
            assert any("metrics" in Path(path).name for path in synced)
        write(run, content)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(RunFolder, "write_progress", progress)
    assert fine_tune(load_recipe(write_recipe(num_train_epochs=1, head_only_epochs=0, warmup_epochs=0))).state()


def with_accuracies(monkeypatch: pytest.MonkeyPatch, accuracies: list[float]) -> None:
    original = TwoPhaseTrainer.evaluate

    def evaluate(trainer: TwoPhaseTrainer, *rest: object, **named: object) -> dict[str, float]:
        metrics = original(trainer, *rest, **named)
        metrics["eval_accuracy"] = accuracies[round(metrics["epoch"]) - 1]
        trainer.state.log_history[-1]["eval_accuracy"] = metrics["eval_accuracy"]
        return metrics

    monkeypatch.setattr(TwoPhaseTrainer, "evaluate", evaluate)


@pytest.mark.parametrize("when", ["resuming", "at the end"])
def test_a_damaged_best_checkpoint_gives_way_to_the_best_whole_one_and_metrics_say_so(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    with_accuracies(monkeypatch, [0.6, 0.9, 0.5, 0.4])
    recipe = write_recipe(save_total_limit=9)
    if when == "resuming":
        run = stop_at(recipe, 3 * STEPS_PER_EPOCH + 2, monkeypatch)
        (run.checkpoints / "checkpoint-14" / "model.safetensors").write_bytes(b"half")
    else:
        load, run = TwoPhaseTrainer._load_best_model, RunFolder(load_recipe(recipe).output_dir)

        def damage_first(trainer: TwoPhaseTrainer) -> None:
            (run.checkpoints / "checkpoint-14" / "model.safetensors").write_bytes(b"half")
            load(trainer)

        monkeypatch.setattr(TwoPhaseTrainer, "_load_best_model", damage_first)
    done = fine_tune(load_recipe(recipe)).read_metrics()
    assert done["best_epoch"] == 1
    assert "checkpoint-14, is lost" in done["remarks"][0]
    assert "checkpoint-7 is the best that is whole" in done["remarks"][0]


def test_a_run_folder_that_moved_still_ends_with_its_best_epoch(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_accuracies(monkeypatch, [0.3, 0.9, 0.5, 0.4])
    run = stop_at(write_recipe(), 3 * STEPS_PER_EPOCH + 2, monkeypatch)
    shutil.move(run.path, tmp_path / "elsewhere")
    loaded: list[str] = []
    load = TwoPhaseTrainer._load_best_model

    def note(trainer: TwoPhaseTrainer) -> None:
        load(trainer)
        loaded.append(str(trainer.state.best_model_checkpoint))

    monkeypatch.setattr(TwoPhaseTrainer, "_load_best_model", note)
    fine_tune(load_recipe(write_recipe(), ["--output_dir", str(tmp_path / "elsewhere")]))
    assert loaded == [str(tmp_path / "elsewhere" / "checkpoints" / "checkpoint-14")]


@pytest.mark.parametrize("step", [3, 2 * STEPS_PER_EPOCH + 4])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_train_loss_and_accuracy_of_an_interrupted_epoch_are_those_of_the_whole_one(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, step: int, accumulation: int
) -> None:
    changes = {"per_device_train_batch_size": 4 // accumulation, "gradient_accumulation_steps": accumulation}
    whole = fine_tune(load_recipe(write_recipe("whole", **changes))).read_history()
    recipe = write_recipe("stopped", **changes)
    stop_at(recipe, step, monkeypatch)
    continued = fine_tune(load_recipe(recipe)).read_history()
    for column in ("train_loss", "train_accuracy"):
        assert [row[column] for row in continued] == [row[column] for row in whole]
    assert all(0 <= row["train_accuracy"] <= 1 for row in whole)


# -- continued with another division of the batch --

OTHER = ("--per_device_train_batch_size", "2", "--gradient_accumulation_steps", "2")


def test_another_division_of_the_batch_continues_at_the_end_of_an_epoch(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe()
    stop_at(recipe, 2 * STEPS_PER_EPOCH, monkeypatch)
    history = fine_tune(load_recipe(recipe, OTHER)).read_history()
    assert [(row["epoch"], row["step"]) for row in history] == [(1, 7), (2, 14), (3, 21), (4, 28)]


def test_another_division_of_the_batch_is_refused_within_an_epoch(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe()
    stop_at(recipe, 10, monkeypatch)
    with pytest.raises(RunError, match=r"batch 2 x accumulation 2 = 4 pictures per step now, and checkpoint-10 lies"):
        fine_tune(load_recipe(recipe, OTHER))


@pytest.mark.parametrize("change", [("--gradient_accumulation_steps", "2"), ("--per_device_train_batch_size", "8")])
def test_another_global_batch_is_refused(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str]
) -> None:
    recipe = write_recipe()
    stop_at(recipe, STEPS_PER_EPOCH, monkeypatch)
    with pytest.raises(RunError, match=r"global batch: was 1 process x batch 4 .* = 4 pictures .* = 8 pictures"):
        fine_tune(load_recipe(recipe, change))


def test_another_number_of_processes_is_refused(write_recipe: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe()
    run = stop_at(recipe, STEPS_PER_EPOCH, monkeypatch)
    run.write_environment({**run.read_environment(), "processes": 2})
    with pytest.raises(RunError, match=r"global batch: was 2 processes x batch 4 .* is 1 process x batch 4"):
        fine_tune(load_recipe(recipe))


def test_older_checkpoints_go_only_when_the_new_one_is_sealed(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt  # as a power cut between writing and sealing

    recipe = write_recipe(save_total_limit=1)
    stop_at(recipe, STEPS_PER_EPOCH, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "seal", cut_off)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(load_recipe(recipe))
    folder = RunFolder(load_recipe(recipe).output_dir).checkpoints
    assert [path.name for path in checkpoints.checkpoints_in(folder)] == ["checkpoint-7", "checkpoint-14"]
