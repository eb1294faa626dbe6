"""Speech of nobody: syllables of vowels and consonants by a source and the filters of a mouth.

In go a generator, a number of samples and the rate, out comes float32 [N] of unit mean square; a talker's pitch, size
and pace are drawn. Voiced sounds are harmonics of -6 dB an octave (glottis and lips together) through five formants
that move within a syllable (Klatt, Software for a cascade/parallel formant synthesizer, JASA 67(3), 1980; vowels
after Peterson and Barney, 1952), consonants are noise in a band, some of them after a stop. It says no words.
"""

from itertools import pairwise

import numpy as np
from scipy import signal

from spatial_swin.audio.instruments import harmonics
from spatial_swin.audio.sounds import Draw, normalised, shaped_noise

VOWELS = np.array(  # Hz of the first three formants of men
    [
        *([270, 2290, 3010], [390, 1990, 2550], [530, 1840, 2480], [660, 1720, 2410], [730, 1090, 2440]),
        *([570, 840, 2410], [440, 1020, 2240], [300, 870, 2240], [640, 1190, 2390], [490, 1350, 1690]),
    ]
)
HIGHER = np.array([3500.0, 4500.0])  # Hz of the fourth and the fifth
WIDTHS = np.array([60.0, 90.0, 120.0, 200.0, 250.0])  # Hz of the formants
HISSES = ((4_500, 11_000, 0.5), (2_200, 7_000, 0.5), (1_200, 9_000, 0.15), (700, 5_000, 0.12))  # s, sh, f, h
FRAMES = 4  # of a syllable; the formants rest within each


def speech(draw: Draw, count: int, sample_rate: int) -> np.ndarray:
    """A talker: phrases of two to seven syllables that fall in pitch, and pauses between."""
    voice, size = draw.uniform(85, 250), draw.uniform(0.92, 1.22)
    pace, sound = draw.uniform(0.8, 1.3), np.zeros(count, np.float32)
    at = round(draw.uniform(-0.2, 0.1) * sample_rate)
    while at < count:
        syllables = int(draw.integers(2, 8))
        for number in range(syllables):
            pitch = voice * (1.15 - 0.3 * number / syllables) * draw.uniform(0.94, 1.06)
            for part in (_consonant(draw, sample_rate), _vowel(draw, pitch, size, pace, sample_rate)):
                _add(sound, part, at)
                at += len(part)
        at += round(draw.uniform(0.08, 0.45) * sample_rate)
    return normalised(sound)


def _add(sound: np.ndarray, part: np.ndarray, at: int) -> None:
    first, last = max(0, -at), min(len(part), len(sound) - at)
    if last > first:
        sound[at + first : at + last] += part[first:last]


def _vowel(draw: Draw, pitch: float, size: float, pace: float, sample_rate: int) -> np.ndarray:
    """A voiced syllable of unit peak: from one vowel to another, its pitch falling a little."""
    count = round(draw.uniform(0.1, 0.28) / pace * sample_rate)
    time = np.arange(count, dtype=np.float32) / np.float32(sample_rate)
    glide = pitch * (1 + draw.uniform(-0.08, 0.05) * time / time[-1]) * (1 + 0.01 * np.sin(2 * np.pi * 5 * time))
    number = np.arange(1, min(60, int(5_500 / pitch)) + 1)
    source = harmonics((2 * np.pi * (np.cumsum(glide) / sample_rate % 1)).astype(np.float32), number**-1.0)
    begin, end = VOWELS[draw.choice(len(VOWELS), 2)]
    mouth = np.zeros((len(WIDTHS), 2))  # the filters' memory
    voiced = np.empty(count)
    edges = np.linspace(0, count, FRAMES + 1).astype(int)
    for frame, (first, last) in enumerate(pairwise(edges)):
        share = frame / (FRAMES - 1)
        formants = size * np.concatenate([(1 - share) * begin + share * end, HIGHER])
        voiced[first:last] = _through(source[first:last], formants, mouth, sample_rate)
    edge = np.minimum(np.clip(time / 0.02, 0, 1), np.clip((time[-1] - time) / 0.03, 0, 1))
    return (voiced / (np.abs(voiced).max() + 1e-9) * edge).astype(np.float32)


def _through(sound: np.ndarray, formants: np.ndarray, memory: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sound through a cascade of resonators of unit gain at 0 Hz; `memory` [formants, 2] is carried on."""
    for number, (centre, width) in enumerate(zip(formants, WIDTHS, strict=True)):
        radius = np.exp(-np.pi * width / sample_rate)
        poles = np.array([1, -2 * radius * np.cos(2 * np.pi * centre / sample_rate), radius**2])
        sound, memory[number] = signal.lfilter([poles.sum()], poles, sound, zi=memory[number])
    return sound


def _consonant(draw: Draw, sample_rate: int) -> np.ndarray:
    """Noise of a tongue's or a lip's band: a hiss, a burst after a stop, or nothing."""
    kind = draw.random()
    if kind < 0.25:
        return np.zeros(round(0.015 * sample_rate), np.float32)
    low, high, level = HISSES[draw.integers(len(HISSES))]
    count = round((draw.uniform(0.05, 0.14) if kind < 0.65 else draw.uniform(0.008, 0.03)) * sample_rate)
    noise = shaped_noise(draw, count, sample_rate, low, high, 0)
    noise *= level * draw.uniform(0.4, 1) / (np.abs(noise).max() + 1e-9)
    if kind < 0.65:
        return (noise * np.sin(np.linspace(0, np.pi, count)) ** 0.7).astype(np.float32)
    stop = np.zeros(round(draw.uniform(0.03, 0.08) * sample_rate), np.float32)
    return np.concatenate([stop, noise * np.linspace(1, 0.1, count, dtype=np.float32)])
