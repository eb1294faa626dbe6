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
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from torch.nn import functional
from transformers import TrainerCallback

from spatial_swin.config import load_recipe
from spatial_swin.modeling import swin
from spatial_swin.runs import RunFolder, Sample
from spatial_swin.training import build_trainer

SWIN_BASE_384 = {
    "model_type": "swin",
    "image_size": 384,
    "patch_size": 4,
    "embed_dim": 128,
    "depths": [2, 2, 18, 2],
    "num_heads": [4, 8, 16, 32],
    "window_size": 12,
}
ON = "cuda" if torch.cuda.is_available() else "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", default="swin-base-384", help="swin-base-384 (random weights) or what a recipe accepts"
    )
    parser.add_argument("--image_size", type=int, default=384)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=15, help="pairs to count, after 3 that are not")
    parser.add_argument("--augmentation", choices=("true", "false"), default="true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--fp16", choices=("true", "false"), default="true", help="bf16 on a CPU that has it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), options), indent=2))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    recipe = load_recipe(write_recipe(folder, options))
    split = make_pictures(folder / "data", options.image_size, options.batch * (options.steps + 3))
    model = swin.build_model(recipe.model, ["100", "200", "510", "514"])
    trainer, callbacks = build_trainer(recipe, RunFolder(recipe.output_dir), split, model)
    trainer.remove_callback(type(callbacks["console"]))
    pairs = Pairs(BareLoop(recipe, trainer))
    trainer.add_callback(pairs)
    trainer.train()
    ours, bare = np.array(pairs.ours[3:]), np.array(pairs.bare[3:])
    ratio = ours / bare
    result = {
        "device": torch.cuda.get_device_name() if ON == "cuda" else "CPU",
        "threads": torch.get_num_threads(),
        "precision": recipe.precision,
        "model": options.model,
        "batch": options.batch,
        "pairs": len(ratio),
        "augmentation": options.augmentation,
        "seconds_ours": round(float(np.median(ours)), 4),
        "seconds_bare": round(float(np.median(bare)), 4),
        "ratio_quartiles": [round(float(q), 4) for q in np.quantile(ratio, (0.25, 0.5, 0.75))],
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
        self.model = swin.build_model(recipe.model, ["100", "200", "510", "514"]).to(device)
        swin.set_learning(self.model, swin.learning_stages(recipe.model, 2))
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.05, fused=True)
        self.parameters = parameters
        size = recipe.model.image_size
        self.pixels = torch.randn(recipe.trainer.per_device_train_batch_size, 3, size, size, device=device)
        self.labels = torch.randint(0, 4, (len(self.pixels),), device=device)
        self.dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(recipe.precision)
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


def now() -> float:
    if ON == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def matrix_peak(dtype: torch.dtype, size: int = 8192, repeats: int = 20) -> float:
    """Floating-point operations a second of a large product of random matrices: the peak to compare with."""
    a, b = (torch.randn(size, size, device=ON).to(dtype) for _ in range(2))
    for _ in range(3):
        a @ b
    began = now()
    for _ in range(repeats):
        a @ b
    return 2 * size**3 * repeats / (now() - began)


def write_recipe(folder: Path, options: argparse.Namespace) -> Path:
    if options.model == "swin-base-384":
        source = folder / "swin.json"
        source.write_text(json.dumps(SWIN_BASE_384))
    else:
        source = Path(options.model)
    recipe: dict[str, dict[str, Any]] = {
        "Model": {"model_name_or_path": str(source), "image_size": options.image_size, "head_only_epochs": 0},
        "Data": {"data_dir": str(folder / "data")},
        "Trainer": {
            "output_dir": str(folder / "run"),
            "num_train_epochs": 1,
            "warmup_epochs": 0,
            "eval_strategy": "no",
            "save_strategy": "no",
            "load_best_model_at_end": False,
            "per_device_train_batch_size": options.batch,
            "fp16": options.fp16 == "true",
            "report_to": "none",
            "dataloader_num_workers": options.workers,
        },
    }
    if options.augmentation == "false":
        recipe["Data"]["augmentation"] = False
    path = folder / "benchmark.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def make_pictures(root: Path, size: int, count: int) -> list[Sample]:
    """`count` noise pictures to train on and four to validate with, as a split."""
    generator = np.random.default_rng(0)
    samples = []
    for index in range(count + 4):
        label = ("100", "200", "510", "514")[index % 4]
        path = root / label / f"{index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (size, size), dtype=np.uint8)).save(path, compress_level=1)
        part = "train" if index < count else "validation"
        samples.append(Sample(f"{label}/{path.name}", label, path.stem, part, f"{index << 1:016x}{0:048x}"))
    return samples


if __name__ == "__main__":
    main()
