"""Augmentation that suits sound: what could have happened to the recording, done to its mosaic, tile by tile.

A flip or a rotation of a mosaic permutes tiles and reverses time; no recording looks like that. Exchanging the ears,
starting a little earlier, being a little louder, or missing a band for a moment, happen. The tile map says where each
cue lies and how it changes when the ears are exchanged *before* the cues are computed, so the exchange here is exact.
Keyed like the picture augmentations, on the batch, on its device. `augment_batch` is what the trainer calls.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from spatial_swin.audio.manifest import pictures_folder
from spatial_swin.audio.tiles import Tile, TileMap
from spatial_swin.data.augment import AugmentationArguments, augment, between, draw, key
from spatial_swin.errors import DataError
from spatial_swin.keyed_random import keyed_uniforms


@dataclass
class SoundAugmentationArguments:
    """Augmentations of the sound, done on its mosaic; all off by default, and only for mosaics with a tiles.json."""

    sound_ear_swap: float = key(0.0, "Probability of exchanging the ears (before the cues).")
    sound_time_shift: float = key(0.0, "Shift in time by up to this share of a tile, all cues alike, around the end.")
    sound_gain_db: float = key(0.0, "Gain of up to so many dB either way, on the tiles whose unit is a level.")
    sound_mask: float = key(0.0, "Probability that a tile is masked, each by one band of rows and one of columns.")
    sound_mask_size: float = key(0.3, "Greatest share of a tile's rows, and of its columns, that a mask covers.")


def asks_for_sound(arguments: SoundAugmentationArguments) -> bool:
    return any((
        arguments.sound_ear_swap, arguments.sound_time_shift, arguments.sound_gain_db, arguments.sound_mask,
    ))  # fmt: skip


def read_tile_map(root: str | os.PathLike[str], arguments: SoundAugmentationArguments) -> TileMap | None:
    """The tile map beside the pictures; None when no sound augmentation asks for it.

    Raises:
        DataError: a sound augmentation is asked for and there is no tiles.json.
    """
    if not asks_for_sound(arguments):
        return None
    path = pictures_folder(Path(root)) / "tiles.json"
    if not path.is_file():
        raise DataError(
            f"{path}: missing, and the recipe asks for sound augmentation; make the pictures with `spatial-swin "
            "mosaic` or `render`, or set the sound_ keys to 0"
        )
    return TileMap.read(path)


def augment_batch(
    pixels: torch.Tensor,
    sample_keys: Sequence[int],
    view: int,
    seed: int,
    arguments: AugmentationArguments | SoundAugmentationArguments,
    tile_map: TileMap | None = None,
) -> torch.Tensor:
    """uint8 [B, 3, S, S] -> float32 [B, 3, S, S] in 0..1: the sound's augmentations first, then the picture's."""
    assert isinstance(arguments, AugmentationArguments)
    if tile_map is not None and isinstance(arguments, SoundAugmentationArguments):
        pixels = augment_sound(pixels, sample_keys, view, seed, arguments, tile_map)
    return augment(pixels, sample_keys, view, seed, arguments)


def augment_sound(
    pixels: torch.Tensor,
    sample_keys: Sequence[int],
    view: int,
    seed: int,
    arguments: SoundAugmentationArguments,
    tile_map: TileMap,
) -> torch.Tensor:
    """uint8 [B, C, S, S] -> uint8 of the same shape."""
    if not asks_for_sound(arguments):
        return pixels
    tiles = scaled_tiles(tile_map, pixels.shape[-1])
    uniforms = draw(sample_keys, view, seed, "sound")
    swapped = np.flatnonzero(uniforms[:, 0] < arguments.sound_ear_swap)
    pixels = pixels.clone()
    if len(swapped):
        pixels[swapped] = swap_ears(pixels[swapped], tiles)
    for index in range(len(pixels)):
        one = pixels[index]
        shift = float(between(uniforms[index, 1], -1, 1)) * arguments.sound_time_shift
        gain = float(between(uniforms[index, 2], -1, 1)) * arguments.sound_gain_db
        drawn = (
            keyed_uniforms(5 * len(tiles), [(seed, "mask", view, sample_keys[index])])
            if arguments.sound_mask
            else None
        )
        masks = None if drawn is None else drawn.reshape(len(tiles), 5)
        for number, tile in enumerate(tiles):
            box = one[:, tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
            if arguments.sound_time_shift and tile.horizontal == "time":
                box.copy_(box.roll(round(shift * tile.width), dims=-1))
            if arguments.sound_gain_db and is_level(tile):
                step = round(gain * 255 / (tile.high - tile.low))
                box.copy_((box.to(torch.int16) + step).clamp(0, 255).to(torch.uint8))
            if masks is not None:
                mask(box, tile, masks[number], arguments)
    return pixels


def scaled_tiles(tile_map: TileMap, size: int) -> list[Tile]:
    """The tiles in the pixels of a picture that was resized to `size`."""
    factor = size / tile_map.size[1]
    return [
        replace(
            t,
            x=round(t.x * factor),
            y=round(t.y * factor),
            width=round(t.width * factor),
            height=round(t.height * factor),
        )
        for t in tile_map.tiles
    ]


def swap_ears(pixels: torch.Tensor, tiles: Sequence[Tile]) -> torch.Tensor:
    """The mosaic of the same sound with left and right exchanged: uint8 [..., S, S], by each tile's rule."""
    by_name = {tile.name: tile for tile in tiles}
    result = pixels.clone()
    for tile in tiles:
        rule, _, other = tile.ear_swap.partition(":")
        source = by_name[other] if rule == "swap" else tile
        box = pixels[..., source.y : source.y + source.height, source.x : source.x + source.width]
        if rule == "negate":
            box = 255 - box
        elif rule == "flip":
            box = box.flip(-2)
        result[..., tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] = box
    return result


def is_level(tile: Tile) -> bool:
    """Whether a gain moves the whole tile: a level below full scale, not a difference or a fluctuation."""
    return tile.unit == "dB" and tile.high <= 0


def mask(box: torch.Tensor, tile: Tile, uniforms: np.ndarray, arguments: SoundAugmentationArguments) -> None:
    """Set one band of rows and one of columns of a tile [C, h, w] to its neutral value, in place."""
    if uniforms[0] >= arguments.sound_mask:
        return
    neutral = 128 if tile.ear_swap == "negate" else 0  # zero on a symmetric scale, else nothing
    rows, columns = tile.height, tile.width
    high = int(between(uniforms[1], 0, arguments.sound_mask_size) * rows)
    wide = int(between(uniforms[2], 0, arguments.sound_mask_size) * columns)
    top, left = int(uniforms[3] * (rows - high + 1)), int(uniforms[4] * (columns - wide + 1))
    box[:, top : top + high, :] = neutral
    box[:, :, left : left + wide] = neutral
