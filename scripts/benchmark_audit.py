"""Time the audit of 10,000 pictures at 384 px, and group splits of 100,000 rows.

    python scripts/benchmark_audit.py [--pictures 10000] [--rows 100000] [--repeats 3]

Makes a paired set of mosaics in a temporary folder (removed at the end; about 1.3 GB for 10,000), audits it with the
command itself, and divides made-up rows by group in several shapes. Prints the median and quartiles of the repeats.
"""

import contextlib
import io
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from measuring import CLASSES, parser_of, seconds_of, spread
from PIL import Image

from spatial_swin.cli import main as spatial_swin
from spatial_swin.data.splits import assign_parts
from spatial_swin.keyed_random import keyed_generator

SIDE, BLOCK = 384, 16
CHUNKS = 5  # of every recording


def make_pictures(root: Path, count: int) -> None:
    """`count` pictures: every programme by two listeners in every class, with noise that slows PNG down."""

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


def audit(data: Path, output: Path) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = spatial_swin(["audit", str(data), "--output_dir", str(output), "--split_by", "programme"])
    assert code == 0, printed.getvalue()


def splits(rows: int) -> dict[str, tuple[list[str], list[str]]]:
    """Labels and groups in the shapes that data sets have."""
    generator = np.random.default_rng(0)
    recordings = [row // 20 for row in range(rows)]
    mixed = [str(k) for k in generator.integers(0, 4, rows)]
    return {
        "recordings of 20 chunks, one class each": ([str(k % 4) for k in recordings], [str(k) for k in recordings]),
        "10,000 groups with all classes": (mixed, [str(k) for k in generator.integers(0, 10_000, rows)]),
        "every row its own group": (mixed, [str(k) for k in range(rows)]),
        "groups of very different size": (mixed, [str(min(k, 5000)) for k in generator.zipf(1.5, rows)]),
    }


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    for shape, (labels, groups) in splits(options.rows).items():
        work = partial(assign_parts, labels, groups, (0.7, 0.2, 0.1), (0,))
        seconds = seconds_of(work, options.repeats, warm_up=0)
        print(f"group split of {options.rows} rows, {shape}: {spread(seconds, 's')}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        make_pictures(data, options.pictures)
        seconds = seconds_of(lambda: audit(data, Path(folder) / "audit"), options.repeats, warm_up=0)
        print(f"audit of {options.pictures} pictures at {SIDE} px on {os.cpu_count()} cores: {spread(seconds, 's')}")


if __name__ == "__main__":
    main()
