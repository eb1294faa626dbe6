"""Virtual heads: a measured listener changed into one who might have been measured as well, for training on few.

In go a `Listener` and a number, out comes another `Listener` in the directions of all layouts; the same two give the
same head. What changes, each drawn by itself: left and right are exchanged or not; the head is turned a few degrees;
it is larger or smaller, which stretches delays and moves the spectrum, as heads differ mostly by that (Middlebrooks,
Individual differences in external-ear transfer functions reduced by scaling in frequency, JASA 106(3), 1999); the
microphones have other colours; an ear answers each direction a little otherwise; one ear is a little louder. It is
for training sets only: nothing measured on virtual heads says what happens on people.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
import soxr
from scipy import fft

from spatial_swin.audio.hrtf import FARTHEST, Listener
from spatial_swin.audio.panning import unit_vectors
from spatial_swin.audio.parametric import direction_shapes
from spatial_swin.errors import AudioError
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import all_directions

MADE = re.compile(r"-v\d+$")  # what `virtual_name` puts after a name
RINGING = 128  # samples that the filters may ring on
TURN_SD, TURN_MOST = np.array([3.0, 5.0, 2.0]), 8.0  # degrees of yaw, pitch and roll
SIZE_SD, SIZE_RANGE = 0.06, (0.86, 1.16)  # of the logarithm of the size; the range of adults
KNOTS = np.geomspace(200, 20_000, 20)  # Hz, a third of an octave apart
COLOUR_DB = 2.5  # SD of what both ears share: microphones, headphones, how a laboratory compensates
EAR_DB = 0.8 * np.interp(KNOTS, (500, 5_000), (0.3, 1.5))  # SD of one ear's own
SHAPE_DB = np.interp(KNOTS, (700, 6_000), (0.15, 1.2))  # SD of each of nine shapes over the directions
GAIN_DB = 0.6  # SD of the level of one ear over the other's
MOST_DB = 18.0  # no filter boosts or cuts more


@dataclass(frozen=True)
class Change:
    """What is done to a head. turn: yaw, pitch, roll in degrees; size: a factor; the rest in dB at `KNOTS`.

    colour [KNOTS] for both ears, ears [2, KNOTS] for each, shapes [9, KNOTS] as `direction_shapes` has them; gain_db:
    of the left ear over the right one.
    """

    mirrored: bool
    turn: np.ndarray
    size: float
    colour: np.ndarray
    ears: np.ndarray
    shapes: np.ndarray
    gain_db: float


UNCHANGED = Change(
    False, np.zeros(3), 1.0, np.zeros(len(KNOTS)), np.zeros((2, len(KNOTS))), np.zeros((9, len(KNOTS))), 0.0
)


def draw_change(name: str, number: int) -> Change:
    """The `number`-th change of the listener called `name`."""
    draw = keyed_generator("virtual head", name, number)
    return Change(
        mirrored=bool(draw.random() < 0.5),
        turn=np.clip(draw.normal(0, TURN_SD), -TURN_MOST, TURN_MOST),
        size=float(np.clip(np.exp(draw.normal(0, SIZE_SD)), *SIZE_RANGE)),
        colour=draw.normal(0, COLOUR_DB, len(KNOTS)),
        ears=draw.normal(size=(2, len(KNOTS))) * EAR_DB,
        shapes=draw.normal(size=(9, len(KNOTS))) * SHAPE_DB,
        gain_db=float(draw.normal(0, GAIN_DB)),
    )


def virtual_head(listener: Listener, number: int) -> Listener:
    """The `number`-th virtual head made from `listener`, called as `virtual_name` says.

    Raises AudioError for a listener that has no direction of any layout.
    """
    changed = changed_head(listener, draw_change(listener.name, number))
    return replace(changed, name=virtual_name(listener.name, number), source=f"{listener.source}~{number}")


def virtual_name(name: str, number: int) -> str:
    """`NAME-vNUMBER`: what the `number`-th virtual head of the listener called `name` is called."""
    return f"{name}-v{number}"


def measured_name(name: str) -> str:
    """The listener that the one called `name` was made from, who is the same person; any but a virtual head as it is.

    Only names tell, so a measured listener whose own name ends as a virtual head's is taken for one: it is then kept
    together with more than needed, never with less.
    """
    return MADE.sub("", name)


def changed_head(listener: Listener, change: Change) -> Listener:
    """`listener` after a change, in those directions of all layouts that it has within 15 degrees."""
    places = np.array([place for place in all_directions() if listener.angles_to(*place).min() <= FARTHEST])
    if not len(places):
        raise AudioError(f"{listener.source}: no direction of any layout; a virtual head needs those it will hear")
    side = -1.0 if change.mirrored else 1.0
    heard = np.stack([listener.interpolated(side * a, e) for a, e in _turned(places, change.turn)])
    responses = _resized(heard[:, ::-1] if change.mirrored else heard, change.size)
    responses = _filtered(responses, change, unit_vectors(*places.T), listener.sample_rate)
    azimuths, elevations = places.T
    return replace(listener, azimuths=azimuths, elevations=elevations, impulse_responses=responses)


def _turned(places: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Where sources at `places` [D, 2] (azimuth, elevation) stand for a head turned by yaw, pitch, roll in degrees."""
    yaw, pitch, roll = np.radians(turn)
    about_z = [[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]
    about_y = [[np.cos(pitch), 0, np.sin(pitch)], [0, 1, 0], [-np.sin(pitch), 0, np.cos(pitch)]]
    about_x = [[1, 0, 0], [0, np.cos(roll), -np.sin(roll)], [0, np.sin(roll), np.cos(roll)]]
    x, y, z = np.array(about_z) @ np.array(about_y) @ np.array(about_x) @ unit_vectors(*places.T).T
    return np.degrees(np.stack([np.arctan2(y, x), np.arcsin(np.clip(z, -1, 1))], axis=1))


def _resized(responses: np.ndarray, size: float) -> np.ndarray:
    """Responses [D, 2, T] of a head `size` times as large: everything comes later, every spectrum is lower."""
    longer = round(responses.shape[-1] * SIZE_RANGE[1])
    if size == 1.0:
        return np.pad(responses, ((0, 0), (0, 0), (0, longer - responses.shape[-1])))
    flat = responses.reshape(-1, responses.shape[-1]).astype(np.float64)
    stretched = soxr.resample(flat.T, 1.0, size, quality="VHQ").T / size
    kept = stretched[:, :longer].reshape(*responses.shape[:2], -1)
    return np.pad(kept, ((0, 0), (0, 0), (0, longer - kept.shape[-1])))


def _filtered(responses: np.ndarray, change: Change, sources: np.ndarray, sample_rate: int) -> np.ndarray:
    """Responses [D, 2, T] through the minimum-phase filters of a change: float32 [D, 2, T + RINGING]."""
    taps = responses.shape[-1] + RINGING
    size = 2 * fft.next_fast_len(taps, real=True)  # twice as long: what a cepstrum folds over is then below hearing
    octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1 / sample_rate), 1.0))

    def curves(knots: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(octaves, np.log2(KNOTS), row) for row in knots])

    ears = []
    for ear, side in enumerate((1.0, -1.0)):
        decibels = direction_shapes(sources * (1.0, side, 1.0)) @ curves(change.shapes)
        decibels += curves(change.colour[None] + change.ears[ear]) + side * change.gain_db / 2
        spectra = fft.rfft(responses[:, ear], size) * _minimum_phase(np.clip(decibels, -MOST_DB, MOST_DB))
        ears.append(fft.irfft(spectra, size)[:, :taps])
    return np.stack(ears, axis=1).astype(np.float32)


def _minimum_phase(decibels: np.ndarray) -> np.ndarray:
    """Spectra complex [D, F] of the minimum-phase filters with these levels, by folding the cepstrum."""
    cepstrum = fft.irfft(decibels * (np.log(10) / 20))
    half = cepstrum.shape[-1] // 2
    cepstrum[:, 1:half] *= 2
    cepstrum[:, half + 1 :] = 0
    return np.exp(fft.rfft(cepstrum))
