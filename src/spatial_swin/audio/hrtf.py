"""Listeners: head-related (or binaural room) impulse responses for the directions that layouts need.

In goes a name (`kemar`, which ships; `parametric:SEED`; or the path of a SOFA file), out comes a `Listener` at the wanted
sample rate. Measured responses are taken from the nearest direction, and how far that is is said; nothing is interpolated
between measured phases. A file with exchanged ears, or without the needed directions, is refused.
"""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr

from spatial_swin.audio import parametric
from spatial_swin.audio.panning import unit_vectors
from spatial_swin.errors import AudioError

ASSET = Path(__file__).parents[1] / "assets" / "kemar_layouts.sofa"
FARTHEST = 15.0  # degrees between a wanted and a measured direction; the coarsest grid here (LISTEN) has 15 degree steps
EARS_CHECK_DB = 1.0  # a source at the left must be at least so much louder in the left ear


@dataclass(frozen=True)
class Listener:
    """impulse_responses: float32 [D, 2, T], ear 0 is the left one; azimuth, elevation: degrees [D], as measured."""

    name: str
    sample_rate: int
    azimuth: np.ndarray
    elevation: np.ndarray
    impulse_responses: np.ndarray
    exact: bool = False  # any direction can be had (parametric)

    def nearest(self, directions: Sequence[tuple[float, float]]) -> tuple[np.ndarray, float]:
        """Responses [D', 2, T] for (azimuth, elevation) pairs, and the largest angle in degrees to a measured one.

        Raises:
            AudioError: a direction is farther than FARTHEST from any measured one.
        """
        wanted = unit_vectors(*np.array(directions, dtype=float).T)
        cosines = np.clip(wanted @ unit_vectors(self.azimuth, self.elevation).T, -1, 1)
        chosen, apart = cosines.argmax(axis=1), np.degrees(np.arccos(cosines.max(axis=1)))
        if apart.max() > FARTHEST:
            missing = ", ".join(f"{directions[k][0]:g}/{directions[k][1]:g}" for k in np.flatnonzero(apart > FARTHEST))
            raise AudioError(
                f"{self.name}: has no direction within {FARTHEST:g} degrees of {missing} (azimuth/elevation); "
                "leave out the layouts that need them, or use a listener measured there"
            )
        return self.impulse_responses[chosen], float(apart.max())


def load_listener(spec: str, sample_rate: int) -> Listener:
    """A listener by `kemar`, `parametric:SEED`, or the path of a SOFA file (AES69), resampled to `sample_rate`.

    Raises:
        AudioError: no such listener or file, not readable as SOFA, no two ears, ears exchanged.
    """
    if spec == "kemar":
        return _with_name(_from_sofa(str(ASSET), sample_rate), "kemar")
    if spec.startswith("parametric:"):
        return _parametric(spec, sample_rate)
    if not Path(spec).is_file():
        raise AudioError(f"listener {spec!r}: is neither kemar nor parametric:SEED nor a SOFA file")
    return _with_name(_from_sofa(spec, sample_rate), Path(spec).stem)


def _with_name(listener: Listener, name: str) -> Listener:
    from dataclasses import replace

    return replace(listener, name=name)


@lru_cache(maxsize=64)
def _parametric(spec: str, sample_rate: int) -> Listener:
    from spatial_swin.audio.layouts import all_directions

    seed = spec.partition(":")[2]
    if not seed.isdigit():
        raise AudioError(f"listener {spec!r}: write parametric:SEED with a whole number, e.g. parametric:7")
    azimuth, elevation = np.array(all_directions(), dtype=float).T
    responses = parametric.impulse_responses(int(seed), azimuth, elevation, sample_rate)
    return Listener(spec.replace(":", ""), sample_rate, azimuth, elevation, responses, exact=True)


@lru_cache(maxsize=16)
def _from_sofa(path: str | os.PathLike[str], sample_rate: int) -> Listener:
    import sofar

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old conventions are readable, which is all that is asked
            sofa = sofar.read_sofa(str(path), verify=False, verbose=False)
        responses, positions, kind = _responses_and_positions(sofa)
        rate = float(np.ravel(sofa.Data_SamplingRate)[0])
    except AudioError:
        raise
    except Exception as error:  # netCDF4 and sofar raise what they like for a malformed file
        raise AudioError(f"{path}: not readable as SOFA ({error}); is it an AES69 file of impulse responses?") from None
    if not np.isfinite(responses).all():
        raise AudioError(f"{path}: an impulse response holds NaN or infinite samples; use another file")
    azimuth, elevation = _degrees(positions, kind)
    listener = Listener(Path(path).stem, sample_rate, azimuth, elevation, _resampled(responses, rate, sample_rate))
    _check_ears(listener, path)
    return listener


def _responses_and_positions(sofa: object) -> tuple[np.ndarray, np.ndarray, str]:
    """Responses [D, 2, T] and positions [D, 3] of HRIRs, or of a BRIR set whose emitters are the directions."""
    data = np.asarray(sofa.Data_IR, dtype=np.float64)  # type: ignore[attr-defined]
    if data.ndim == 4:  # MultiSpeakerBRIR: [head orientation, ear, emitter, T]; the first orientation looks ahead
        data = data[0].transpose(1, 0, 2)
        positions = np.squeeze(np.asarray(sofa.EmitterPosition))  # type: ignore[attr-defined]
        kind = str(sofa.EmitterPosition_Type)  # type: ignore[attr-defined]
    else:
        positions = np.asarray(sofa.SourcePosition)  # type: ignore[attr-defined]
        kind = str(sofa.SourcePosition_Type)  # type: ignore[attr-defined]
    if data.ndim != 3 or data.shape[1] != 2:
        raise AudioError(f"SOFA responses of shape {list(data.shape)}: two ears are needed, [directions, 2, samples]")
    positions = np.broadcast_to(np.atleast_2d(positions), (len(data), 3))
    return data, positions, kind


def _degrees(positions: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    if kind.startswith("cart"):
        x, y, z = positions.T
        return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    return (positions[:, 0] + 180) % 360 - 180, positions[:, 1].copy()


def _resampled(responses: np.ndarray, rate: float, sample_rate: int) -> np.ndarray:
    if rate == sample_rate:
        return responses.astype(np.float32)
    flat = responses.reshape(-1, responses.shape[-1]).T  # soxr: [T, channels]
    return soxr.resample(flat, rate, sample_rate, quality="VHQ").T.reshape(*responses.shape[:2], -1).astype(np.float32)


def _check_ears(listener: Listener, path: str | os.PathLike[str]) -> None:
    """Sources at the left must be louder in ear 0; refuses a file whose ears are exchanged."""
    side = np.abs(np.abs(listener.azimuth) - 90) <= 30
    side &= np.abs(listener.elevation) <= 30
    if not side.any():
        return
    energy = (listener.impulse_responses[side] ** 2).sum(axis=-1) + 1e-20
    difference = 10 * np.log10(energy[:, 0] / energy[:, 1]) * np.sign(listener.azimuth[side])
    if np.median(difference) < EARS_CHECK_DB:
        raise AudioError(
            f"{path}: sources at the left are {-np.median(difference):.1f} dB louder in the right ear: the ears (or the "
            "sense of azimuth) are exchanged; mend the file before use"
        )
