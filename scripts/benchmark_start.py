"""How long the command line takes to start: --help, predict of one 10 s recording, and the page until it is served.

    python scripts/benchmark_start.py RUN [--repeats 5] [--app false]

Takes a finished run, or a model folder with tiles.json. Prints the median and the quartiles of seconds on the
clock and of CPU seconds; each repeat is a fresh interpreter, so imports are counted. Files are in the disk cache after
a first call that is not counted. On a busy machine only the CPU seconds mean something, with OMP_NUM_THREADS=1.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

SECONDS, RATE = 10, 48_000
PROGRAM = [sys.executable, "-m", "spatial_swin"]


def cpu_seconds() -> float:
    """Of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def timed(work: Callable[[], object], repeats: int) -> str:
    """`clock 3.10 s (3.02 to 3.20), CPU 2.90 s (2.88 to 2.95), n = 5`."""
    clock, cpu = [], []
    for _ in range(repeats + 1):
        began, used = time.perf_counter(), cpu_seconds()
        work()
        clock.append(time.perf_counter() - began)
        cpu.append(cpu_seconds() - used)
    parts = []
    for name, values in (("clock", clock[1:]), ("CPU", cpu[1:])):
        low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
        parts.append(f"{name} {median:.2f} s ({low:.2f} to {high:.2f})")
    return f"{', '.join(parts)}, n = {repeats}"


def run(*words: str) -> None:
    subprocess.run([*PROGRAM, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def open_page(model: str) -> None:
    """Start the page, wait for the line that says where to open it, and end it."""
    command = [*PROGRAM, "app", model, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as page:
        assert page.stdout is not None
        opened = any(line.startswith("open ") for line in page.stdout)
        page.kill()
    if not opened:
        sys.exit(f"the page of {model} does not start; `spatial-swin app {model}` says why")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run, or a model folder")
    parser.add_argument("--repeats", type=int, default=5, help="how often (5)")
    parser.add_argument("--app", choices=("true", "false"), default="true", help="the page too (true)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        take = Path(folder) / "take.wav"
        soundfile.write(take, np.random.default_rng(0).uniform(-0.2, 0.2, (SECONDS * RATE, 2)), RATE)
        print(f"--help      {timed(lambda: run('--help'), options.repeats)}", flush=True)
        print(f"predict     {timed(lambda: run('predict', str(options.run), str(take)), options.repeats)}", flush=True)
    if options.app == "true":
        print(f"app         {timed(lambda: open_page(str(options.run)), options.repeats)}", flush=True)


if __name__ == "__main__":
    main()
