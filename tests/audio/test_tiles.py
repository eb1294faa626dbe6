"""The tile map: places, scales, names, ear-swap rules, and what happens to a damaged file."""

import json
import subprocess
import sys

import numpy as np
import pytest
from mosaics import crop, swapped_ears

from spatial_swin.audio.tiles import ARRANGEMENTS, CUES, TileMap, arrangement_named, tile_map
from spatial_swin.errors import AudioError


@pytest.mark.parametrize(
    ("name", "size", "height", "width"),
    [("4x4", 384, 96, 96), ("4x4", 224, 56, 56), ("4x4", 192, 48, 48), ("4x6", 384, 96, 64), ("4x6", 192, 48, 32)],
)
def test_tiles_cover_the_picture_once(name, size, height, width):
    tiles = tile_map(name, size, 48_000, 10.0)
    covered = np.zeros((size, size), int)
    for tile in tiles:
        assert (tile.height, tile.width) == (height, width)
        assert (tile.y, tile.x) == (tile.row * height, tile.column * width)
        covered[tile.rows, tile.columns] += 1
    assert (covered == 1).all()


def test_every_swap_has_its_partner_in_the_same_arrangement():
    for name in ARRANGEMENTS:
        tiles = tile_map(name, 384, 48_000, 10.0)
        for tile in tiles:
            kind, _, other = tile.ear_swap.partition(":")
            assert kind in ("same", "negate", "flip", "swap")
            assert not other or tiles[other].ear_swap == f"swap:{tile.name}"
            assert kind != "negate" or tile.low == -tile.high
            assert kind != "flip" or (tile.vertical == "lag" and tile.vertical_low == -tile.vertical_high)
            assert tile.low < tile.high
    assert {cue for grid in ARRANGEMENTS.values() for cue in grid.cues} == set(CUES)


def test_swapping_the_ears_twice_changes_nothing():
    tiles = tile_map("4x6", 192, 48_000, 3.0)
    picture = np.random.default_rng(0).integers(0, 256, (2, 192, 192), dtype=np.uint8)
    once = swapped_ears(tiles, picture)
    assert not np.array_equal(once, picture)
    np.testing.assert_array_equal(swapped_ears(tiles, once), picture)
    left = tiles["magnitude_left"]
    np.testing.assert_array_equal(once[:, left.rows, left.columns], crop(tiles, picture, "magnitude_right"))


def test_a_tile_map_is_read_as_written(tmp_path):
    tiles = tile_map("4x4", 384, 48_000, 10.0)
    tiles.write(tmp_path / "tiles.json")
    assert TileMap.read(tmp_path / "tiles.json") == TileMap.read(tmp_path) == tiles
    found = json.loads((tmp_path / "tiles.json").read_text())
    assert found["version"] == 1
    assert found["size"] == [384, 384]
    assert {"name", "title", "x", "y", "width", "height", "unit", "low", "high", "ear_swap"} <= found["tiles"][
        0
    ].keys()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 99}', "\x00\xff"])
def test_a_damaged_tile_map_is_named(tmp_path, text):
    path = tmp_path / "tiles.json"
    path.write_text(text)
    with pytest.raises(AudioError, match=r"tiles\.json"):
        TileMap.read(path)


def test_a_missing_tile_map_tells_who_writes_it(tmp_path):
    with pytest.raises(AudioError, match="spatial-swin mosaic"):
        TileMap.read(tmp_path)


@pytest.mark.parametrize(("name", "size"), [("4x6", 224), ("4x4", 10), ("4x4", 0), ("4x4", -384)])
def test_a_size_that_does_not_divide_is_refused(name, size):
    with pytest.raises(AudioError, match=str(size)):
        tile_map(name, size, 48_000, 10.0)


def test_an_unknown_arrangement_is_refused_with_the_known_ones():
    with pytest.raises(AudioError, match=r"5x5.*4x4, 4x6"):
        arrangement_named("5x5")


def test_tiles_need_no_torch():
    code = "import sys; import spatial_swin.audio.tiles; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
