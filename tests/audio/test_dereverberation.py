"""Late reverberation taken away: an echo is softer, equal channels and silence stay so, what is between ears stays."""

import numpy as np
import pytest
import torch

from spatial_swin.audio.clips import Clip, Cut
from spatial_swin.audio.dereverberation import HOP, dereverberated
from spatial_swin.audio.drawing import Settings, draw, draw_dry

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


def test_the_level_of_the_sound_and_the_number_of_threads_do_not_matter() -> None:
    wet = with_echo(np.random.default_rng(2))[1]
    less = dereverberated(wet)
    assert dereverberated(wet / 64) * 64 == pytest.approx(less, abs=1e-4)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert dereverberated(wet) == pytest.approx(less, abs=1e-6)
    finally:
        torch.set_num_threads(before)


def test_the_dry_picture_is_that_of_the_dry_sound() -> None:
    settings = Settings(Cut(3.0, 3.0, 3.0, RATE), "4x4", 96)
    wet = with_echo(np.random.default_rng(3))[1]
    drawn = draw(Clip(wet, 0, 0.0, False), settings)
    dry = draw_dry(drawn, settings)
    assert (dry == draw(Clip(dereverberated(drawn.sound), 0, 0.0, False), settings).picture).all()
    assert (dry != drawn.picture).mean() > 0.1
