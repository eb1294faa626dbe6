"""One figure of every cue of one sound, with axes, units and the fixed scales of the pictures.

In go a sound file and a stretch of it, out comes a PNG, PDF or SVG. The cues are those of the mosaic, computed by the
same functions; left is positive throughout.
"""

import math
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spatial_swin import files
from spatial_swin.audio.clips import read_stretch
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.mosaic import cue_maps
from spatial_swin.audio.tiles import HIGHEST, LOWEST, Tile, TileMap, tile_map
from spatial_swin.errors import AudioError

ENDINGS = (".png", ".pdf", ".svg")
MARKED = {100: "100", 300: "300", 1_000: "1k", 4_000: "4k", 6_000: "6k", 8_000: "8k", 12_000: "12k", 16_000: "16k"}
CLOSE = (6_000, 8_000, 12_000)  # Hz; these marks would touch on an axis that begins in the bass


def write_cues(
    sound: Path, output: Path, start: float, seconds: float | None, sample_rate: int, arrangement: str
) -> None:
    """Draw `seconds` of `sound` from `start` on; raises AudioError when it cannot be read or drawn."""
    if output.suffix.lower() not in ENDINGS:
        raise AudioError(f"--output {output}: a figure ends in .png, .pdf or .svg")
    samples = read_stretch(sound, start, seconds, sample_rate)
    shown = samples.shape[1] / sample_rate
    matched, level = match_loudness(samples, sample_rate)
    tiles = tile_map(arrangement, 384, sample_rate, shown)
    first, names = tiles.tiles[0], tuple(tile.name for tile in tiles)
    maps = cue_maps(torch.from_numpy(matched)[None], sample_rate, names, first.height, first.width)
    after = "(silent: not boosted)" if level.flags == ("silent",) else f"shown at {level.after:.0f} LUFS"
    heading = f"{sound.name}, {start:g} to {start + shown:.4g} s, {level.before:.1f} LUFS, {after}"
    figure = draw_cues(tiles, {name: values[0].numpy() for name, values in maps.items()}, start, heading)
    with files.atomic_path(output) as temporary:
        figure.savefig(temporary, dpi=150, format=output.suffix[1:].lower())


def draw_cues(tiles: TileMap, maps: dict[str, np.ndarray], start: float, heading: str) -> Figure:
    """A panel for each cue; maps are [rows, columns] in their units, low frequency in row 0, drawn at the bottom."""
    columns = max(tile.column for tile in tiles) + 1
    rows = max(tile.row for tile in tiles) + 1
    figure = Figure(figsize=(3.6 * columns, 2.75 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for tile in tiles:
        axis = axes[tile.row][tile.column]
        ends = {"time": (start, start + tiles.seconds), "share of time": (0.0, 100.0), "frequency": (0.0, 1.0)}
        shown = axis.imshow(
            maps[tile.name],
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            vmin=tile.low,
            vmax=tile.high,
            extent=(*ends[tile.horizontal], 0, 1),
            cmap="RdBu_r" if tile.low == -tile.high else "cividis",
        )
        figure.colorbar(shown, ax=axis, pad=0.02, label=tile.unit or None)
        axis.set_title(tile.title, fontsize=10)
        label_axes(axis, tile)
    figure.suptitle(heading, fontsize=12)
    return figure


def rate_share(frequency: float, low: float, high: float) -> float:
    """Where a frequency lies between low and high on the ERB scale, 0..1."""
    low, high, at = (math.log10(1 + 0.00437 * f) for f in (low, high, frequency))
    return (at - low) / (high - low)


def marks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Where the marked frequencies between low and high (Hz) lie on the axis, 0..1, and how they are written."""
    shown = [f for f in MARKED if low <= f <= high and (low > 1_000 or f not in CLOSE)]
    return [rate_share(f, low, high) for f in shown], [MARKED[f] for f in shown]


def label_axes(axis: Axes, tile: Tile) -> None:
    axis.tick_params(labelsize=8)
    if tile.vertical == "frequency":
        axis.set_yticks(*marks(tile.vertical_low, tile.vertical_high))
        axis.set_ylabel("frequency (Hz)", fontsize=8)
    else:
        axis.set_yticks([0, 0.25, 0.5, 0.75, 1], [f"{v:+g}" if v else "0" for v in (-1, -0.5, 0, 0.5, 1)])
        axis.set_ylabel("lag (ms), + = left", fontsize=8)
    if tile.horizontal == "frequency":
        at, names = marks(LOWEST, HIGHEST)
        axis.set_xticks(at[1:], names[1:])  # 100 and 300 would touch
        axis.set_xlabel("frequency (Hz)", fontsize=8)
    else:
        axis.set_xlabel("time (s)" if tile.horizontal == "time" else "share of time below (%)", fontsize=8)
