"""SOFA files (AES69) as plain arrays: impulse responses and the directions they were measured from.

Reads free-field HRIRs (a source a measurement), rooms in which the head turns (SingleRoomDRIR, SimpleFreeFieldHRIR
with views) and rooms with many loudspeakers (MultiSpeakerBRIR, SingleRoomMIMOSRIR). It judges nothing: `hrtf` does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Measured:
    """responses float64 [D, 2, T]; azimuths, elevations [D] in degrees as the listener sees them; sample_rate Hz."""

    responses: np.ndarray
    azimuths: np.ndarray
    elevations: np.ndarray
    sample_rate: float


def read_measured(path: Path) -> Measured:
    """Read a SOFA file; raises whatever sofar, netCDF or a missing field raise."""
    import sofar

    sofa = sofar.read_sofa(str(path), verify=False, verbose=False)
    responses = np.asarray(sofa.Data_IR, dtype=np.float64)
    sample_rate = float(np.ravel(sofa.Data_SamplingRate)[0])
    delays = np.atleast_2d(np.asarray(getattr(sofa, "Data_Delay", 0.0), dtype=np.float64))
    if responses.ndim == 4:  # the first view: [ears, loudspeakers, T] or, since AES69-2022, [ears, T, loudspeakers]
        places = _places(sofa, "Source")[:1] + _places(sofa, "Emitter")  # emitters are placed as seen from the source
        axis = 1 if responses.shape[2] == len(places) else 2
        responses = np.moveaxis(responses[0], axis, 0)
        delays = delays[0].T if delays.ndim == 3 else delays
    else:
        places = _places(sofa, "Source")
    if responses.ndim == 3 and np.any(delays):
        responses = _with_delays(responses, delays)
    azimuths, elevations = _directions(sofa, places, len(responses))
    return Measured(responses, azimuths, elevations, sample_rate)


def _directions(sofa: Any, places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Azimuths and elevations [D] of sources, or of one source for a head that looks elsewhere each time."""
    head, view = _places(sofa, "Listener"), _places(sofa, "Listener", "View", default=(1.0, 0.0, 0.0))
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


def _places(sofa: Any, whose: str, what: str = "Position", default: tuple[float, ...] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """A field of positions or views as cartesian [D, 3], whichever type it is written in."""
    found = np.atleast_2d(np.asarray(getattr(sofa, f"{whose}{what}", default), dtype=np.float64))
    if found.ndim == 3:  # [loudspeakers, 3, measurements]: where they stood first
        found = found[..., 0]
    kind = str(getattr(sofa, f"{whose}{what}_Type", "cartesian"))
    if not kind.startswith("spherical"):
        return found
    azimuth, elevation = np.deg2rad(found[:, 0]), np.deg2rad(found[:, 1])
    flat = np.cos(elevation)
    return found[:, 2:3] * np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)


def _with_delays(responses: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """Responses [D, 2, T] with `delays` [1 or D, 2], rounded to whole samples, put in front of them."""
    whole = np.broadcast_to(np.maximum(np.round(delays), 0).astype(int), responses.shape[:2])
    taps = responses.shape[2]
    longer = np.zeros((*responses.shape[:2], taps + int(whole.max())))
    for place in np.ndindex(*whole.shape):
        longer[(*place, slice(whole[place], whole[place] + taps))] = responses[place]
    return longer
