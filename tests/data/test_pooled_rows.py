"""Pooled rows know what was where in frequency, not when, and see exchanged ears as the tile map has them."""

import pytest
import torch

from spatial_swin.audio.tiles import ARRANGEMENTS, TileMap, tile_map
from spatial_swin.data.pooled_relations import relations
from spatial_swin.data.pooled_rows import CELLS, PERCENTILES, both_ways_round, pooled_rows

SIZE = 192


@pytest.fixture(params=sorted(ARRANGEMENTS))
def tiles(request: pytest.FixtureRequest) -> TileMap:
    return tile_map(request.param, SIZE, 48_000, 3.0)


def mosaics(count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    grey = torch.randint(0, 256, (count, 1, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    return grey.expand(-1, 3, -1, -1)


def test_every_row_has_its_mean_spread_and_percentiles() -> None:
    tiles = tile_map("4x4", SIZE, 48_000, 3.0)
    pixels, first = mosaics(), next(iter(tiles))
    pooled = pooled_rows(pixels, tiles)
    timeless = sum(tile.horizontal != "time" for tile in tiles)
    rows = first.height * (len(tiles.tiles) - timeless)
    more = sum(part.shape[1] for part in relations(pixels[:, 0].float(), list(tiles)))
    assert pooled.shape == (3, rows * (2 + len(PERCENTILES)) + timeless * CELLS**2 + more)
    box = pixels[:, 0, first.rows, first.columns].float()
    assert torch.allclose(pooled[:, : first.height], box.mean(2))
    assert torch.allclose(pooled[:, first.height : 2 * first.height], box.std(2))
    median = pooled[:, 2 * first.height : 5 * first.height].reshape(3, first.height, 3)[:, :, 1]
    assert torch.allclose(median, box.sort(2).values[:, :, (first.width - 1) // 2] - box.mean(2))


def test_when_it_was_does_not_matter(tiles: TileMap) -> None:
    pixels = mosaics().clone()
    before = pooled_rows(pixels, tiles)
    for tile in (t for t in tiles if t.horizontal == "time"):
        pixels[..., tile.rows, tile.columns] = pixels[..., tile.rows, tile.columns].roll(7, -1)
    assert torch.allclose(before, pooled_rows(pixels, tiles), atol=1e-4)


def test_the_other_way_round_is_that_of_the_exchanged_ears(tiles: TileMap) -> None:
    pixels = mosaics()
    one, other = both_ways_round(pixels, tiles)
    assert torch.equal(one, pooled_rows(pixels, tiles))
    assert not torch.allclose(one, other)
    left, right = tiles["magnitude_left"], tiles["magnitude_right"]
    swapped = pixels.clone()
    swapped[..., left.rows, left.columns] = pixels[..., right.rows, right.columns]
    assert torch.equal(other[:, : left.height], pooled_rows(swapped, tiles)[:, : left.height])
