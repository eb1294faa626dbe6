"""What the benchmarks share: the clock, sides that take turns, quartiles, the matrix peak, and things to measure on.

The scripts beside this file import it. Nothing here prints or writes outside the folder that it is given.
"""

import argparse
import importlib.util
import json
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image


class _Metric:
    """What the package uses of `evaluate.Metric`."""

    def __init__(self, **_: Any) -> None: ...

    def compute(self, **values: Any) -> dict[str, Any]:
        return self._compute(**values)  # type: ignore[attr-defined, no-any-return]


if importlib.util.find_spec("evaluate") is None:  # times do not need it, and a borrowed GPU may not have it
    evaluate: Any = types.ModuleType("evaluate")
    evaluate.Metric, evaluate.MetricInfo = _Metric, dict
    sys.modules["evaluate"] = evaluate

from spatial_swin.config import Recipe, load_recipe  # noqa: E402
from spatial_swin.runs import Sample  # noqa: E402

ON = "cuda" if torch.cuda.is_available() else "cpu"
CLASSES = ["100", "200", "510", "514"]
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}  # fp32 needs no autocast
SWIN_BASE_384: dict[str, Any] = {
    "model_type": "swin",
    "image_size": 384,
    "patch_size": 4,
    "embed_dim": 128,
    "depths": [2, 2, 18, 2],
    "num_heads": [4, 8, 16, 32],
    "window_size": 12,
}

Side = tuple[Callable[[], object], int, int]  # a step, its pictures per turn, steps per turn


def parser_of(description: str | None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def model_parser(description: str | None) -> argparse.ArgumentParser:
    """With the model, its image size and the batch, as `make_recipe` reads them."""
    parser = parser_of(description)
    parser.add_argument("--model", default="swin-base-384", help="swin-base-384 (random weights) or a recipe's model")
    parser.add_argument("--image_size", type=int, default=384)
    parser.add_argument("--batch", type=int, default=16)
    return parser


def device_name() -> str:
    return torch.cuda.get_device_name() if ON == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def now() -> float:
    """Seconds on the clock, after the GPU has done what was queued."""
    if ON == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds_of(work: Callable[[], object], repeats: int, warm_up: int = 1) -> np.ndarray:
    """Seconds [repeats] of each call, after `warm_up` calls that are not counted."""
    seconds = []
    for _ in range(warm_up + repeats):
        began = now()
        work()
        seconds.append(now() - began)
    return np.array(seconds[warm_up:])


def in_turn(sides: dict[str, Side], rounds: int) -> dict[str, np.ndarray]:
    """Pictures/s [rounds] of each side; every round takes all in turn, so that a drifting clock slows all alike."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds + 1):  # the first round warms up
        for name, (step, pictures, steps) in sides.items():
            began = now()
            for _ in range(steps):
                step()
            rates[name].append(pictures / (now() - began))
    return {name: np.array(rate[1:]) for name, rate in rates.items()}


def quartiles(values: Any, digits: int = 3) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [round(float(value), digits) for value in np.quantile(values, (0.25, 0.5, 0.75))]


def spread(values: Any, unit: str, scale: float = 1.0) -> str:
    """`12.34 ms (12.01 to 12.90, n = 15)`: the median and the quartiles."""
    low, median, high = quartiles(scale * np.asarray(values))
    return f"{median:9.2f} {unit} ({low:.2f} to {high:.2f}, n = {len(values)})"


def matrix_peak(dtype: torch.dtype, size: int = 8192, repeats: int = 20) -> float:
    """Floating-point operations per second of a large product of random matrices: the peak to compare with."""
    a, b = (torch.randn(size, size, device=ON).to(dtype) for _ in range(2))
    return 2 * size**3 / float(np.mean(seconds_of(lambda: a @ b, repeats, warm_up=3)))


def make_recipe(folder: Path, options: argparse.Namespace, data: dict[str, Any], trainer: dict[str, Any]) -> Recipe:
    """Stage 4 and head from the first step, on `folder`/data; `options` has model, image_size, batch and workers.

    The model `swin-base-384` is Swin-B/384 with random weights; any other name is what a recipe takes.
    """
    model = options.model
    if model == "swin-base-384":
        model = str(folder / "swin.json")
        Path(model).write_text(json.dumps(SWIN_BASE_384))
    settings = {
        "Model": {"model_name_or_path": model, "image_size": options.image_size, "head_only_epochs": 0},
        "Data": {"data_dir": str(folder / "data"), **data},
        "Trainer": {
            "output_dir": str(folder / "run"),
            "per_device_train_batch_size": options.batch,
            "dataloader_num_workers": options.workers,
            "report_to": "none",
            **trainer,
        },
    }
    path = folder / "benchmark.yaml"
    path.write_text(yaml.safe_dump(settings))
    return load_recipe(path)


def make_pictures(root: Path, size: int, count: int, validation: int = 4, smooth: bool = False) -> list[Sample]:
    """A split of `count` noise pictures to train on and `validation` more.

    Smooth pictures compress about as mosaics do: slow in time and frequency, with a little noise on top.
    """
    generator = np.random.default_rng(0)
    samples = []
    for index in range(count + validation):
        pixels = generator.integers(0, 256, (size // 8 if smooth else size,) * 2, dtype=np.uint8)
        if smooth:
            large = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
            noise = generator.integers(-4, 5, (size, size))
            pixels = (np.asarray(large, dtype=np.int16) + noise).clip(0, 255).astype(np.uint8)
        label = CLASSES[index % len(CLASSES)]
        path = root / label / f"{index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **({} if smooth else {"compress_level": 1}))
        part = "train" if index < count else "validation"
        key = f"{index << 1:016x}{0:048x}"  # stands for the checksum, which the keyed augmentation reads
        samples.append(Sample(f"{label}/{path.name}", label, path.stem, part, key))
    return samples
