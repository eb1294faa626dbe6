"""Augmentation that suits sound: what could have happened to the recording, done to its mosaic, tile by tile.

A flip or a rotation of a mosaic permutes tiles and reverses time; no recording looks like that. Exchanging the ears,
starting a little earlier, being a little louder, or missing a band for a moment, happen. The tile map says where each
cue lies and how it changes when the ears are exchanged *before* the cues are computed, so the exchange here is exact.
Keyed like the picture augmentations, on the batch, on its device, in whole grey steps throughout. `augment_batch` is
what the trainer calls.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from spatial_swin.audio.manifest import pictures_folder
from spatial_swin.audio.tiles import Tile, TileMap
from spatial_swin.data.augment import AugmentationArguments, augment, between, draw, key
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
    sound_mask: float = key(0.0, "Probability that a tile is masked, each by one band of rows and one of columns.")
    sound_mask_size: float = key(0.3, "Greatest share of a tile's rows, and of its columns, that a mask covers.")


def sound_augmentation_problems(arguments: SoundAugmentationArguments) -> list[Problem]:
    """Values of the recipe that cannot be drawn from, one Problem a key."""
    limits = {
        "sound_ear_swap": 1, "sound_time_shift": 1, "sound_gain_db": 24, "sound_mask": 1, "sound_mask_size": 1,
    }  # fmt: skip
    return [
        Problem(name, f"is {getattr(arguments, name)}", f"give a number from 0 to {limit}")
        for name, limit in limits.items()
        if not 0 <= getattr(arguments, name) <= limit
    ]


def asks_for_sound(arguments: SoundAugmentationArguments) -> bool:
    """Whether any of the sound's augmentations is on."""
    return any((
        arguments.sound_ear_swap, arguments.sound_time_shift, arguments.sound_gain_db, arguments.sound_mask,
    ))  # fmt: skip


def read_tile_map(root: str | os.PathLike[str], arguments: SoundAugmentationArguments) -> TileMap | None:
    """The tile map beside the pictures; None when no sound augmentation asks for it.

    Raises:
        DataError: a sound augmentation is asked for and there is no tiles.json.
        AudioError: the tiles.json that is there cannot be read.
    """
    if not asks_for_sound(arguments):
        return None
    path = pictures_folder(Path(root)) / "tiles.json"
    if not path.is_file():
        raise DataError(
            f"{path}: missing, and the recipe asks for sound augmentation; make the pictures with "
            "`spatial-swin mosaic` or `render`, or set the sound_ keys to 0"
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
    view: int,
    seed: int,
    arguments: SoundAugmentationArguments,
    tile_map: TileMap,
) -> torch.Tensor:
    """uint8 [B, C, S, S] -> uint8 of the same shape: ears, time, level, masks, in this order.

    Raises:
        DataError: the picture was resized so that tiles no longer begin and end between pixels.
    """
    if not asks_for_sound(arguments):
        return pixels
    places = _places(tile_map, pixels.shape[-1], str(pixels.device))
    grey = bool((pixels == pixels[:, :1]).all())  # as mosaics are; three equal channels need to be done once
    flat = (pixels[:, :1] if grey else pixels).flatten(2)
    uniforms = draw(sample_keys, view, seed, "sound")
    flat = exchange_ears(flat, uniforms[:, SWAPPED] < arguments.sound_ear_swap, places)
    if arguments.sound_time_shift:
        flat = shift_in_time(flat, between(uniforms[:, SHIFT], -1, 1) * arguments.sound_time_shift, places)
    if arguments.sound_gain_db:
        flat = change_level(flat, between(uniforms[:, GAIN], -1, 1) * arguments.sound_gain_db, places)
    if arguments.sound_mask:
        count = len(tile_map.tiles)
        drawn = keyed_uniforms(count * MASK_DRAWS, [(seed, "mask", view, sample) for sample in sample_keys])
        flat = mask_bands(flat, drawn.reshape(-1, count, MASK_DRAWS), places, arguments)
    return flat.unflatten(2, pixels.shape[-2:]).expand_as(pixels)


@dataclass(frozen=True)
class Places:
    """What every pixel is part of: tensors [S * S] on one device; T tiles, and T for a pixel that is in none."""

    tiles: tuple[Tile, ...]  # in the pixels of this picture
    tile: torch.Tensor  # int64, number of its tile
    row: torch.Tensor  # int64, within the tile, from its top
    column: torch.Tensor  # int64, within the tile
    exchanged: torch.Tensor  # int64, the pixel whose value comes here when the ears are exchanged
    negated: torch.Tensor  # bool, and whether it comes as 255 - value

    def a_tile(self, values: np.ndarray) -> torch.Tensor:
        """Whole numbers [B, T] at their tiles' pixels: int16 [B, S * S], 0 where no tile is."""
        padded = np.pad(values, ((0, 0), (0, 1))).astype(np.int16)
        return torch.from_numpy(padded).to(self.tile.device)[:, self.tile]


@lru_cache(maxsize=8)
def _places(tile_map: TileMap, size: int, device: str) -> Places:
    tiles = scaled_tiles(tile_map, size)
    by_name = {tile.name: tile for tile in tiles}
    number = np.full((size, size), len(tiles))
    row, column, negated = np.zeros((3, size, size), dtype=np.int64)
    pixel = np.arange(size * size).reshape(size, size)
    exchanged = pixel.copy()
    for index, tile in enumerate(tiles):
        box = tile.rows, tile.columns
        number[box] = index
        row[box], column[box] = np.mgrid[: tile.height, : tile.width]
        rule, _, other = tile.ear_swap.partition(":")
        source = by_name[other or tile.name]
        came_from = pixel[source.rows, source.columns]
        exchanged[box] = came_from[::-1] if rule == "flip" else came_from
        negated[box] = rule == "negate"

    def flat(table: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(table.reshape(-1)).to(device)

    return Places(tiles, flat(number), flat(row), flat(column), flat(exchanged), flat(negated.astype(bool)))


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


def exchange_ears(flat: torch.Tensor, chosen: np.ndarray, places: Places) -> torch.Tensor:
    """The mosaics [B, C, S * S] of the same sounds with left and right exchanged, where `chosen` [B] says so."""
    rows = torch.from_numpy(np.flatnonzero(chosen)).to(flat.device)
    if not len(rows):
        return flat
    other = flat[rows][..., places.exchanged]
    return flat.index_copy(0, rows, torch.where(places.negated, 255 - other, other))


def shift_in_time(flat: torch.Tensor, shares: np.ndarray, places: Places) -> torch.Tensor:
    """Roll every tile with a time axis by the sample's share [B] of its width; the others stay."""
    widths = np.array([tile.width if tile.horizontal == "time" else 0 for tile in places.tiles])
    steps = places.a_tile(np.rint(shares[:, None] * widths)).long()
    width = torch.tensor([*(tile.width for tile in places.tiles), 1], device=flat.device)[places.tile]
    begun = places.column - steps
    begun = torch.where(begun < 0, begun + width, torch.where(begun >= width, begun - width, begun))
    source = torch.arange(flat.shape[-1], device=flat.device) - places.column + begun
    return flat.gather(2, source[:, None].expand_as(flat))


def change_level(flat: torch.Tensor, decibels: np.ndarray, places: Places) -> torch.Tensor:
    """Raise the level tiles by the sample's dB [B]; what is below the scale (grey 0) stays unseen."""
    per_decibel = np.array([255 / (tile.high - tile.low) if is_level(tile) else 0.0 for tile in places.tiles])
    steps = places.a_tile(np.rint(decibels[:, None] * per_decibel))[:, None]
    louder = (flat.to(torch.int16) + steps).clamp(0, 255).to(torch.uint8)
    return torch.where(flat > 0, louder, flat)


def is_level(tile: Tile) -> bool:
    """Whether a gain moves the whole tile: a level below full scale, not a difference or a fluctuation."""
    return tile.unit == "dB" and tile.high <= 0


def mask_bands(
    flat: torch.Tensor, uniforms: np.ndarray, places: Places, arguments: SoundAugmentationArguments
) -> torch.Tensor:
    """Blank one band of rows and one of columns of the tiles that are masked, each within its own borders.

    uniforms: [B, T, MASK_DRAWS]. After SpecAugment (Park et al. 2019), for each cue by itself: no cue can be leant on.
    """
    heights, widths = (np.array(sizes) for sizes in zip(*((t.height, t.width) for t in places.tiles), strict=True))
    masked = uniforms[..., 0] < arguments.sound_mask
    high = np.floor(masked * uniforms[..., 1] * arguments.sound_mask_size * heights)
    wide = np.floor(masked * uniforms[..., 2] * arguments.sound_mask_size * widths)
    top = np.floor(uniforms[..., 3] * (heights - high + 1))
    left = np.floor(uniforms[..., 4] * (widths - wide + 1))
    first_row, past_row = places.a_tile(top), places.a_tile(top + high)
    first_column, past_column = places.a_tile(left), places.a_tile(left + wide)
    blank = (places.row >= first_row) & (places.row < past_row)
    blank |= (places.column >= first_column) & (places.column < past_column)
    neutral = torch.tensor([*map(neutral_grey, places.tiles), 0], dtype=torch.uint8, device=flat.device)[places.tile]
    return torch.where(blank[:, None], neutral, flat)


def neutral_grey(tile: Tile) -> int:
    """The grey of the value 0 where the tile's scale has it, as an inaudible place is shown; else of its lowest."""
    return round(-255 * tile.low / (tile.high - tile.low)) if tile.low <= 0 <= tile.high else 0
