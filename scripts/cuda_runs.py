"""Small whole trainings for `measure_cuda.py`: what fp16's scaler skips, and what resuming bit for bit costs.

Both train a tiny Swin on made-up pictures in a temporary folder, through the package's own entry points.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml
from cuda_steps import PHASES, TINY, Size, Step
from measuring import CLASSES, ON, in_turn, make_pictures, quartiles
from safetensors.torch import load_file

from spatial_swin.config import Recipe, load_recipe
from spatial_swin.modeling import swin
from spatial_swin.modeling.callbacks import TerminationCallback
from spatial_swin.preparing import Start
from spatial_swin.runs import RunFolder
from spatial_swin.training import Stopped, build_trainer, fine_tune

OVERFLOWS = (1, 2, 9)  # updates, from 0, whose gradients are made infinite


def tiny_recipe(folder: Path, name: str, epochs: int = 4, **changes: Any) -> Recipe:
    """Half of the epochs head-only, of 8 updates each."""
    (folder / "tiny.json").write_text(json.dumps(TINY))
    trainer = {"num_train_epochs": epochs, "per_device_train_batch_size": 4, "warmup_epochs": 1, "seed": 7}
    trainer |= {"output_dir": str(folder / name), "report_to": "none", "dataloader_num_workers": 0, "fp16": True}
    settings = {
        "Model": {"model_name_or_path": str(folder / "tiny.json"), "image_size": 32, "head_only_epochs": epochs // 2},
        "Data": {"data_dir": str(folder / "data"), "train_share": 0.7, "validation_share": 0.2, "test_share": 0.1},
        "Trainer": {**trainer, **changes},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(settings))
    return load_recipe(path)


def scaler(size: Size) -> tuple[list[dict[str, Any]], list[str]]:
    """Overflows forced at known updates: which are skipped, and whether phase and rates go on as they should.

    A CPU has no scaler of its own; it is given one, so that the same lines run.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        split = make_pictures(folder / "data", 32, 32)
        recipe = tiny_recipe(folder, "run")
        model = swin.build_model(recipe.model, CLASSES)
        recipe.output_dir.mkdir()
        trainer = build_trainer(recipe, RunFolder(recipe.output_dir), Start(split, model)).trainer
        if ON == "cpu":
            trainer.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        weight = trainer.model.classifier.weight
        weight.register_hook(lambda g: g * float("inf") if trainer.state.global_step in OVERFLOWS else g)
        scaler, skipped = trainer.accelerator.scaler, list[int]()
        update = scaler.update

        def watched() -> None:
            before = scaler.get_scale()
            update()
            if scaler.get_scale() < before:
                skipped.append(trainer.state.global_step)

        scaler.update = watched  # type: ignore[method-assign]
        trainer.train()
        row = {
            "forced at updates": ", ".join(map(str, OVERFLOWS)),
            "skipped": ", ".join(map(str, skipped)),
            "updates": trainer.state.global_step,
            "schedule moved": trainer.lr_scheduler.last_epoch,
            "scale at the end": float(scaler.get_scale()),
            "weights finite": all(bool(tensor.isfinite().all()) for tensor in trainer.model.state_dict().values()),
        }
    return [row], [
        "The fused AdamW skips by itself, so the schedule moves with every update; the phase goes by epochs."
    ]


def resume(size: Size) -> tuple[list[dict[str, Any]], list[str]]:
    """A run stopped within an epoch and continued against one that nothing stopped; then the cost of determinism."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder / "data", 32, 44, validation=0)
        for deterministic in (True, False) if ON == "cuda" else (False,):
            label = f"deterministic_{deterministic}".lower()
            keys = {"full_determinism": deterministic, "epochs": 2 if size.tiny else 4}
            whole = fine_tune(tiny_recipe(folder, f"whole_{label}", **keys))
            again = stopped_and_continued(tiny_recipe(folder, f"again_{label}", **keys))
            one, two = (load_file(run.model / "model.safetensors") for run in (whole, again))
            largest = max(float((one[key] - two[key]).abs().max()) for key in one)
            row = {"deterministic kernels": str(deterministic), "bit for bit": str(largest == 0)}
            rows.append({**row, "largest difference of weights": largest})
    return rows, [cost_of_determinism(size)]


def stopped_and_continued(recipe: Recipe) -> RunFolder:
    """Stopped after 12 updates, as SIGTERM does, and started again."""
    agreed = TerminationCallback._agreed
    TerminationCallback._agreed = lambda self, args, at: at == 12  # type: ignore[method-assign]
    try:
        fine_tune(recipe)
        raise AssertionError("the run was not stopped")
    except Stopped:
        pass
    finally:
        TerminationCallback._agreed = agreed  # type: ignore[method-assign]
    return fine_tune(recipe)


def cost_of_determinism(size: Size) -> str:
    """Steps of phase 2 with deterministic kernels and without, in turn."""
    step = Step(size, PHASES["phase 2 (stage 4)"], size.precisions[0], size.batch)

    def as_usual() -> None:
        torch.use_deterministic_algorithms(False)
        step()

    def deterministic() -> None:
        torch.use_deterministic_algorithms(True, warn_only=True)
        step()

    rates = in_turn({"usual": (as_usual, size.batch, 1), "same": (deterministic, size.batch, 1)}, size.repeats)
    low, median, high = quartiles(rates["usual"] / rates["same"])
    return f"Deterministic kernels take {median} ({low} to {high}) times as long: phase 2, {size.precisions[0]}."
