"""Augmentation that suits sound: what could have happened to the recording, done to its mosaic, tile by tile.

A flip or a rotation of a mosaic permutes tiles and reverses time; no recording looks like that. Exchanging the ears,
starting a little earlier, being a little louder, another colour of the programme or the ears, or missing a band for a
moment, happen. The tile map says where each cue lies and how it changes when the ears are exchanged *before* the cues
are computed, so the exchange here is exact. Keyed like the picture augmentations, on the batch, on its device, in
whole grey steps throughout. `augment_batch` is what the trainer calls.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from spatial_swin.audio.manifest import TILES, pictures_folder
from spatial_swin.audio.tiles import Tile, TileMap
from spatial_swin.data.augment import AugmentationArguments, View, augment, between, draw, key, views_of
from spatial_swin.data.augment_colour import KNOTS, colour, unseen
from spatial_swin.errors import DataError, Problem
from spatial_swin.keyed_random import keyed_uniforms

SWAPPED, SHIFT, GAIN = range(3)  # columns of a sample's draws
MASK_DRAWS = 5  # uniforms a tile: masked or not, height, width, place in frequency, place in time


@dataclass
class SoundAugmentationArguments:
    """Augmentations of the sound, done on its mosaic; all off by default, and only for mosaics with a tiles.json."""

    sound_ear_swap: float = key(0.0, "Probability of exchanging the ears (before the cues).")
    sound_time_shift: float = key(0.0, "Shift in time by up to this share of a tile, all cues alike, around the end.")
    sound_gain_db: float = key(0.0, "Gain of up to so many dB either way, on the tiles whose unit is a level.")
    sound_colour_db: float = key(0.0, "Smooth colour of both ears alike, of up to so many dB either way.")
    sound_ear_colour_db: float = key(0.0, "The same of the level difference of the ears, less at low frequencies.")
    sound_mask: float = key(0.0, "Probability that a tile is masked, each by one band of rows and one of columns.")
    sound_mask_size: float = key(0.3, "Greatest share of a tile's rows, and of its columns, that a mask covers.")


def sound_augmentation_problems(arguments: SoundAugmentationArguments) -> list[Problem]:
    """Values of the recipe that cannot be drawn from, one Problem a key."""
    limits = dict.fromkeys(("sound_ear_swap", "sound_time_shift", "sound_mask", "sound_mask_size"), 1) | dict.fromkeys(
        ("sound_gain_db", "sound_colour_db", "sound_ear_colour_db"), 24
    )
    return [
        Problem(name, f"is {getattr(arguments, name)}", f"give a number from 0 to {limit}")
        for name, limit in limits.items()
        if not 0 <= getattr(arguments, name) <= limit
    ]


def asks_for_sound(arguments: SoundAugmentationArguments) -> bool:
    """Whether any of the sound's augmentations is on."""
    a = arguments
    probable = a.sound_ear_swap, a.sound_time_shift, a.sound_gain_db, a.sound_mask
    return any((*probable, a.sound_colour_db, a.sound_ear_colour_db))


def read_tile_map(root: str | os.PathLike[str], arguments: SoundAugmentationArguments) -> TileMap | None:
    """The tile map beside the pictures; None when no sound augmentation asks for it.

    Raises:
        DataError: a sound augmentation is asked for and there is no tiles.json.
        AudioError: the tiles.json that is there cannot be read.
    """
    if not asks_for_sound(arguments):
        return None
    folder = pictures_folder(root)
    tile_map = TileMap.beside(folder)
    if tile_map is None:
        raise DataError(
            f"{folder / TILES}: missing, and the recipe asks for sound augmentation; make the pictures with "
            "`spatial-swin mosaic` or `render`, or set the sound_ keys to 0"
        )
    return tile_map


def augment_batch(
    pixels: torch.Tensor,
    sample_keys: Sequence[int],
    view: View,
    seed: int,
    arguments: AugmentationArguments | SoundAugmentationArguments,
    tile_map: TileMap | None = None,
) -> torch.Tensor:
    """uint8 [B, 3, S, S] -> float32 [B, 3, S, S] in 0..1: the sound's augmentations first, then the picture's.

    `arguments` holds the picture's keys, and the sound's too when it is of both kinds (a recipe's Data section is).

    Raises:
        DataError: a sound augmentation is asked for without a tile map, or its tiles do not fit pictures of S pixels.
    """
    assert isinstance(arguments, AugmentationArguments)
    if isinstance(arguments, SoundAugmentationArguments) and asks_for_sound(arguments):
        if tile_map is None:
            raise DataError(
                "the recipe asks for sound augmentation and the data has no tiles.json; set the sound_ keys to 0"
            )
        pixels = augment_sound(pixels, sample_keys, view, seed, arguments, tile_map)
    return augment(pixels, sample_keys, view, seed, arguments)


@torch.no_grad()
def augment_sound(
    pixels: torch.Tensor,
    sample_keys: Sequence[int],
    view: View,
    seed: int,
    arguments: SoundAugmentationArguments,
    tile_map: TileMap,
) -> torch.Tensor:
    """uint8 [B, C, S, S] -> uint8 of the same shape: ears, time, level, colour, masks, in this order.

    Raises:
        DataError: the picture was resized so that tiles no longer begin and end between pixels.
    """
    if not asks_for_sound(arguments):
        return pixels
    tiles = scaled_tiles(tile_map, pixels.shape[-1])
    grey = bool((pixels == pixels[:, :1]).all())  # as mosaics are; three equal channels need to be done once
    done = (pixels[:, :1] if grey else pixels).clone()
    uniforms = draw(sample_keys, view, seed, "sound")
    exchange_ears(done, uniforms[:, SWAPPED] < arguments.sound_ear_swap, tiles)
    if arguments.sound_time_shift:
        shift_in_time(done, between(uniforms[:, SHIFT], -1, 1) * arguments.sound_time_shift, tiles)
    if arguments.sound_gain_db:
        change_level(done, between(uniforms[:, GAIN], -1, 1) * arguments.sound_gain_db, tiles)
    if arguments.sound_colour_db or arguments.sound_ear_colour_db:
        knots = between(_drawn(2 * KNOTS, "colour", sample_keys, view, seed), -1, 1)
        both, own = arguments.sound_colour_db * knots[:, :KNOTS], arguments.sound_ear_colour_db * knots[:, KNOTS:]
        colour(done, both, own, tiles)
    if arguments.sound_mask:
        drawn = _drawn(len(tiles) * MASK_DRAWS, "mask", sample_keys, view, seed)
        mask_bands(done, drawn.reshape(-1, len(tiles), MASK_DRAWS), tiles, arguments)
    return done.expand_as(pixels)


def _drawn(count: int, purpose: str, sample_keys: Sequence[int], view: View, seed: int) -> np.ndarray:
    """Uniforms [B, count] for one view of each sample."""
    each = zip(views_of(sample_keys, view), sample_keys, strict=True)
    return keyed_uniforms(count, [(seed, purpose, view, sample) for view, sample in each])


def scaled_tiles(tile_map: TileMap, size: int) -> tuple[Tile, ...]:
    """The tiles in the pixels of a picture that was resized to `size` x `size`.

    Raises:
        DataError: an edge of a tile would fall within a pixel.
    """
    height, width = tile_map.size
    scaled = []
    for tile in tile_map.tiles:
        ends = [(tile.x, width), (tile.width, width), (tile.y, height), (tile.height, height)]
        if any(end * size % whole for end, whole in ends):
            raise DataError(
                f"image_size {size} cuts through the tiles of pictures made at {width} x {height}; choose an "
                "image_size that scales every tile to whole pixels, or set the sound_ keys to 0"
            )
        x, across, y, down = (end * size // whole for end, whole in ends)
        scaled.append(replace(tile, x=x, width=across, y=y, height=down))
    return tuple(scaled)


# Each of these works in place on mosaics uint8 [B, C, S, S], a tile of the whole batch at a time.


def exchange_ears(pixels: torch.Tensor, chosen: np.ndarray, tiles: Sequence[Tile]) -> None:
    """Make of the samples that `chosen` [B] names the mosaics of the same sounds with left and right exchanged."""
    rows = torch.from_numpy(np.flatnonzero(chosen)).to(pixels.device)
    if not len(rows):
        return
    before = pixels[rows]
    by_name = {tile.name: tile for tile in tiles}
    for tile in tiles:
        rule, _, other = tile.ear_swap.partition(":")
        if rule == "same":
            continue
        source = by_name[other or tile.name]
        box = before[..., source.rows, source.columns]
        if rule == "negate":
            box = 255 - box
        elif rule == "flip":
            box = box.flip(-2)
        pixels[..., tile.rows, tile.columns].index_copy_(0, rows, box)


def shift_in_time(pixels: torch.Tensor, shares: np.ndarray, tiles: Sequence[Tile]) -> None:
    """Roll every tile with a time axis by the sample's share [B] of its width; the others stay."""
    for tile in (tile for tile in tiles if tile.horizontal == "time"):
        steps = np.rint(shares * tile.width).astype(np.int64)
        columns = (np.arange(tile.width) - steps[:, None]) % tile.width  # [B, width], where each column comes from
        source = torch.from_numpy(columns).to(pixels.device)[:, None, None]
        box = pixels[..., tile.rows, tile.columns]
        box.copy_(box.gather(3, source.expand_as(box)))


def change_level(pixels: torch.Tensor, decibels: np.ndarray, tiles: Sequence[Tile]) -> None:
    """Raise the level tiles by the sample's dB [B]; what is below the scale (grey 0) stays unseen."""
    for tile in filter(is_level, tiles):
        steps = np.rint(decibels * 255 / (tile.high - tile.low)).astype(np.int16)
        box = pixels[..., tile.rows, tile.columns]
        louder = (box + torch.from_numpy(steps).to(pixels.device).view(-1, 1, 1, 1)).clamp_(0, 255)
        box.copy_(louder.to(torch.uint8) * (box > 0))


def is_level(tile: Tile) -> bool:
    """Whether a gain moves the whole tile: a level below full scale, not a difference or a fluctuation."""
    return tile.unit == "dB" and tile.high <= 0


def mask_bands(
    pixels: torch.Tensor, uniforms: np.ndarray, tiles: Sequence[Tile], arguments: SoundAugmentationArguments
) -> None:
    """Blank one band of rows and one of columns of the tiles that are masked, each within its own borders.

    uniforms: [B, T, MASK_DRAWS]. After SpecAugment (Park et al. 2019), for each cue by itself: no cue can be leant on.
    """
    for sample, number in np.argwhere(uniforms[..., 0] < arguments.sound_mask):
        tile = tiles[number]
        _, height, width, down, along = uniforms[sample, number]
        high, wide = (
            int(height * arguments.sound_mask_size * tile.height),
            int(width * arguments.sound_mask_size * tile.width),
        )
        top, left = int(down * (tile.height - high + 1)), int(along * (tile.width - wide + 1))
        box = pixels[sample, :, tile.rows, tile.columns]
        box[:, top : top + high] = unseen(tile)
        box[:, :, left : left + wide] = unseen(tile)
