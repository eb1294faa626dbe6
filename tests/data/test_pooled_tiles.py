"""Pooled tiles: numbers by hand, the tile map when there is one, a grid when there is none."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatial_swin.audio.manifest import TILES
from spatial_swin.audio.tiles import tile_map
from spatial_swin.data.pooled_tiles import BANDS, pool_tile, pooled_picture, pooled_tiles


def test_bands_of_a_tile_by_hand() -> None:
    pixels = np.repeat(np.arange(BANDS, dtype=np.float32), 3)[:, None] * np.ones((1, 10), np.float32)
    found = pool_tile(pixels).reshape(BANDS, 4)
    np.testing.assert_allclose(found[:, 0], np.arange(BANDS))
    np.testing.assert_allclose(found[:, 1], 0)
    ramp = np.tile(np.arange(101, dtype=np.float32), (BANDS, 1))
    np.testing.assert_allclose(pool_tile(ramp).reshape(BANDS, 4)[0], [50, ramp[0].std(), 10, 90])


@pytest.mark.parametrize("with_map", [True, False])
def test_a_bright_tile_is_bright_in_its_own_features_only(tmp_path: Path, with_map: bool) -> None:
    if with_map:
        tile_map("4x4", 192, 48_000, 3.0).write(tmp_path / TILES)
    pixels = np.zeros((192, 192), np.uint8)
    pixels[48:96, 96:144] = 200  # second row, third column
    Image.fromarray(pixels).save(tmp_path / "x.png")
    means = pooled_tiles(tmp_path, ["x.png"]).reshape(16, BANDS, 4)[:, :, 0]
    assert (means[6] == 200).all()
    assert means.sum() == 200 * BANDS


def test_a_picture_in_memory_gives_the_numbers_of_its_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (192, 192), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    tiles = tile_map("4x4", 192, 48_000, 3.0)
    tiles.write(tmp_path / TILES)
    assert np.array_equal(pooled_picture(pixels, tiles), pooled_tiles(tmp_path, ["x.png"])[0])
    assert not np.array_equal(pooled_picture(pixels[:160, :160], tiles), pooled_picture(pixels, tiles))


@pytest.mark.parametrize("side", [64, 72])  # bands of a tile all alike, and not: 72 / 4 is no multiple of BANDS
def test_all_tiles_at_once_have_the_numbers_of_one_by_one(side: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    quarter = side // 4
    one_by_one = [
        pool_tile(picture[y : y + quarter, x : x + quarter].astype(np.float32))
        for y in range(0, side, quarter)
        for x in range(0, side, quarter)
    ]
    assert np.array_equal(pooled_picture(picture, None), np.concatenate(one_by_one))
