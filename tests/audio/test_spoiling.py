"""What is done to sound: exact levels, spectra, steps and coherence; the same for the same key, alike at both ears."""

import numpy as np
import pytest
from scipy import signal

from spatial_swin.audio.loudness import loudness
from spatial_swin.audio.spoiling import (
    FULL_SCALE,
    at_level,
    diffuse_coherence,
    diffuse_noise,
    resampled,
    rounded,
    tilted,
    with_noise,
)

RATE = 48_000


@pytest.fixture(scope="module")
def ears() -> np.ndarray:
    sound = 0.05 * np.random.default_rng(0).standard_normal((2, 2 * RATE))
    return sound.astype(np.float32)


@pytest.mark.parametrize("below", [30, 20, 10])
def test_noise_lies_as_far_below_the_clip_as_asked(ears: np.ndarray, below: float) -> None:
    noise = with_noise(ears, RATE, below, ("a",)) - ears
    assert loudness(ears, RATE) - loudness(noise, RATE) == pytest.approx(below, abs=0.2)


def test_noise_depends_on_its_key_alone(ears: np.ndarray) -> None:
    one, again, other = (with_noise(ears, RATE, 20, key) for key in ((1, "a"), (1, "a"), (1, "b")))
    np.testing.assert_array_equal(one, again)
    assert np.abs(np.corrcoef((one - ears)[0], (other - ears)[0])[0, 1]) < 0.05


def test_digital_silence_gets_no_noise() -> None:
    assert not with_noise(np.zeros((2, RATE), np.float32), RATE, 10, ("a",)).any()


def test_the_noise_is_as_coherent_as_a_diffuse_field_and_pink() -> None:
    noise = diffuse_noise(20 * RATE, RATE, ("a",))
    frequency, cross = signal.csd(*noise, RATE, nperseg=2048)
    _, powers = signal.welch(noise, RATE, nperseg=2048)
    coherence = cross.real / np.sqrt(powers.prod(axis=0))
    heard = (frequency > 60) & (frequency < 16_000)
    np.testing.assert_allclose(coherence[heard], diffuse_coherence(frequency[heard]), atol=0.12)
    assert np.abs(cross.imag[heard] / np.sqrt(powers.prod(axis=0))[heard]).max() < 0.12  # nowhere is it to one side
    slope = np.polyfit(np.log2(frequency[heard]), 10 * np.log10(powers[:, heard].T), 1)[0]
    np.testing.assert_allclose(slope, -3.01, atol=0.1)
    np.testing.assert_allclose(noise.std(axis=1), 1, atol=0.1)


@pytest.mark.parametrize("decibels", [-6.0, 3.0])
def test_a_tilt_is_a_line_over_two_decades(ears: np.ndarray, decibels: float) -> None:
    pulse = np.zeros((2, RATE), np.float32)
    pulse[:, RATE // 2] = (1, 0.5)
    response = np.abs(np.fft.rfft(tilted(pulse, RATE, decibels)))
    wanted = {50: -0.5, 100: -0.5, 1_000: 0, 10_000: 0.5, 16_000: 0.5}  # shares of the tilt
    for hertz, share in wanted.items():
        np.testing.assert_allclose(20 * np.log10(response[:, hertz] / (1, 0.5)), share * decibels, atol=0.05)
    assert tilted(pulse, RATE, decibels)[0].argmax() == RATE // 2


def test_sixteen_bits_are_steps_of_a_file_that_do_not_wrap_around(ears: np.ndarray) -> None:
    steps = rounded(ears, 16).astype(np.float64) * 2**15
    np.testing.assert_array_equal(steps, np.round(steps))
    assert np.abs(steps / 2**15 - ears).max() <= 0.5 / 2**15 + 1e-9
    assert rounded(np.array([[1.5], [-1.5]], np.float32), 16).ravel() == pytest.approx([1 - 2**-15, -1])


def test_a_gain_moves_the_loudness_until_full_scale_is_reached(ears: np.ndarray) -> None:
    assert loudness(at_level(ears, -12), RATE) == pytest.approx(loudness(ears, RATE) - 12, abs=0.01)
    loud = at_level(20 * ears, 6)
    assert loud.max() == pytest.approx(FULL_SCALE, abs=1e-7)
    assert loud.min() == -1


def test_another_rate_keeps_a_tone() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(RATE) / RATE).astype(np.float32)
    low = resampled(np.stack([tone, -tone]), RATE, 44_100)
    assert low.shape == (2, 44_100)
    expected = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(44_100) / 44_100)
    np.testing.assert_allclose(low[0, 2_000:-2_000], expected[2_000:-2_000], atol=1e-3)
