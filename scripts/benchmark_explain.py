"""Seconds and memory of an explanation with Swin-B/384: relevance of one picture, then the whole command on it.

    python scripts/benchmark_explain.py                              # random weights, CPU
    python scripts/benchmark_explain.py --repeats 5 --command false

Relevance and a plain forward are timed in turn, after one that is not counted, and given as quartiles with the median
between. The command (`spatial-swin explain RUN --samples 1 --limit 1`, without occlusion, then with 16 regions hidden)
runs in processes of its own, whose peak resident memory is read from the kernel: imports, loading, all of it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.data.pictures import build_processor
from spatial_swin.files import sha256_of
from spatial_swin.modeling.relevance import relevance
from spatial_swin.runs import Predictions, RunFolder, Sample

CLASSES = ["100", "200", "510", "514"]
SWIN_BASE_384 = {
    "image_size": 384,
    "embed_dim": 128,
    "depths": [2, 2, 18, 2],
    "num_heads": [4, 8, 16, 32],
    "window_size": 12,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--command", choices=("true", "false"), default="true")
    options = parser.parse_args()
    model = SwinForImageClassification(SwinConfig(**SWIN_BASE_384, id2label=dict(enumerate(CLASSES)))).eval()
    found = {"threads": torch.get_num_threads(), **measure_relevance(model, options.repeats)}
    if options.command == "true":
        with tempfile.TemporaryDirectory() as folder:
            run = make_run(Path(folder), model)
            for occlusion in ("false", "true"):  # in this order: the kernel keeps the largest peak of all children
                found |= measure_command(run, options.repeats, occlusion)
    print(json.dumps(found, indent=2))


def measure_relevance(model: SwinForImageClassification, repeats: int) -> dict[str, object]:
    picture = torch.randn(1, 3, 384, 384)
    times: dict[str, list[float]] = {"forward_s": [], "relevance_s": [], "relevance_by_class_s": []}
    for repeat in range(repeats + 1):
        for name in times:
            began = time.perf_counter()
            if name == "forward_s":
                with torch.inference_mode():
                    model(picture)
            else:
                relevance(model, picture, classes=torch.tensor([0]) if "class" in name else None)
            if repeat:
                times[name].append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {**{name: spread(values) for name, values in times.items()}, "peak_gib": round(peak, 2)}


def measure_command(run: RunFolder, repeats: int, occlusion: str) -> dict[str, object]:
    command = [sys.executable, "-m", "spatial_swin.cli", "explain", str(run.path), "--samples", "1", "--limit", "1"]
    command += ["--occlusion", occlusion]
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        times.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    name = "command_with_occlusion" if occlusion == "true" else "command"
    return {f"{name}_s": spread(times), f"{name}_peak_gib": round(peak, 2)}


def make_run(folder: Path, model: SwinForImageClassification) -> RunFolder:
    """A finished run of random pictures: 100 to take the mean of, 4 to explain."""
    run = RunFolder(folder / "run")
    model.save_pretrained(run.model)
    build_processor(384).save_pretrained(run.model)
    generator = np.random.default_rng(0)
    samples = []
    for number in range(104):
        label, part = CLASSES[number % 4], "train" if number < 100 else "test"
        file = folder / "data" / label / f"take{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (384, 384), dtype=np.uint8)).save(file)
        samples.append(Sample(f"{label}/{file.name}", label, file.stem, part, sha256_of(file)))
    run.write_recipe({"Data": {"data_dir": str(folder / "data")}})
    run.write_split(samples)
    test = samples[100:]
    table = np.full((4, 4), 0.25)
    run.write_predictions(
        "test", Predictions([s.path for s in test], [s.group for s in test], CLASSES, np.arange(4), table)
    )
    return run


def spread(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [round(float(v), 3) for v in np.percentile(values, [25, 50, 75])]


if __name__ == "__main__":
    main()
