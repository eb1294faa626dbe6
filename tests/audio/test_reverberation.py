"""The room of a mix: a decay as long as drawn, a pre-delay, and returns that do not correlate."""

import numpy as np
import pytest

from spatial_swin.audio.reverberation import Room, returns
from spatial_swin.keyed_random import keyed_generator

RATE = 48_000


def decays(decay: float) -> np.ndarray:
    """Returns of a click in a room, mean over sixteen: float64 [N] of squared samples."""
    click = np.zeros(3 * RATE, np.float32)
    click[0] = 1
    room = Room(decay, bright=1.0, pre_delay=0.03, early=1.0)
    return np.mean([one.astype(float) ** 2 for one in returns(keyed_generator("room"), room, click, RATE, 16)], axis=0)


@pytest.mark.parametrize("decay", [0.4, 1.6])
def test_the_tail_falls_by_60_db_in_the_drawn_time(decay: float) -> None:
    left = np.cumsum(decays(decay)[::-1])[::-1]  # Schroeder's integral
    late = slice(round(0.15 * RATE), round(0.15 * RATE + 0.4 * decay * RATE))
    slope = np.polyfit(np.arange(late.start, late.stop) / RATE, 10 * np.log10(left[late]), 1)[0]
    assert -60 / slope == pytest.approx(decay, rel=0.1)


def test_nothing_comes_before_the_pre_delay() -> None:
    power = decays(1.0)
    assert power[: round(0.029 * RATE)].max() < 1e-9 * power.max()
    assert power[round(0.03 * RATE) : round(0.06 * RATE)].max() > 1e-3 * power.max()


def test_returns_are_of_unit_power_and_do_not_correlate() -> None:
    dry = keyed_generator("dry").standard_normal(2 * RATE).astype(np.float32)
    wet = returns(keyed_generator("room"), Room(0.5, 0.6, 0.01, 1.0), dry, RATE, 4)
    assert [float(np.mean(one**2)) for one in wet] == pytest.approx([1] * 4, rel=1e-3)
    assert max(abs(float(np.mean(wet[i] * wet[k]))) for i in range(4) for k in range(i)) < 0.1


def test_drawn_rooms_are_of_all_sizes() -> None:
    drawn = [Room.draw(keyed_generator("room", k)).decay for k in range(100)]
    assert min(drawn) < 0.4
    assert max(drawn) > 1.8
