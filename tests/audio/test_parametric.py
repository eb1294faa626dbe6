"""The parametric listener: left is left, delays are those of a sphere, ears differ, elevation and front/back show."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from spatial_swin.audio import parametric
from spatial_swin.audio.parametric import SPEED_OF_SOUND, draw_head, impulse_responses
from spatial_swin.layouts import all_directions

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
    mirrored_delay, mirrored_level = delay_and_level(seed, -90)
    assert mirrored_delay == pytest.approx(-delay, rel=0.2)
    assert mirrored_level < -6


def ear_difference(seed: int, low: float = 200, high: float = 16_000, count: int = 32) -> np.ndarray:
    """Left over right in dB of a source in front, in `count` bands as wide as each other on the ERB scale."""
    edges = (
        10 ** (np.linspace(*(21.4 * np.log10(1 + 0.00437 * np.array([low, high]))), count + 1) / 21.4) - 1
    ) / 0.00437
    ears = impulse_responses(seed, np.array([0.0]), np.array([0.0]), RATE)[0].astype(float)
    power, frequency = np.abs(np.fft.rfft(ears, 4096)) ** 2, np.fft.rfftfreq(4096, 1 / RATE)
    bands = np.stack([power[:, (frequency >= a) & (frequency < b)].sum(axis=1) for a, b in pairwise(edges)], axis=1)
    return 10 * np.log10(bands[0] / bands[1])


def test_ears_differ_as_much_as_those_of_measured_people() -> None:
    # 42 people of CIPIC and LISTEN, rms over bands: 1.03 to 4.92 dB, quartiles 1.74, 2.77, 3.45
    people = np.array([np.sqrt(np.mean(ear_difference(seed) ** 2)) for seed in range(1, 201)])
    np.testing.assert_allclose(np.percentile(people, (25, 50, 75)), (1.74, 2.77, 3.45), atol=0.25)
    assert 0.5 < people.min() < 1.5
    assert 4 < people.max() < 7


def test_heads_look_a_few_degrees_past_the_front_to_either_side() -> None:
    # right minus left: 42 people have a standard deviation of 41 microseconds, 123 at most
    delays = np.array([delay_and_level(seed, 0)[0] for seed in range(1, 101)]) * 1e3
    assert 30 < delays.std() < 60
    assert abs(delays.mean()) < 15
    turns = np.array([draw_head(seed).turn for seed in range(300)])
    assert turns.std() == pytest.approx(3, rel=0.15)
    assert np.abs(turns).max() <= 8


def test_a_turned_head_hears_as_a_straight_one_hears_sources_turned_back(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = draw_head(4)
    elevations = np.array([0.0, 30.0, -20.0])
    heard = impulse_responses(4, np.array([10.0, 110.0, -60.0]) + turned.turn, elevations, RATE)
    monkeypatch.setattr(parametric, "draw_head", lambda seed: replace(turned, turn=0.0))
    straight = impulse_responses(4, np.array([10.0, 110.0, -60.0]), elevations, RATE)
    np.testing.assert_allclose(heard, straight, atol=1e-6)


def test_ears_of_one_person_are_more_alike_than_those_of_two() -> None:
    pairs = [draw_head(seed).ears for seed in range(200)]
    own = np.mean([np.corrcoef(a.irregularities.ravel(), b.irregularities.ravel())[0, 1] for a, b in pairs])
    foreign = np.corrcoef(*[np.stack([p[k].irregularities for p in pairs[k::2]]).ravel() for k in (0, 1)])[0, 1]
    assert own > 0.35
    assert abs(foreign) < 0.1
    gains = np.array([a.gain - b.gain for a, b in pairs])
    assert 0.4 < gains.std() < 0.8


def test_no_head_of_many_is_ever_nan_or_silent_or_loud() -> None:
    azimuths, elevations = np.array(
        [*all_directions(), *((a, e) for a in range(-180, 180, 45) for e in (-90, -40, 90))]
    ).T
    for seed in range(200):
        responses = impulse_responses(seed, azimuths, elevations, RATE)
        assert np.isfinite(responses).all(), seed
        level = 10 * np.log10((responses.astype(float) ** 2).sum(axis=2))
        assert level.min() > -35, seed
        assert level.max() < 25, seed


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
    drawn = np.stack([draw_head(seed).ears[seed % 2].irregularities for seed in range(300)])  # [heads, shapes, knots]
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
