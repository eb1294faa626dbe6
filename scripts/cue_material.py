"""What `cue_experiments.py` learns from and is judged on: programmes heard by heads, as today's cues and band spectra.

In go programmes by number and heads by name, out come `Recordings`, kept in files of the output folder and read from
there the next time. Nothing is learned here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cue_features import band_spectra, pooled_picture
from tqdm import tqdm

from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.synthesis import synthetic_scene
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts

RATE, SECONDS = 48_000, 3.0
LABORATORY = "LISTEN"  # whose people are mixed in, all but the one that is judged
PARAMETRIC = 80  # parametric heads


@dataclass(frozen=True)
class Recordings:
    """N recordings: pooled [N, F] of today's picture, bands [N, 4, B, T], labels int [N], names [N]."""

    pooled: np.ndarray
    bands: np.ndarray
    labels: np.ndarray
    programmes: np.ndarray
    listeners: np.ndarray

    def joined(self, other: "Recordings") -> "Recordings":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Recordings(*(np.concatenate(pair) for pair in pairs))

    def of(self, chosen: np.ndarray) -> "Recordings":
        return Recordings(*(values[chosen] for values in vars(self).values()))


@dataclass(frozen=True)
class Material:
    """real and virtual: to learn from, of different programmes; test: to be judged on.

    also: the programmes of `real` heard by "virtual", "parametric" or the people of another "laboratory" (every second
    programme, each by all of them), rendered when asked for. seed: of the model; epochs: of the network.
    """

    real: Recordings
    virtual: Recordings
    test: Recordings
    also: Callable[[str], Recordings]
    epochs: int
    seed: int


Jobs = Sequence[tuple[int, Sequence[str]]]  # number of a programme, who hears it


def recordings_of(path: Path, seed: int, jobs: Jobs, windows: int = 1) -> Recordings:
    """Render `jobs` in every layout, or read what an earlier call with the same path has kept.

    windows: so many recordings of SECONDS, one after the other, are cut out of each programme.
    """
    if path.is_file():
        with np.load(path) as kept:
            return Recordings(**kept)
    layouts, pooled, bands, programmes, listeners = find_layouts(DEFAULT_LAYOUTS), [], [], [], []
    for number, names in tqdm(jobs, desc=path.stem, unit="programme", disable=None):
        scene = synthetic_scene(seed, number, windows * SECONDS, RATE)
        for name in names:
            listener = load_listener(name, RATE)
            heard = render_layouts(scene, layouts, [listener])
            whole = [heard[layout.code, listener.name] for layout in layouts]
            for sounds in zip(*(np.array_split(sound, windows, axis=1) for sound in whole), strict=True):
                sound = np.stack([match_loudness(window, RATE)[0] for window in sounds])
                pooled.append(pooled_picture(sound, RATE))
                bands.append(band_spectra(sound, RATE))
                programmes += [scene.name] * len(layouts)
                listeners += [listener.name] * len(layouts)
    labels = np.tile(np.arange(len(layouts)), len(pooled))
    made = Recordings(np.concatenate(pooled), np.concatenate(bands), labels, np.array(programmes), np.array(listeners))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **vars(made))
    return made


def render(options: Any, learning: Sequence[str], tests: Sequence[str]) -> Material:
    """What the experiments learn from and are judged on; `virtual` hears programmes of its own."""
    count, seed, out = options.programmes, options.seed, options.output_dir / "recordings"
    own = [learning[number % len(learning)] for number in range(count)]
    drawn = keyed_generator(seed, "heads of the experiments").integers(0, len(learning), count)
    real = [(number, [name]) for number, name in enumerate(own)]
    virtual = [(count + number, [f"{learning[head]}~{number}"]) for number, head in enumerate(drawn)]
    test = [(number, tests) for number in range(options.test_programmes)]
    laboratory = [name for name in tests if Path(name).stem.startswith(LABORATORY)]
    others = {
        "virtual": [(number, [f"{name}~{number}"]) for number, name in enumerate(own)],
        "parametric": [(number, [f"parametric:{number % PARAMETRIC + 1}"]) for number in range(count)],
        "laboratory": [(number, laboratory) for number in range(1, count, 2)],
    }
    tested = f"test_{seed}_final_{options.final}_windows_{options.windows}.npz"
    return Material(
        recordings_of(out / f"real_{seed}.npz", 2 * seed, real),
        recordings_of(out / f"virtual_{seed}.npz", 2 * seed, virtual),
        recordings_of(out / tested, 2 * seed + 1, test, options.windows),
        lambda kind: recordings_of(out / f"also_{kind}_{seed}.npz", 2 * seed, others[kind]),
        options.epochs,
        seed,
    )
