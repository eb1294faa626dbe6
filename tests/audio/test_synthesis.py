"""Synthetic programmes: seeded, finite, various, and never without surround and height."""

import numpy as np
import pytest

from spatial_swin.audio.sounds import KINDS
from spatial_swin.audio.synthesis import GROUPS, TAKES, energy_shares, synthetic_scene
from spatial_swin.keyed_random import keyed_generator

RATE, SECONDS = 48_000, 1.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_every_sound_is_finite_and_audible_and_its_own(kind: str, seed: int) -> None:
    first, again, other = (KINDS[kind](keyed_generator(kind, s), RATE, RATE) for s in (seed, seed, seed + 1))
    assert first.shape == (RATE,)
    assert np.isfinite(first).all()
    assert np.sqrt(np.mean(first**2)) > 1e-3
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_same_seed_gives_the_same_scene_and_another_number_another() -> None:
    first, again = synthetic_scene(1, 7, SECONDS, RATE), synthetic_scene(1, 7, SECONDS, RATE)
    assert [s.kind for s in first.stems] == [s.kind for s in again.stems]
    for stem, twin in zip(first.stems, again.stems, strict=True):
        np.testing.assert_array_equal(stem.signal, twin.signal)
        np.testing.assert_array_equal(stem.azimuth, twin.azimuth)
    other = synthetic_scene(1, 8, SECONDS, RATE)
    assert not np.array_equal(first.stems[0].signal, other.stems[0].signal)


def test_every_programme_has_front_surround_and_height() -> None:
    scenes = [synthetic_scene(0, number, SECONDS, RATE) for number in range(12)]
    shares = [energy_shares(scene.stems) for scene in scenes]
    assert all(share[group] > 0.12 for share in shares for group in GROUPS)
    assert all(np.isfinite(stem.signal).all() for scene in scenes for stem in scene.stems)
    kinds = {stem.kind for scene in scenes for stem in scene.stems}
    assert kinds == {*KINDS, "bed", "reverberation"}
    assert any(stem.moves for scene in scenes for stem in scene.stems)
    assert {scene.lfe is None for scene in scenes} == {True, False}
    assert all(stem.signal.dtype == np.float32 for stem in scenes[0].stems)


def test_beds_are_decorrelated_within_what_a_head_can_notice() -> None:
    bed = [s.signal for s in synthetic_scene(0, 3, 2.0, RATE).stems if s.kind == "bed"]
    assert len(bed) == 10 > TAKES
    for first in range(len(bed)):
        for second in range(first):
            a, b = (x / np.linalg.norm(x) for x in (bed[first], bed[second]))
            lags = [float(np.dot(a, np.roll(b, lag))) for lag in range(-48, 49, 4)]
            assert np.abs(lags).max() < 0.5, (first, second)


def test_length_and_rate_are_those_asked_for() -> None:
    scene = synthetic_scene(0, 0, 0.7, 44_100)
    assert {len(stem.signal) for stem in scene.stems} == {round(0.7 * 44_100)}
    assert scene.name == "synthetic0-000000"
