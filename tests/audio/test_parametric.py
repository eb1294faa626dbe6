"""The parametric listener: left is left, delays are those of a sphere, elevation and front/back show."""

import numpy as np
import pytest

from spatial_swin.audio.parametric import SPEED_OF_SOUND, draw_head, impulse_responses

RATE = 48_000


def delay_and_level(seed: int, azimuth: float, elevation: float = 0.0) -> tuple[float, float]:
    """Right minus left delay below 1.5 kHz in ms, and left over right in dB."""
    left, right = impulse_responses(seed, np.array([azimuth]), np.array([elevation]), RATE)[0].astype(float)
    frequency = np.fft.rfftfreq(8192, 1 / RATE)
    band = (frequency > 300) & (frequency < 1_500)
    phase = np.unwrap(np.angle(np.fft.rfft(left, 8192) * np.conj(np.fft.rfft(right, 8192)))[band])
    slope = np.polyfit(2 * np.pi * frequency[band], phase, 1)[0]
    return slope * 1e3, 10 * np.log10(np.sum(left**2) / np.sum(right**2))


@pytest.mark.parametrize("seed", [0, 1, 17])
def test_a_source_at_the_left_comes_first_and_louder_to_ear_0(seed: int) -> None:
    delay, level = delay_and_level(seed, 90)
    woodworth = draw_head(seed).radius / SPEED_OF_SOUND * (1 + np.pi / 2) * 1e3
    assert delay == pytest.approx(woodworth, rel=0.3)
    assert level > 6
    mirrored = delay_and_level(seed, -90)
    assert mirrored == pytest.approx((-delay, -level), rel=1e-3)


def test_a_source_in_front_is_the_same_at_both_ears() -> None:
    left, right = impulse_responses(3, np.array([0.0]), np.array([0.0]), RATE)[0]
    np.testing.assert_allclose(left, right, atol=1e-6)


def spectrum(seed: int, azimuth: float, elevation: float, low: float = 4_000, high: float = 16_000) -> np.ndarray:
    response = impulse_responses(seed, np.array([azimuth]), np.array([elevation]), RATE)[0, 0]
    frequency = np.fft.rfftfreq(len(response), 1 / RATE)
    power = 20 * np.log10(np.abs(np.fft.rfft(response)) + 1e-9)
    return power[(frequency > low) & (frequency < high)]


def test_elevation_and_behind_are_heard_between_4_and_16_khz() -> None:
    ahead = spectrum(5, 0, 0)
    assert np.abs(spectrum(5, 0, 30) - ahead).mean() > 1.5
    assert np.abs(spectrum(5, 180, 0) - ahead).mean() > 1.5


def test_the_torso_writes_elevation_below_4_khz_as_measured_heads_do() -> None:
    # rms between 30 degrees and ear level from 1 to 4 kHz: KEMAR 2 dB, CIPIC 003 and LISTEN 1002 2 to 3 dB
    size = [
        np.sqrt(np.mean((spectrum(seed, side, 30, 1_000, 4_000) - spectrum(seed, side, 0, 1_000, 4_000)) ** 2))
        for seed in range(20)
        for side in (30, 110)
    ]
    assert 1 < np.median(size) < 4


def test_no_two_ears_have_the_same_irregularities() -> None:
    drawn = np.stack([draw_head(seed).irregularities for seed in range(300)])  # [heads, shapes, knots]
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.7)
    np.testing.assert_allclose(drawn.std(axis=(0, 1))[[0, -1]], (0.5, 2.5), rtol=0.1)


def test_listeners_differ_and_repeat() -> None:
    place = np.array([30.0]), np.array([30.0])
    np.testing.assert_array_equal(impulse_responses(8, *place, RATE), impulse_responses(8, *place, RATE))
    assert np.abs(spectrum(8, 30, 30) - spectrum(9, 30, 30)).mean() > 1
    radii = [draw_head(seed).radius for seed in range(200)]
    assert 0.07 < min(radii) < 0.083
    assert 0.092 < max(radii) < 0.103


@pytest.mark.parametrize("rate", [32_000, 44_100, 96_000])
def test_other_rates_hear_the_same_delay(rate: int) -> None:
    responses = impulse_responses(2, np.array([90.0]), np.array([0.0]), rate)[0]
    onset = [int((np.abs(ear) > 0.2 * np.abs(ear).max()).argmax()) / rate for ear in responses]
    assert onset[1] - onset[0] == pytest.approx(0.66e-3, abs=0.2e-3)


@pytest.mark.parametrize("seed", [43, 130, 177])
def test_responses_are_finite_and_smooth_below_the_horizon_behind(seed: int) -> None:
    elevations = np.arange(-90.0, 91.0, 5.0)
    responses = impulse_responses(seed, np.full(len(elevations), 170.0), elevations, RATE)
    assert np.isfinite(responses).all()
    below, at, above = impulse_responses(seed, np.full(3, 180.0), np.array([-0.01, 0.0, 0.01]), RATE)
    np.testing.assert_allclose(below - at, at - above, atol=1e-4)
