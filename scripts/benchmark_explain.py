"""Seconds and memory of an explanation with Swin-B/384: relevance of one picture, then the whole command on it.

    python scripts/benchmark_explain.py                              # random weights, CPU
    python scripts/benchmark_explain.py --repeats 5 --command false

Relevance and a plain forward are timed after one that is not counted, and given as quartiles with the median
between. The command (`spatial-swin explain RUN --samples 1 --limit 1`, without occlusion, then with 16 regions hidden)
runs in processes of its own, whose peak resident memory is read from the kernel: imports, loading, all of it.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measuring import CLASSES, SWIN_BASE_384, parser_of, quartiles, seconds_of
from PIL import Image
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.data.pictures import build_processor
from spatial_swin.files import sha256_of
from spatial_swin.modeling.relevance import relevance
from spatial_swin.runs import Predictions, RunFolder, Sample


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--command", choices=("true", "false"), default="true")
    options = parser.parse_args()
    model = SwinForImageClassification(SwinConfig(**SWIN_BASE_384, id2label=dict(enumerate(CLASSES)))).eval()
    result = {"threads": torch.get_num_threads(), **measure_relevance(model, options.repeats)}
    if options.command == "true":
        with tempfile.TemporaryDirectory() as folder:
            run = make_run(Path(folder), model)
            for occlusion in ("false", "true"):  # in this order: the kernel keeps the largest peak of all children
                result |= measure_command(run, options.repeats, occlusion)
    print(json.dumps(result, indent=2))


def measure_relevance(model: SwinForImageClassification, repeats: int) -> dict[str, object]:
    picture = torch.randn(1, 3, 384, 384)

    def forward() -> None:
        with torch.inference_mode():
            model(picture)

    ways = {
        "forward_s": forward,
        "relevance_s": lambda: relevance(model, picture),
        "relevance_by_class_s": lambda: relevance(model, picture, classes=torch.tensor([0])),
    }
    times = {name: quartiles(seconds_of(way, repeats)) for name, way in ways.items()}
    return {**times, "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)}


def measure_command(run: RunFolder, repeats: int, occlusion: str) -> dict[str, object]:
    command = [sys.executable, "-m", "spatial_swin.cli", "explain", str(run.path), "--samples", "1", "--limit", "1"]
    command += ["--occlusion", occlusion]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    run_once = partial(subprocess.run, command, check=True, capture_output=True, env=offline)
    times = seconds_of(run_once, repeats, warm_up=0)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    name = "command_with_occlusion" if occlusion == "true" else "command"
    return {f"{name}_s": quartiles(times), f"{name}_peak_gib": round(peak, 2)}


def make_run(folder: Path, model: SwinForImageClassification) -> RunFolder:
    """A finished run of random pictures: 100 whose mean hides a region, 4 to explain."""
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
    run.write_recipe({"Model": {}, "Data": {"data_dir": str(folder / "data")}, "Trainer": {}})
    run.write_split(samples)
    test = samples[100:]
    paths, groups = [s.path for s in test], [s.group for s in test]
    run.write_predictions("test", Predictions(paths, groups, CLASSES, np.arange(4), np.full((4, 4), 0.25)))
    return run


if __name__ == "__main__":
    main()
