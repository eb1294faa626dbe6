"""Moments are the rows of all tiles with time, cut out as they are; a network hears in them who moves with whom."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from moment_network import fit, moments, shares
from pooled_network import Pictures

from spatial_swin.audio.tiles import ARRANGEMENTS, TileMap, tile_map

SIZE = 192


@pytest.fixture(params=sorted(ARRANGEMENTS))
def tiles(request: pytest.FixtureRequest) -> TileMap:
    return tile_map(request.param, SIZE, 48_000, 3.0)


def test_every_row_of_every_timed_tile_is_there_once(tiles: TileMap) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, 1, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    timed = [tile for tile in tiles if tile.horizontal == "time"]
    found = moments(pixels, tiles)
    assert found.dtype == torch.uint8
    assert found.shape == (3, sum(tile.height for tile in timed), timed[0].width)
    last = timed[-1]
    assert torch.equal(found[:, -last.height :], pixels[:, 0, last.rows, last.columns])


def test_it_hears_what_moves_together_and_answers_excerpts() -> None:
    """Two rows that rise together, or one against the other: nothing of it is in the mean and spread of a row."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(256) % 4
    rising = torch.randint(0, 2, (256, 1, 20), generator=generator) * 100
    other = torch.where(labels[:, None, None] % 2 == 1, rising, 100 - rising)
    held = torch.where(labels[:, None, None] > 1, 200, 60).expand(-1, 10, 20)
    seen = torch.cat([rising, other, held], 1).to(torch.uint8)[None].numpy()
    network = fit(Pictures([], labels.numpy(), seen), epochs=30, seed=0)
    said = shares(network, seen)
    assert said.sum(1) == pytest.approx(1)
    assert (said.argmax(1) == labels.numpy()).mean() > 0.9
    assert shares(network, seen[..., :7]).shape == (256, 4)
    again = fit(Pictures([], labels.numpy(), seen), epochs=30, seed=0)
    assert all(torch.equal(t, again.state_dict()[n]) for n, t in network.state_dict().items())
