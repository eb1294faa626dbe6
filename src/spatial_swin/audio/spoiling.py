"""What happens to binaural sound on its way to a model: noise, another rate, fewer bits, gain, a headphone's tilt.

In go float32 [2, N] and how much, out come float32 [2, N]. The same is done to both ears. Noise depends on its key
alone. It knows nothing of listeners, layouts or codecs.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import soxr
from scipy import fft

from spatial_swin.audio.loudness import loudness
from spatial_swin.audio.parametric import SPEED_OF_SOUND
from spatial_swin.keyed_random import Key, keyed_generator

FULL_SCALE = 1 - 2.0**-23  # the largest sample of a file of 24 bit
BETWEEN_EARS = 0.18  # m; a diffuse field is incoherent at both ears from about c / 2d = 950 Hz on
NOISE_BAND = (20.0, 20_000.0)  # Hz
TILT_BAND = (100.0, 10_000.0)  # Hz; two decades around TILT_PIVOT, flat outside
TILT_PIVOT = 1_000.0  # Hz


def diffuse_coherence(frequency: np.ndarray) -> np.ndarray:
    """sin(kd) / (kd) of two points BETWEEN_EARS apart in a diffuse field (Cook et al., JASA 27, 1955)."""
    return np.sinc(2 * frequency * BETWEEN_EARS / SPEED_OF_SOUND)  # numpy's sinc has the pi in it


def diffuse_noise(count: int, sample_rate: int, key: Sequence[Key]) -> np.ndarray:
    """Pink noise float64 [2, count] (-3 dB an octave) with the coherence of a diffuse field, rms about 1.

    Two independent noises a, b are mixed as cos(t) a ± sin(t) b with cos(2t) the coherence, so that no ear is special
    (as Habets and Gannot, Generating sensor signals in isotropic noise fields, JASA 122, 2007, do for more points).
    """
    generator = keyed_generator(*key, "diffuse noise")
    size = fft.next_fast_len(count, real=True)
    frequency = fft.rfftfreq(size, 1 / sample_rate)
    low, high = NOISE_BAND
    heard = (frequency >= low) & (frequency <= high)
    pink = np.where(heard, 1 / np.sqrt(np.maximum(frequency, low)), 0.0)
    pink /= np.sqrt(2 * (pink**2).sum() / size)
    one, other = fft.rfft(generator.standard_normal((2, size))) * pink
    mix = np.arccos(np.clip(diffuse_coherence(frequency), -1, 1)) / 2
    both, apart = np.cos(mix) * one, np.sin(mix) * other
    return fft.irfft(np.stack([both + apart, both - apart]), size)[:, :count]


def with_noise(ears: np.ndarray, sample_rate: int, below: float, key: Sequence[Key]) -> np.ndarray:
    """`ears` with diffuse noise whose loudness lies `below` dB under theirs; silence stays silent."""
    level = loudness(ears, sample_rate)
    if not np.isfinite(level):
        return ears
    noise, loud = _measured_noise(ears.shape[1], sample_rate, tuple(key))
    return _in_file(ears + 10 ** ((level - below - loud) / 20) * noise)


@lru_cache(maxsize=2)  # the layouts of a programme come one after the other, with one key
def _measured_noise(count: int, sample_rate: int, key: tuple[Key, ...]) -> tuple[np.ndarray, float]:
    """Diffuse noise and its loudness in LUFS."""
    noise = diffuse_noise(count, sample_rate, key)
    return noise, loudness(noise, sample_rate)


def resampled(ears: np.ndarray, sample_rate: int, wanted: int) -> np.ndarray:
    """`ears` at another rate, [2, N wanted / sample_rate]."""
    return soxr.resample(ears.T, sample_rate, wanted, quality="VHQ").T.astype(np.float32)


def rounded(ears: np.ndarray, bits: int) -> np.ndarray:
    """`ears` rounded to whole steps, without dither, as most programs write files."""
    steps = 2.0 ** (bits - 1)
    return (np.clip(np.round(ears.astype(np.float64) * steps), -steps, steps - 1) / steps).astype(np.float32)


def at_level(ears: np.ndarray, decibels: float) -> np.ndarray:
    """`ears` with a gain; what then exceeds full scale is clipped."""
    return _in_file(ears * 10 ** (decibels / 20))


def tilted(ears: np.ndarray, sample_rate: int, decibels: float) -> np.ndarray:
    """`ears` through a zero-phase filter: a line of `decibels` over the logarithm of TILT_BAND, 0 dB at TILT_PIVOT."""
    count = ears.shape[1]
    size = fft.next_fast_len(count + sample_rate, real=True)  # a second is long after the filter has ended
    low, high = TILT_BAND
    frequency = np.clip(fft.rfftfreq(size, 1 / sample_rate), low, high)
    gain = 10 ** (decibels * np.log10(frequency / TILT_PIVOT) / np.log10(high / low) / 20)
    return fft.irfft(fft.rfft(ears.astype(np.float64), size) * gain, size)[:, :count].astype(np.float32)


def _in_file(ears: np.ndarray) -> np.ndarray:
    return np.clip(ears, -1, FULL_SCALE).astype(np.float32)
