"""Time the audit of 10,000 pictures at 384 px, and group splits of 100,000 rows.

    python scripts/benchmark_audit.py [--pictures 10000] [--rows 100000] [--repeats 3]

Makes a paired set of mosaics in a temporary folder (removed at the end; about 1.3 GB for 10,000), audits it with the
command itself, and divides made-up rows by group in several shapes. Prints the median and the range of the repeats.
"""

import argparse
import contextlib
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from spatial_swin.cli import main as spatial_swin
from spatial_swin.data.splits import assign_parts
from spatial_swin.keyed_random import keyed_generator

CLASSES = ("100", "200", "510", "514")
SIDE, BLOCK = 384, 16
CHUNKS = 5  # of every recording


def make_pictures(root: Path, count: int) -> None:
    """A quarter of `count` a class: every programme by two listeners in every class, with noise, so PNG is as slow."""

    def write(number: int) -> None:
        label, rest = CLASSES[number % 4], number // 4
        chunk, recording = rest % CHUNKS, rest // CHUNKS
        programme, listener = recording // 2, recording % 2 + 1
        blocks = keyed_generator("programme", programme, chunk, listener, label).uniform(40, 200, (SIDE // BLOCK,) * 2)
        noise = keyed_generator("noise", number).normal(0, 12, (SIDE, SIDE))
        pixels = np.kron(blocks, np.ones((BLOCK, BLOCK))) + noise
        name = f"binaural_audio_D{listener}_48K_24bit_0.3s_FIR_SOFA_ac{programme:04d}-globo-1_0_chunk{chunk:04d}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / label / name)

    for label in CLASSES:
        (root / label).mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(write, range(count)))


def timed(repeats: int, work: Callable[[], object]) -> str:
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return f"{statistics.median(seconds):.2f} s (of {repeats}: {min(seconds):.2f} to {max(seconds):.2f})"


def audit(data: Path, output: Path) -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = spatial_swin(["audit", str(data), "--output_dir", str(output), "--split_by", "programme"])
    assert code == 0, said.getvalue()


def splits(rows: int) -> dict[str, tuple[list[str], list[str]]]:
    """Labels and groups in the shapes that data sets have."""
    generator = np.random.default_rng(0)
    mixed = [str(k) for k in generator.integers(0, 4, rows)]
    return {
        "recordings of 20 chunks, one class each": (
            [str(i // 20 % 4) for i in range(rows)],
            [str(i // 20) for i in range(rows)],
        ),
        "10,000 groups with all classes": (mixed, [str(k) for k in generator.integers(0, 10_000, rows)]),
        "every row its own group": (mixed, [str(k) for k in range(rows)]),
        "groups of very different size": (mixed, [str(min(k, 5000)) for k in generator.zipf(1.5, rows)]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    for shape, (labels, groups) in splits(arguments.rows).items():
        told = timed(arguments.repeats, lambda y=labels, g=groups: assign_parts(y, g, (0.7, 0.2, 0.1), (0,)))  # type: ignore[misc]
        print(f"group split of {arguments.rows} rows, {shape}: {told}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        make_pictures(data, arguments.pictures)
        told = timed(arguments.repeats, lambda: audit(data, Path(folder) / "audit"))
        print(f"audit of {arguments.pictures} pictures at {SIDE} px on {os.cpu_count()} cores: {told}")


if __name__ == "__main__":
    main()
