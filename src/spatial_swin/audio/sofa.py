"""SOFA files (AES69) as plain arrays: impulse responses and the directions they were measured from.

Reads free-field HRIRs (one source per measurement), rooms in which the head turns (SingleRoomDRIR,
SimpleFreeFieldHRIR with views) and rooms with many loudspeakers (MultiSpeakerBRIR, SingleRoomMIMOSRIR). It judges
nothing, and `read_here` is for files that are trusted: `sofa_process` reads those of anyone.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

NAMING, TELLING = ("DatabaseName", "Organization"), ("History", "Comment")  # attributes of a file
CONVERTED = re.compile(r"\bfrom the (?P<name>[\w-]+) (?:database|format)\b", re.IGNORECASE)
NO_NAMES = {"sofa", "hrtf", "hrir", "brir", "original", "same", "following", "old", "public"}
MOST_NUMBERS = 45_000_000  # of one variable: 1,500 directions of a room, 0.3 s at 48 kHz, are 43 million


@dataclass(frozen=True, eq=False)
class Measured:
    """responses float64 [D, 2, T]; azimuths, elevations [D] in degrees as the listener sees them; sample_rate Hz.

    laboratory: the database that the file says it is of, or was converted from, or the organisation that wrote it;
    empty when it says none of them.
    """

    responses: np.ndarray
    azimuths: np.ndarray
    elevations: np.ndarray
    sample_rate: float
    laboratory: str = ""


def read_here(path: Path) -> Measured:
    """Read a SOFA file in this process; raises whatever netCDF or a missing field raise."""
    from netCDF4 import Dataset

    with Dataset(path, "r", format="NETCDF4") as file:
        file.set_auto_maskandscale(False)
        said = {name: str(getattr(file, name, "")).strip() for name in (*NAMING, *TELLING)}
        return replace(_measured(_Fields(file)), laboratory=_laboratory(said))


def _laboratory(said: dict[str, str]) -> str:
    """Whose measurement a file is by its attributes. Who converted a database did not measure it."""
    taken = (CONVERTED.search(said[name]) for name in TELLING)
    sources = [match["name"] for match in taken if match and match["name"].lower() not in NO_NAMES]
    return next(filter(None, [said[NAMING[0]], *sources, said[NAMING[1]]]), "")


class _Fields:
    """The variables of an open file as float64 arrays, and their attributes; sizes are checked before reading."""

    def __init__(self, file: Any) -> None:
        self.variables = file.variables

    def array(self, name: str, default: Any = None) -> np.ndarray:
        if name not in self.variables:
            if default is None:
                raise ValueError(f"there is no {name}")
            return np.asarray(default, dtype=np.float64)
        shape = tuple(map(int, self.variables[name].shape))
        count = int(np.prod(shape, dtype=object))
        if count > MOST_NUMBERS:
            raise ValueError(
                f"{name} claims {count:,} numbers, {list(shape)}, more than {MOST_NUMBERS:,} are not read"
            )
        return np.asarray(self.variables[name][...], dtype=np.float64)

    def places(self, name: str, default: tuple[float, ...] = (0.0, 0.0, 0.0)) -> np.ndarray:
        """A field of positions or views as cartesian [D, 3], whichever type it is written in."""
        positions = np.atleast_2d(self.array(name, default))
        if positions.ndim == 3:  # [loudspeakers, 3, measurements]: where they stood first
            positions = positions[..., 0]
        kind = str(getattr(self.variables.get(name), "Type", "cartesian"))
        if not kind.startswith("spherical"):
            return positions
        azimuth, elevation = np.deg2rad(positions[:, 0]), np.deg2rad(positions[:, 1])
        flat = np.cos(elevation)
        units = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)
        return positions[:, 2:3] * units


def _measured(fields: _Fields) -> Measured:
    responses = fields.array("Data.IR")
    sample_rate = float(np.ravel(fields.array("Data.SamplingRate"))[0])
    delays = np.atleast_2d(fields.array("Data.Delay", 0.0))
    places = fields.places("SourcePosition")
    if responses.ndim == 4:  # the first view: [ears, loudspeakers, T] or, since AES69-2022, [ears, T, loudspeakers]
        places = places[:1] + fields.places("EmitterPosition")  # emitters are placed as seen from the source
        axis = 1 if responses.shape[2] == len(places) else 2
        responses = np.moveaxis(responses[0], axis, 0)
        delays = delays[0].T if delays.ndim == 3 else delays
    if responses.ndim == 3 and np.any(delays):
        responses = _with_delays(responses, delays)
    azimuths, elevations = _directions(fields, places, len(responses))
    return Measured(responses, azimuths, elevations, sample_rate)


def _directions(fields: _Fields, places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Azimuths and elevations [D] of sources, or of one source for a head that looks elsewhere each time."""
    head, view = fields.places("ListenerPosition"), fields.places("ListenerView", (1.0, 0.0, 0.0))
    if len(places) > 1 and len(places) != max(len(head), len(view)):  # loudspeakers of a room, or one head for all
        head, view = head[:1], view[:1]
    seen = places - head if np.any(head) else places
    azimuths = np.degrees(np.arctan2(seen[:, 1], seen[:, 0])) - np.degrees(np.arctan2(view[:, 1], view[:, 0]))
    elevations = np.degrees(np.arctan2(seen[:, 2], np.hypot(seen[:, 0], seen[:, 1])))
    if len(azimuths) == 1 < count:
        azimuths = np.repeat(azimuths, count)
    if len(elevations) == 1:
        elevations = np.repeat(elevations, len(azimuths))
    return (azimuths + 180) % 360 - 180, elevations


def _with_delays(responses: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """Responses [D, 2, T] with `delays` [1 or D, 2], rounded to whole samples, put in front of them."""
    whole = np.broadcast_to(np.maximum(np.round(delays), 0).astype(int), responses.shape[:2])
    taps = responses.shape[2]
    if responses[..., 0].size * (taps + int(whole.max())) > MOST_NUMBERS:
        raise ValueError(f"Data.Delay holds {whole.max()} samples")
    longer = np.zeros((*responses.shape[:2], taps + int(whole.max())))
    for place in np.ndindex(*whole.shape):
        longer[(*place, slice(whole[place], whole[place] + taps))] = responses[place]
    return longer
