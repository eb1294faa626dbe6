"""A listener in a shoebox room: in go a listener and layouts, out comes a listener whose responses are BRIRs.

The direct sound is the listener's own response, unchanged. Reflections up to 50 ms after it are image sources, each
heard from the nearest direction that the listener has, however far that is: most measurements hold little below and
above. What comes later is noise from all around that decays as the room does, heard by the same ears, so that the
tail has their coherence. Walls absorb alike at all frequencies, loudspeakers radiate alike in all directions, air
absorbs nothing, and nothing scatters: a cautious room, not a real one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft

from spatial_swin.audio.hrtf import Listener, everywhere
from spatial_swin.audio.panning import all_around, unit_vectors
from spatial_swin.audio.parametric import SPEED_OF_SOUND
from spatial_swin.keyed_random import Key, keyed_generator
from spatial_swin.layouts import Layout, Loudspeaker

SIZE = (6.3, 5.4, 2.8)  # m, a listening room of 34 square metres (BS.1116 wants 30 to 70)
PLACE = (0.46, 0.48, 1.2 / 2.8)  # of the ears, as shares of SIZE: not in the middle, 1.2 m high
SPREAD = 0.08  # by which share rooms differ in each of both
DISTANCE = 2.0  # m of the loudspeakers: a stereo base of 2 m, where the range of BS.1116 begins
EARLY = 0.05  # s after the direct sound that are image sources: Lindau's mixing time of such rooms (JAES 60, 2012)
CROSSFADE = 0.01  # s in which the noise takes over
AROUND = 32  # directions from which the tail comes
DECAY = 6 * np.log(10)  # nepers of energy that a reverberation time is: 60 dB


@dataclass(frozen=True)
class Room:
    """size and ears (x from the rear wall, y from the right one, z from the floor) in m; reverberation: RT60 in s."""

    size: tuple[float, float, float]
    ears: tuple[float, float, float]
    reverberation: float
    distance: float = DISTANCE

    @property
    def volume(self) -> float:
        return float(np.prod(self.size))

    @property
    def surface(self) -> float:
        length, width, height = self.size
        return 2 * (length * width + length * height + width * height)

    @property
    def reflection(self) -> float:
        """The factor of a wall for pressure that gives the reverberation time, after Eyring (JASA 1, 1930)."""
        exponent = 4 * DECAY * self.volume / (SPEED_OF_SOUND * self.surface * self.reverberation)
        return float(np.exp(-exponent / 2))


def draw_room(reverberation: float, key: Sequence[Key]) -> Room:
    """A room of that RT60 in s. The key draws walls and place: the same ones for every reverberation time."""
    drawn = keyed_generator(*key, "room").uniform(1 - SPREAD, 1 + SPREAD, (2, 3))
    size = drawn[0] * SIZE
    length, width, height = map(float, size)
    x, y, z = map(float, size * PLACE * drawn[1])
    return Room((length, width, height), (x, y, z), reverberation)


def in_room(listener: Listener, room: Room, layouts: Sequence[Layout], key: Sequence[Key]) -> Listener:
    """`listener` in `room`, for the loudspeakers of `layouts`; the key draws the tail.

    Its responses have float32 [D, 2, T], T the reverberation time and the listener's own taps. Raises AudioError when
    a loudspeaker has no direction within 15 degrees.
    """
    for layout in layouts:
        listener.check(layout)
    listener = everywhere(listener)
    speakers = list({(s.azimuth, s.elevation): s for layout in layouts for s in layout.placed}.values())
    tails = late(listener, room, speakers, key)
    responses = np.stack([early(listener, room, s) + tail for s, tail in zip(speakers, tails, strict=True)])
    for response, speaker in zip(responses, speakers, strict=True):
        direct = listener.nearest(speaker.azimuth, speaker.elevation)
        response[:, : direct.shape[-1]] += direct
    return replace(
        listener,
        azimuths=np.array([speaker.azimuth for speaker in speakers]),
        elevations=np.array([speaker.elevation for speaker in speakers]),
        impulse_responses=responses.astype(np.float32),
        source=f"{listener.source} in a room of {room.reverberation:g} s",
    )


def early(listener: Listener, room: Room, speaker: Loudspeaker) -> np.ndarray:
    """Reflections float64 [2, T] that arrive before the tail, without the direct sound, which begins at 0."""
    places, bounces = _images(room, speaker)
    away = np.linalg.norm(places, axis=1)
    delay = (away - room.distance) / SPEED_OF_SOUND
    gain = room.reflection**bounces * room.distance / away * np.sqrt(1 - _late_share(delay))
    used = (bounces > 0) & (gain > 1e-4)
    directions = _nearest(listener, places[used] / away[used, None])
    starts = np.round(delay[used] * listener.sample_rate).astype(int)
    taps = listener.impulse_responses.shape[-1]
    result = np.zeros((2, _taps(listener, room)))
    for start, one, direction in zip(starts, gain[used], directions, strict=True):
        heard = listener.impulse_responses[direction][:, : result.shape[-1] - start]
        result[:, start : start + taps] += one * heard
    return result


def late(listener: Listener, room: Room, speakers: Sequence[Loudspeaker], key: Sequence[Key]) -> np.ndarray:
    """The tails float64 [loudspeakers, 2, T]: noise of each from AROUND directions, as energetic as a diffuse field.

    Energy a second: 4 pi c r^2 / V exp(-13.8 t / RT60) of the direct sound's at distance r, which is what the density
    of image sources (Kuttruff, Room Acoustics, 4.1) and their distances give together.
    """
    taps = _taps(listener, room)
    count = taps - listener.impulse_responses.shape[-1]
    time = np.arange(count) / listener.sample_rate
    emitted = time + room.distance / SPEED_OF_SOUND
    energy = (
        4 * np.pi * SPEED_OF_SOUND * room.distance**2 / room.volume * np.exp(-DECAY * emitted / room.reverberation)
    )
    envelope = np.sqrt(energy * _late_share(time) / listener.sample_rate / AROUND).astype(np.float32)
    size = fft.next_fast_len(taps, real=True)
    heard = fft.rfft(listener.impulse_responses[_nearest(listener, all_around(AROUND))], size)
    spectra = np.zeros((len(speakers), 2, size // 2 + 1), np.complex128)
    for spectrum, speaker in zip(spectra, speakers, strict=True):
        generator = keyed_generator(*key, "tail", speaker.name)
        for response in heard:  # one direction after the other: all at once would take ten times the memory
            spectrum += fft.rfft(envelope * generator.standard_normal(count, np.float32), size) * response
    return fft.irfft(spectra, size)[..., :taps]


def _taps(listener: Listener, room: Room) -> int:
    reach = max(room.reverberation, EARLY + CROSSFADE)
    return round(reach * listener.sample_rate) + listener.impulse_responses.shape[-1]


def _late_share(delay: np.ndarray) -> np.ndarray:
    """Share of the energy at a delay in s after the direct sound that the tail has: 0 early, 1 late."""
    return np.clip((delay - EARLY) / CROSSFADE, 0, 1)


def _images(room: Room, speaker: Loudspeaker) -> tuple[np.ndarray, np.ndarray]:
    """Image sources as seen from the ears, m [M, 3], and how many walls each met [M], up to the end of `early`.

    Allen and Berkley, Image method for efficiently simulating small-room acoustics, JASA 65(4), 1979.
    """
    towards = unit_vectors(np.array(speaker.azimuth), np.array(speaker.elevation))
    reach = room.distance + (EARLY + CROSSFADE) * SPEED_OF_SOUND
    places, bounces = [], []
    for length, ear, source in zip(room.size, room.ears, room.ears + room.distance * towards, strict=True):
        assert 0 < source < length, f"{speaker.name} stands outside the room"
        order = np.arange(-int(reach / length / 2) - 1, int(reach / length / 2) + 2)
        places.append(np.concatenate([source + 2 * order * length, -source + 2 * order * length]) - ear)
        bounces.append(np.concatenate([np.abs(2 * order), np.abs(2 * order - 1)]))
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*places, indexing="ij")], axis=1)
    walls = sum(axis.ravel() for axis in np.meshgrid(*bounces, indexing="ij"))
    near = np.linalg.norm(grid, axis=1) <= reach
    return grid[near], np.asarray(walls)[near]


def _nearest(listener: Listener, directions: np.ndarray) -> np.ndarray:
    """Numbers [M] of the listener's directions nearest to unit vectors [M, 3]."""
    known = unit_vectors(listener.azimuths, listener.elevations)
    return np.einsum("mc,dc->md", directions, known).argmax(axis=1)  # not BLAS: its bits depend on the threads
