"""What a GPU does otherwise than a CPU: fp16 with its scaler, memory that ends, the trunk cache, one card for two.

A test marked gpu needs a CUDA device; where the same lines mean something on a CPU, they run there too.
"""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spatial_swin.config import load_recipe
from spatial_swin.errors import RunError
from spatial_swin.modeling.schedule import cosine_factor
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import RunFolder
from spatial_swin.training import fine_tune

Write = Callable[..., Path]
ROOT = Path(__file__).parents[1]
ON_BOTH = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
UPDATES, WARM_UP = 28, 7  # of the tiny recipe


@pytest.mark.slow
@ON_BOTH
def test_mixed_precision_through_accelerate_learns(device: str, write_recipe: Write, tmp_path: Path) -> None:
    """fp16 on a GPU, bf16 or fp32 on a CPU: what was used is in environment.json, and the loss falls."""
    recipe = write_recipe(use_cpu=device == "cpu", num_train_epochs=8, learning_rate=1e-2, backbone_learning_rate=1e-3)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "1", "--num_machines", "1"]
    launch += ["--dynamo_backend", "no", "--mixed_precision", "fp16" if device == "cuda" else "bf16"]
    launch += ["--cpu"] if device == "cpu" else []
    command = [*launch, str(ROOT / "scripts" / "train.py"), "--config", str(recipe)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    run = RunFolder(tmp_path / "runs" / "tiny")
    losses = [row["train_loss"] for row in run.read_history()]
    assert run.read_environment()["precision"] in {"cuda": ("fp16",), "cpu": ("bf16", "fp32")}[device]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] - 0.05


class Overflows:
    """Makes the gradients of some updates infinite, and keeps after which ones the scaler went back."""

    def __init__(self, at: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.monkeypatch, self.skipped = at, monkeypatch, list[int]()
        train = TwoPhaseTrainer.train

        def prepared(trainer: TwoPhaseTrainer, *rest: Any, **named: Any) -> Any:
            self.prepare(trainer)
            return train(trainer, *rest, **named)

        monkeypatch.setattr(TwoPhaseTrainer, "train", prepared)

    def prepare(self, trainer: TwoPhaseTrainer) -> None:
        scaler = torch.amp.GradScaler(trainer.args.device.type, init_scale=2.0**10)
        trainer.accelerator.scaler = scaler  # accelerate gives a CPU none
        factor = {True: float("inf"), False: 1.0}
        weight = trainer.model.classifier.weight
        weight.register_hook(lambda gradient: gradient * factor[trainer.state.global_step in self.at])
        update = scaler.update

        def watched(*rest: Any) -> None:
            before = scaler.get_scale()
            update(*rest)
            if scaler.get_scale() < before:
                self.skipped.append(trainer.state.global_step)

        self.monkeypatch.setattr(scaler, "update", watched)


@ON_BOTH
@pytest.mark.parametrize(("optimizer", "moved"), [("adamw_torch_fused", UPDATES), ("adamw_torch", UPDATES - 3)])
def test_updates_skipped_for_overflow_never_delay_the_phase(
    device: str, optimizer: str, moved: int, write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rates go on with the fused AdamW (the default; it skips by itself), and wait with the other one."""
    overflows = Overflows((2, 3, 15), monkeypatch)
    recipe = load_recipe(write_recipe(use_cpu=device == "cpu", fp16=True, optim=optimizer))
    run = fine_tune(recipe)
    history = run.read_history()
    assert overflows.skipped == [2, 3, 15]
    assert [row["phase"] for row in history] == [1, 1, 2, 2]
    assert np.isfinite([row["train_loss"] for row in history]).all()
    peak, lowest = recipe.trainer.learning_rate, recipe.trainer.minimum_learning_rate
    expected = peak * cosine_factor(moved, WARM_UP, UPDATES, lowest / peak)
    assert history[-1]["learning_rate_head"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.gpu
def test_the_trunk_cache_filled_on_a_gpu_trains_as_without_it(write_recipe: Write, tmp_path: Path) -> None:
    """Up to rounding: other batches may take other kernels."""
    same = {"use_cpu": False, "fp16": False, "load_best_model_at_end": False}
    cache = {"trunk_cache_views": 3, "trunk_cache_precision": "fp32", "trunk_cache_dir": str(tmp_path / "cache")}
    cached = fine_tune(load_recipe(write_recipe("cached", **same, **cache)))
    plain = fine_tune(load_recipe(write_recipe("plain", **same, augmentation_views=3)))
    for column in ("train_loss", "validation_loss"):
        ours, theirs = ([row[column] for row in run.read_history()] for run in (cached, plain))
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)


@pytest.mark.gpu
def test_a_gpu_that_runs_out_of_memory_says_what_to_use_instead(write_recipe: Write) -> None:
    gc.collect()
    torch.cuda.empty_cache()  # what earlier tests left would be room enough
    held = torch.cuda.memory_reserved() / torch.cuda.get_device_properties(0).total_memory
    recipe = load_recipe(write_recipe(use_cpu=False, fp16=False, per_device_train_batch_size=28))
    torch.cuda.set_per_process_memory_fraction(held + 5e-5)
    try:
        with pytest.raises(RunError, match="per_device_train_batch_size 14 --gradient_accumulation_steps 2"):
            fine_tune(recipe)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
