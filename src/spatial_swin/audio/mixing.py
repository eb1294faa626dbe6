"""Parts of a song become stems, placed as an engineer mixes for loudspeakers around and above.

In go what every part plays and a generator, out come stems: drums, the bass and the melody stand in front, the other
parts in front, around or above, and a room returns from around and above. It plays nothing and writes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatial_swin.audio.midi import Part
from spatial_swin.audio.render import Stem
from spatial_swin.audio.reverberation import Room, returns
from spatial_swin.audio.sounds import Draw
from spatial_swin.audio.synthesis import ABOVE, AROUND, FRONT, resting

RETURNS = ((110, 0), (-110, 0), (40, 35), (-40, 35), (130, 40), (-130, 40))  # of the room, in degrees
MONO = 0.02  # of the energy; a part with less of it at its sides is one stem
QUIET = 1e-4  # peak of full scale; a part below it is not there


@dataclass(frozen=True)
class Place:
    """Where a part stands, in degrees; `width` lies between its left and its right stem."""

    azimuth: float
    elevation: float
    width: float


def part_stems(draw: Draw, number: int, part: Part, place: Place, sound: np.ndarray) -> list[Stem]:
    """The stems of the `number`-th part, played as float32 [2, N]: one, two where it is wide, none where it is silent.

    The `kind` of a stem is its name: number and instrument, and its side.
    """
    level = np.float32(10 ** (draw.uniform(-4, 4) / 20))
    if np.abs(sound).max() < QUIET:
        return []
    name = f"{number:02d}-{part.family}"
    if np.sum((sound[0] - sound[1]) ** 2) < 4 * MONO * np.sum(sound**2):
        return [resting(level * sound.mean(axis=0), (place.azimuth, place.elevation), name)]
    left, right = level * sound / np.float32(np.sqrt(2))
    return [
        resting(left, (place.azimuth + place.width / 2, place.elevation), f"{name}-left"),
        resting(right, (place.azimuth - place.width / 2, place.elevation), f"{name}-right"),
    ]


def place_parts(draw: Draw, parts: Sequence[Part]) -> list[Place]:
    """A place for every part: rhythm, bass and the highest melody in front, half of the others around and above."""
    tuned = [part for part in parts if part.family != "drums"]
    lead = max(tuned, key=lambda part: part.mean_pitch, default=None)
    bass = min(tuned, key=lambda part: part.mean_pitch, default=None)
    places = []
    for part in parts:
        if part.family == "drums":
            place = Place(draw.uniform(-10, 10), 0.0, draw.uniform(30, 60))
        elif part is lead or part is bass:
            place = Place(draw.uniform(-20, 20), 0.0, draw.uniform(0, 30))
        else:
            place = drawn_place(draw)
        places.append(place)
    return places


def drawn_place(draw: Draw) -> Place:
    """Where a part stands that is neither rhythm nor melody: in front, around or above."""
    where, side, width = draw.choice([FRONT, AROUND, ABOVE], p=[0.4, 0.35, 0.25]), draw.choice([-1, 1]), 0.0
    if draw.random() < 0.7:
        width = draw.uniform(10, 50)
    if where == FRONT:
        return Place(side * draw.uniform(15, 50), 0.0, width)
    if where == AROUND:
        return Place(side * draw.uniform(85, 150), 0.0, width)
    return Place(side * draw.uniform(0, 140), draw.uniform(30, 60), width)


def room_stems(draw: Draw, dry: np.ndarray, sample_rate: int) -> list[Stem]:
    """Returns of a drawn room from around and above, 6 to 14 dB below the dry sound before shares are dealt out."""
    room = Room.draw(draw)
    level = np.float32(10 ** (-draw.uniform(6, 14) / 20) * np.sqrt(np.mean(dry**2) / len(RETURNS)))
    wet = returns(draw, room, dry, sample_rate, len(RETURNS))
    return [
        resting(level * one, place, f"room{place[0]:+04d}{place[1]:+03d}")
        for one, place in zip(wet, RETURNS, strict=True)
    ]
