"""What is done to a mosaic could have happened to its sound: the ears exchanged, one time, one level, tile by tile."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mosaics import swapped_ears

from spatial_swin.audio.manifest import pictures_folder
from spatial_swin.audio.tiles import ARRANGEMENTS, TileMap, tile_map
from spatial_swin.data.augment import AugmentationArguments, augment
from spatial_swin.data.augment_colour import unseen
from spatial_swin.data.augment_sound import (
    SoundAugmentationArguments,
    augment_batch,
    augment_sound,
    read_tile_map,
    sound_augmentation_problems,
)
from spatial_swin.errors import DataError

SIZE = 192
OFF = SoundAugmentationArguments()
ALL = SoundAugmentationArguments(
    sound_ear_swap=0.5, sound_time_shift=0.5, sound_gain_db=4, sound_colour_db=6, sound_ear_colour_db=3, sound_mask=0.5
)


@dataclass
class Both(AugmentationArguments, SoundAugmentationArguments):
    """As a recipe's Data section is."""


@pytest.fixture(params=sorted(ARRANGEMENTS))
def tiles(request: pytest.FixtureRequest) -> TileMap:
    return tile_map(request.param, SIZE, 48_000, 3.0)


def mosaics(count: int = 6, size: int = SIZE, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    grey = torch.randint(0, 256, (count, 1, size, size), generator=generator, dtype=torch.uint8)
    return grey.expand(-1, 3, -1, -1).contiguous()


def changed(tiles: TileMap, before: torch.Tensor, after: torch.Tensor) -> set[str]:
    return {t.name for t in tiles if not torch.equal(before[..., t.rows, t.columns], after[..., t.rows, t.columns])}


def test_the_ears_are_exchanged_as_the_tile_map_does(tiles: TileMap) -> None:
    pixels = mosaics()
    swapped = augment_sound(pixels, range(6), 0, 0, replace(OFF, sound_ear_swap=1.0), tiles)
    assert np.array_equal(swapped.numpy(), swapped_ears(tiles, pixels.numpy()))
    twice = augment_sound(swapped, range(6), 0, 0, replace(OFF, sound_ear_swap=1.0), tiles)
    assert torch.equal(twice, pixels)


def test_half_the_samples_have_their_ears_exchanged(tiles: TileMap) -> None:
    pixels = mosaics(100)
    swapped = augment_sound(pixels, range(100), 0, 0, replace(OFF, sound_ear_swap=0.5), tiles)
    assert 35 <= (pixels != swapped).flatten(1).any(dim=1).sum() <= 65


def test_time_moves_in_all_its_tiles_by_the_same_share_and_in_no_other(tiles: TileMap) -> None:
    pixels = mosaics(1)
    shifted = augment_sound(pixels, [5], 0, 0, replace(OFF, sound_time_shift=0.5), tiles)
    assert changed(tiles, pixels, shifted) == {t.name for t in tiles if t.horizontal == "time"}
    steps = set()
    for tile in (t for t in tiles if t.horizontal == "time"):
        before, after = pixels[..., tile.rows, tile.columns], shifted[..., tile.rows, tile.columns]
        steps |= {s for s in range(-tile.width // 2, tile.width // 2 + 1) if torch.equal(before.roll(s, -1), after)}
    assert len(steps) == 1
    assert steps != {0}


def test_gain_moves_levels_by_its_decibels_and_nothing_else(tiles: TileMap) -> None:
    pixels = mosaics(1)
    louder = augment_sound(pixels, [3], 0, 0, replace(OFF, sound_gain_db=6.0), tiles)
    levels = {t.name for t in tiles if t.unit == "dB" and t.high <= 0}
    assert changed(tiles, pixels, louder) == levels
    decibels = set()
    for tile in (tiles[name] for name in levels):
        before, after = (p[..., tile.rows, tile.columns].int() for p in (pixels, louder))
        seen = (before > 20) & (before < 235)
        step = set((after - before)[seen].tolist())
        assert len(step) == 1
        decibels.add(round(step.pop() * (tile.high - tile.low) / 255))
        assert not after[before == 0].any()  # what no scale showed does not appear
    assert len(decibels) == 1
    assert -6 <= decibels.pop() <= 6


def test_a_mask_stays_within_its_tile_and_shows_nothing(tiles: TileMap) -> None:
    pixels = torch.full((40, 3, SIZE, SIZE), 7, dtype=torch.uint8)
    masked = augment_sound(pixels, range(40), 0, 0, replace(OFF, sound_mask=0.5, sound_mask_size=0.4), tiles)
    for tile in tiles:
        box = masked[:, 0, tile.rows, tile.columns]
        blank = box != 7
        assert set(box[blank].tolist()) == {unseen(tile)}
        assert 0.2 < blank.flatten(1).any(dim=1).float().mean() < 0.8
        rows, columns = blank.all(dim=2), blank.all(dim=1)
        assert torch.equal(blank, rows[:, :, None] | columns[:, None, :])  # whole bands of the tile, nothing else
        assert rows.sum(dim=1).max() <= 0.4 * tile.height
        assert columns.sum(dim=1).max() <= 0.4 * tile.width
        for bands in (rows, columns):
            assert (bands.int().diff(dim=1) == 1).sum(dim=1).max() <= 1  # one band


def test_neutral_is_no_difference_and_no_level() -> None:
    tiles = tile_map("4x4", SIZE, 48_000, 3.0)
    assert unseen(tiles["ild"]) == 128
    assert unseen(tiles["ipd_cosine"]) == 128
    assert unseen(tiles["magnitude_left"]) == 0
    assert unseen(tiles["msc_2048"]) == 0


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_sample_does_not_depend_on_its_batch(tiles: TileMap, device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    pixels, keys = mosaics().to(device), [11, 12, 13, 14, 15, 16]
    whole = augment_sound(pixels, keys, 1, 2, ALL, tiles)
    assert torch.equal(whole, augment_sound(pixels, keys, 1, 2, ALL, tiles))
    for index, key in enumerate(keys):
        assert torch.equal(augment_sound(pixels[index : index + 1], [key], 1, 2, ALL, tiles)[0], whole[index])
    for view, seed in ((2, 2), (1, 3)):
        assert not torch.equal(augment_sound(pixels, keys, view, seed, ALL, tiles), whole)


def test_coloured_pictures_are_done_channel_by_channel(tiles: TileMap) -> None:
    pixels = torch.stack([mosaics(4, seed=s)[:, 0] for s in range(3)], dim=1)
    whole = augment_sound(pixels, range(4), 0, 0, ALL, tiles)
    for channel in range(3):
        grey = pixels[:, channel : channel + 1].expand(-1, 3, -1, -1)
        assert torch.equal(augment_sound(grey, range(4), 0, 0, ALL, tiles)[:, 0], whole[:, channel])


def test_off_is_off(tiles: TileMap) -> None:
    pixels = mosaics()
    assert augment_sound(pixels, range(6), 0, 0, OFF, tiles) is pixels
    off = Both(augmentation=False)
    assert torch.equal(augment_batch(pixels, range(6), 0, 0, off, None), pixels.float() / 255)


def test_a_batch_gets_the_sound_first_then_the_picture(tiles: TileMap) -> None:
    pixels = mosaics()
    both = Both(**vars(ALL))
    expected = augment(augment_sound(pixels, range(6), 3, 4, ALL, tiles), range(6), 3, 4, both)
    assert torch.equal(augment_batch(pixels, range(6), 3, 4, both, tiles), expected)


def test_pictures_made_larger_than_the_model_sees_are_done_in_its_pixels() -> None:
    large = tile_map("4x4", 384, 48_000, 3.0)
    small = tile_map("4x4", SIZE, 48_000, 3.0)
    pixels = mosaics()
    assert torch.equal(
        augment_sound(pixels, range(6), 0, 0, ALL, large), augment_sound(pixels, range(6), 0, 0, ALL, small)
    )
    with pytest.raises(DataError, match="image_size 190 cuts through the tiles"):
        augment_sound(mosaics(size=190), range(6), 0, 0, ALL, large)


def test_sound_augmentation_without_a_tile_map_is_refused(tmp_path: Path) -> None:
    assert read_tile_map(tmp_path, OFF) is None
    with pytest.raises(DataError, match=r"tiles\.json: missing, and the recipe asks for sound augmentation"):
        read_tile_map(tmp_path, ALL)
    with pytest.raises(DataError, match=r"no tiles\.json"):
        augment_batch(mosaics(), range(6), 0, 0, Both(sound_mask=0.1), None)


def test_the_tile_map_is_found_where_render_puts_it(tmp_path: Path, tiles: TileMap) -> None:
    (tmp_path / "pictures").mkdir()
    tiles.write(pictures_folder(tmp_path) / "tiles.json")
    assert read_tile_map(tmp_path, ALL) == tiles


@pytest.mark.parametrize(
    "name", ["sound_ear_swap", "sound_time_shift", "sound_gain_db", "sound_mask", "sound_mask_size"]
)
def test_values_that_cannot_be_drawn_from_are_named(name: str) -> None:
    assert sound_augmentation_problems(ALL) == []
    for value in (-0.1, 25.0, float("nan")):
        problems = sound_augmentation_problems(replace(ALL, **{name: value}))
        assert [problem.where for problem in problems] == [name]
