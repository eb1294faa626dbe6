"""Cues at onsets and where the ears agree, and what moves together: pictures whose answer is known."""

import pytest
import torch

from spatial_swin.audio.tiles import ARRANGEMENTS, CUES, TileMap, tile_map
from spatial_swin.data.pooled_relations import (
    COHERENCE,
    LEVEL,
    ONSETS,
    PAIRS,
    SCALE,
    correlation,
    relations,
    same_rows,
)

SIZE = 192
TILES = tile_map("4x4", SIZE, 48_000, 3.0)


def weighted(grey: torch.Tensor) -> dict[str, torch.Tensor]:
    """[rows] by tile and what weighs it, in the order of `relations`, of one mosaic [S, S]."""
    timed = [tile for tile in TILES if tile.horizontal == "time"]
    names = []
    for tile in timed:
        names += [f"{tile.name} at onsets"] if tile.name != ONSETS else []
        names += [f"{tile.name} where coherent"] if same_rows(tile, TILES[COHERENCE]) else []
    found = relations(grey[None], list(TILES))
    assert len(found) == len(names) + len(PAIRS)
    return {name: part[0] for name, part in zip(names, found, strict=False)}


def painted(**boxes: torch.Tensor) -> torch.Tensor:
    """A mosaic [S, S] of grey 100 with these tiles painted."""
    grey = torch.full((SIZE, SIZE), 100.0)
    for name, box in boxes.items():
        grey[TILES[name].rows, TILES[name].columns] = box
    return grey


def test_a_cue_that_never_changes_is_the_same_at_all_moments() -> None:
    onsets = torch.rand(48, 48, generator=torch.Generator().manual_seed(0)) * 255
    for name, part in weighted(painted(pcen=onsets, msc_4096=onsets)).items():
        if not name.startswith((ONSETS, COHERENCE)):
            assert part.abs().max() < 1e-3, name


def test_onsets_and_coherence_choose_their_moments_row_by_row() -> None:
    """The ILD is 200 where the row has its onset or the ears agree, 100 elsewhere."""
    moments = torch.zeros(48, 48)
    moments[torch.arange(48), (7 * torch.arange(48)) % 48] = 1
    ild = 100 + 100 * moments
    at_onsets = weighted(painted(pcen=255 * moments, ild=ild))["ild at onsets"]
    assert torch.allclose(at_onsets, torch.full((48,), 100 * 256 / (256 + 47) - 100 / 48), atol=0.1)
    coherent = weighted(painted(msc_4096=255 * moments, ild=ild))["ild where coherent"]
    assert torch.allclose(coherent, torch.full((48,), 100 * 1.001 / (1.001 + 47e-3) - 100 / 48), atol=0.1)


def test_rows_of_another_scale_are_weighed_by_the_onsets_of_all_rows() -> None:
    pcen, lag = torch.zeros(48, 48), torch.full((48, 48), 100.0)
    pcen[:24, 10], lag[:, 10] = 255, 200
    found = weighted(painted(pcen=pcen, gcc_phat=lag))
    assert torch.allclose(found["gcc_phat at onsets"], torch.full((48,), 100 - 100 / 48), atol=0.1)
    assert "gcc_phat where coherent" not in found


def test_a_correlation_is_that_over_time_and_nothing_where_nothing_moves() -> None:
    moving = torch.rand(1, 5, 48, generator=torch.Generator().manual_seed(1)) * 255
    assert torch.allclose(correlation(moving, 2 * moving + 7), torch.full((1, 5), SCALE), rtol=1e-3)
    assert torch.allclose(correlation(moving, -moving), torch.full((1, 5), -SCALE), rtol=1e-3)
    assert torch.equal(correlation(moving, torch.full_like(moving, 9)), torch.zeros(1, 5))


@pytest.mark.parametrize("arrangement", sorted(ARRANGEMENTS))
def test_every_arrangement_has_what_its_tiles_allow(arrangement: str) -> None:
    tiles: TileMap = tile_map(arrangement, SIZE, 48_000, 3.0)
    found = relations(torch.rand(2, SIZE, SIZE) * 255, list(tiles))
    assert all(part.shape[0] == 2 and part.isfinite().all() for part in found)
    names = {tile.name for tile in tiles if tile.horizontal == "time"}
    if ONSETS in names:
        assert len(found) >= len(names) - 1


def test_all_that_is_named_is_a_cue() -> None:
    assert {ONSETS, COHERENCE, *LEVEL, *(name for pair in PAIRS for name in pair)} - {"level"} <= CUES.keys()
