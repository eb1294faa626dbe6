"""Does the loader keep up? Pictures a second that it hands over, against what Swin-B/384 takes in phase 2.

    python scripts/benchmark_loader.py                                        # Swin-B/384, batch 16
    python scripts/benchmark_loader.py --image_size 192 --config src/spatial_swin/assets/swin-nano-192/config.json

Pictures are grey PNG files with the texture of mosaics, decoded and batched by 0, 1, 2, ... worker processes; the
model has random weights, stages 1-3 frozen, and takes forward, backward and an AdamW step in the precision that
training would use here (fp16 on a GPU, bf16 on a CPU that has it). Also told: what augmentation costs a batch, and how
fast preflight is. Each figure is the median of its repeats with the quartiles.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader

from spatial_swin.config import resolve_precision
from spatial_swin.data.augment import AugmentationArguments, augment
from spatial_swin.data.folder import scan_folder
from spatial_swin.data.pictures import load_pictures
from spatial_swin.data.preflight import preflight
from spatial_swin.runs import Sample

SWIN_BASE_384 = {
    "image_size": 384,
    "patch_size": 4,
    "embed_dim": 128,
    "depths": [2, 2, 18, 2],
    "num_heads": [4, 8, 16, 32],
    "window_size": 12,
}
CLASSES = ["100", "200", "510", "514"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="config.json of a Swin; Swin-B/384 when not given")
    parser.add_argument("--image_size", type=int, default=384)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=640, help="pictures on the disk")
    parser.add_argument("--steps", type=int, default=5, help="steps of the model to count, after one that is not")
    parser.add_argument("--repeats", type=int, default=3, help="passes of the loader and of preflight to count")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="numbers of worker processes to try")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    precision = resolve_precision("fp16")
    print(f"{name}, {os.cpu_count()} cores, {precision}, {options.image_size} px, batch {options.batch}\n")
    with tempfile.TemporaryDirectory() as folder:
        samples = make_pictures(Path(folder), options.image_size, options.pictures)
        taken = rates(lambda: step_seconds(options, device, precision), options.batch)
        tell("model, phase-2 step", taken)
        for workers in options.workers:
            fed = rates(lambda n=workers: load_seconds(Path(folder), samples, options, n), options.pictures)
            ratio = np.median(fed) / np.median(taken)
            tell(f"loader, {workers} worker{'s' * (workers != 1)}", fed, f"{ratio:.1f} times what the model takes")
        for grey in (True, False):
            spent = augment_seconds(options, device, grey)
            tell(f"augmentation, {'grey' if grey else 'coloured'}", rates(lambda t=spent: t, options.batch))
        tell("preflight", rates(lambda: preflight_seconds(Path(folder), options.repeats), options.pictures))


def tell(what: str, pictures_a_second: np.ndarray, remark: str = "") -> None:
    low, middle, high = np.quantile(pictures_a_second, (0.25, 0.5, 0.75))
    print(f"{what:<24} {middle:>9.1f} pictures/s  [{low:.1f}, {high:.1f}]  {remark}", flush=True)


def rates(measure: Callable[[], Sequence[float]], pictures: int) -> np.ndarray:
    return pictures / np.array(measure())


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each repeat, after one that warms up."""
    work()
    seconds = []
    for _ in range(repeats):
        began = now()
        work()
        seconds.append(now() - began)
    return seconds


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def load_seconds(folder: Path, samples: list[Sample], options: argparse.Namespace, workers: int) -> list[float]:
    """One pass over all pictures after another, worker processes kept, as the Trainer keeps them on request."""
    rows = load_pictures(folder, samples, CLASSES, options.image_size)["train"]
    loader = DataLoader(rows, options.batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    return timed(lambda: sum(len(batch["labels"]) for batch in loader), options.repeats)


def preflight_seconds(folder: Path, repeats: int) -> list[float]:
    scanned = scan_folder(folder)
    return timed(lambda: preflight(scanned), repeats)


def augment_seconds(options: argparse.Namespace, device: str, grey: bool) -> list[float]:
    pixels = torch.randint(0, 256, (options.batch, 3, options.image_size, options.image_size), dtype=torch.uint8)
    pixels = (pixels[:, :1].expand_as(pixels).contiguous() if grey else pixels).to(device)
    views = iter(range(1000))
    arguments = AugmentationArguments()
    return timed(lambda: augment(pixels, range(options.batch), next(views), 0, arguments), 4 * options.repeats)


def step_seconds(options: argparse.Namespace, device: str, precision: str) -> list[float]:
    """Stages 1-3 frozen and at rest, stage 4 and head learning."""
    settings = json.loads(Path(options.config).read_text()) if options.config else SWIN_BASE_384
    config = transformers.SwinConfig(**{**settings, "num_labels": len(CLASSES)})
    model = transformers.SwinForImageClassification(config).to(device).train()
    for module in (model.swin.embeddings, *model.swin.encoder.layers[:3]):
        module.requires_grad_(False).eval()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-4, fused=True)
    kind = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision)
    scaler = torch.amp.GradScaler(device, enabled=precision == "fp16" and device == "cuda")
    pixels = torch.randn(options.batch, 3, options.image_size, options.image_size, device=device)
    labels = torch.arange(options.batch, device=device) % len(CLASSES)

    def step() -> None:
        with torch.autocast(device, dtype=kind, enabled=kind is not None):
            loss = functional.cross_entropy(model(pixel_values=pixels).logits.float(), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    return timed(step, options.steps)


def make_pictures(root: Path, size: int, count: int) -> list[Sample]:
    """Grey PNG files that compress about as mosaics do: smooth in time and frequency, with a little noise."""
    generator = np.random.default_rng(0)
    samples = []
    for index in range(count):
        coarse = generator.integers(0, 256, (size // 8, size // 8), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = (smooth + generator.integers(-4, 5, (size, size))).clip(0, 255).astype(np.uint8)
        label = CLASSES[index % len(CLASSES)]
        path = root / label / f"{index:05d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noisy).save(path)
        sha256 = f"{index << 1:016x}{0:048x}"  # a key of its own
        samples.append(Sample(f"{label}/{path.name}", label, path.stem, "train", sha256))
    return samples


if __name__ == "__main__":
    main()
