"""One annotated figure of every cue of one sound, for a person to look at.

    spatial-swin cues clip.wav --output clip.png
    spatial-swin cues long.flac --start 60 --seconds 5 --arrangement 4x6 --output clip.pdf

Shows exactly what a picture of `spatial-swin mosaic` holds, with axes, units and the fixed scales. Left is positive: a
source on the left has ILD, phase and lag above zero.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_swin.audio.tiles import ARRANGEMENTS, Tile, TileMap

if TYPE_CHECKING:
    import numpy as np

MARKED = (100, 300, 1_000, 4_000, 6_000, 8_000, 12_000, 16_000)  # Hz
MARK_NAMES = {100: "100", 300: "300", 1_000: "1k", 4_000: "4k", 6_000: "6k", 8_000: "8k", 12_000: "12k", 16_000: "16k"}
LONGEST, SHORTEST = 10.0, 0.25  # s shown when nothing is said; what the cues need


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sound", type=Path, help="a two-channel WAV, FLAC, ... file")
    parser.add_argument("--output", type=Path, help="PNG, PDF or SVG to write (default: <sound>.png in this folder)")
    parser.add_argument("--start", type=float, default=0.0, help="where to begin, in seconds (0)")
    parser.add_argument("--seconds", type=float, help="how much to show (10, or what there is)")
    parser.add_argument("--sample_rate", type=int, default=48_000, help="Hz; other rates are resampled (48000)")
    parser.add_argument("--arrangement", choices=ARRANGEMENTS, default="4x4", help="which cues (4x4)")


def run(arguments: argparse.Namespace) -> int:
    import torch

    from spatial_swin import files
    from spatial_swin.audio.loudness import match_loudness
    from spatial_swin.audio.mosaic import cue_maps, tile_map
    from spatial_swin.errors import AudioError

    output = arguments.output or Path(f"{arguments.sound.stem}.png")
    if output.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise AudioError(f"--output {output}: a figure ends in .png, .pdf or .svg")
    sound = read_stretch(arguments.sound, arguments.start, arguments.seconds, arguments.sample_rate)
    seconds = sound.shape[1] / arguments.sample_rate
    matched, level = match_loudness(sound, arguments.sample_rate)
    tiles = tile_map(arguments.arrangement, 384, arguments.sample_rate, seconds)
    names = tuple(tile.name for tile in tiles)
    first = tiles.tiles[0]
    maps = cue_maps(torch.from_numpy(matched)[None], arguments.sample_rate, names, first.height, first.width)
    heading = (
        f"{arguments.sound.name}, {arguments.start:g} to {arguments.start + seconds:.4g} s, {level.before:.1f} LUFS"
    )
    heading += " (silent: not boosted)" if level.flags == ("silent",) else f", shown at {level.after:.0f} LUFS"
    figure = draw(tiles, {name: values[0].numpy() for name, values in maps.items()}, arguments.start, heading)
    with files.atomic_path(output) as temporary:
        figure.savefig(temporary, dpi=150, format=output.suffix[1:].lower())
    print(f"open {output}")
    return 0


def read_stretch(path: Path, start: float, seconds: float | None, sample_rate: int) -> "np.ndarray":
    """`seconds` of a file from `start` on, float32 [2, N] at `sample_rate`. Raises AudioError naming what is wrong."""
    import soundfile
    import soxr

    from spatial_swin.audio.clips import Cut, Recording, judge
    from spatial_swin.errors import AudioError, raise_problems

    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    cut = Cut(seconds or LONGEST, minimum_seconds=SHORTEST, sample_rate=sample_rate)
    problem = judge(Recording(path, "", path.stem, str(path)), cut)
    raise_problems(AudioError, [problem] if problem else [], "The sound cannot be shown")
    with soundfile.SoundFile(path) as file:
        length = file.frames / file.samplerate
        if start < 0 or start + SHORTEST > length:
            raise AudioError(f"{path}: --start {start:g} leaves less than {SHORTEST} s of its {length:.2f} s")
        file.seek(round(start * file.samplerate))
        samples = file.read(round(cut.seconds * file.samplerate), dtype="float32")
        return soxr.resample(samples, file.samplerate, sample_rate, quality="VHQ").T


def draw(tiles: TileMap, maps: "dict[str, np.ndarray]", start: float, heading: str) -> Any:
    """The figure: a panel a cue, maps [rows, columns] in their units, low frequency at the bottom."""
    from matplotlib.figure import Figure

    columns = max(tile.column for tile in tiles) + 1
    rows = max(tile.row for tile in tiles) + 1
    figure = Figure(figsize=(3.6 * columns, 2.75 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for tile in tiles:
        axis = axes[tile.row][tile.column]
        low, high = extent(tile, start, tiles.seconds)
        shown = axis.imshow(
            maps[tile.name],
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            vmin=tile.low,
            vmax=tile.high,
            extent=(low, high, 0, 1),
            cmap="RdBu_r" if tile.low == -tile.high else "cividis",
        )
        figure.colorbar(shown, ax=axis, pad=0.02, label=tile.unit or None)
        axis.set_title(tile.title, fontsize=10)
        label_axes(axis, tile)
    figure.suptitle(heading, fontsize=12)
    return figure


def extent(tile: Tile, start: float, seconds: float) -> tuple[float, float]:
    """Left and right end of the horizontal axis in its unit."""
    return {"time": (start, start + seconds), "share of time": (0.0, 100.0), "frequency": (0.0, 1.0)}[tile.horizontal]


def rate_share(frequency: float, low: float, high: float) -> float:
    """Where a frequency lies between low and high on the ERB scale, 0..1."""
    import math

    low, high, at = (math.log10(1 + 0.00437 * f) for f in (low, high, frequency))
    return (at - low) / (high - low)


def label_axes(axis: Any, tile: Tile) -> None:
    from spatial_swin.audio.tiles import HIGHEST, LOWEST

    def ticks(low: float, high: float) -> tuple[list[float], list[str]]:
        shown = [f for f in MARKED if low <= f <= high and (low > 1_000 or f not in (6_000, 8_000, 12_000))]
        return [rate_share(f, low, high) for f in shown], [MARK_NAMES[f] for f in shown]

    axis.tick_params(labelsize=8)
    if tile.vertical == "frequency":
        axis.set_yticks(*ticks(tile.vertical_low, tile.vertical_high))
        axis.set_ylabel("frequency (Hz)", fontsize=8)
    else:
        axis.set_yticks([0, 0.25, 0.5, 0.75, 1], [f"{v:+g}" if v else "0" for v in (-1, -0.5, 0, 0.5, 1)])
        axis.set_ylabel("lag (ms), + = left", fontsize=8)
    if tile.horizontal == "frequency":
        at, names = ticks(LOWEST, HIGHEST)
        axis.set_xticks(at[1:], names[1:])  # 100 and 300 would touch
        axis.set_xlabel("frequency (Hz)", fontsize=8)
    else:
        axis.set_xlabel("time (s)" if tile.horizontal == "time" else "share of time below (%)", fontsize=8)
