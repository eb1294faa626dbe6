"""Mosaics pooled row by row: what a small network needs to know of the cues, whatever the moment.

In go pictures and where their tiles are, out come, for every row of a tile with a time axis, its mean, its spread and
three percentiles over time; other tiles become CELLS x CELLS means; then the `pooled_relations` between tiles.
`pooled_tiles` is the coarser way, for trees. Nothing is learned here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from spatial_swin.audio.tiles import TileMap
from spatial_swin.data.augment_sound import SoundAugmentationArguments, augment_sound, scaled_tiles
from spatial_swin.data.pooled_relations import relations

PERCENTILES = (0.1, 0.5, 0.9)  # of a row over time, relative to its mean
CELLS = 16  # a side
SWAPPED = SoundAugmentationArguments(sound_ear_swap=1.0)
LEARNING = SoundAugmentationArguments(sound_ear_swap=0.5, sound_colour_db=12.0, sound_ear_colour_db=2.5)


def pooled_rows(pixels: Tensor, tiles: TileMap) -> Tensor:
    """Mosaics uint8 [B, C, S, S], of which the first channel is read: float32 [B, F], on the scale of grey levels."""
    found, grey, scaled = [], pixels[:, 0].float(), scaled_tiles(tiles, pixels.shape[-1])
    for tile in scaled:
        box = grey[:, tile.rows, tile.columns]
        if tile.horizontal != "time":
            found.append(adaptive_avg_pool2d(box, CELLS))
            continue
        mean = box.mean(2)
        at = [int(share * (tile.width - 1)) for share in PERCENTILES]
        found += [mean, box.std(2), box.sort(2).values[:, :, at] - mean[:, :, None]]
    return torch.cat([part.flatten(1) for part in (*found, *relations(grey, scaled))], 1)


def both_ways_round(pixels: Tensor, tiles: TileMap) -> Tensor:
    """`pooled_rows` of the mosaics as they are and of those with the ears exchanged: float32 [2, B, F]."""
    grey = pixels[:, :1]  # all that is read: the other channels need not be changed
    exchanged = augment_sound(grey, range(len(grey)), 0, 0, SWAPPED, tiles)
    return torch.stack([pooled_rows(grey, tiles), pooled_rows(exchanged, tiles)])


def in_views(pixels: Tensor, keys: Sequence[int], tiles: TileMap, views: int) -> Tensor:
    """`pooled_rows` of mosaics as a network learns them, in views drawn for their `keys`: float32 [views, B, F]."""
    seen = [augment_sound(pixels[:, :1], keys, view, 0, LEARNING, tiles) for view in range(views)]
    return torch.stack([pooled_rows(one, tiles) for one in seen])
