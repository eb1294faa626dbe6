"""Loudness: one gain for both ears, -23 LUFS, silence reported and not boosted, clipping flagged."""

import numpy as np
import pytest

from spatial_swin.audio.loudness import loudness, match_loudness

RATE = 48_000


def noise(seconds: float = 3.0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(0).standard_normal((2, round(seconds * RATE)))).astype(np.float32)


def test_a_997_hz_sine_of_minus_20_db_in_both_ears_reads_minus_20_lufs() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 997 * np.arange(5 * RATE) / RATE)  # BS.1770-4: one channel at 0 dB reads -3.01
    assert loudness(np.stack([tone, tone]), RATE) == pytest.approx(-20.0, abs=0.1)


@pytest.mark.parametrize("level", [0.01, 0.1, 0.5])
def test_sound_is_brought_to_minus_23_lufs_by_one_gain(level: float) -> None:
    sound = noise(level=level)
    sound[1] *= 0.3
    matched, found = match_loudness(sound, RATE)
    assert loudness(matched, RATE) == pytest.approx(-23.0, abs=0.05) == found.after
    np.testing.assert_allclose(matched[0] / sound[0], matched[1] / sound[1], rtol=1e-4)
    assert found.flags == ()


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_silence_is_reported_and_not_boosted(level: float) -> None:
    sound = noise(level=level)
    matched, found = match_loudness(sound, RATE)
    assert found.flags == ("silent",)
    np.testing.assert_array_equal(matched, sound)


def test_what_exceeds_full_scale_is_limited_and_flagged() -> None:
    sound = noise(level=0.003)
    sound[:, ::6000] = 0.9  # clicks between very soft noise
    matched, found = match_loudness(sound, RATE)
    assert found.flags == ("clipped",)
    assert np.abs(matched).max() == 1.0
    assert found.after < -23.0


def test_a_clip_shorter_than_a_gating_block_is_measured() -> None:
    matched, found = match_loudness(noise(0.25), RATE)
    assert np.isfinite(found.before)
    assert matched.shape == (2, RATE // 4)
