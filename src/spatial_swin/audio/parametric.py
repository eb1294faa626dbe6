"""A listener that needs no measurement: spherical head, ears a little behind the middle, pinnae whose echoes and notch
move, a torso that reflects, irregularities of one's own, and two ears that differ.

In goes a seed, out come head-related impulse responses for any direction; seeds are a population of heads and pinnae.
What is modelled: the delay around a rigid sphere (Woodworth), its shadow as one pole and one zero (Brown and Duda, A
structural model for binaural sound synthesis, IEEE TSAP 6(5), 1998), five pinna echoes that move with elevation (the
same), a notch that rises with elevation, the pinna's shadow of what comes from behind, a reflection of the torso that
comes later the higher the source (Algazi et al., The use of head-and-torso models for improved spatial sound
synthesis, AES 113, 2002), and what no model of few numbers holds: a smooth random spectrum that changes with
direction, a few dB, as measured ears differ from any model. No person has two equal ears, nor looks exactly to the
front, nor hears through two microphones of one gain: each ear lies around the person's mean, and its difference to the
other was fitted to 42 measured people (`docs/programmes.md`). Not modelled: room.

`VERSION` tells apart what a seed sounds like: 1 had equal ears and looked to the front; 2 has the same people with
two ears each.
"""

from dataclasses import dataclass, replace

import numpy as np

from spatial_swin.audio.panning import unit_vectors
from spatial_swin.keyed_random import keyed_generator

VERSION = 2
SPEED_OF_SOUND = 343.0  # m/s at 20 degrees C
SHADOW_MINIMUM = 0.1  # Brown and Duda's alpha_min
SHADOW_ANGLE = 150.0  # degrees, where the sphere's shadow is deepest
ECHO_GAINS = np.array([0.5, -1.0, 0.5, -0.25, 0.25])  # their table I; delays in samples at 44.1 kHz
ECHO_SWING = np.array([1.0, 5.0, 5.0, 5.0, 5.0])
ECHO_OFFSET = np.array([2.0, 4.0, 7.0, 11.0, 13.0])
ECHO_BEND = np.array([1.0, 0.5, 0.5, 0.5, 0.5])
TABLE_RATE = 44_100.0
KNOTS = np.geomspace(1_000, 20_000, 14)  # Hz, a third of an octave apart, where the irregularities are drawn
SHAPES = 9  # of the directions, `direction_shapes`
UNLIKE = (0.25, 1.0)  # of the two ears of a person; 0 would be equal ears, 1 those of two people


@dataclass(frozen=True)
class Ear:
    """One side of a head. Its place in degrees as the left ear's; echoes as factors; notch in Hz and dB; gain in dB.

    irregularities in dB [SHAPES, KNOTS].
    """

    azimuth: float
    elevation: float
    echo_gains: np.ndarray
    echo_swing: np.ndarray
    echo_offset: np.ndarray
    notch_lowest: float
    notch_rise: float
    notch_depth: float
    rear_shadow: float
    gain: float
    irregularities: np.ndarray


@dataclass(frozen=True)
class Head:
    """Drawn anatomy. radius in m; turn in degrees to the left; torso_delay in s, of a source overhead; left, right."""

    radius: float
    turn: float
    torso_gain: float
    torso_delay: float
    ears: tuple[Ear, Ear]


def draw_head(seed: int) -> Head:
    """A head of the population: radius 8.75 ± 0.5 cm, pinna delays ± 15 %, notch from 5.5 to 7.5 kHz.

    The irregularities grow from 0.5 dB at 1 kHz to 2.5 dB (SD of each shape) where the pinna is large, from 6 kHz on.
    A person is drawn first, then how much the two ears differ, then each ear around the person; the head looks a
    few degrees past the front (SD 3), and the ears' gains differ by tenths of a dB (SD 0.6).
    """
    generator = keyed_generator(seed, "parametric listener")
    radius = float(np.clip(generator.normal(0.0875, 0.005), 0.072, 0.102))
    person = Ear(
        azimuth=float(generator.uniform(94, 106)),
        elevation=0.0,
        echo_gains=ECHO_GAINS * generator.uniform(0.4, 1.0, 5),
        echo_swing=ECHO_SWING * generator.uniform(0.8, 1.2, 5),
        echo_offset=ECHO_OFFSET * generator.uniform(0.85, 1.15, 5),
        notch_lowest=float(generator.uniform(5_500, 7_500)),
        notch_rise=float(generator.uniform(25, 45)),
        notch_depth=float(generator.uniform(8, 20)),
        rear_shadow=float(generator.uniform(3, 9)),
        gain=0.0,
        irregularities=np.empty(0),
    )
    torso_gain, torso_delay = float(generator.uniform(0.15, 0.4)), float(generator.uniform(0.6e-3, 0.85e-3))
    person = replace(person, irregularities=_irregularities(generator))
    own = keyed_generator(seed, "ears of a parametric listener")
    turn, unlike = float(np.clip(own.normal(0, 3), -8, 8)), own.uniform(*UNLIKE)
    return Head(
        radius, turn, torso_gain, torso_delay, (_draw_ear(own, person, unlike), _draw_ear(own, person, unlike))
    )


def _irregularities(generator: np.random.Generator) -> np.ndarray:
    return generator.normal(size=(SHAPES, len(KNOTS))) * np.interp(KNOTS, (1_000, 6_000), (0.5, 2.5))


def _draw_ear(draw: np.random.Generator, person: Ear, unlike: float) -> Ear:
    """An ear of a person; `unlike` is the share of its irregularities (as an amplitude) that the other has not."""
    return Ear(
        azimuth=person.azimuth + float(np.clip(draw.normal(0, 3), -8, 8)),
        elevation=float(np.clip(draw.normal(0, 3), -8, 8)),
        echo_gains=person.echo_gains * draw.uniform(1 - 0.4 * unlike, 1 + 0.4 * unlike, 5),
        echo_swing=person.echo_swing * draw.uniform(0.95, 1.05, 5),
        echo_offset=person.echo_offset * (1 + unlike * draw.uniform(-0.06, 0.06, 5)),
        notch_lowest=person.notch_lowest * (1 + unlike * float(draw.uniform(-0.12, 0.12))),
        notch_rise=person.notch_rise * float(draw.uniform(0.95, 1.05)),
        notch_depth=person.notch_depth * (1 + unlike * float(draw.uniform(-0.4, 0.4))),
        rear_shadow=person.rear_shadow * (1 + unlike * float(draw.uniform(-0.3, 0.3))),
        gain=float(np.clip(draw.normal(0, 0.42), -1, 1)),
        irregularities=np.sqrt(1 - unlike**2) * person.irregularities + unlike * _irregularities(draw),
    )


def impulse_responses(
    seed: int, azimuth: np.ndarray, elevation: np.ndarray, sample_rate: int, taps: int = 256
) -> np.ndarray:
    """HRIRs float32 [D, 2, taps] for directions in degrees [D]; ear 0 is the left one."""
    head = draw_head(seed)
    sources = unit_vectors(np.asarray(azimuth, float) - head.turn, np.asarray(elevation, float))
    frequency = np.fft.rfftfreq(taps, 1 / sample_rate)
    # interaural-polar angles: left of the median plane, and around it: 0 front, 90 above, 180 behind, 270 below
    lateral = np.arcsin(np.clip(sources[:, 1], -1, 1))
    polar = np.degrees(np.arctan2(sources[:, 2], sources[:, 0]))
    polar = np.where(polar < -90, polar + 360, polar)
    torso = _torso(head, sources[:, 2], frequency)
    responses = []
    for side, ear in zip((1.0, -1.0), head.ears, strict=True):
        place = unit_vectors(np.array(side * ear.azimuth), np.array(ear.elevation))
        angle = np.arccos(np.clip(sources @ place, -1, 1))  # [D] between source and ear
        spectrum = _sphere(head, angle, frequency) * torso * _pinna(ear, side * lateral, polar, frequency)
        spectrum *= 10 ** (ear.gain / 20) * _irregular(ear, sources * (1, side, 1), frequency)
        responses.append(np.fft.irfft(spectrum, taps))
    return _faded(np.stack(responses, axis=1)).astype(np.float32)


def _sphere(head: Head, angle: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Delay and shadow of a rigid sphere for the angle between source and ear: complex [D, F]."""
    time = head.radius / SPEED_OF_SOUND
    delay = np.where(angle < np.pi / 2, -time * np.cos(angle), time * (angle - np.pi / 2)) + time + 0.5e-3
    omega = 2 * np.pi * frequency
    depth = 1 + SHADOW_MINIMUM / 2 + (1 - SHADOW_MINIMUM / 2) * np.cos(np.pi * np.degrees(angle) / SHADOW_ANGLE)
    corner = 2 * SPEED_OF_SOUND / head.radius
    shadow = (1 + 1j * depth[:, None] * omega / corner) / (1 + 1j * omega / corner)
    return shadow * np.exp(-1j * omega * delay[:, None])


def _pinna(ear: Ear, lateral: np.ndarray, polar: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Echoes, notch and rear shadow of one pinna: complex [D, F]. lateral is positive towards this ear, in radians."""
    bend = np.sin(np.radians(ECHO_BEND * (90 - polar[:, None])))
    delays = ear.echo_swing * np.cos(lateral / 2)[:, None] * bend + ear.echo_offset  # [D, 5] samples of the table
    phase = np.exp(-2j * np.pi * frequency * delays[..., None] / TABLE_RATE)  # [D, 5, F]
    # a pinna is small: below 2 kHz it does nothing
    small = 1 / (1 + (2_000 / np.maximum(frequency, 1)) ** 4)
    echoes = 1 + small * (ear.echo_gains[:, None] * phase).sum(axis=1)
    front = np.where(polar > 90, 180 - polar, polar)
    centre = ear.notch_lowest + ear.notch_rise * (front + 45) + 900 * (polar > 90)
    shape = np.exp(-0.5 * (np.log2(np.maximum(frequency, 1) / centre[:, None]) / 0.12) ** 2)
    notch = 10 ** (-ear.notch_depth * np.cos(lateral)[:, None] * shape / 20)
    behind = np.clip(-np.cos(np.radians(polar)), 0, 1) * np.cos(lateral)
    high = 1 / (1 + (4_000 / np.maximum(frequency, 1)) ** 2)
    return echoes * notch * 10 ** (-ear.rear_shadow * behind[:, None] * high / 20)


def _torso(head: Head, height: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """The reflection of the shoulders for the sine of the elevation: complex [D, F]. Cloth dulls it above 5 kHz."""
    delay = head.torso_delay * (0.5 + 0.5 * height)  # s; half of it still at ear level
    dull = 1 / (1 + (frequency / 5_000) ** 2)
    return 1 + head.torso_gain * dull * np.exp(-2j * np.pi * frequency * delay[:, None])


def _irregular(ear: Ear, sources: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Factors [D, F] of the ear's own spectrum. sources [D, 3] with y towards the ear."""
    octaves, knots = np.log2(np.maximum(frequency, 1)), np.log2(KNOTS)
    decibels = np.stack([np.interp(octaves, knots, shape, left=0.0) for shape in ear.irregularities])  # [SHAPES, F]
    return 10 ** (direction_shapes(sources) @ decibels / 20)


def direction_shapes(sources: np.ndarray) -> np.ndarray:
    """Smooth functions of the direction [D, SHAPES]: polynomials of the first two orders of unit vectors [D, 3]."""
    x, y, z = sources.T
    return np.stack([np.ones_like(x), x, y, z, x * y, x * z, y * z, x**2 - y**2, 1.5 * z**2 - 0.5], axis=1)


def _faded(responses: np.ndarray) -> np.ndarray:
    """Fade the last quarter, so that no response is cut off."""
    taps = responses.shape[-1]
    quarter = taps // 4
    window = np.ones(taps)
    window[-quarter:] = 0.5 * (1 + np.cos(np.linspace(0, np.pi, quarter)))
    return responses * window
