"""Time `spatial-swin render --synthetic N`: the whole command, and a rendering step by step in one thread.

    OMP_NUM_THREADS=1 python scripts/benchmark_render.py [--synthetic 300] [--workers 2] [--repeats 3]

Prints the wall and CPU time of the command (four layouts, 3 s, one listener, sound and pictures) and the CPU time of
each step per rendering: median and quartiles.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import parser_of, spread

from spatial_swin.audio.clips import Cut
from spatial_swin.audio.drawing import encode_png
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.mosaic import mosaic
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.synthesis import synthetic_scene
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts

RATE, SECONDS = 48_000, 3.0


def steps(programmes: int) -> dict[str, list[float]]:
    """CPU seconds per rendering of every step, one value per programme."""
    times: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = work()
        times.setdefault(name, []).append((time.process_time() - began) / len(DEFAULT_LAYOUTS))
        return result

    layouts, listener = find_layouts(DEFAULT_LAYOUTS), load_listener("kemar", RATE)
    assert Cut(SECONDS, SECONDS, SECONDS, RATE).frames == round(SECONDS * RATE)
    for number in range(-1, programmes):  # the first one only warms up
        if number == 0:
            times.clear()
        scene = timed("synthesis", lambda n=number: synthetic_scene(0, max(n, 0), SECONDS, RATE))
        rendered = timed("panning and convolution", lambda s=scene: render_layouts(s, layouts, [listener]))
        matched = timed("loudness", lambda r=rendered: [match_loudness(ears, RATE)[0] for ears in r.values()])
        stack = torch.from_numpy(np.stack(matched))
        pictures = timed("cues and mosaic", lambda s=stack: mosaic(s, RATE))
        timed("PNG", lambda p=pictures: [encode_png(picture.numpy()) for picture in p])
    return times


def command(synthetic: int, workers: int) -> tuple[float, float]:
    """Wall and CPU seconds of the whole command, start of Python and of its workers included."""
    with tempfile.TemporaryDirectory() as folder:
        began, used = time.perf_counter(), _children()
        arguments = ["render", "--synthetic", str(synthetic), "--workers", str(workers), "--output_dir", folder]
        subprocess.run([sys.executable, "-m", "spatial_swin.cli", *arguments], check=True, stdout=subprocess.DEVNULL)
        pictures = len(list(Path(folder).glob("pictures/*/*.png")))
        assert pictures == synthetic * len(DEFAULT_LAYOUTS), pictures
        return time.perf_counter() - began, _children() - used


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--synthetic", type=int, default=300)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, values in steps(20).items():
        print(f"{name:<26} {spread(values, 'ms', 1e3)}")
    measured = [command(arguments.synthetic, arguments.workers) for _ in range(arguments.repeats)]
    print(f"{arguments.synthetic * len(DEFAULT_LAYOUTS)} renderings, {arguments.workers} workers")
    for name, values in zip(("wall", "CPU, all processes"), zip(*measured, strict=True), strict=True):
        print(f"{name:<26} {spread(values, 's')}")


if __name__ == "__main__":
    main()
