"""One gain for both ears: ITU-R BS.1770-4 loudness, matched to -23 LUFS.

In goes binaural sound, out come the same sound with one gain and what was measured. What lies below -50 LUFS is
reported as silent and not boosted; what then exceeds full scale is limited to it and reported as clipped.
"""

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyloudnorm

TARGET = -23.0  # LUFS, EBU R 128
SILENCE = -50.0  # LUFS; below it a clip is mostly noise floor, and a boost would show just that
SHORTEST = 0.4  # s; one gating block of BS.1770


@dataclass(frozen=True)
class Level:
    """Integrated loudness before and after in LUFS (minus infinity for digital silence), and what was noticed."""

    before: float
    after: float
    flags: tuple[str, ...]


@lru_cache(maxsize=8)
def _meter(sample_rate: int) -> pyloudnorm.Meter:
    return pyloudnorm.Meter(sample_rate)


def loudness(sound: np.ndarray, sample_rate: int) -> float:
    """Integrated loudness of [2, N] in LUFS; minus infinity for silence. Padded with silence to one gating block."""
    missing = math.ceil(SHORTEST * sample_rate) - sound.shape[1]
    if missing > 0:
        sound = np.pad(sound, ((0, 0), (0, missing)))
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        value = float(_meter(sample_rate).integrated_loudness(sound.T.astype(np.float64)))
    return value if math.isfinite(value) else -math.inf


def match_loudness(sound: np.ndarray, sample_rate: int, target: float = TARGET) -> tuple[np.ndarray, Level]:
    """Binaural sound [2, N] brought to `target` LUFS by one gain, float32 within full scale, and its levels."""
    before = loudness(sound, sample_rate)
    if before < SILENCE:
        return np.clip(sound, -1, 1).astype(np.float32), Level(before, before, ("silent",))
    matched = (sound * 10 ** ((target - before) / 20)).astype(np.float32)
    if np.abs(matched).max() <= 1.0:
        return matched, Level(before, target, ())
    limited = np.clip(matched, -1, 1)
    return limited, Level(before, loudness(limited, sample_rate), ("clipped",))
