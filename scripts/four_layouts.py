"""The README's picture: one synthetic programme in the four layouts, its cue mosaics side by side.

python scripts/four_layouts.py [docs/four_layouts.png]
"""

import sys

import matplotlib.pyplot as plt
import torch

from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.mosaic import mosaic
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.synthesis import synthetic_scene
from spatial_swin.audio.tiles import tile_map
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts

SAMPLE_RATE = 48_000  # Hz
SECONDS = 3.0


def main(target: str = "docs/four_layouts.png") -> None:
    scene = synthetic_scene(seed=7, number=3, seconds=SECONDS, sample_rate=SAMPLE_RATE)
    layouts = find_layouts(DEFAULT_LAYOUTS)
    sounds = render_layouts(scene, layouts, [load_listener("kemar", SAMPLE_RATE)])
    tiles = tile_map("4x4", 384, SAMPLE_RATE, SECONDS)
    figure, axes = plt.subplots(1, len(layouts), figsize=(13, 3.9), layout="constrained")
    for axis, layout, sound in zip(axes, layouts, sounds.values(), strict=True):
        picture = mosaic(torch.from_numpy(match_loudness(sound, SAMPLE_RATE)[0])[None], SAMPLE_RATE)[0]
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(f"{layout.code}  {layout.title}", fontsize=11)
        axis.set_axis_off()
        for tile in tiles:
            axis.add_patch(
                plt.Rectangle((tile.x - 0.5, tile.y - 0.5), tile.width, tile.height, fill=False, ec="#E69F00", lw=0.6)
            )
    figure.savefig(target, dpi=110)
    print(target)


if __name__ == "__main__":
    main(*sys.argv[1:2])
