"""The cues that were tried on heads never heard: exchanged ears and another colour of both change nothing."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from cue_features import BANDS, COLUMNS, FEATURES, band_spectra, pooled_picture
from cue_network import as_other_heads, fit, network_input, probabilities, swapped

RATE = 48_000


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """Two recordings [2, 2, N] of noise that reaches the right ear later and softer."""
    noise = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32) / 30
    noise *= np.repeat([0.3, 1.0, 0.5, 0.9], RATE // 4).astype(np.float32)
    return np.stack([noise, 0.5 * np.roll(noise, 12, axis=1)], axis=1)


@pytest.fixture(scope="module")
def bands(sound: np.ndarray) -> np.ndarray:
    return band_spectra(sound, RATE)


def test_band_spectra_hold_the_level_difference_and_the_phase(bands: np.ndarray) -> None:
    assert bands.shape == (2, 4, BANDS, COLUMNS)
    assert np.median(bands[:, 0] - bands[:, 1]) == pytest.approx(6, abs=0.2)
    size = np.hypot(bands[:, 2].astype(float), bands[:, 3])
    assert np.median(size[:, :10]) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", FEATURES)
def test_features_are_finite_and_the_same_for_exchanged_ears(name: str, sound: np.ndarray, bands: np.ndarray) -> None:
    one, other = FEATURES[name](bands), FEATURES[name](band_spectra(np.ascontiguousarray(sound[:, ::-1]), RATE))
    assert np.isfinite(one).all()
    assert one == pytest.approx(other, rel=0.02, abs=0.05)


def test_the_network_sees_neither_gain_nor_constant_colour_of_both_ears(bands: np.ndarray) -> None:
    coloured = bands.copy()
    coloured[:, :2] += np.linspace(3, 9, BANDS).astype(np.float16)[:, None]
    difference = (network_input(bands) - network_input(coloured)).abs()
    assert float(difference.quantile(0.99)) < 0.01


def test_other_heads_keep_shapes_and_exchanged_ears_come_back(bands: np.ndarray) -> None:
    x = network_input(bands)
    assert torch.equal(swapped(swapped(x)), x)
    torch.manual_seed(0)
    assert as_other_heads(x).shape == x.shape
    assert bool(torch.isfinite(as_other_heads(x)).all())


def test_the_network_learns_what_is_there_and_repeats_itself(bands: np.ndarray) -> None:
    many, labels = np.repeat(bands, 8, axis=0), np.arange(16) % 2
    many[labels == 1, 2] *= -1
    tables = [probabilities(fit(many, labels, 12, seed=3), many) for _ in range(2)]
    assert np.array_equal(*tables)
    assert (tables[0].argmax(axis=1) == labels).mean() > 0.9


def test_todays_cues_are_those_of_the_drawn_picture(sound: np.ndarray) -> None:
    assert pooled_picture(sound, RATE).shape == (2, 16 * 8 * 4)
