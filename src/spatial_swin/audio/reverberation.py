"""The room of a mix: early reflections and a tail of reverberation, another one in every direction.

In go dry sound and a drawn `Room`, out come returns, one signal a direction, as an engineer's reverberation gives
them: a pre-delay, a few reflections that grow denser and duller, and noise that decays, faster at high frequencies. No
two returns correlate. It is the room in which the programme was made; where it is heard is the listener's business.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, signal

from spatial_swin.audio.sounds import Draw, normalised

CROSSOVER = 3_000.0  # Hz; above it the tail decays faster
EARLY = 0.08  # s after the pre-delay in which single reflections come
FALL = 6.908  # of the logarithm of an amplitude in one reverberation time: 60 dB


@dataclass(frozen=True)
class Room:
    """decay: s to -60 dB at low frequencies; bright: its share above 3 kHz; pre_delay in s; early: amplitude of the
    reflections against the tail's 1."""

    decay: float
    bright: float
    pre_delay: float
    early: float

    @staticmethod
    def draw(draw: Draw, longest: float = 2.5) -> "Room":
        """From a booth of 0.25 s to a hall of `longest` s."""
        decay = float(np.exp(draw.uniform(np.log(0.25), np.log(longest))))
        return Room(
            decay, float(draw.uniform(0.35, 0.8)), float(draw.uniform(0.002, 0.04)), float(draw.uniform(0.5, 2))
        )


def returns(draw: Draw, room: Room, dry: np.ndarray, sample_rate: int, count: int) -> list[np.ndarray]:
    """`count` returns float32 [N] of unit mean square of dry sound [N]; the end of the last tail is lost."""
    length = min(len(dry), round((room.pre_delay + EARLY + room.decay) * sample_rate))
    size = fft.next_fast_len(len(dry) + length, real=True)
    spectrum = fft.rfft(np.asarray(dry, np.float32), size)
    responses = (_response(draw, room, length, sample_rate) for _ in range(count))
    return [normalised(fft.irfft(spectrum * fft.rfft(one, size), size)[: len(dry)]) for one in responses]


def _response(draw: Draw, room: Room, length: int, sample_rate: int) -> np.ndarray:
    """An impulse response float32 [length] from the room to one return."""
    time = np.arange(length, dtype=np.float32) / np.float32(sample_rate) - np.float32(room.pre_delay)
    noise = draw.standard_normal(length, dtype=np.float32)
    pole = np.exp(-2 * np.pi * CROSSOVER / sample_rate)
    low = signal.lfilter([1 - pole], [1, -pole], noise).astype(np.float32)
    fade = np.clip(time / np.float32(0.02), 0, 1)  # the tail grows while single reflections become dense
    slow, fast = (np.exp(np.float32(-FALL / decay) * time) for decay in (room.decay, room.decay * room.bright))
    response = fade * (low * slow + (noise - low) * fast)
    response /= np.sqrt(np.sum(response**2)) + np.float32(1e-9)
    for when in np.sort(draw.uniform(0, EARLY, draw.integers(5, 10))):
        at = round((room.pre_delay + when) * sample_rate)
        if at + 8 < length:  # a wall swallows high frequencies, and the more of them the later it reflects
            dull = np.exp(-np.arange(8) / (0.2 + 3 * when / EARLY)).astype(np.float32)
            level = room.early * draw.choice([-1, 1]) * np.exp(-2 * when / EARLY) / 3
            response[at : at + 8] += np.float32(level) * dull / dull.sum()
    return response
