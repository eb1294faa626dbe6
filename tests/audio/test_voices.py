"""Speech of nobody: voiced under formants, hissed between, with pauses."""

import numpy as np
import pytest

from spatial_swin.audio import voices
from spatial_swin.audio.voices import HIGHER, VOWELS, WIDTHS, speech
from spatial_swin.keyed_random import keyed_generator

RATE = 48_000


def test_a_mouth_resonates_where_its_formants_are() -> None:
    click = np.zeros(RATE)
    click[0] = 1
    formants = np.concatenate([VOWELS[4], HIGHER])
    power = np.abs(np.fft.rfft(voices._through(click, formants, np.zeros((len(WIDTHS), 2)), RATE)))
    assert power[0] == pytest.approx(1, rel=0.01)
    for formant in formants[:3].astype(int):
        window = power[formant - 150 : formant + 150]
        assert abs(int(window.argmax()) - 150) < 60


def test_speech_has_voice_hiss_and_pauses() -> None:
    sound = np.concatenate([speech(keyed_generator("talker", k), 3 * RATE, RATE) for k in range(4)]).reshape(
        -1, RATE // 50
    )
    level = 10 * np.log10((sound**2).mean(axis=1) + 1e-9)
    assert 0.05 < np.mean(level < -30) < 0.5  # pauses
    power = np.abs(np.fft.rfft(sound * np.hanning(RATE // 50))) ** 2
    high = power[:, 80:].sum(axis=1) / (power.sum(axis=1) + 1e-9)  # from 4 kHz
    heard = level > -30
    assert np.mean(high[heard] > 0.5) > 0.03  # hisses
    assert np.mean(high[heard] < 0.1) > 0.4  # voiced


def test_talkers_are_seeded_and_differ() -> None:
    first, again, other = (speech(keyed_generator("talker", k), RATE, RATE) for k in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    assert np.mean(first**2) == pytest.approx(1, rel=1e-3)
