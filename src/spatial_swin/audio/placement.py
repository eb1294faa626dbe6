"""Loudspeakers that do not stand where their layout says, but where ITU-R BS.2051 still allows them.

In go a listener and layouts, out comes a listener who hears each loudspeaker from a place drawn within its range; the
mix knows nothing of it, as at home. Every listener has places of its own, the same in every layout, and left and right
are drawn apart. What BS.2051 fixes (M+000, M+030, M-030) does not move.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spatial_swin.audio.hrtf import Listener, everywhere
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import Layout, Loudspeaker

NEAR = 5.0  # degrees between a drawn place and a direction that the listener has, so that it really stands there
DRAWS = 200  # until one is near enough; else the loudspeaker stays


@dataclass(frozen=True)
class Range:
    """Degrees between which a loudspeaker may stand: azimuth of the left one, elevation."""

    azimuth: tuple[float, float]
    elevation: tuple[float, float]


RANGES = {  # BS.2051, systems B (0+5+0) and D (4+5+0); surrounds at ear level, which both allow
    "M110": Range((100, 120), (0, 0)),
    "U030": Range((30, 45), (30, 55)),
    "U110": Range((100, 135), (30, 55)),
}


def place_of(speaker: Loudspeaker, listener: Listener, seed: int) -> tuple[float, float]:
    """Azimuth and elevation in degrees of a loudspeaker as `listener` has it; its own ones where none are allowed."""
    allowed = RANGES.get(speaker.name.replace("+", "").replace("-", ""))
    if allowed is None:
        return speaker.azimuth, speaker.elevation
    generator = keyed_generator(seed, "moved loudspeakers", listener.name, speaker.name)
    side = np.sign(speaker.azimuth)
    low, high = np.array([allowed.azimuth, allowed.elevation]).T
    for azimuth, elevation in generator.uniform(low, high, (DRAWS, 2)):
        if listener.angles_to(side * azimuth, elevation).min() <= NEAR:
            return float(side * azimuth), float(elevation)
    return speaker.azimuth, speaker.elevation


def moved(listener: Listener, layouts: Sequence[Layout], seed: int) -> Listener:
    """`listener` who hears the loudspeakers of `layouts` from the directions nearest to their places.

    Raises AudioError when a loudspeaker has no direction within 15 degrees, before it is moved.
    """
    for layout in layouts:
        listener.check(layout)
    listener = everywhere(listener)
    speakers = list({(s.azimuth, s.elevation): s for layout in layouts for s in layout.placed}.values())
    return replace(
        listener,
        azimuths=np.array([speaker.azimuth for speaker in speakers]),
        elevations=np.array([speaker.elevation for speaker in speakers]),
        impulse_responses=np.stack([listener.nearest(*place_of(speaker, listener, seed)) for speaker in speakers]),
        source=f"{listener.source}, loudspeakers moved",
    )
