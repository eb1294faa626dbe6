"""Parts of `measure_cuda.py`, in a process of their own: python scripts/cuda_parts.py FOLDER NAME... --tiny true|false

Each part is a function of the size to measure at that returns rows of a table and notes. The answer is written to
FOLDER/NAME.part at once: rows, notes and a state, which is done, failed, or not here where something optional is
missing. Steps alone are in `cuda_steps.py`, whole small trainings in `cuda_runs.py`.
"""

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cuda_steps import TINY, Size
from measuring import DTYPES, ON, make_pictures, matrix_peak, quartiles, seconds_of

ROOT = Path(__file__).parents[1]
Answer = tuple[list[dict[str, Any]], list[str]]  # rows, notes
RATE = 48_000  # Hz


class NotHere(Exception):
    """Something that this part needs and that is optional is missing on this machine."""


def machine(size: Size) -> Answer:
    """Names and versions, and the peak of matrix products that shares are taken of."""
    import accelerate
    import datasets
    import transformers

    side = size.matrix
    rows: list[dict[str, Any]] = []
    for name, dtype in {**DTYPES, "fp32": torch.float32}.items():
        peak = matrix_peak(dtype, side, 5) / 1e12
        rows.append({"what": f"{name} product of {side} x {side}, TFLOP/s", "value": round(peak, 3)})
    if ON == "cuda":
        properties = torch.cuda.get_device_properties(0)
        rows.append({"what": "GPU memory, GB", "value": round(properties.total_memory / 1e9, 1)})
        rows.append({"what": "CUDA", "value": str(torch.version.cuda)})
    rows.append({"what": "CPU cores", "value": str(len(os.sched_getaffinity(0)))})
    for library in (torch, transformers, accelerate, datasets):
        rows.append({"what": library.__name__, "value": str(library.__version__)})
    return rows, []


def tests(size: Size) -> Answer:
    """The tests marked gpu; with a tiny size they are collected, which shows that they can be found."""
    if importlib.util.find_spec("pytest") is None:
        raise NotHere("pytest is not installed")
    every = sorted((ROOT / "tests").rglob("test_*.py"))
    marked = [str(path) for path in every if "mark.gpu" in path.read_text(encoding="utf-8")]
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", *marked]
    command += ["--continue-on-collection-errors", *(["--collect-only"] if size.tiny else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    summary = (done.stdout.strip().splitlines() or ["nothing"])[-1].strip("= ")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return [{"pytest -m gpu": summary, "exit code": done.returncode}], failed


def overhead(size: Size) -> Answer:
    """Our step (loader, augmentation, bookkeeping) over the bare loop's, pair by pair."""
    import benchmark_step

    rows = []
    for augmentation in ("false", "true"):
        options = benchmark_options(size, steps=2 if size.tiny else 20, augmentation=augmentation, fp16="true")
        with tempfile.TemporaryDirectory() as folder:
            result = benchmark_step.measure(Path(folder), with_model(options, size, folder))
        result["augmentation"] = augmentation
        names = ("precision", "batch", "augmentation", "ratio_quartiles", "pictures_per_second", "allocated_gb")
        rows.append({name.replace("_", " "): result.get(name) for name in names})
    return rows, ["The goal for the memory allocated is 2.4 GB."]


def loader(size: Size) -> Answer:
    """Pictures/s that workers decode and collate, against what the model takes."""
    import benchmark_loader

    cores = len(os.sched_getaffinity(0))
    counts = (0, 1) if size.tiny else sorted({0, 4, max(1, cores // 2), cores})
    options = benchmark_options(size, steps=size.repeats, repeats=2)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        options = with_model(options, size, folder)
        options.config = options.model if size.tiny else None
        pictures = 8 * size.batch if size.tiny else 2048
        samples = make_pictures(Path(folder) / "data", size.pixels, pictures, validation=0, smooth=True)
        precision = "fp16" if ON == "cuda" else "bf16"
        taken = float(np.median(size.batch / benchmark_loader.step_seconds(options, precision)))
        for workers in counts:
            fed = pictures / benchmark_loader.load_seconds(Path(folder) / "data", samples, options, workers)
            row = {"workers": workers, "pictures/s": quartiles(fed)}
            rows.append({**row, "times what the model takes": round(float(np.median(fed)) / taken, 2)})
    best = max(row["times what the model takes"] for row in rows)
    verdict = "feeds it" if best >= 1 else "limits it: decode to the trunk cache, or use more workers"
    return rows, [f"Phase 2 takes {taken:.4g} pictures/s ({precision}); the loader {verdict}."]


def cache(size: Size) -> Answer:
    """Filling, steps from it, and the two runs projected."""
    import benchmark_trunk_cache

    rounds = 1 if size.tiny else 10
    options = benchmark_options(size, full_batch=2 if size.tiny else 8, rounds=rounds, steps_cached=4)
    options.pictures, options.tuning = (8 if size.tiny else 256), "false"
    with tempfile.TemporaryDirectory() as folder:
        result = benchmark_trunk_cache.measure(Path(folder), with_model(options, size, folder))
    rows = [
        {"pictures/s": name, **result[f"{name}_pictures_per_second"]}  # cached, uncached, full_fp32
        for name in ("training", "evaluating")
    ]
    minutes = {key: 60 * value for key, value in result["projected"].items() if "hours" in key}
    filling = f"{result['filling']['pictures_per_second']} outputs/s"
    return rows, [
        f"Filling: {filling}, {result['filling']['kilobytes_an_output']} kB each, {minutes['filling_hours']:.1f} min.",
        f"80 epochs, projected: {minutes['run_hours_cached']:.1f} min (goal: under 10).",
        f"5 folds of 150 epochs, projected: {minutes['cross_validation_hours_cached']:.1f} min (goal: 45, then 10).",
        f"Shares of the matrix peak: {json.dumps(result['share_of_matrix_peak'])}.",
    ]


def folds(size: Size) -> Answer:
    """All folds as one batched model against fold by fold."""
    import benchmark_folds_at_once

    rows = []
    options = benchmark_options(size, rounds=size.repeats, precision="bf16")
    with tempfile.TemporaryDirectory() as folder:
        options = with_model(options, size, folder)
        for count in (2,) if size.tiny else (2, 5):
            result = benchmark_folds_at_once.measure(options, count)
            rates = {f"{name}, pictures/s": value for name, value in result["pictures_per_second"].items()}
            ratio = {"fold by fold / at once": result["ratio_quartiles"]}
            largest = {"largest difference of losses": float(result["largest_difference_of_losses"])}
            rows.append({"folds": count, **rates, **ratio, **largest})
    return rows, [f"{options.precision}, batch {options.batch} per fold."]


def sound(size: Size) -> Answer:
    """Cues and mosaics of a batch of clips on the device, per second of sound."""
    from spatial_swin.audio.mosaic import cue_maps, mosaic
    from spatial_swin.audio.tiles import GRID_4X4

    clips, seconds = (1, 1) if size.tiny else (16, 10)
    batch = 0.1 * torch.randn(clips, 2, seconds * RATE, device=ON)
    works: dict[str, Callable[[], object]] = {
        "mosaic 4x4, 384 px": lambda: mosaic(batch, RATE),
        "mosaic 4x6, 384 px": lambda: mosaic(batch, RATE, "4x6"),
    }
    for name in GRID_4X4.cues[: 2 if size.tiny else None]:
        works[f"cue: {name}"] = partial(cue_maps, batch, RATE, (name,))
    rows = []
    for name, work in works.items():
        each = 1e3 * seconds_of(work, 2 if size.tiny else 5, warm_up=1) / (clips * seconds)
        rows.append({"what": name, "ms per second of sound": quartiles(each, 4)})
    what = f"{clips} clips of {seconds} s at {RATE} Hz, on the device already"
    return rows, [f"{what}; a single cue includes its spectra."]


def onnx(size: Size) -> Answer:
    """The model through ONNX Runtime on this device: difference of logits, and pictures/s beside PyTorch."""
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(needed) is None:
            raise NotHere(f"{needed} is not installed")
    import onnxruntime
    from transformers import SwinConfig

    from spatial_swin.modeling import swin

    provider = "CUDAExecutionProvider" if ON == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise NotHere(f"this onnxruntime has no {provider}; install onnxruntime-gpu")
    config = SwinConfig(**{**size.config, "num_labels": 4})
    config._attn_implementation = "eager"  # written out, as `spatial-swin export` has it
    model = swin.Swin(config).eval()
    pixels = torch.randn(size.batch, 3, size.pixels, size.pixels)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = str(Path(folder) / "model.onnx")
        torch.onnx.export(model, (pixels,), file, dynamo=True, input_names=["pixel_values"], external_data=False)
        session = onnxruntime.InferenceSession(file, providers=[provider])
        run = partial(session.run, None, {"pixel_values": pixels.numpy()})
        theirs = size.batch / seconds_of(run, size.repeats, warm_up=2)
        logits = torch.as_tensor(run()[0])
    model, shown = model.to(ON), pixels.to(ON)
    with torch.inference_mode():
        ours = size.batch / seconds_of(lambda: model(shown), size.repeats, warm_up=2)
        difference = float((model(shown).logits.cpu() - logits).abs().max())
    row = {"batch": size.batch, "ONNX Runtime, pictures/s": quartiles(theirs), "PyTorch, pictures/s": quartiles(ours)}
    notes = [f"float32, {session.get_providers()[0]}; copies to and from the device are in ONNX Runtime's time."]
    return [{**row, "largest difference of logits": difference}], notes


def benchmark_options(size: Size, **more: Any) -> argparse.Namespace:
    return argparse.Namespace(image_size=size.pixels, batch=size.batch, workers=0, **more)


def with_model(options: argparse.Namespace, size: Size, folder: str) -> argparse.Namespace:
    """`options.model`: what the benchmarks take, Swin-B/384 or the configuration of the tiny one."""
    options.model = "swin-base-384"
    if size.tiny:
        options.model = str(Path(folder) / "tiny.json")
        Path(options.model).write_text(json.dumps(TINY))
    return options


ELSEWHERE = dict.fromkeys(("steps", "memory", "memory_compiled", "kernels", "compiled"), "cuda_steps")
ELSEWHERE |= dict.fromkeys(("scaler", "resume"), "cuda_runs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--tiny", choices=("true", "false"), default="false")
    options = parser.parse_args()
    for name in options.names:
        began = time.perf_counter()
        answer = answer_of(name, Size(options.tiny == "true")) | {"seconds": round(time.perf_counter() - began, 1)}
        (options.folder / f"{name}.part").write_text(json.dumps(answer))


def answer_of(name: str, size: Size) -> dict[str, Any]:
    try:
        module = importlib.import_module(ELSEWHERE[name]) if name in ELSEWHERE else sys.modules[__name__]
        rows, notes = getattr(module, name)(size)
    except (NotHere, ModuleNotFoundError) as error:
        return {"state": "not here", "reason": str(error)}
    except Exception as error:  # whatever a device that nobody has tried yet may raise: the other parts go on
        traceback.print_exc()
        return {"state": "failed", "reason": f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"}
    return {"state": "done", "rows": rows, "notes": notes}


if __name__ == "__main__":
    main()
