"""Modelled instruments: in tune, decaying as drawn, of their own spectrum, never louder than one."""

from collections.abc import Callable

import numpy as np
import pytest

from spatial_swin.audio import instruments
from spatial_swin.audio.instruments import Play
from spatial_swin.audio.sounds import Draw
from spatial_swin.keyed_random import keyed_generator

RATE = 48_000
ALL = ["plucked_string", "held", "struck_bar", "kick", "snare", "cymbal"]


def played(name: str, frequency: float = 300.0, seconds: float = 0.5, key: int = 0, rate: int = RATE) -> np.ndarray:
    build: Callable[[Draw, int], Play] = getattr(instruments, name)
    return build(keyed_generator("made", key), rate)(keyed_generator("note", key), frequency, round(seconds * rate))


def strongest(sound: np.ndarray, low: float, high: float, rate: int = RATE) -> float:
    """The frequency of the largest peak between two frequencies, in Hz."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 19))
    frequency = np.arange(len(power)) * rate / (1 << 19)
    inside = (frequency > low) & (frequency < high)
    return float(frequency[inside][power[inside].argmax()])


@pytest.mark.parametrize("name", ALL)
def test_every_instrument_is_seeded_finite_and_of_unit_peak(name: str) -> None:
    first, again, other = played(name), played(name), played(name, key=1)
    assert first.dtype == np.float32
    assert len(first) <= RATE // 2
    assert np.abs(first).max() == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or not np.allclose(first, other)


@pytest.mark.parametrize("rate", [32_000, 48_000])
@pytest.mark.parametrize("frequency", [65.4, 110.0, 441.7, 880.0, 1_975.5])
def test_a_plucked_string_is_in_tune_to_three_cents(frequency: float, rate: int) -> None:
    for key in range(3):
        heard = strongest(played("plucked_string", frequency, 1.0, key, rate), 0.8 * frequency, 1.2 * frequency, rate)
        assert 1200 * np.log2(heard / frequency) == pytest.approx(0, abs=3)


def test_a_plucked_string_has_all_harmonics_and_loses_the_high_ones_first() -> None:
    sound = played("plucked_string", 200.0, 1.2)

    def share(begin: float) -> float:
        piece = sound[round(begin * RATE) : round((begin + 0.2) * RATE)]
        power = np.abs(np.fft.rfft(piece * np.hanning(len(piece)))) ** 2
        frequency = np.fft.rfftfreq(len(piece), 1 / RATE)
        return float(power[frequency > 1_000].sum() / power.sum())

    assert share(0.9) < 0.5 * share(0.0)
    assert np.sum(sound[: RATE // 4] ** 2) > 2 * np.sum(sound[-RATE // 4 :] ** 2)


@pytest.mark.parametrize("name", ["held", "struck_bar"])
def test_held_notes_and_bars_are_in_tune(name: str) -> None:
    for key in range(5):
        sound = played(name, 330.0, 0.4, key)
        number = round(strongest(sound, 200, 8_000) / 330)
        if number == 1:
            assert 1200 * np.log2(strongest(sound, 200, 450) / 330) == pytest.approx(0, abs=20)


def test_harmonics_are_the_sum_of_sines() -> None:
    turn = np.linspace(0, 20, 500, dtype=np.float32)
    levels = np.array([1.0, 0.5, 0.25, 0.0, 0.3])
    expected = sum(level * np.sin((k + 1) * turn.astype(float)) for k, level in enumerate(levels))
    np.testing.assert_allclose(instruments.harmonics(turn, levels), expected, atol=1e-4)


def test_cymbals_are_high_and_kicks_low() -> None:
    def centre(name: str) -> float:
        power = np.abs(np.fft.rfft(played(name))) ** 2
        return float((power * np.arange(len(power))).sum() / power.sum() / len(power) * RATE / 2)

    assert centre("cymbal") > 4_000 > 1_500 > centre("snare") > centre("kick")
    assert centre("kick") < 300


def test_a_body_colours_and_does_not_explode() -> None:
    white = keyed_generator("white").standard_normal(RATE).astype(np.float32)
    bodies = [instruments.bodied(keyed_generator("body", k), white, RATE) for k in range(5)]
    assert all(0.1 < np.std(one) < 10 for one in bodies)
    assert not np.allclose(bodies[0], bodies[1])
