"""What the renderings of a programme share: mono stems with their directions, before any layout."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stem:
    """signal: float32 [N]; azimuth, elevation in degrees, [1] at rest or [K] knots evenly over time when moving."""

    signal: np.ndarray
    azimuth: np.ndarray
    elevation: np.ndarray
    kind: str = ""

    @property
    def moves(self) -> bool:
        return len(self.azimuth) > 1


@dataclass(frozen=True)
class Scene:
    """A programme before it meets a layout. stems share length and `sample_rate`; lfe: float32 [N] or None."""

    name: str
    sample_rate: int
    stems: tuple[Stem, ...]
    lfe: np.ndarray | None = None
