"""Does the loader keep up? Pictures per second that it hands over, against what Swin-B/384 takes in phase 2.

    python scripts/benchmark_loader.py                                        # Swin-B/384, batch 16
    python scripts/benchmark_loader.py --image_size 192 --config src/spatial_swin/assets/swin-nano-192/config.json

Pictures are grey PNG files with the texture of mosaics, decoded and batched by 0, 1, 2, ... worker processes; the
model has random weights, stages 1-3 frozen, and takes forward, backward and an AdamW step in the precision that
training would use here (fp16 on a GPU, bf16 on a CPU that has it). Also measured:
augmentation per batch, and preflight. Each figure is the median of its repeats with the quartiles.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from measuring import CLASSES, DTYPES, ON, SWIN_BASE_384, device_name, make_pictures, parser_of, quartiles, seconds_of
from torch.nn import functional
from torch.utils.data import DataLoader

from spatial_swin.config import resolve_precision
from spatial_swin.data.augment import AugmentationArguments, augment
from spatial_swin.data.folder import scan_folder
from spatial_swin.data.pictures import load_pictures
from spatial_swin.data.preflight import preflight
from spatial_swin.runs import Sample


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--config", help="config.json of a Swin; Swin-B/384 when not given")
    parser.add_argument("--image_size", type=int, default=384)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=640, help="pictures on the disk")
    parser.add_argument("--steps", type=int, default=5, help="steps of the model to count, after one that is not")
    parser.add_argument("--repeats", type=int, default=3, help="passes of the loader and of preflight to count")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="numbers of worker processes to try")
    options = parser.parse_args()
    precision = resolve_precision("fp16")
    print(f"{device_name()}, {os.cpu_count()} cores, {precision}, {options.image_size} px, batch {options.batch}\n")
    with tempfile.TemporaryDirectory() as folder:
        samples = make_pictures(Path(folder), options.image_size, options.pictures, validation=0, smooth=True)
        taken = options.batch / step_seconds(options, precision)
        show("model, phase-2 step", taken)
        for workers in options.workers:
            fed = options.pictures / load_seconds(Path(folder), samples, options, workers)
            ratio = np.median(fed) / np.median(taken)
            show(f"loader, {workers} worker{'s' * (workers != 1)}", fed, f"{ratio:.1f} times what the model takes")
        for grey in (True, False):
            show(f"augmentation, {'grey' if grey else 'coloured'}", options.batch / augment_seconds(options, grey))
        show("preflight", options.pictures / preflight_seconds(Path(folder), options.repeats))


def show(what: str, pictures_per_second: np.ndarray, remark: str = "") -> None:
    low, middle, high = quartiles(pictures_per_second)
    print(f"{what:<24} {middle:>9.1f} pictures/s  [{low:.1f}, {high:.1f}]  {remark}", flush=True)


def load_seconds(folder: Path, samples: list[Sample], options: argparse.Namespace, workers: int) -> np.ndarray:
    """Passes over all pictures; worker processes stay, as the Trainer keeps them on request."""
    rows = load_pictures(folder, samples, CLASSES, options.image_size)["train"]
    loader = DataLoader(rows, options.batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    return seconds_of(lambda: sum(len(batch["labels"]) for batch in loader), options.repeats)


def preflight_seconds(folder: Path, repeats: int) -> np.ndarray:
    scanned = scan_folder(folder)
    return seconds_of(lambda: preflight(scanned), repeats)


def augment_seconds(options: argparse.Namespace, grey: bool) -> np.ndarray:
    pixels = torch.randint(0, 256, (options.batch, 3, options.image_size, options.image_size), dtype=torch.uint8)
    pixels = (pixels[:, :1].expand_as(pixels).contiguous() if grey else pixels).to(ON)
    views = iter(range(1000))
    arguments = AugmentationArguments()
    return seconds_of(lambda: augment(pixels, range(options.batch), next(views), 0, arguments), 4 * options.repeats)


def step_seconds(options: argparse.Namespace, precision: str) -> np.ndarray:
    """Stages 1-3 frozen and at rest, stage 4 and head learning."""
    settings = json.loads(Path(options.config).read_text()) if options.config else SWIN_BASE_384
    config = transformers.SwinConfig(**{**settings, "num_labels": len(CLASSES)})
    model = transformers.SwinForImageClassification(config).to(ON).train()
    for module in (model.swin.embeddings, *model.swin.encoder.layers[:3]):
        module.requires_grad_(False).eval()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-4, fused=True)
    dtype = DTYPES.get(precision)
    scaler = torch.amp.GradScaler(ON, enabled=precision == "fp16" and ON == "cuda")
    pixels = torch.randn(options.batch, 3, options.image_size, options.image_size, device=ON)
    labels = torch.arange(options.batch, device=ON) % len(CLASSES)

    def step() -> None:
        with torch.autocast(ON, dtype=dtype, enabled=dtype is not None):
            loss = functional.cross_entropy(model(pixel_values=pixels).logits.float(), labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    return seconds_of(step, options.steps)


if __name__ == "__main__":
    main()
