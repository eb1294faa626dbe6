"""How long a clip takes to become a picture on one core, and where the time goes, cue by cue.

    python scripts/benchmark_mosaic.py --repeats 15

Prints median and quartiles in milliseconds for clips of 10 s and 3 s at 48 kHz: the whole picture for every
arrangement and size, the whole way from sound to PNG as `spatial-swin mosaic` goes it, the steps that cues share, each
cue on top of them; then PNG encoding and loudness.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from spatial_swin.audio import mosaic as mosaics
from spatial_swin.audio.drawing import encode_png
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.tiles import GRID_4X4

RATE = 48_000


def timed(what: Callable[[], object], repeats: int) -> np.ndarray:
    """Milliseconds of `repeats` runs after two that warm the caches."""
    what(), what()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        what()
        seconds.append(time.perf_counter() - start)
    return 1e3 * np.array(seconds)


def show(name: str, milliseconds: np.ndarray) -> None:
    low, median, high = np.percentile(milliseconds, (25, 50, 75))
    print(f"  {name:<38} {median:8.2f}   {low:8.2f} to {high:.2f}", flush=True)


def shared_steps(sound: torch.Tensor, repeats: int) -> None:
    """The properties that cues share, each on a clip whose other shared steps are known."""
    for step in (
        "short",
        "short_columns",
        "long_columns",
        "magnitudes",
        "bands",
        "phase_bands",
        "pinna_bands",
        "correlation",
    ):
        clip = mosaics._Clip(sound, RATE, 96, 96)
        getattr(clip, step)

        def again(clip: mosaics._Clip = clip, step: str = step) -> object:
            del clip.__dict__[step]
            return getattr(clip, step)

        show(f"shared: {step}", timed(again, repeats))


def single_cues(sound: torch.Tensor, repeats: int) -> None:
    clip = mosaics._Clip(sound, RATE, 96, 96)
    for name in GRID_4X4.cues:
        show(f"cue: {name}", timed(partial(mosaics._MAPS[name], clip), repeats))


def to_png(sound: np.ndarray) -> bytes:
    matched, _ = match_loudness(sound, RATE)
    return encode_png(mosaics.mosaic(torch.from_numpy(matched)[None], RATE)[0].numpy())


def one_length(seconds: int, repeats: int) -> None:
    sound = 0.1 * torch.randn(1, 2, seconds * RATE, generator=torch.Generator().manual_seed(0))
    print(f"{seconds} s of sound at {RATE} Hz, one thread: median and quartiles of {repeats} runs, ms")
    for arrangement, size in (("4x4", 384), ("4x4", 224), ("4x4", 192), ("4x6", 384)):
        whole = timed(partial(mosaics.mosaic, sound, RATE, arrangement, size), repeats)
        show(f"whole picture {arrangement}, {size} px", whole)
    show("sound to PNG: loudness, picture, PNG", timed(lambda: to_png(sound[0].numpy()), repeats))
    with torch.no_grad():
        shared_steps(sound, repeats)
        single_cues(sound, repeats)
    picture = mosaics.mosaic(sound, RATE)[0].numpy()
    show("PNG encoding", timed(lambda: encode_png(picture), repeats))
    show("loudness matching", timed(lambda: match_loudness(sound[0].numpy(), RATE), repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    for seconds in (10, 3):
        one_length(seconds, repeats)


if __name__ == "__main__":
    main()
