"""Programme loudness and true peak of any number of channels, of sound that passes by in blocks: ITU-R BS.1770-5.

In go blocks [C, N] in order, out come LKFS and dBTP; memory does not grow with the length. Loudness: K-weighting,
blocks of 400 ms every 100 ms, gates at -70 LKFS and 10 LU below the rest, weights by where a loudspeaker stands. True
peak: four times oversampled (Annex 2). It changes no level; `loudness` matches those of clips.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import signal

from spatial_swin.layouts import Loudspeaker

ABSOLUTE_GATE = -70.0  # LKFS
RELATIVE_GATE = -10.0  # LU
OFFSET = -0.691  # dB, so that a 997 Hz sine of full scale in one channel is -3.01 LKFS
BESIDE = 10**0.15  # +1.5 dB, 1.41 in BS.1770: from 60 to 120 degrees of azimuth, below 30 degrees of elevation
STEPS = 4  # of 100 ms in a gating block
HALF = 12  # input samples on either side that a value between two samples is made of


@dataclass(frozen=True)
class Levels:
    """Integrated loudness in LKFS and true peak in dBTP; minus infinity for digital silence."""

    loudness: float
    true_peak: float


def weight_of(speaker: Loudspeaker) -> float:
    """The weight of a channel in programme loudness: 0 for an LFE (BS.1770-5, tables 3 and 4)."""
    if speaker.lfe:
        return 0.0
    return BESIDE if 60 <= abs(speaker.azimuth) <= 120 and abs(speaker.elevation) < 30 else 1.0


def k_weighting(sample_rate: int) -> np.ndarray:
    """Second-order sections [2, 6]: a shelf for the head, a high-pass for hearing; at 48 kHz the tables of BS.1770.

    The analogue filters behind those tables, brought to another rate by the bilinear transform.
    """
    k, q, high = (
        math.tan(math.pi * 1681.974450955533 / sample_rate),
        0.7071752369554196,
        10 ** (3.999843853973347 / 20),
    )
    middle, size = high**0.4996667741545416, 1 + k / q + k * k
    shelf = [high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k]
    shelf += [size, 2 * (k * k - 1), 1 - k / q + k * k]
    k, q = math.tan(math.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    low_cut = np.array([1, -2, 1, 1, 2 * (k * k - 1) / (1 + k / q + k * k), (1 - k / q + k * k) / (1 + k / q + k * k)])
    return np.stack([np.array(shelf) / size, low_cut])


class LoudnessMeter:
    """Integrated loudness of channels with these weights: `add` blocks, then ask for `loudness`."""

    def __init__(self, sample_rate: int, weights: Sequence[float]) -> None:
        self.sections = k_weighting(sample_rate)
        self.weights = np.array(weights, float)
        self.step = round(sample_rate / 10)
        self.state = np.zeros((2, len(weights), 2))
        self.rest = np.zeros((len(weights), 0))
        self.powers: list[np.ndarray] = []  # of steps of 100 ms, weighted and summed over channels

    def add(self, block: np.ndarray) -> None:
        """The next samples, [C, N]."""
        heard, self.state = signal.sosfilt(self.sections, block.astype(float), axis=1, zi=self.state)
        heard = np.concatenate([self.rest, heard], axis=1)
        count = heard.shape[1] // self.step
        whole = heard[:, : count * self.step].reshape(len(heard), count, self.step)
        self.powers.append(self.weights @ np.mean(whole**2, axis=2))
        self.rest = heard[:, count * self.step :]

    @property
    def loudness(self) -> float:
        """LKFS of all so far; minus infinity when no block passes the gates. Padded with silence to one block."""
        steps = np.concatenate([*self.powers, np.zeros(0)])
        if len(steps) < STEPS:
            last = self.weights @ (np.sum(self.rest**2, axis=1) / self.step)
            steps = np.concatenate([steps, [last], np.zeros(STEPS - 1)])[:STEPS]
        blocks = np.convolve(steps, np.full(STEPS, 1 / STEPS), "valid")
        blocks = blocks[blocks > 10 ** ((ABSOLUTE_GATE - OFFSET) / 10)]
        if not len(blocks):
            return -math.inf
        blocks = blocks[blocks > blocks.mean() * 10 ** (RELATIVE_GATE / 10)]
        return OFFSET + 10 * math.log10(blocks.mean())


class TruePeakMeter:
    """The highest true peak of all channels: `add` blocks, then ask for `true_peak`."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.times = max(1, min(4, math.ceil(4 * 48_000 / sample_rate)))  # 192 kHz at least
        taps = 2 * HALF * self.times + 1
        if self.times > 1:
            self.filter = self.times * signal.firwin(taps, 1 / self.times, window=("kaiser", 8.0))
        self.tail = np.zeros((channels, 2 * HALF))
        self.peak = 0.0

    def add(self, block: np.ndarray) -> None:
        """The next samples, [C, N]."""
        if not block.size:
            return
        self.peak = max(self.peak, float(np.abs(block).max()), self._between(block))
        self.tail = np.concatenate([self.tail, block], axis=1)[:, -2 * HALF :]

    def _between(self, block: np.ndarray) -> float:
        if self.times == 1:
            return 0.0
        dense = signal.upfirdn(self.filter, np.concatenate([self.tail, block], axis=1), self.times, axis=1)
        start = 2 * HALF * self.times  # what comes before is made of a tail without its past
        return float(np.abs(dense[:, start : start + block.shape[1] * self.times]).max())

    @property
    def true_peak(self) -> float:
        """dBTP of all so far."""
        peak = max(self.peak, self._between(np.zeros((len(self.tail), HALF))))
        return 20 * math.log10(peak) if peak else -math.inf


class LevelMeter:
    """Both at once."""

    def __init__(self, sample_rate: int, weights: Sequence[float]) -> None:
        self.meters = LoudnessMeter(sample_rate, weights), TruePeakMeter(sample_rate, len(weights))

    def add(self, block: np.ndarray) -> None:
        for meter in self.meters:
            meter.add(block)

    @property
    def levels(self) -> Levels:
        return Levels(self.meters[0].loudness, self.meters[1].true_peak)
