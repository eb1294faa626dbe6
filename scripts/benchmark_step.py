"""Our training step against a bare PyTorch loop: same model, batch and precision, same process, step by step in turn.

    python scripts/benchmark_step.py --steps 15                     # Swin-B/384, batch 16, phase 2, random weights
    python scripts/benchmark_step.py --model swin-nano-192/config.json --image_size 192 --batch 32 --steps 60

Each of our steps (loader, augmentation, forward, backward, clipping, optimizer, bookkeeping) is paired with the bare
step that follows it, so that a machine whose speed drifts slows both. Prints the median ratio with its quartiles,
pictures/s, the memory allocated on a GPU, and the share of the matrix peak measured there.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import (
    CLASSES,
    DTYPES,
    ON,
    device_name,
    make_pictures,
    make_recipe,
    matrix_peak,
    model_parser,
    now,
    quartiles,
)
from torch.nn import functional
from transformers import TrainerCallback

from spatial_swin.modeling import swin
from spatial_swin.modeling.callbacks import ConsoleCallback
from spatial_swin.preparing import Start
from spatial_swin.runs import RunFolder
from spatial_swin.training import build_trainer


def main() -> None:
    parser = model_parser(__doc__)
    parser.add_argument("--steps", type=int, default=15, help="pairs to count, after 3 that are not")
    parser.add_argument("--augmentation", choices=("true", "false"), default="true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--fp16", choices=("true", "false"), default="true", help="bf16 on a CPU that has it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), options), indent=2))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    trainer_settings = {
        "num_train_epochs": 1,
        "warmup_epochs": 0,
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
        "fp16": options.fp16 == "true",
    }
    recipe = make_recipe(folder, options, {"augmentation": options.augmentation == "true"}, trainer_settings)
    split = make_pictures(folder / "data", options.image_size, options.batch * (options.steps + 3))
    model = swin.build_model(recipe.model, CLASSES)
    recipe.output_dir.mkdir(parents=True, exist_ok=True)
    trainer = build_trainer(recipe, RunFolder(recipe.output_dir), Start(split, model)).trainer
    trainer.remove_callback(ConsoleCallback)
    pairs = Pairs(BareLoop(recipe, trainer))
    trainer.add_callback(pairs)
    trainer.train()
    ours, bare = np.array(pairs.ours[3:]), np.array(pairs.bare[3:])
    ratio = ours / bare
    result = {
        "device": device_name(),
        "precision": recipe.precision,
        "model": options.model,
        "batch": options.batch,
        "pairs": len(ratio),
        "augmentation": options.augmentation,
        "seconds_ours": round(float(np.median(ours)), 4),
        "seconds_bare": round(float(np.median(bare)), 4),
        "ratio_quartiles": quartiles(ratio, 4),
        "pictures_per_second": round(options.batch / float(np.median(ours)), 2),
    }
    if ON == "cuda":
        result["allocated_gb"] = round(pairs.allocated / 1e9, 3)
        result["matrix_peak_tflops_measured"] = round(matrix_peak(torch.float16) / 1e12, 1)
    return result


class BareLoop:
    """The loop one would write without any of us: a normalised batch that is already on the device, one optimizer."""

    def __init__(self, recipe: Any, trainer: Any) -> None:
        device = trainer.args.device
        self.model = swin.build_model(recipe.model, CLASSES).to(device)
        swin.set_learning(self.model, swin.learning_stages(recipe.model, 2))
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.05, fused=True)
        self.parameters = parameters
        size = recipe.model.image_size
        self.pixels = torch.randn(recipe.trainer.per_device_train_batch_size, 3, size, size, device=device)
        self.labels = torch.randint(0, 4, (len(self.pixels),), device=device)
        self.dtype = DTYPES.get(recipe.precision)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
        self.device = device

    def step(self) -> None:
        self.model.train()
        swin.rest_frozen(self.model)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None):
            loss = functional.cross_entropy(self.model(self.pixels).logits.float(), self.labels, label_smoothing=0.1)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()


class Pairs(TrainerCallback):
    """Times the Trainer from the end of one step to the end of the next, and a bare step in between."""

    def __init__(self, bare: BareLoop) -> None:
        self.loop = bare
        self.ours: list[float] = []
        self.bare: list[float] = []
        self.allocated = 0
        self.began = 0.0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.began = now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        end = now()
        self.ours.append(end - self.began)
        if ON == "cuda":
            self.allocated = max(self.allocated, torch.cuda.max_memory_allocated())
        self.loop.step()
        self.bare.append(now() - end)
        if ON == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.began = now()


if __name__ == "__main__":
    main()
