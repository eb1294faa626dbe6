"""A machine at its limits: one sentence with numbers to go on with, state failed, and older results stay whole."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from spatial_swin.config import load_recipe
from spatial_swin.errors import RunError
from spatial_swin.modeling import checkpoints, failures
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import RunFolder
from spatial_swin.training import fine_tune

Write = Callable[..., Path]
CPU = "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 B."
CUDA = torch.OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 14.56 GiB"
)


@pytest.mark.parametrize("error", [RuntimeError(CPU), CUDA, MemoryError()], ids=["CPU", "CUDA", "Python"])
def test_out_of_memory_names_the_batch_and_the_accumulation_to_use(
    write_recipe: Write, tmp_path: Path, error: Exception
) -> None:
    recipe = load_recipe(write_recipe(per_device_train_batch_size=12, gradient_accumulation_steps=3))
    said = str(failures.in_words(error, recipe, tmp_path, evaluating=False))
    assert "per_device_train_batch_size 12 and gradient_accumulation_steps 3" in said
    assert "--per_device_train_batch_size 6 --gradient_accumulation_steps 6" in said
    said = str(failures.in_words(error, recipe, tmp_path, evaluating=True))
    assert "--per_device_eval_batch_size 16" in said


def test_a_batch_of_one_that_is_too_much_names_the_image_size(write_recipe: Write, tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(per_device_train_batch_size=1))
    assert "smaller --image_size" in str(failures.in_words(MemoryError(), recipe, tmp_path, evaluating=False))


def test_another_error_is_not_put_into_words(write_recipe: Write, tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe())
    assert failures.in_words(RuntimeError("shape mismatch"), recipe, tmp_path, evaluating=False) is None


def test_a_run_out_of_memory_fails_with_the_reason_and_continues_as_it_says(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, original = write_recipe(num_train_epochs=2, head_only_epochs=1), TwoPhaseTrainer.training_step

    def too_much(trainer: TwoPhaseTrainer, *rest: object, **named: object) -> torch.Tensor:
        if trainer.state.global_step == 9:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return original(trainer, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(TwoPhaseTrainer, "training_step", too_much)
        with pytest.raises(RunError, match="--per_device_train_batch_size 2 --gradient_accumulation_steps 2"):
            fine_tune(load_recipe(recipe))
    run = RunFolder(load_recipe(recipe).output_dir)
    assert run.state() == "failed"
    assert "out of memory with per_device_train_batch_size 4" in run.read_progress()["error"]
    overrides = ["--per_device_train_batch_size", "2", "--gradient_accumulation_steps", "2"]
    assert [row["epoch"] for row in fine_tune(load_recipe(recipe, overrides)).read_history()] == [1, 2]


@pytest.mark.parametrize("place", ["_save_optimizer_and_scheduler", "_save", "save_model"])
def test_a_disk_that_gets_full_while_saving_is_one_sentence_and_the_run_continues(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    recipe, original = write_recipe(num_train_epochs=2, head_only_epochs=1), getattr(TwoPhaseTrainer, place)

    def full(trainer: TwoPhaseTrainer, *rest: object, **named: object) -> None:
        if trainer.state.global_step == 14:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(trainer, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(TwoPhaseTrainer, place, full)
        with pytest.raises(RunError, match="the disk is full; what was finished before is kept"):
            fine_tune(load_recipe(recipe))
    run = RunFolder(load_recipe(recipe).output_dir)
    assert run.state() == "failed"
    assert "the disk is full" in run.read_progress()["error"]
    assert [path.name for path in checkpoints.checkpoints_in(run.checkpoints)] == ["checkpoint-7"]
    assert fine_tune(load_recipe(recipe)).state() == "finished"


def test_a_home_that_cannot_be_written_is_no_obstacle(write_recipe: Write, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, in which not even root makes folders")
    recipe = write_recipe(num_train_epochs=1, head_only_epochs=0, warmup_epochs=0)
    hidden = {name: value for name, value in os.environ.items() if not name.startswith(("HF_HOME", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-m", "spatial_swin", "train", "--config", str(recipe)],
        env={**hidden, "HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
