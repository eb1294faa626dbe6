"""A stereo mix becomes surround and height, as upmixers in receivers and cars do it.

In goes stereo, out come signals by place: what the channels share stays in front, partly in the centre, what they do
not share goes around and above, delayed and decorrelated. Two ways: the difference of the channels (Hafler; Dolby
Surround), or the diffuse part by the coherence of each band (Avendano and Jot, A frequency-domain approach to
multichannel upmix, JAES 52(7/8), 2004).
"""

import numpy as np
from scipy import fft, signal

from spatial_swin.audio.sounds import Draw

WINDOW = 2048
FORGETTING = 0.8  # of a frame's spectra in the next one's averages
SURROUNDS, HEIGHTS = ((110, 0), (-110, 0)), ((30, 30), (-30, 30), (110, 30), (-110, 30))
Placed = list[tuple[tuple[int, int], np.ndarray]]


def upmixed(draw: Draw, stereo: np.ndarray, sample_rate: int) -> Placed:
    """((azimuth, elevation), signal float32 [N]) of stereo [2, N]: three in front, two around, four above."""
    centre = np.float32(draw.uniform(0, 0.7)) * stereo.sum(axis=0) / 2
    placed: Placed = [((30, 0), stereo[0] - centre / 2), ((-30, 0), stereo[1] - centre / 2), ((0, 0), centre)]
    diffuse = _differences(stereo) if draw.random() < 0.4 else ambience_of(stereo)
    for number, place in enumerate(SURROUNDS + HEIGHTS):
        signal_ = _decorrelated(draw, diffuse[number % 2], sample_rate)
        if place in HEIGHTS:  # upmixers send no bass upwards
            sos = signal.butter(2, draw.uniform(150, 500), "high", fs=sample_rate, output="sos")
            signal_ = signal.sosfilt(sos, signal_)
        placed.append((place, signal_.astype(np.float32)))
    return placed


def _differences(stereo: np.ndarray) -> np.ndarray:
    difference = (stereo[0] - stereo[1]) / np.float32(np.sqrt(2))
    return np.stack([difference, -difference])


def ambience_of(stereo: np.ndarray) -> np.ndarray:
    """What of stereo [2, N] does not cohere between the channels, band by band: float32 [2, N]."""
    count = stereo.shape[1]
    transform = signal.ShortTimeFFT(signal.windows.hann(WINDOW, sym=False), WINDOW // 2, 1.0, fft_mode="onesided")
    left, right = spectra = transform.stft(stereo)
    products = np.stack([np.abs(left) ** 2, np.abs(right) ** 2, left * right.conj()])
    power_left, power_right, cross = signal.lfilter([1 - FORGETTING], [1, -FORGETTING], products, axis=-1)
    coherence = np.abs(cross) / np.sqrt(power_left.real * power_right.real + 1e-20)
    mask = np.sqrt(np.clip(1 - coherence, 0, 1))
    return transform.istft(spectra * mask, k1=count).astype(np.float32)


def _decorrelated(draw: Draw, sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sound 5 to 25 ms later through an all-pass of random phases some 20 ms long."""
    length = round(0.02 * sample_rate)
    phases = draw.uniform(-np.pi, np.pi, length // 2 + 1)
    phases[[0, -1]] = 0
    taps = np.roll(fft.irfft(np.exp(1j * phases), length), length // 2)
    later = np.concatenate([np.zeros(round(draw.uniform(0.005, 0.025) * sample_rate)), taps])
    return signal.oaconvolve(sound, later)[: len(sound)]
