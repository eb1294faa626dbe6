"""What a programme is made of: channels of files and where they stand, at rest or moving.

Times of a `Motion` are seconds of the programme; a piece of it is asked for in samples. Between two knots it is the
gains of the loudspeakers that run linearly, as in the renderer of ITU-R BS.2127, and not the directions. It reads no
file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Knots:
    """Of a motion within a piece: at [K] in samples of the piece, rising; degrees and factors [K]."""

    at: np.ndarray
    azimuth: np.ndarray
    elevation: np.ndarray
    gain: np.ndarray


@dataclass(frozen=True)
class Motion:
    """Knots over time: seconds, rising; degrees; factors. The first and the last one hold before and after."""

    seconds: tuple[float, ...]
    azimuth: tuple[float, ...]
    elevation: tuple[float, ...]
    gain: tuple[float, ...]

    def between(self, start: int, count: int, sample_rate: int) -> Knots:
        """The knots that say where it stands in `count` samples from `start` on: two at least, when it has two."""
        seconds = np.array(self.seconds)
        first, last = np.searchsorted(seconds, [start / sample_rate, (start + count) / sample_rate])
        part = slice(max(0, min(first, len(seconds) - 1) - 1), max(last, first) + 2)
        azimuth, elevation, gain = (np.array(values[part]) for values in (self.azimuth, self.elevation, self.gain))
        return Knots(seconds[part] * sample_rate - start, azimuth, elevation, gain)


@dataclass(frozen=True)
class Track:
    """One channel of one file and where it stands, in degrees; gain is a factor.

    label: the loudspeaker (as BS.2051 names it) of a channel of a bed, empty for stems and objects. motion: where it
    stands over time and how loud, instead of azimuth and elevation.
    """

    path: Path
    channel: int
    azimuth: float
    elevation: float
    lfe: bool = False
    gain: float = 1.0
    label: str = ""
    motion: Motion | None = None

    def heard(self, signal: np.ndarray, start: int, sample_rate: int) -> np.ndarray:
        """`signal` float32 [N], from sample `start` on, with the gain over time of its motion."""
        if self.motion is None:
            return signal
        knots = self.motion.between(start, len(signal), sample_rate)
        return signal * np.interp(np.arange(len(signal)), knots.at, knots.gain).astype(np.float32)
