"""The picture of docs/conditions.md: one rendering in 5.1.4, as it is and in conditions that change it.

python scripts/conditions.py [docs/conditions.png]
"""

import sys

import matplotlib.pyplot as plt
import torch

from spatial_swin.audio.conditions import CLEAN, Condition, listener_of, spoil
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.mosaic import mosaic
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.synthesis import synthetic_scene
from spatial_swin.audio.tiles import tile_map
from spatial_swin.layouts import find_layouts

SAMPLE_RATE = 48_000  # Hz
SECONDS = 3.0
SHOWN = (
    CLEAN,
    Condition("room", "0.15"),
    Condition("room", "0.6"),
    Condition("noise", "10"),
    Condition("codec", "mp3-64"),
    Condition("codec", "opus-64"),
    Condition("codec", "vorbis-64"),
    Condition("ears", "exchanged"),
)


def main(target: str = "docs/conditions.png") -> None:
    scene = synthetic_scene(seed=7, number=3, seconds=SECONDS, sample_rate=SAMPLE_RATE)
    layouts = find_layouts(["514"])
    listener = load_listener("parametric:7", SAMPLE_RATE)
    tiles = tile_map("4x4", 384, SAMPLE_RATE, SECONDS)
    figure, axes = plt.subplots(2, 4, figsize=(13, 7.2), layout="constrained")
    for axis, condition in zip(axes.flat, SHOWN, strict=True):
        (ears,) = render_layouts(scene, layouts, [listener_of(condition, listener, layouts)]).values()
        ears, rate = spoil(condition, match_loudness(ears, SAMPLE_RATE)[0], SAMPLE_RATE, (0,))
        picture = mosaic(torch.from_numpy(ears)[None], rate)[0]
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(condition.title, fontsize=11)
        axis.set_axis_off()
        for tile in tiles:
            axis.add_patch(
                plt.Rectangle((tile.x - 0.5, tile.y - 0.5), tile.width, tile.height, fill=False, ec="#E69F00", lw=0.6)
            )
    figure.savefig(target, dpi=72)
    print(target)


if __name__ == "__main__":
    main(*sys.argv[1:2])
