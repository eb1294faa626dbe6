"""torch.compile is optional: where it works the run is the same within rounding, where not a sentence says so."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch._dynamo

from spatial_swin import preparing
from spatial_swin.config import load_recipe
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.training import fine_tune

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def restore_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """TrainingArguments writes these keys, the compiler keeps its setting; other tests must find neither."""
    for key in preparing.DYNAMO_KEYS:
        monkeypatch.setenv(key, "no")
    before = torch._dynamo.config.suppress_errors
    yield
    torch._dynamo.config.suppress_errors = before


def losses(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    kept: list[float] = []
    original = TwoPhaseTrainer.training_step

    def keep(trainer: TwoPhaseTrainer, *rest: object, **named: object) -> torch.Tensor:
        loss = original(trainer, *rest, **named)
        kept.append(float(loss))
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(TwoPhaseTrainer, "training_step", keep)
        fine_tune(load_recipe(recipe))
    return kept


def test_a_machine_that_cannot_compile_trains_without(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = losses(write_recipe("plain", num_train_epochs=2, head_only_epochs=1), monkeypatch)

    def no_compiler(*_: object, **__: object) -> None:
        raise RuntimeError("no C++ compiler found\nand more")

    monkeypatch.setattr(torch, "compile", no_compiler)
    recipe = write_recipe("compiled", num_train_epochs=2, head_only_epochs=1, torch_compile=True)
    capsys.readouterr()
    assert losses(recipe, monkeypatch) == wanted
    assert "cannot compile (no C++ compiler found); training goes on without it" in capsys.readouterr().out
    assert "ACCELERATE_DYNAMO_BACKEND" not in os.environ


@pytest.mark.slow
def test_a_compiled_run_from_the_cache_is_the_same_within_rounding(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changes = {"trunk_cache_views": 2, "trunk_cache_dir": str(tmp_path / "cache"), "drop_path_rate": 0.0}
    wanted = losses(write_recipe("plain", **changes), monkeypatch)
    compiled = write_recipe("compiled", torch_compile=True, torch_compile_backend="aot_eager", **changes)
    assert losses(compiled, monkeypatch) == pytest.approx(wanted, abs=1e-4)
