"""What tests look at in a mosaic: one tile's pixels, and the picture that exchanged ears should give."""

import numpy as np

from spatial_swin.audio.tiles import TileMap


def crop(tiles: TileMap, picture: np.ndarray, name: str) -> np.ndarray:
    """The pixels [..., height, width] of one tile of pictures [..., H, W]."""
    return picture[..., tiles[name].rows, tiles[name].columns]


def swapped_ears(tiles: TileMap, picture: np.ndarray) -> np.ndarray:
    """What pictures uint8 [..., H, W] look like when left and right ear are exchanged before the cues."""
    swapped = picture.copy()
    for tile in tiles:
        kind, _, other = tile.ear_swap.partition(":")
        pixels = crop(tiles, picture, other or tile.name)
        if kind == "negate":
            pixels = 255 - pixels
        elif kind == "flip":
            pixels = pixels[..., ::-1, :]
        swapped[..., tile.rows, tile.columns] = pixels
    return swapped
