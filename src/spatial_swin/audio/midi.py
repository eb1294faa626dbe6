"""Songs as MIDI files: read, divided into parts, and each part written as a file of its own.

In goes a Standard MIDI File (format 0 or 1), out comes a `Song`: one `Part` for every channel of every track that
plays notes. A part keeps tempo, instrument and expression; its place in the stereo picture and its share of
reverberation and chorus (controllers 8, 10, 91, 93) are left out, because whoever places the parts decides on them.
It makes no sound. The format: MIDI 1.0 Detailed Specification, Standard MIDI Files 1.1.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from spatial_swin.errors import AudioError

DRUMS = 9  # the channel of percussion, counted from 0
LARGEST = 16 << 20  # bytes of a file that are read
BEAT = 500_000  # microseconds of a quarter note before any tempo is given
NOTE_OFF, NOTE_ON, CONTROL, PROGRAM = 0x80, 0x90, 0xB0, 0xC0
DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
PLACED_BY_OTHERS = {8, 10, 91, 93}  # balance, pan, reverberation, chorus
FAMILIES = (  # of eight General MIDI programs each
    *("piano", "mallets", "organ", "guitar", "bass", "strings", "ensemble", "brass"),
    *("reed", "pipe", "lead", "pad", "effects", "folk", "percussion", "sounds"),
)


@dataclass(frozen=True)
class Event:
    """A message of a channel, status byte first, at a tick of the song."""

    tick: int
    message: bytes


@dataclass(frozen=True)
class Part:
    """What one instrument plays. channel from 0; program as General MIDI counts from 0; events by time."""

    track: int
    channel: int
    program: int
    events: tuple[Event, ...]

    @property
    def family(self) -> str:
        return "drums" if self.channel == DRUMS else FAMILIES[self.program // 8]

    @cached_property
    def pitches(self) -> tuple[int, ...]:
        """MIDI numbers of all notes, as they begin."""
        return tuple(event.message[1] for event in self.events if _begins(event.message))

    @property
    def mean_pitch(self) -> float:
        return sum(self.pitches) / len(self.pitches)


@dataclass(frozen=True)
class Song:
    """tempos: (tick, microseconds of a quarter note) by time; division: ticks of a quarter note."""

    path: Path
    division: int
    tempos: tuple[tuple[int, int], ...]
    parts: tuple[Part, ...]

    @cached_property
    def first_tick(self) -> int:
        """When the first note of all begins."""
        return min(event.tick for part in self.parts for event in part.events if _begins(event.message))

    @cached_property
    def last_tick(self) -> int:
        return max(part.events[-1].tick for part in self.parts)

    def seconds(self, tick: int) -> float:
        """The time of a tick."""
        total, before, beat = 0.0, 0, BEAT
        for at, tempo in self.tempos:
            if at >= tick:
                break
            total, before, beat = total + (at - before) * beat, at, tempo
        return (total + (tick - before) * beat) / self.division / 1e6

    def tick_at(self, seconds: float) -> int:
        """The last tick that begins no later than a time."""
        times = [self.seconds(at) for at, _ in self.tempos]
        last = bisect_right(times, seconds)
        at, beat = self.tempos[last - 1] if last else (0, BEAT)
        return at + int((seconds - (times[last - 1] if last else 0.0)) * 1e6 * self.division / beat + 1e-6)

    def file_of(self, part: Part, end: int, rest: int) -> bytes:
        """A part up to tick `end` as a MIDI file of its own; its notes end there, the file `rest` ticks later."""
        kept = [event for event in part.events if event.tick < end and not _is_placing(event.message)]
        # at one tick: tempo, then what ends or sets something, then what begins
        ordered = [(tick, 0, b"\xff\x51\x03" + tempo.to_bytes(3, "big")) for tick, tempo in self.tempos if tick < end]
        ordered += [(event.tick, 1 + _begins(event.message), event.message) for event in kept]
        ordered += [(end, 3, bytes((CONTROL | part.channel, 123, 0))), (end + rest, 4, b"\xff\x2f\x00")]
        track, before = bytearray(), 0
        for tick, _, message in sorted(ordered, key=lambda event: event[:2]):
            track += _variable(tick - before) + message
            before = tick
        return struct.pack(">4sIHHH4sI", b"MThd", 6, 0, 1, self.division, b"MTrk", len(track)) + bytes(track)


def _begins(message: bytes) -> bool:
    return message[0] & 0xF0 == NOTE_ON and message[2] > 0


def _is_placing(message: bytes) -> bool:
    return message[0] & 0xF0 == CONTROL and message[1] in PLACED_BY_OTHERS


def _variable(number: int) -> bytes:
    """A variable-length quantity: seven bits a byte, the highest first."""
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(0x80 | number & 0x7F)
    return bytes(reversed(digits))


def read_song(path: Path) -> Song:
    """Read a MIDI file. Raises AudioError for one that is none, is damaged, too large, or plays no note."""
    size = path.stat().st_size
    if size > LARGEST:
        raise AudioError(f"{path}: has {size / 1e6:.0f} MB, more than a song of notes; give MIDI files")
    content = path.read_bytes()
    if content[:4] != b"MThd" or len(content) < 14:
        raise AudioError(f"{path}: is no MIDI file (it does not begin with MThd); export it again as .mid")
    length, form, _, division = struct.unpack_from(">IHHH", content, 4)
    if form > 1 or division == 0:
        raise AudioError(f"{path}: is of format {form} with {division} ticks a beat; export it as format 0 or 1")
    tempos: dict[int, int] = {}
    voices: dict[tuple[int, int], list[Event]] = {}
    try:
        for number, track in enumerate(_tracks(content, 8 + length)):
            for tick, message in track:
                if message[0] == 0xFF:
                    tempos[tick] = int.from_bytes(message[1:], "big")
                else:
                    voices.setdefault((number, message[0] & 0x0F), []).append(Event(tick, message))
    except _Damage as damage:
        raise AudioError(f"{path}: is damaged ({damage}); export it again") from None
    if division & 0x8000:  # ticks of film frames: they have one tempo, which no event changes
        division, tempos = (256 - (division >> 8)) * (division & 0xFF) or 1, {0: 1_000_000}
    parts = tuple(_parts(voices))
    if not parts:
        raise AudioError(f"{path}: plays no note; remove it")
    return Song(path, division, tuple(sorted(tempos.items())), parts)


def _parts(voices: dict[tuple[int, int], list[Event]]) -> Iterator[Part]:
    """A part for every track and channel with notes; what other tracks without notes tell its channel is its own."""
    playing = {key for key, events in voices.items() if any(_begins(event.message) for event in events)}
    for track, channel in sorted(playing):
        told = [key for key in voices if key[1] == channel and (key == (track, channel) or key not in playing)]
        events = sorted((event for key in sorted(told) for event in voices[key]), key=lambda event: event.tick)
        first = next(event.tick for event in events if _begins(event.message))
        programs = [e.message[1] for e in events if e.message[0] & 0xF0 == PROGRAM and e.tick <= first]
        yield Part(track, channel, programs[-1] if programs else 0, tuple(events))


class _Damage(Exception):
    """What is wrong within a file, for the message."""


def _tracks(content: bytes, at: int) -> Iterator[Iterator[tuple[int, bytes]]]:
    while at + 8 <= len(content):
        kind, length = struct.unpack_from(">4sI", content, at)
        at += 8
        if at + length > len(content):
            raise _Damage(f"a track at byte {at} has {len(content) - at} of {length} bytes")
        if kind == b"MTrk":  # others may be there and mean nothing
            yield _messages(content, at, at + length)
        at += length


def _messages(content: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """(tick, message) of one track: messages of channels, and tempos as 0xff and three bytes."""

    def number() -> int:
        nonlocal at
        value = 0
        for _ in range(4):
            value = value << 7 | byte() & 0x7F
            if not content[at - 1] & 0x80:
                return value
        raise _Damage(f"a number of more than four bytes at byte {at}")

    def byte() -> int:
        nonlocal at
        if at >= end:
            raise _Damage(f"a track ends within an event at byte {at}")
        at += 1
        return content[at - 1]

    tick, status = 0, 0
    while at < end:
        tick += number()
        first = byte()
        if first in (0xFF, 0xF0, 0xF7):
            kind = byte() if first == 0xFF else 0
            length = number()
            if at + length > end:
                raise _Damage(f"a track ends within an event at byte {at}")
            if (first, kind, length) == (0xFF, 0x51, 3) and any(content[at : at + 3]):
                yield tick, b"\xff" + content[at : at + 3]
            at += length
            if kind == 0x2F:
                return
            continue
        if first & 0x80:
            status, first = first, byte()
        if status & 0xF0 not in DATA_BYTES:
            raise _Damage(f"no event begins with {status:#04x}, as one at byte {at} does")
        data = bytes([first, *(byte() for _ in range(DATA_BYTES[status & 0xF0] - 1))])
        if any(value & 0x80 for value in data):
            raise _Damage(f"an event at byte {at} holds {max(data):#04x} where a number below 0x80 belongs")
        yield tick, bytes([status]) + data
