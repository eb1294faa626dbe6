"""How high a recording reaches: the low-pass of a codec is found, a spectrum that falls gently is not cut."""

import numpy as np
import pytest
from scipy import signal

from spatial_swin.audio.bandwidth import LEFT_BY, Surveyed, survey
from spatial_swin.audio.codecs import missing, through_codec
from spatial_swin.audio.sound_files import in_memory
from spatial_swin.audio.spoiling import resampled

RATE = 48_000


def falling(seconds: float = 3.0, octave_db: float = 6.0) -> np.ndarray:
    """Noise that falls by so many dB an octave from 50 Hz on, [2, N]: bass-heavy, as much music is."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal((2, count)))
    frequencies = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 50)
    sound = np.fft.irfft(spectrum * (frequencies / 50) ** (-octave_db / 6.02), count)
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def end(sound: np.ndarray, rate: int = RATE) -> float | None:
    return survey(in_memory(sound, rate)).bandwidth


@pytest.mark.parametrize("octave_db", [0.0, 6.0, 9.0])
def test_a_spectrum_that_falls_gently_reaches_to_the_rate_of_its_file(octave_db: float) -> None:
    assert end(falling(octave_db=octave_db)) == RATE / 2


@pytest.mark.parametrize("cut", [3_400, 11_000, 16_000])
@pytest.mark.parametrize("bits", [16, 32])
def test_a_low_pass_is_found_within_three_bands(cut: int, bits: int) -> None:
    taps = signal.firwin(1023, cut, fs=RATE)
    sound = signal.fftconvolve(falling(octave_db=3.0), taps[None], mode="same").astype(np.float32)
    if bits == 16:
        sound = (np.round(sound * 32767) / 32767).astype(np.float32)
    assert end(sound) == pytest.approx(cut, abs=750)


@pytest.mark.parametrize("name", ["mp3-64", "mp3-96", "vorbis-64"])
def test_what_codecs_leave_is_as_the_table_says(name: str) -> None:
    codec, _, bit_rate = name.partition("-")
    if reason := missing(codec):
        pytest.skip(reason)
    sound, rate = through_codec(falling(octave_db=3.0), RATE, codec, int(bit_rate))
    assert end(sound, rate) == pytest.approx(LEFT_BY[name], abs=750)


def test_a_low_rate_ends_the_spectrum() -> None:
    low = end(resampled(falling(octave_db=3.0), RATE, 32_000), 32_000)
    assert low is not None
    assert 14_500 <= low <= 16_000


def test_silence_has_no_bandwidth_and_long_sounds_no_length() -> None:
    assert survey(in_memory(np.zeros((2, RATE), np.float32), RATE)) == Surveyed(RATE, 1.0, None)
    assert survey(in_memory(np.zeros((2, 62 * RATE), np.float32), RATE)).seconds is None
