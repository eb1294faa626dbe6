"""Listeners: impulse responses of two ears for directions, measured (SOFA, AES69) or modelled, at one sample rate.

In goes the name of a listener, out comes a `Listener`; HRIRs and BRIRs alike. Directions are relative to where the
listener looks. Ear 0 is the left one, which is checked by level at the side, not by the receiver positions a file
claims: in many files those are wrong. A response is resampled once, here. It renders nothing.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import soxr

from spatial_swin.audio import parametric
from spatial_swin.audio.panning import all_around, unit_vectors
from spatial_swin.audio.sofa import Measured, read_here
from spatial_swin.audio.sofa_process import read_measured
from spatial_swin.errors import AudioError, Problem
from spatial_swin.files import files_below
from spatial_swin.layouts import Layout, all_directions

KEMAR = "kemar"
KEMAR_ASSET = "kemar_layouts.sofa"
FARTHEST = 15.0  # degrees; the coarsest grids measured are that wide
LATERAL = (50.0, 130.0)  # degrees of azimuth between which the near ear is clearly the louder one
SAMPLE_RATES = (32_000, 192_000)
EVERYWHERE = 500  # directions of a modelled listener who is asked for all: no place is 6 degrees from the nearest
ONSET = 0.1  # share of the peak at which a response is taken to begin
NEAREST, INTERPOLATED = DIRECTION_MODES = ("nearest", "interpolated")


@dataclass(frozen=True, eq=False)
class Listener:
    """azimuths, elevations [D] in degrees; impulse_responses float32 [D, 2, T]; source: the file or the model.

    laboratory: whose measurement it is, empty when nothing says so.
    """

    name: str
    sample_rate: int
    azimuths: np.ndarray
    elevations: np.ndarray
    impulse_responses: np.ndarray
    source: str
    laboratory: str = ""

    def responses(self, layout: Layout, mode: str = NEAREST) -> np.ndarray:
        """Responses float32 [S, 2, T] of the placed loudspeakers of `layout`: the nearest direction, or between three.

        Raises AudioError when a loudspeaker has no direction within 15 degrees.
        """
        self.check(layout)
        pick = self.nearest if mode == NEAREST else self.interpolated
        return np.stack([pick(s.azimuth, s.elevation) for s in layout.placed])

    def nearest(self, azimuth: float, elevation: float) -> np.ndarray:
        return self.impulse_responses[int(self.angles_to(azimuth, elevation).argmin())]

    def interpolated(self, azimuth: float, elevation: float) -> np.ndarray:
        """Between the three nearest, weighted by 1 / angle: onsets aligned, averaged, put at the average onset."""
        angles = self.angles_to(azimuth, elevation)
        near = np.argsort(angles, kind="stable")[:3]
        if angles[near[0]] < 0.1:
            return self.impulse_responses[near[0]]
        weights = (1 / angles[near]) / (1 / angles[near]).sum()
        neighbours = self.impulse_responses[near].astype(np.float64)
        onsets = _onsets(neighbours)  # [3, 2]
        moved = _delayed(neighbours, weights @ onsets - onsets)
        return np.tensordot(weights, moved, axes=1).astype(np.float32)

    def angles_to(self, azimuth: float, elevation: float) -> np.ndarray:
        """Angles in degrees between a direction and every one there is, [D]."""
        wanted = unit_vectors(np.array(azimuth), np.array(elevation))
        return np.degrees(np.arccos(np.clip(unit_vectors(self.azimuths, self.elevations) @ wanted, -1, 1)))

    def check(self, layout: Layout) -> float:
        """The largest angle in degrees between a loudspeaker and the nearest direction.

        Raises AudioError naming every loudspeaker of `layout` for which no direction is near enough.
        """
        angles = {s.name: float(self.angles_to(s.azimuth, s.elevation).min()) for s in layout.placed}
        far = [f"{name} (nearest is {angle:.0f} degrees away)" for name, angle in angles.items() if angle > FARTHEST]
        if far:
            raise AudioError(
                f"{self.source}: no direction for {', '.join(far)} of layout {layout.code}; "
                "use a denser measurement, or leave out that layout"
            )
        return max(angles.values())


def _onsets(responses: np.ndarray) -> np.ndarray:
    """When responses first exceed a tenth of their peak, in samples with fractions: [..., T] -> [...]."""
    size = np.abs(responses)
    bar = ONSET * size.max(axis=-1, keepdims=True)
    first = (size >= bar).argmax(axis=-1)[..., None]
    at, before = (np.take_along_axis(size, np.maximum(first - k, 0), -1) for k in (0, 1))
    step = np.clip((at - bar) / np.maximum(at - before, 1e-12), 0, 1)
    return np.where(first > 0, first - step, 0.0)[..., 0]


def _delayed(responses: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Responses [..., T] moved later by `samples` [...], fractions included; what leaves at the end is lost."""
    taps = responses.shape[-1]
    spectrum = np.fft.rfft(responses, 2 * taps)
    phase = np.exp(-2j * np.pi * np.fft.rfftfreq(2 * taps) * samples[..., None])
    return np.fft.irfft(spectrum * phase, 2 * taps)[..., :taps]


def load_listener(name: str, sample_rate: int) -> Listener:
    """The listener `kemar`, `parametric:SEED` or a path to a SOFA file, at `sample_rate` Hz; `NAME~2` is its second
    virtual head.

    Raises AudioError for an unknown name, a file that is not SOFA or not of two ears, samples that are not finite,
    silent responses, ears that are swapped, or a sample rate nobody uses.
    """
    check_rate(sample_rate, "the sample rate asked for")
    if is_parametric(name):
        seed = name.partition(":")[2]
        if not seed.isdecimal():
            raise AudioError(f"listener {name!r}: a parametric listener needs a number, as in parametric:7")
        return _modelled(int(seed), sample_rate)
    measured, _, number = name.rpartition("~")
    if measured and number.isdecimal() and not Path(name).is_file():
        return _virtual(measured, int(number), sample_rate)
    return _measured(name, sample_rate)


@lru_cache(maxsize=1024)  # a tenth of a MB each, in the directions of the layouts alone, as virtual heads are
def _modelled(seed: int, sample_rate: int) -> Listener:
    """The parametric listener of a seed."""
    azimuths, elevations = np.array(all_directions()).T
    responses = parametric.impulse_responses(seed, azimuths, elevations, sample_rate)
    source = f"parametric:{seed}"
    return Listener(f"parametric{seed:04d}", sample_rate, azimuths, elevations, responses, source, "parametric")


@lru_cache(maxsize=1024)
def _virtual(measured: str, number: int, sample_rate: int) -> Listener:
    """The `number`-th virtual head of a measured listener."""
    from spatial_swin.audio.virtual_heads import virtual_head  # it is made of what this module reads

    return virtual_head(load_listener(measured, sample_rate), number)


@lru_cache(maxsize=64)  # MB each: they are measured all around
def _measured(name: str, sample_rate: int) -> Listener:
    """`kemar` or what a SOFA file holds."""
    if name == KEMAR:
        with resources.as_file(resources.files("spatial_swin") / "assets" / KEMAR_ASSET) as path:
            return _listener_of(read_here(path), path, sample_rate, KEMAR)
    path = Path(name)
    if not path.is_file():
        raise AudioError(f"there is no listener {name!r}; say kemar, parametric:SEED, or the path of a SOFA file")
    return _listener_of(read_measured(path), path, sample_rate, re.sub(r"[^A-Za-z0-9-]+", "-", path.stem).strip("-"))


def is_parametric(name: str) -> bool:
    """Whether a name that `load_listener` takes is that of a modelled listener."""
    return name.partition(":")[0] == "parametric"


def with_virtual_heads(names: Iterable[str], each: int) -> list[str]:
    """Names of listeners, every measured one followed by `each` virtual heads of it, `NAME~1` to `NAME~each`."""
    return [
        spoken
        for name in names
        for spoken in (name, *(() if is_parametric(name) else (f"{name}~{k}" for k in range(1, each + 1))))
    ]


def everywhere(listener: Listener) -> Listener:
    """A modelled listener with directions all around beside those of the layouts; a measured one as it is."""
    if not is_parametric(listener.source):
        return listener
    x, y, z = all_around(EVERYWHERE).T
    azimuths = np.concatenate([listener.azimuths, np.degrees(np.arctan2(y, x))])
    elevations = np.concatenate([listener.elevations, np.degrees(np.arcsin(z))])
    seed, taps = int(listener.source.partition(":")[2]), listener.impulse_responses.shape[-1]
    responses = parametric.impulse_responses(seed, azimuths, elevations, listener.sample_rate, taps)
    return replace(listener, azimuths=azimuths, elevations=elevations, impulse_responses=responses)


def expand_listeners(names: Iterable[str]) -> list[str]:
    """Names with `parametric:1-20` written out and folders replaced by their SOFA files, each once, in order."""
    expanded: list[str] = []
    for name in names:
        span = re.fullmatch(r"parametric:(\d+)-(\d+)", name)
        if span:
            first, last = int(span[1]), int(span[2])
            if last < first:
                raise AudioError(f"listener {name!r}: {last} comes before {first}; write parametric:{last}-{first}")
            expanded += [f"parametric:{seed}" for seed in range(first, last + 1)]
        elif Path(name).is_dir():
            sofa_files = [str(path) for path in files_below(Path(name)) if path.suffix.lower() == ".sofa"]
            if not sofa_files:
                raise AudioError(f"{name}: there is no .sofa file in this folder; say kemar or parametric:SEED")
            expanded += sofa_files
        else:
            expanded.append(name)
    return list(dict.fromkeys(expanded))


def usable_listeners(
    names: Iterable[str], sample_rate: int, layouts: Sequence[Layout]
) -> tuple[dict[str, Listener], list[Problem]]:
    """Those of `names` that serve all `layouts`, and a problem for every one that does not."""
    usable: dict[str, Listener] = {}
    problems = []
    for name in names:
        try:
            listener = load_listener(name, sample_rate)
            for layout in layouts:
                listener.check(layout)
        except AudioError as error:
            reason = str(error).removeprefix(f"{name}: ")
            problems.append(Problem(f"listener {name}", reason, "or leave this listener out"))
            continue
        twin = next((other for other, taken in usable.items() if taken.name == listener.name), None)
        if twin is not None:
            problems.append(same_listener_name(name, listener.name, twin))
            continue
        usable[name] = listener
    return usable, problems


def same_listener_name(spec: str, name: str, twin: str) -> Problem:
    """What is wrong with the listener `spec`, which would get the name that `twin` has."""
    what = f"would be called {name} in the names of pictures, as {twin} is"
    return Problem(f"listener {spec}", what, "rename one of the two files")


def check_rate(rate: float, where: str) -> None:
    """Raise AudioError for a sample rate at which elevation cannot be heard, or that is none."""
    low, high = SAMPLE_RATES
    if not (math.isfinite(rate) and low <= rate <= high):
        raise AudioError(f"{where} is {rate:g} Hz; it has to lie between {low} and {high} Hz")


def _listener_of(measured: Measured, path: Path, sample_rate: int, name: str) -> Listener:
    check_rate(measured.sample_rate, f"{path}: Data.SamplingRate")
    _check_responses(path, measured)
    _check_ears(path, measured)
    responses = measured.responses
    if measured.sample_rate != sample_rate:
        responses = _resampled(responses, measured.sample_rate, sample_rate)
    responses = responses.astype(np.float32)
    laboratory = re.sub(r"[^A-Za-z0-9-]+", "-", measured.laboratory).strip("-")[:40]
    return Listener(name, sample_rate, measured.azimuths, measured.elevations, responses, path.name, laboratory)


def _resampled(responses: np.ndarray, old: float, new: float) -> np.ndarray:
    """Responses [D, 2, T] at another rate, scaled so that a convolution keeps its gain."""
    margin = 32  # samples; what rings before the onset would be cut off: all responses move by the same time
    padded = np.pad(responses.reshape(-1, responses.shape[-1]), ((0, 0), (margin, margin)))
    moved = soxr.resample(padded.T, old, new, quality="VHQ").T
    return (moved * (old / new)).reshape(*responses.shape[:2], -1)


def _check_responses(path: Path, measured: Measured) -> None:
    responses = measured.responses
    if responses.ndim != 3 or responses.shape[1] != 2 or not responses.size:
        shape = list(responses.shape)
        raise AudioError(f"{path}: Data.IR has the shape {shape}, not [directions, 2 ears, taps]; use a binaural file")
    if not len(responses) == len(measured.azimuths) == len(measured.elevations):
        what = f"{len(responses)} impulse responses and {len(measured.azimuths)} positions"
        raise AudioError(f"{path}: {what}; write the file again")
    if not np.isfinite([measured.azimuths, measured.elevations]).all():
        raise AudioError(f"{path}: positions are NaN or infinite; write the file again")
    if count := int((~np.isfinite(responses)).sum()):
        what = f"{count} sample{'s are' if count > 1 else ' is'} NaN or infinite"
        raise AudioError(f"{path}: {what}; write the file again")
    mute = np.flatnonzero((responses == 0).all(axis=2).any(axis=1))
    if mute.size:
        what = f"{mute.size} impulse responses are silent, the first is number {mute[0]}"
        raise AudioError(f"{path}: {what}; leave those directions out of the file")


def _check_ears(path: Path, measured: Measured) -> None:
    """Raise AudioError when sources at the side are louder in the far ear."""
    low, high = LATERAL
    side = (
        (np.abs(measured.azimuths) >= low) & (np.abs(measured.azimuths) <= high) & (np.abs(measured.elevations) <= 30)
    )
    if not side.any():
        return
    energy = (measured.responses[side] ** 2).sum(axis=2)
    near_minus_far = 10 * np.log10(energy[:, 0] / energy[:, 1]) * np.sign(measured.azimuths[side])
    if np.median(near_minus_far) < 0:
        raise AudioError(
            f"{path}: the ears are swapped: of sources at the side the far ear is {-np.median(near_minus_far):.1f} dB "
            "louder than the near one; exchange the receivers, or mirror the azimuths (SOFA: positive to the left)"
        )
