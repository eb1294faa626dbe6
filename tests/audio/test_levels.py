"""Programme loudness and true peak: the tables of BS.1770, another implementation, and peaks between the samples."""

import math

import numpy as np
import pyloudnorm
import pytest

from spatial_swin.audio.levels import LevelMeter, LoudnessMeter, TruePeakMeter, k_weighting, weight_of
from spatial_swin.layouts import LAYOUTS

RATE = 48_000


def tone(frequency: float, level: float, seconds: float = 2.0, phase: float = 0.0) -> np.ndarray:
    return level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE + phase)


def measured(sound: np.ndarray, weights: list[float], block: int = 10_007) -> tuple[float, float]:
    meter = LevelMeter(RATE, weights)
    for start in range(0, sound.shape[1], block):
        meter.add(sound[:, start : start + block])
    return meter.levels.loudness, meter.levels.true_peak


def test_the_k_weighting_is_that_of_the_tables_at_48_khz() -> None:
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
    low_cut = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]
    np.testing.assert_allclose(k_weighting(RATE), [shelf, low_cut], atol=1e-9)


def test_a_sine_of_minus_20_db_in_one_channel_reads_minus_23_and_beside_one_and_a_half_more() -> None:
    sound = tone(997, 0.1)[None]
    assert measured(sound, [1.0])[0] == pytest.approx(-23.01, abs=0.05)
    weights = [weight_of(speaker) for speaker in LAYOUTS["514"].loudspeakers]
    assert [round(10 * math.log10(w), 2) if w else None for w in weights] == [0, 0, 0, None, 1.5, 1.5, 0, 0, 0, 0]
    assert measured(sound, [weights[4]])[0] == pytest.approx(-21.51, abs=0.05)
    assert measured(sound, [weights[3]])[0] == -math.inf


def test_loudness_is_gated_as_another_implementation_gates_it() -> None:
    sound = np.random.default_rng(0).standard_normal((5, 4 * RATE))
    sound *= np.repeat([0.1, 0.002, 1e-5, 0.05], RATE)
    expected = pyloudnorm.Meter(RATE).integrated_loudness(sound.T)  # weights of its five channels: 1, 1, 1, 1.41, 1.41
    assert measured(sound, [1, 1, 1, 1.41, 1.41])[0] == pytest.approx(expected, abs=0.1)


def test_blocks_do_not_change_what_is_measured() -> None:
    sound = np.random.default_rng(1).standard_normal((2, 3 * RATE)) * 0.1
    assert measured(sound, [1, 1], 997) == pytest.approx(measured(sound, [1, 1], 3 * RATE), abs=1e-9)


def test_silence_and_clips_shorter_than_a_block_are_measured() -> None:
    assert measured(np.zeros((2, RATE)), [1, 1]) == (-math.inf, -math.inf)
    assert measured(tone(997, 0.1, 0.05)[None], [1.0])[0] == pytest.approx(-23.01 - 9.03, abs=0.3)


def test_the_true_peak_between_samples_is_found() -> None:
    sound = tone(RATE / 4, 0.5, 0.2, np.pi / 4)[None]
    sound *= np.hanning(sound.shape[1])  # no edge that overshoots
    assert 20 * np.log10(np.abs(sound).max()) == pytest.approx(-9.03, abs=0.01)
    assert measured(sound, [1.0])[1] == pytest.approx(-6.02, abs=0.02)


@pytest.mark.parametrize(("rate", "times"), [(44_100, 4), (48_000, 4), (96_000, 2), (192_000, 1)])
def test_peaks_are_looked_for_at_192_khz_or_close_to_it(rate: int, times: int) -> None:
    meter = TruePeakMeter(rate, 1)
    assert meter.times == times
    meter.add(np.eye(1, 1_000, 500))
    assert meter.true_peak == pytest.approx(0, abs=0.01)


def test_a_peak_at_the_seam_of_two_blocks_or_at_the_end_is_found() -> None:
    sound = tone(RATE / 4, 0.5, 0.1, np.pi / 4)[None] * np.hanning(4800)
    parts, whole = TruePeakMeter(RATE, 1), TruePeakMeter(RATE, 1)
    whole.add(sound)
    for part in (sound[:, :2400], sound[:, 2400:]):
        parts.add(part)
    assert parts.true_peak == pytest.approx(whole.true_peak, abs=1e-9)
    end = TruePeakMeter(RATE, 1)
    end.add(sound[:, :2400])
    assert end.true_peak > -6.5


def test_channels_are_weighted_and_summed() -> None:
    meter = LoudnessMeter(RATE, [1.0, 1.0])
    meter.add(np.stack([tone(997, 0.1), tone(997, 0.1)]))
    assert meter.loudness == pytest.approx(-20.0, abs=0.05)
