"""torch.compile is optional: where it works the run is the same within rounding, where not a sentence says so."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch._dynamo

from spatial_swin import preparing
from spatial_swin.config import load_recipe
from spatial_swin.errors import SpatialSwinError
from spatial_swin.modeling.swin import Swin
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import RunFolder
from spatial_swin.shipped import ASSETS
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


@pytest.mark.parametrize("wrong", ["model", "data", "weights", "pictures"])
def test_a_refused_start_leaves_nothing_and_the_corrected_one_begins(
    write_recipe: Write, tmp_path: Path, pictures: Path, wrong: str
) -> None:
    changes: dict[str, dict[str, object]] = {
        "model": {"model_name_or_path": str(tmp_path / "nowhere")},
        "data": {"data_dir": str(tmp_path / "nothing")},
        "weights": {"class_weights": ["1", "2", "3"]},
        "pictures": {},
    }
    hurt = pictures / "100" / "hurt.png"
    if wrong == "pictures":
        hurt.write_bytes(b"no picture")
    recipe = load_recipe(write_recipe(**changes[wrong]))
    with pytest.raises(SpatialSwinError):
        fine_tune(recipe)
    assert not recipe.output_dir.exists()
    hurt.unlink(missing_ok=True)
    short = {"num_train_epochs": 1, "head_only_epochs": 0, "warmup_epochs": 0}
    assert fine_tune(load_recipe(write_recipe(**short))).state() == "finished"


def test_a_run_without_a_checkpoint_may_begin_anew_with_another_recipe(write_recipe: Write) -> None:
    short = {"num_train_epochs": 1, "head_only_epochs": 0, "warmup_epochs": 0}
    begun = load_recipe(write_recipe())
    begun.output_dir.mkdir(parents=True)
    RunFolder(begun.output_dir).write_recipe(begun.requested)  # as earlier versions left it
    assert fine_tune(load_recipe(write_recipe(**short))).state() == "finished"


def test_the_shipped_model_trains_as_from_pretrained_gives_it() -> None:
    model = Swin.from_pretrained(ASSETS / "swin-nano-192")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    model(torch.zeros(1, 3, 192, 192)).logits.sum().backward()
