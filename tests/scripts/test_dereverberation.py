"""The experiment that takes late reverberation away: an echo is softer, equal channels and silence stay so."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from dereverberation import AS_IT_IS, HOP, Row, dereverberated, line_of

RATE = 48_000


def with_echo(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three seconds of noise that comes and goes [N], and two ears [2, N] with an echo of it four frames later."""
    levels = np.repeat(10 ** generator.uniform(-3, 0, 3 * RATE // (8 * HOP) + 1), 8 * HOP)[: 3 * RATE]
    dry = levels * generator.normal(size=3 * RATE)
    echo = np.concatenate([np.zeros(4 * HOP), dry[: -4 * HOP]])
    return dry, np.stack([dry + 0.7 * echo, 0.5 * dry + 0.4 * echo]).astype(np.float32)


def of_the_past(sound: np.ndarray) -> float:
    """How alike a sound [N] is to itself four frames ago, as a correlation."""
    return float(np.corrcoef(sound[4 * HOP :], sound[: -4 * HOP])[0, 1])


def test_an_echo_is_softer_and_the_direct_sound_stays() -> None:
    dry, wet = with_echo(np.random.default_rng(0))
    less = dereverberated(wet, 3, 6)
    assert less.shape == wet.shape
    assert less.dtype == np.float32
    for ear in (0, 1):
        assert of_the_past(wet[ear]) > 0.4
        assert of_the_past(less[ear]) < of_the_past(wet[ear]) - 0.05  # one pass takes a part of it
        assert np.corrcoef(less[ear], dry)[0, 1] > np.corrcoef(wet[ear], dry)[0, 1] + 0.05


def test_equal_channels_stay_equal_and_silence_stays_silent() -> None:
    mono = np.repeat(with_echo(np.random.default_rng(1))[1][:1], 2, axis=0)
    less = dereverberated(mono, 3, 3)
    assert less[0] == pytest.approx(less[1], abs=1e-4)
    assert not dereverberated(np.zeros((2, RATE), np.float32), 3, 3).any()


def test_a_line_holds_what_a_variant_gains() -> None:
    classes, right, wrong = ["100", "200"], np.array([0.9, 0.1]), np.array([0.4, 0.6])
    rows: list[Row] = [
        (f"p{k // 4}", f"h{k % 4}", "100", "room 0.3", [wrong if k % 2 else right, right]) for k in range(40)
    ]
    line = line_of("room 0.3", rows, [AS_IT_IS, "3 taps"], classes, 200)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:3] == ["room 0.3", "40", "0.500"]
    assert cells[4].startswith("1.000 (+0.500 [")
    assert float(cells[3]) == pytest.approx(-np.log(0.9 * 0.4) / 2, abs=1e-3)
