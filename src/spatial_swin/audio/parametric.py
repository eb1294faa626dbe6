"""A listener that needs no measurement: spherical head, ears a little behind the middle, pinnae whose echoes and notch
move.

In goes a seed, out come head-related impulse responses for any direction; seeds are a population of heads and pinnae.
What is modelled: the delay around a rigid sphere (Woodworth), its shadow as one pole and one zero (Brown and Duda, A
structural model for binaural sound synthesis, IEEE TSAP 6(5), 1998), five pinna echoes that move with elevation (the
same), a notch that rises with elevation, and the pinna's shadow of what comes from behind. Not modelled: torso, room.
"""

from dataclasses import dataclass

import numpy as np

from spatial_swin.audio.panning import unit_vectors
from spatial_swin.keyed_random import keyed_generator

SPEED_OF_SOUND = 343.0  # m/s at 20 degrees C
SHADOW_MINIMUM = 0.1  # Brown and Duda's alpha_min
SHADOW_ANGLE = 150.0  # degrees, where the sphere's shadow is deepest
ECHO_GAINS = np.array([0.5, -1.0, 0.5, -0.25, 0.25])  # their table I; delays in samples at 44.1 kHz
ECHO_SWING = np.array([1.0, 5.0, 5.0, 5.0, 5.0])
ECHO_OFFSET = np.array([2.0, 4.0, 7.0, 11.0, 13.0])
ECHO_BEND = np.array([1.0, 0.5, 0.5, 0.5, 0.5])
TABLE_RATE = 44_100.0


@dataclass(frozen=True)
class Head:
    """Drawn anatomy. radius in m; ear_azimuth in degrees from the front; echoes and notch as factors and Hz and dB."""

    radius: float
    ear_azimuth: float
    echo_gains: np.ndarray
    echo_swing: np.ndarray
    echo_offset: np.ndarray
    notch_lowest: float
    notch_rise: float
    notch_depth: float
    rear_shadow: float


def draw_head(seed: int) -> Head:
    """A head of the population: radius 8.75 ± 0.5 cm, pinna delays ± 15 %, notch from 5.5 to 7.5 kHz."""
    generator = keyed_generator(seed, "parametric listener")
    return Head(
        radius=float(np.clip(generator.normal(0.0875, 0.005), 0.072, 0.102)),
        ear_azimuth=float(generator.uniform(94, 106)),
        echo_gains=ECHO_GAINS * generator.uniform(0.4, 1.0, 5),
        echo_swing=ECHO_SWING * generator.uniform(0.8, 1.2, 5),
        echo_offset=ECHO_OFFSET * generator.uniform(0.85, 1.15, 5),
        notch_lowest=float(generator.uniform(5_500, 7_500)),
        notch_rise=float(generator.uniform(25, 45)),
        notch_depth=float(generator.uniform(8, 20)),
        rear_shadow=float(generator.uniform(3, 9)),
    )


def impulse_responses(
    seed: int, azimuth: np.ndarray, elevation: np.ndarray, sample_rate: int, taps: int = 256
) -> np.ndarray:
    """HRIRs float32 [D, 2, taps] for directions in degrees [D]; ear 0 is the left one."""
    head = draw_head(seed)
    sources = unit_vectors(np.asarray(azimuth, float), np.asarray(elevation, float))
    frequency = np.fft.rfftfreq(taps, 1 / sample_rate)
    lateral = np.arcsin(
        np.clip(sources[:, 1], -1, 1)
    )  # interaural-polar angles: left of the median plane, and around it
    polar = np.degrees(np.arctan2(sources[:, 2], sources[:, 0]))  # 0 front, 90 above, 180 behind
    responses = []
    for side in (1.0, -1.0):
        ear = unit_vectors(np.array(side * head.ear_azimuth), np.array(0.0))
        angle = np.arccos(np.clip(sources @ ear, -1, 1))  # [D] between source and ear
        spectrum = _sphere(head, angle, frequency) * _pinna(head, side * lateral, polar, frequency)
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


def _pinna(head: Head, lateral: np.ndarray, polar: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Echoes, notch and rear shadow of one pinna: complex [D, F]. lateral is positive towards this ear, in radians."""
    bend = np.sin(np.radians(ECHO_BEND * (90 - polar[:, None])))
    delays = head.echo_swing * np.cos(lateral / 2)[:, None] * bend + head.echo_offset  # [D, 5] samples of the table
    phase = np.exp(-2j * np.pi * frequency * delays[..., None] / TABLE_RATE)  # [D, 5, F]
    # a pinna is small: below 2 kHz it does nothing
    small = 1 / (1 + (2_000 / np.maximum(frequency, 1)) ** 4)
    echoes = 1 + small * (head.echo_gains[:, None] * phase).sum(axis=1)
    front = np.where(polar > 90, 180 - polar, polar)
    centre = head.notch_lowest + head.notch_rise * (front + 45) + 900 * (polar > 90)
    shape = np.exp(-0.5 * (np.log2(np.maximum(frequency, 1) / centre[:, None]) / 0.12) ** 2)
    notch = 10 ** (-head.notch_depth * np.cos(lateral)[:, None] * shape / 20)
    behind = np.clip(-np.cos(np.radians(polar)), 0, 1) * np.cos(lateral)
    high = 1 / (1 + (4_000 / np.maximum(frequency, 1)) ** 2)
    return echoes * notch * 10 ** (-head.rear_shadow * behind[:, None] * high / 20)


def _faded(responses: np.ndarray) -> np.ndarray:
    """Fade the last quarter, so that no response is cut off."""
    taps = responses.shape[-1]
    quarter = taps // 4
    window = np.ones(taps)
    window[-quarter:] = 0.5 * (1 + np.cos(np.linspace(0, np.pi, quarter)))
    return responses * window
