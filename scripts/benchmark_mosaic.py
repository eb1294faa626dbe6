"""How long a clip takes to become a picture on one core, and where the time goes, cue by cue.

    python scripts/benchmark_mosaic.py --repeats 15

Prints median and quartiles in milliseconds for clips of 10 s and 3 s at 48 kHz: the whole picture for every
arrangement and size, all that `spatial-swin mosaic` does from sound to PNG, the steps that cues share, each cue on top
of them; then PNG encoding and loudness.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from measuring import parser_of, seconds_of, spread

from spatial_swin.audio import mosaic as mosaics
from spatial_swin.audio.drawing import encode_png
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.tiles import GRID_4X4

RATE = 48_000
SHARED = ["short", "short_columns", "long_columns", "magnitudes", "bands", "phase_bands", "pinna_bands", "correlation"]


def show(name: str, work: Callable[[], object], repeats: int) -> None:
    print(f"  {name:<38} {spread(seconds_of(work, repeats, warm_up=2), 'ms', 1e3)}", flush=True)


def shared_steps(sound: torch.Tensor, repeats: int) -> None:
    """The properties that cues share, each on a clip whose other shared steps are known."""
    for step in SHARED:
        clip = mosaics._Clip(sound, RATE, 96, 96)
        getattr(clip, step)

        def again(clip: mosaics._Clip = clip, step: str = step) -> object:
            del clip.__dict__[step]
            return getattr(clip, step)

        show(f"shared: {step}", again, repeats)


def single_cues(sound: torch.Tensor, repeats: int) -> None:
    clip = mosaics._Clip(sound, RATE, 96, 96)
    for name in GRID_4X4.cues:
        show(f"cue: {name}", partial(mosaics._MAPS[name], clip), repeats)


def to_png(sound: np.ndarray) -> bytes:
    matched, _ = match_loudness(sound, RATE)
    return encode_png(mosaics.mosaic(torch.from_numpy(matched)[None], RATE)[0].numpy())


def one_length(seconds: int, repeats: int) -> None:
    sound = 0.1 * torch.randn(1, 2, seconds * RATE, generator=torch.Generator().manual_seed(0))
    print(f"{seconds} s of sound at {RATE} Hz, one thread: median and quartiles of {repeats} runs, ms")
    for arrangement, size in (("4x4", 384), ("4x4", 224), ("4x4", 192), ("4x6", 384)):
        whole = partial(mosaics.mosaic, sound, RATE, arrangement, size)
        show(f"whole picture {arrangement}, {size} px", whole, repeats)
    show("sound to PNG: loudness, picture, PNG", lambda: to_png(sound[0].numpy()), repeats)
    with torch.no_grad():
        shared_steps(sound, repeats)
        single_cues(sound, repeats)
    picture = mosaics.mosaic(sound, RATE)[0].numpy()
    show("PNG encoding", lambda: encode_png(picture), repeats)
    show("loudness matching", lambda: match_loudness(sound[0].numpy(), RATE), repeats)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    for seconds in (10, 3):
        one_length(seconds, repeats)


if __name__ == "__main__":
    main()
