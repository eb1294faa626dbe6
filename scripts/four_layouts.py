"""The README's picture: one synthetic programme in the four layouts, cue by cue, with names, axes and units.

python scripts/four_layouts.py [docs/four_layouts.png]
"""

import sys

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.mosaic import mosaic
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.synthesis import synthetic_scene
from spatial_swin.audio.tiles import Tile, TileMap, tile_map
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts, spelled
from spatial_swin.reporting import style
from spatial_swin.reporting.figures_cues import label_axes

SAMPLE_RATE = 48_000  # Hz
SECONDS = 3.0
SIZE = 384
BLOCKS = 2  # cues side by side


def main(target: str = "docs/four_layouts.png") -> None:
    scene = synthetic_scene(seed=7, number=3, seconds=SECONDS, sample_rate=SAMPLE_RATE)
    layouts = find_layouts(DEFAULT_LAYOUTS)
    sounds = render_layouts(scene, layouts, [load_listener("kemar", SAMPLE_RATE)])
    matched = [torch.from_numpy(match_loudness(sound, SAMPLE_RATE)[0])[None] for sound in sounds.values()]
    pictures = [np.asarray(mosaic(sound, SAMPLE_RATE)[0]) for sound in matched]
    with style.thesis_style():
        figure = draw(tile_map("4x4", SIZE, SAMPLE_RATE, SECONDS), pictures, [spelled(lay.code) for lay in layouts])
        figure.savefig(target, dpi=110)
    print(target)


def draw(tiles: TileMap, pictures: list[np.ndarray], names: list[str]) -> Figure:
    """Every cue as a row of four pictures, BLOCKS cues side by side; pictures: uint8 [S, S] of each layout."""
    rows = -(-len(tiles.tiles) // BLOCKS)
    figure = style.new_figure(width=11.5, height=1.0)
    figure.set_size_inches(11.5, 1.42 * rows + 0.3)
    blocks = figure.subfigures(rows, BLOCKS, squeeze=False, wspace=0.03)
    for number, tile in enumerate(tiles):
        block = blocks[number % rows][number // rows]
        panels = block.subplots(1, len(pictures), sharey=True)
        for axes, picture, name in zip(panels, pictures, names, strict=True):
            shown = _draw_tile(axes, tile, picture[tile.rows, tile.columns], tiles.seconds)
            axes.set_title(name, fontsize=7, fontweight="normal")
            if axes is not panels[0]:
                axes.set_ylabel("")
        block.suptitle(tile.title, x=0.005, ha="left", fontsize=9, fontweight="bold")
        block.colorbar(shown, ax=list(panels), pad=0.01, aspect=14, label=tile.unit or None)
    return figure


def _draw_tile(axes: Axes, tile: Tile, grey: np.ndarray, seconds: float) -> object:
    """One tile in its own values: grey 0 to 255 is low to high, its top row the highest frequency or lag."""
    ends = {"time": (0.0, seconds), "share of time": (0.0, 100.0), "frequency": (0.0, 1.0)}
    shown = axes.imshow(
        tile.low + (tile.high - tile.low) * (grey.astype(float) / 255),
        cmap="gray",
        vmin=tile.low,
        vmax=tile.high,
        aspect="auto",
        interpolation="nearest",
        extent=(*ends[tile.horizontal], 0, 1),
    )
    label_axes(axes, tile)
    axes.spines[:].set_visible(True)
    axes.tick_params(labelsize=6, length=2)
    axes.xaxis.label.set_size(6.5)
    axes.yaxis.label.set_size(6.5)
    axes.grid(visible=False)
    return shown


if __name__ == "__main__":
    main(*sys.argv[1:2])
