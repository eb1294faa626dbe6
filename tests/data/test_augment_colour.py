"""A colour added to a mosaic is what a filter does to the sound before its cues are computed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spatial_swin.audio.mosaic import mosaic
from spatial_swin.audio.spectra import erb_rate
from spatial_swin.audio.tiles import ARRANGEMENTS, HIGHEST, LOWEST, TileMap, tile_map
from spatial_swin.data.augment_colour import KNOTS, LOW_EARS, colour, unseen
from spatial_swin.data.augment_sound import SoundAugmentationArguments, augment_sound

RATE, SIZE, SECONDS = 48_000, 192, 1.0
COLUMNS = 2  # grey steps that band averages and rounding may cost


@pytest.fixture(params=sorted(ARRANGEMENTS))
def tiles(request: pytest.FixtureRequest) -> TileMap:
    return tile_map(request.param, SIZE, RATE, SECONDS)


def noise() -> torch.Tensor:
    """Pink noise [1, 2, N], partly the same in both ears."""
    spectrum = torch.fft.rfft(torch.randn(3, int(RATE * SECONDS), generator=torch.Generator().manual_seed(1)))
    spectrum /= torch.arange(1, spectrum.shape[-1] + 1).sqrt()
    one, other, common = torch.fft.irfft(spectrum)
    return torch.stack([one + common, other + common])[None] * 0.05


def filtered(sound: torch.Tensor, left: np.ndarray, right: np.ndarray) -> torch.Tensor:
    """`sound` through zero-phase filters with these dB at the knots."""
    frequency = torch.fft.rfftfreq(sound.shape[-1], 1 / RATE)
    low, high = erb_rate(torch.tensor([LOWEST, HIGHEST])).tolist()
    at = (erb_rate(frequency).numpy() - low) / (high - low) * (KNOTS - 1)
    gains = [10 ** (np.interp(at, np.arange(KNOTS), knots) / 20) for knots in (left, right)]
    return torch.fft.irfft(torch.fft.rfft(sound) * torch.from_numpy(np.stack(gains)), n=sound.shape[-1]).float()


def test_a_colour_of_both_ears_is_a_filter_before_the_cues(tiles: TileMap) -> None:
    knots = np.random.default_rng(0).uniform(-6, 6, KNOTS)
    sound = noise()
    wanted = mosaic(filtered(sound, knots, knots), RATE, tiles.arrangement, SIZE)
    pixels = mosaic(sound, RATE, tiles.arrangement, SIZE)[:, None]
    colour(pixels, knots[None], np.zeros((1, KNOTS)), tiles.tiles)
    assert largest_median_error(tiles, pixels[:, 0], wanted) <= COLUMNS


def test_a_colour_of_the_ears_is_a_filter_of_each(tiles: TileMap) -> None:
    knots = np.random.default_rng(1).uniform(-4, 4, KNOTS)
    half = knots * np.linspace(LOW_EARS, 1, KNOTS) / 2
    sound = noise()
    wanted = mosaic(filtered(sound, half, -half), RATE, tiles.arrangement, SIZE)
    before = mosaic(sound, RATE, tiles.arrangement, SIZE)[:, None]
    pixels = before.clone()
    colour(pixels, np.zeros((1, KNOTS)), knots[None], tiles.tiles)
    names = {t.name for t in tiles if t.unit == "dB" and t.low < 0 and t.name not in ("mid", "side")}
    assert largest_median_error(tiles, pixels[:, 0], wanted, names) <= COLUMNS
    assert largest_median_error(tiles, before[:, 0], wanted, names) > COLUMNS  # the test can fail


def largest_median_error(
    tiles: TileMap, one: torch.Tensor, other: torch.Tensor, names: set[str] | None = None
) -> float:
    """The largest median difference of a row of the tiles, of which a few rows at the lowest frequencies are left out:
    there a band is one or two bins wide."""
    errors = []
    for tile in (t for t in tiles if t.unit == "dB" and t.low < 0 and (names is None or t.name in names)):
        rows = slice(tile.y, tile.y + tile.height * 3 // 4)
        difference = (one[:, rows, tile.columns].int() - other[:, rows, tile.columns].int()).float()
        errors.append(difference.abs().median(dim=2).values.max().item())
    return max(errors)


def test_only_levels_over_frequency_move_and_what_is_unseen_stays(tiles: TileMap) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (3, 1, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    before = pixels.clone()
    colour(pixels, np.full((3, KNOTS), 9.0), np.full((3, KNOTS), 4.0), tiles.tiles)
    for tile in tiles:
        old, new = before[..., tile.rows, tile.columns], pixels[..., tile.rows, tile.columns]
        moves = tile.unit == "dB" and tile.low < 0
        assert torch.equal(old, new) is not moves
        assert torch.equal(old == unseen(tile), (old == unseen(tile)) & (new == old))


def test_it_is_drawn_for_each_sample_by_its_key() -> None:
    tiles = tile_map("4x4", SIZE, RATE, SECONDS)
    arguments = replace(SoundAugmentationArguments(), sound_colour_db=6.0, sound_ear_colour_db=2.0)
    pixels = torch.full((4, 3, SIZE, SIZE), 90, dtype=torch.uint8)
    whole = augment_sound(pixels, [1, 2, 3, 4], 0, 7, arguments, tiles)
    assert torch.equal(augment_sound(pixels[2:3], [3], 0, 7, arguments, tiles)[0], whole[2])
    assert len({w.numpy().tobytes() for w in whole}) == 4
