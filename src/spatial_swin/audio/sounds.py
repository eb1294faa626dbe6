"""Sounds out of nothing: plucked, bowed, percussive, noise-like and speech-like signals and ambience, in milliseconds.

In go a generator, a number of samples and the sample rate, out comes float32 [N] of about unit scale; everything
about a sound is drawn from it. No direction, no loudspeaker.
"""

from collections.abc import Callable

import numpy as np
from scipy import fft

Draw = np.random.Generator


def normalised(signal: np.ndarray) -> np.ndarray:
    """float32 of unit mean square."""
    return (signal / (np.sqrt(np.mean(signal**2)) + 1e-9)).astype(np.float32)


def shaped_noise(draw: Draw, count: int, sample_rate: int, low: float, high: float, tilt: float) -> np.ndarray:
    """Noise between two frequencies in Hz (soft edges) with a tilt in dB an octave."""
    size = fft.next_fast_len(count, real=True)
    frequency = fft.rfftfreq(size, 1 / sample_rate).astype(np.float32)
    safe = np.maximum(frequency, 1.0)
    shape = (safe / 1_000) ** np.float32(tilt / 6.02) / np.sqrt((1 + (low / safe) ** 6) * (1 + (safe / high) ** 6))
    shape[0] = 0
    spectrum = draw.standard_normal(2 * len(shape), dtype=np.float32).view(np.complex64)  # white noise, drawn as such
    return fft.irfft(spectrum * (shape * np.float32(np.sqrt(size / 2))), size)[:count]


def _onsets(draw: Draw, count: int, sample_rate: int, rate: float, regular: float) -> np.ndarray:
    """Sample numbers of events: `rate` per second, from random (regular 0) to a beat (1)."""
    number = max(1, round(rate * count / sample_rate))
    grid = (np.arange(number) + draw.random()) / number
    free = np.sort(draw.random(number))
    return np.minimum(((regular * grid + (1 - regular) * free) * count).astype(int), count - 1)


def _tone(
    frequency: np.ndarray | float, amplitudes: np.ndarray, count: int, sample_rate: int, phase: float = 0.0
) -> np.ndarray:
    """Harmonics of a fundamental in Hz (a number or [N]); amplitudes [H]."""
    time = np.arange(count, dtype=np.float32) / np.float32(sample_rate)
    cycles = np.cumsum(frequency) / sample_rate if isinstance(frequency, np.ndarray) else frequency * time
    turn = (2 * np.pi * cycles).astype(np.float32)
    result = np.zeros(count, np.float32)
    for number, amplitude in enumerate(amplitudes, start=1):
        if amplitude > 1e-3 and number * np.max(frequency) < 0.45 * sample_rate:
            result += np.float32(amplitude) * np.sin(number * turn + np.float32(phase * number))
    return result


def plucked(draw: Draw, count: int, sample_rate: int) -> np.ndarray:
    """Strings plucked at random pitches of a scale: harmonics whose decay rises with frequency."""
    signal = np.zeros(count, np.float32)
    root, scale = draw.uniform(90, 330), np.array([0, 2, 4, 7, 9, 12, 16])
    for onset in _onsets(draw, count, sample_rate, draw.uniform(2, 7), draw.uniform(0, 1)):
        pitch = root * 2 ** (draw.choice(scale) / 12)
        length = min(count - onset, round(draw.uniform(0.25, 0.9) * sample_rate))
        harmonics = np.arange(1, 13)
        amplitudes = np.abs(np.sin(np.pi * harmonics * draw.uniform(0.1, 0.4))) / harmonics
        note = _tone(pitch, amplitudes, length, sample_rate)
        note *= np.exp(-np.arange(length, dtype=np.float32) * np.float32(draw.uniform(4, 9) / sample_rate))
        burst = min(length, round(0.006 * sample_rate))
        note[:burst] += draw.standard_normal(burst, dtype=np.float32) * np.linspace(0.7, 0, burst, dtype=np.float32)
        signal[onset : onset + length] += np.float32(draw.uniform(0.4, 1)) * note
    return signal


def bowed(draw: Draw, count: int, sample_rate: int) -> np.ndarray:
    """Held notes with vibrato, a bright spectrum and the noise of the bow."""
    signal = np.zeros(count, np.float32)
    start = 0
    root = draw.uniform(120, 480)
    while start < count:
        length = min(count - start, round(draw.uniform(0.5, 2.0) * sample_rate))
        time = np.arange(length) / sample_rate
        pitch = root * 2 ** (draw.choice([0, 3, 5, 7, 10]) / 12)
        vibrato = pitch * (1 + draw.uniform(0.002, 0.008) * np.sin(2 * np.pi * draw.uniform(4.5, 6.5) * time))
        note = _tone(vibrato, 1 / np.arange(1, 17) ** draw.uniform(0.8, 1.6), length, sample_rate)
        edge = max(1, min(length // 2, round(draw.uniform(0.05, 0.2) * sample_rate)))
        window = np.ones(length, np.float32)
        window[:edge] = np.linspace(0, 1, edge)
        window[-edge:] *= np.linspace(1, 0, edge, dtype=np.float32)
        signal[start : start + length] += note * window
        start += length
    return signal + 0.03 * shaped_noise(draw, count, sample_rate, 1_500, 12_000, 0)


def percussive(draw: Draw, count: int, sample_rate: int) -> np.ndarray:
    """Beats of noise in a drawn band, some with a falling tone below."""
    noise = shaped_noise(
        draw, count, sample_rate, draw.uniform(80, 2_000), draw.uniform(5_000, 18_000), draw.uniform(-4, 2)
    )
    noise /= np.abs(noise).max() + 1e-9
    envelope = np.zeros(count, np.float32)
    thump = np.zeros(count, np.float32)
    deep = draw.random() < 0.5
    for onset in _onsets(draw, count, sample_rate, draw.uniform(2, 9), draw.uniform(0.3, 1)):
        length = min(count - onset, round(draw.uniform(0.03, 0.3) * sample_rate))
        decay = np.exp(-np.linspace(0, 6, length, dtype=np.float32))
        envelope[onset : onset + length] += np.float32(draw.uniform(0.4, 1)) * decay
        if deep:
            thump[onset : onset + length] += decay * _tone(
                np.geomspace(180, 60, length), np.ones(1), length, sample_rate
            )
    return noise * envelope + 0.5 * thump


def noise(draw: Draw, count: int, sample_rate: int, member: Draw | None = None) -> np.ndarray:
    """Wind, water, traffic: coloured noise that swells; `member` draws the noise itself, `draw` its colour."""
    low, high, tilt = draw.uniform(60, 800), draw.uniform(2_500, 18_000), draw.uniform(-5, 0)
    knots = draw.uniform(0.3, 1, max(3, round(count / sample_rate * draw.uniform(0.7, 4))))
    swell = np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)
    return (shaped_noise(member or draw, count, sample_rate, low, high, tilt) * swell).astype(np.float32)


def speech(draw: Draw, count: int, sample_rate: int) -> np.ndarray:
    """Syllables: harmonics of a falling pitch under two or three formants, hissed consonants between, pauses."""
    signal = np.zeros(count, np.float32)
    voice = draw.uniform(90, 260)
    start = round(draw.uniform(0, 0.15) * sample_rate)
    hiss = shaped_noise(draw, count, sample_rate, 2_500, 11_000, 0)
    hiss /= np.std(hiss) + 1e-9
    while start < count:
        length = min(count - start, round(draw.uniform(0.09, 0.28) * sample_rate))
        pitch = voice * np.linspace(draw.uniform(0.95, 1.2), draw.uniform(0.8, 1.0), length)
        formants = np.array([draw.uniform(270, 850), draw.uniform(850, 2_400), draw.uniform(2_400, 3_400)])
        harmonics = voice * np.arange(1, 36)
        gain = (np.array([1, 0.5, 0.25]) / (1 + ((harmonics[:, None] - formants) / 120) ** 2)).sum(1) + 0.01
        window = np.abs(np.sin(np.linspace(0, np.pi, length, dtype=np.float32))) ** np.float32(0.6)
        signal[start : start + length] += window * _tone(pitch, gain / gain.max(), length, sample_rate)
        short = min(count - start, round(draw.uniform(0.02, 0.08) * sample_rate))
        fade = np.sin(np.linspace(0, np.pi, short, dtype=np.float32))
        signal[start : start + short] += np.float32(draw.uniform(0, 0.5)) * hiss[start : start + short] * fade
        start += length + round(draw.choice([0.01, 0.04, 0.25], p=[0.6, 0.3, 0.1]) * sample_rate)
    return signal


def ambience(draw: Draw, count: int, sample_rate: int, member: Draw | None = None) -> np.ndarray:
    """Rain, birds, crowds: a soft noise with many small events; `member` draws them, `draw` what they are like."""
    rate, centre, width = draw.uniform(4, 40), draw.uniform(1_500, 7_000), draw.uniform(0.01, 0.08)
    floor, tilt = draw.uniform(0.1, 0.8), draw.uniform(-5, -1)
    own = member or draw
    signal = floor * normalised(shaped_noise(own, count, sample_rate, 100, 14_000, tilt))
    for onset in _onsets(own, count, sample_rate, rate, 0.0):
        length = min(count - onset, round(width * own.uniform(0.5, 2) * sample_rate))
        if length < 8:
            continue
        sweep = centre * own.uniform(0.7, 1.4) * np.linspace(1, own.uniform(0.7, 1.4), length)
        chirp = _tone(sweep, np.ones(1), length, sample_rate, float(own.uniform(0, 6)))
        signal[onset : onset + length] += (
            np.hanning(length).astype(np.float32) * chirp * np.float32(own.uniform(0.5, 2))
        )
    return signal


KINDS: dict[str, Callable[[Draw, int, int], np.ndarray]] = {
    "plucked": plucked,
    "bowed": bowed,
    "percussive": percussive,
    "noise": noise,
    "speech": speech,
    "ambience": ambience,
}
