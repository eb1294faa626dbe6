"""Sound without a head: two channels each, what the names promise, and no kind both fitted and held back."""

import numpy as np
import pytest

from spatial_swin.audio import headless
from spatial_swin.audio.kinds import programme
from spatial_swin.audio.render import Scene, Stem, loudspeaker_signals
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import LAYOUTS

RATE = 48_000
ALL = {**headless.FITTED, **headless.UNSEEN}


@pytest.fixture(scope="module")
def scene() -> Scene:
    return programme("stems", 3, 1, 0.5, RATE)


def one_source(azimuth: float) -> Scene:
    noise = np.random.default_rng(0).standard_normal(RATE // 2).astype(np.float32)
    return Scene("one", RATE, (Stem(noise, np.array([azimuth]), np.array([0.0])),))


def lag(ears: np.ndarray) -> int:
    """Samples by which the right channel is later."""
    product = np.fft.rfft(ears[1], 2 * ears.shape[1]) * np.fft.rfft(ears[0], 2 * ears.shape[1]).conj()
    correlation = np.fft.irfft(product)
    at = int(correlation.argmax())
    return at if at < ears.shape[1] else at - 2 * ears.shape[1]


@pytest.mark.parametrize("name", ALL)
def test_every_kind_gives_two_finite_channels_and_the_same_for_the_same_key(name: str, scene: Scene) -> None:
    first, second = (ALL[name](keyed_generator(1, name), scene) for _ in range(2))
    assert first.shape == (2, RATE // 2)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.abs(first).max() > 0.01
    assert np.array_equal(first, second)


def test_no_kind_is_both_fitted_and_held_back() -> None:
    assert not set(headless.FITTED) & set(headless.UNSEEN)
    assert not set(headless.FITTED.values()) & set(headless.UNSEEN.values())


def test_stereo_is_the_loudspeaker_mix_and_mono_is_the_same_in_both_channels() -> None:
    scene, draw = one_source(30), keyed_generator(0)
    assert np.array_equal(headless.stereo(draw, scene), loudspeaker_signals(scene, LAYOUTS["200"]))
    left, right = headless.mono_copied(draw, scene)
    assert np.array_equal(left, right)


def test_renderers_and_microphones_delay_the_far_side_and_a_coincident_pair_does_not() -> None:
    draw, left = keyed_generator(0), one_source(90)
    assert lag(headless.delays(draw, left)) == round(headless.EAR_DELAY * RATE)
    assert lag(headless.spaced_pair(draw, left)) >= round(0.2 / 343 * RATE)
    pair = headless.coincident_pair(draw, left)
    assert lag(pair) == 0
    assert np.std(pair[0]) > 3 * np.std(pair[1])


def test_crossfeed_reaches_the_other_side_dull_and_the_telephone_has_no_treble() -> None:
    draw = keyed_generator(0)
    crossed = headless.crossfeed(draw, one_source(30))  # in the left loudspeaker alone
    power = np.abs(np.fft.rfft(crossed)) ** 2
    treble, bass = (power[:, slice(*band)].mean(axis=1) for band in ((2500, 5000), (50, 200)))
    assert bass[1] / bass[0] > 0.05
    assert treble[1] / treble[0] < 0.2 * bass[1] / bass[0]
    call = np.abs(np.fft.rfft(headless.telephone(draw, one_source(0))[0])) ** 2
    assert call[4000:].sum() < 1e-3 * call.sum()  # bins of 2 Hz: above 8 kHz
