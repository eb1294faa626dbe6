"""Instruments that need no recording: strings, reeds and bows, bars and drums, modelled by what moves in them.

Each function draws one instrument and returns how it plays a note: frequency in Hz and number of samples in, float32
of unit peak out, shorter where it rings no longer. Plucked strings are a loop with loss (Karplus and Strong, Digital
synthesis of plucked-string and drum timbres, Computer Music Journal 7(2), 1983; fractional delay by Lagrange
interpolation), bars are sums of the modes of a bar (Fletcher and Rossing, The Physics of Musical Instruments, 1998),
what is held is additive, with vibrato. No score, no direction.
"""

from collections.abc import Callable

import numpy as np
from scipy import fft, signal

from spatial_swin.audio.sounds import Draw, shaped_noise

Play = Callable[[Draw, float, int], np.ndarray]
FREE_BAR = np.array([1.0, 2.756, 5.404, 8.933])  # modes of a bar: glockenspiel
TUNED_BAR = np.array([1.0, 4.0, 10.0, 18.0])  # undercut, so that they are in tune: marimba, vibraphone
MEMBRANE = np.array([1.0, 1.594, 2.136, 2.296, 2.653])  # modes of a drumhead
CLICK = 0.003  # s in which a held note that is cut ends


def plucked_string(draw: Draw, sample_rate: int) -> Play:
    """A guitar, harp or harpsichord: decay, brightness and the place where it is plucked are the instrument's."""
    ring, bright, place = draw.uniform(0.6, 3.0), draw.uniform(0.01, 0.25), draw.uniform(0.08, 0.45)
    softness = draw.uniform(0.05, 0.8)

    def play(draw: Draw, frequency: float, count: int) -> np.ndarray:
        period = sample_rate / frequency
        burst = signal.lfilter([1 - softness], [1, -softness], draw.standard_normal(round(period)))
        comb = np.zeros(round(period * (1 + place)))
        comb[: len(burst)] = burst
        comb[len(comb) - len(burst) :] -= (
            burst  # the pluck reflected at the near end: notches at multiples of 1 / place
        )
        string = _string(comb, period, 10 ** (-3 / (ring * frequency)), bright, count)
        return _unit_peak(string * _release(count, sample_rate))

    return play


def _string(excitation: np.ndarray, period: float, loss: float, damping: float, count: int) -> np.ndarray:
    """A delay line of `period` samples fed back through losses: float64 [count].

    loss: what is left after a period; damping: the share of each neighbour in the loop's three-point average, which
    lets high harmonics die first. A block as long as the shortest delay is computed at a time.
    """
    whole = int(period - 2)
    loop = loss * np.convolve([damping, 1 - 2 * damping, damping], _lagrange(period - 1 - whole))
    lead = whole + len(loop)
    line = np.zeros(lead + count + whole)
    line[lead : lead + min(count, len(excitation))] = excitation[:count]
    for start in range(lead + whole, lead + count, whole):
        past = line[start - whole - len(loop) + 1 : start]
        line[start : start + whole] += np.convolve(past, loop, "valid")
    return line[lead : lead + count]


def _lagrange(delay: float) -> np.ndarray:
    """Four taps that delay by 1 to 2 samples."""
    taps = np.arange(4)
    return np.array([np.prod([(delay - k) / (n - k) for k in taps if k != n]) for n in taps])


def held(draw: Draw, sample_rate: int) -> Play:
    """A bowed string or a blown pipe: harmonics under a body's resonances, vibrato that sets in, and breath."""
    slope, odd_only = draw.uniform(0.7, 1.6), draw.random() < 0.3  # a clarinet's bore has the odd harmonics
    attack, breath = draw.uniform(0.02, 0.15), draw.uniform(0.0, 0.06)
    depth, rate = draw.uniform(0.0, 0.008), draw.uniform(4.5, 6.5)
    body = draw.uniform(300, 3_000, 3)  # Hz of its resonances

    def play(draw: Draw, frequency: float, count: int) -> np.ndarray:
        time = np.arange(count, dtype=np.float32) / np.float32(sample_rate)
        swing = depth * np.clip(time / 0.3 - 0.5, 0, 1) * np.sin(2 * np.pi * rate * time + draw.uniform(0, 6))
        number = np.arange(1, min(20, int(0.42 * sample_rate / frequency)) + 1)
        level = number**-slope * (1 + 2 * np.exp(-(((frequency * number[:, None] - body) / 250) ** 2)).sum(axis=1))
        if odd_only:
            level[1::2] *= 0.05
        cycles = np.cumsum(frequency * (1 + swing)) / sample_rate
        note = harmonics((2 * np.pi * (cycles % 1)).astype(np.float32), level)
        note = _unit_peak(note)
        note[1:] += breath * np.diff(draw.standard_normal(count, dtype=np.float32))  # breath is bright
        edge = np.minimum(np.clip(time / attack, 0, 1), np.clip((count / sample_rate - time) / 0.06, 0, 1))
        return _unit_peak(note * edge)

    return play


def harmonics(turn: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The sum of levels[k] sin((k + 1) turn), float32 [N], by the recurrence of sines."""
    double, before, now = 2 * np.cos(turn), np.zeros_like(turn), np.sin(turn)
    total = np.zeros_like(turn)
    for level in levels.astype(np.float32):
        total += level * now
        before, now = now, double * now - before
    return total


def struck_bar(draw: Draw, sample_rate: int) -> Play:
    """A glockenspiel, marimba or vibraphone: four modes, the high ones die first and depend on the mallet."""
    modes = FREE_BAR if draw.random() < 0.4 else TUNED_BAR
    ring, hardness = draw.uniform(0.3, 2.5), draw.uniform(0.3, 1.2)

    def play(draw: Draw, frequency: float, count: int) -> np.ndarray:
        parts = frequency * modes[frequency * modes < 0.45 * sample_rate]
        level = hardness ** np.arange(len(parts)) * draw.uniform(0.5, 1, len(parts))
        return _unit_peak(_modes(parts, level, ring / np.arange(1, len(parts) + 1), count, sample_rate))

    return play


def _modes(
    frequencies: np.ndarray, levels: np.ndarray, decays: np.ndarray, count: int, sample_rate: int
) -> np.ndarray:
    """Sines that fall by 60 dB in `decays` seconds: float32 [count]."""
    time = np.arange(count, dtype=np.float32) / np.float32(sample_rate)
    total = np.zeros(count, np.float32)
    for frequency, level, decay in zip(frequencies, levels, decays, strict=True):
        total += (
            np.float32(level)
            * np.exp(np.float32(-6.9 / decay) * time)
            * np.sin(np.float32(2 * np.pi * frequency) * time)
        )
    return total


def kick(draw: Draw, sample_rate: int) -> Play:
    """A bass drum: a tone that falls to its pitch, and the beater's click. The note's frequency is not used."""
    low, high, ring = draw.uniform(42, 70), draw.uniform(120, 260), draw.uniform(0.15, 0.45)

    def play(draw: Draw, frequency: float, count: int) -> np.ndarray:
        time = np.arange(count, dtype=np.float32) / np.float32(sample_rate)
        turn = 2 * np.pi * np.cumsum(low + (high - low) * np.exp(-time / 0.025)) / sample_rate
        hit = np.exp(-time / 0.002) * draw.standard_normal(count, dtype=np.float32)
        return _unit_peak(np.sin(turn) * np.exp(-6.9 / ring * time) + 0.15 * hit)

    return play


def snare(draw: Draw, sample_rate: int) -> Play:
    """A snare drum or a tom: modes of its head, and wires that rattle."""
    pitch, ring, wires = draw.uniform(90, 240), draw.uniform(0.1, 0.3), draw.uniform(0.1, 1.2)
    longest = round(1.3 * ring * sample_rate)

    def play(draw: Draw, frequency: float, count: int) -> np.ndarray:
        count = min(count, longest)
        head = _modes(pitch * MEMBRANE, 0.7 ** np.arange(5.0), ring / np.sqrt(MEMBRANE), count, sample_rate)
        time = np.arange(count, dtype=np.float32) / np.float32(sample_rate)
        rattle = shaped_noise(draw, count, sample_rate, 1_200, 9_000, -1) * np.exp(-6.9 / (1.3 * ring) * time)
        return _unit_peak(head + wires * rattle)

    return play


def cymbal(draw: Draw, sample_rate: int) -> Play:
    """A hi-hat or a ride: bright noise with the ring of metal, short or long."""
    low, ring = draw.uniform(3_000, 7_000), float(np.exp(draw.uniform(np.log(0.06), np.log(0.8))))
    partials, longest = draw.uniform(3_000, 12_000, 6), round(ring * sample_rate)

    def play(draw: Draw, frequency: float, count: int) -> np.ndarray:
        count = min(count, longest)
        time = np.arange(count, dtype=np.float32) / np.float32(sample_rate)
        hiss = shaped_noise(draw, count, sample_rate, low, 16_000, 0) * np.exp(-6.9 / ring * time)
        return _unit_peak(hiss + 0.4 * _modes(partials, np.ones(6), np.full(6, ring), count, sample_rate))

    return play


def bodied(draw: Draw, sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sound [N] through a drawn body: five resonances of 80 to 5,000 Hz, ± 8 dB, and a tilt of ± 1.5 dB an octave."""
    size = fft.next_fast_len(len(sound), real=True)
    octaves = np.log2(np.maximum(fft.rfftfreq(size, 1 / sample_rate), 20) / 1_000)
    decibels = draw.uniform(-1.5, 1.5) * octaves
    for _ in range(5):
        centre, width = np.log2(np.exp(draw.uniform(np.log(80), np.log(5_000))) / 1_000), draw.uniform(0.1, 0.5)
        decibels += draw.uniform(-8, 8) * np.exp(-(((octaves - centre) / width) ** 2))
    shape = (10 ** (np.clip(decibels, -20, 12) / 20)).astype(np.float32)
    return fft.irfft(fft.rfft(sound.astype(np.float32), size) * shape, size)[: len(sound)]


def _release(count: int, sample_rate: int) -> np.ndarray:
    """Ones that end in a few milliseconds, as a damped string does."""
    edge = min(count, max(1, round(5 * CLICK * sample_rate)))
    window = np.ones(count)
    window[count - edge :] = np.linspace(1, 0, edge)
    return window


def _unit_peak(sound: np.ndarray) -> np.ndarray:
    return (sound / (np.abs(sound).max() + 1e-9)).astype(np.float32)
