"""Songs of a few bytes, and a soundfont whose one instrument is a tone: what `render --midi` needs, made in place."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

PITCH = 60  # MIDI number of the recorded tone; 261.63 Hz
RATE = 32_000


def track(*events: tuple[int, bytes], end: bool = True) -> bytes:
    """A chunk of (ticks since the event before, message)."""
    content = b"".join(variable(wait) + message for wait, message in events) + (b"\0\xff\x2f\0" if end else b"")
    return b"MTrk" + struct.pack(">I", len(content)) + content


def variable(number: int) -> bytes:
    return bytes([0x80 | number >> 7, number & 0x7F]) if number > 0x7F else bytes([number])


def song(*tracks: bytes, division: int = 100, form: int = 1) -> bytes:
    return struct.pack(">4sIHHH", b"MThd", 6, form, len(tracks), division) + b"".join(tracks)


def notes(pitches: Sequence[int], channel: int = 0, program: int = 0, ticks: int = 100) -> bytes:
    """A track that plays pitches one after the other, with running status and notes ended by velocity 0."""
    events = [(0, bytes([0xC0 | channel, program])), (0, bytes([0xB0 | channel, 10, 127]))]
    for number, pitch in enumerate(pitches):
        events.append((0, bytes([0x90 | channel, pitch, 100] if number == 0 else [pitch, 100])))
        events.append((ticks, bytes([pitch, 0])))
    return track(*events)


def tempo(beats_per_minute: float) -> bytes:
    return b"\xff\x51\x03" + round(60e6 / beats_per_minute).to_bytes(3, "big")


def write_soundfont(path: Path) -> Path:
    """One tone of a second, for every key, of preset 0 in banks 0 and 128 (drums)."""
    tone = np.sin(2 * np.pi * 440 * 2 ** ((PITCH - 69) / 12) * np.arange(2 * RATE) / RATE)
    samples = (12_000 * tone).astype("<i2").tobytes() + bytes(92)
    header = "<20sHHHIII"
    presets = struct.pack(header, b"tone", 0, 0, 0, 0, 0, 0) + struct.pack(header, b"drum", 0, 128, 1, 0, 0, 0)
    presets += struct.pack(header, b"EOP", 0, 0, 2, 0, 0, 0)
    sample = struct.pack("<20sIIIIIBbHH", b"tone", 0, 2 * RATE, 100, 2 * RATE - 100, RATE, PITCH, 0, 0, 1)
    hydra = {
        b"phdr": presets,
        b"pbag": struct.pack("<6H", 0, 0, 1, 0, 2, 0),
        b"pmod": bytes(10),
        b"pgen": struct.pack("<6H", 41, 0, 41, 0, 0, 0),  # instrument 0
        b"inst": struct.pack("<20sH", b"tone", 0) + struct.pack("<20sH", b"EOI", 1),
        b"ibag": struct.pack("<4H", 0, 0, 1, 0),
        b"imod": bytes(10),
        b"igen": struct.pack("<4H", 53, 0, 0, 0),  # sample 0
        b"shdr": sample + struct.pack("<20sIIIIIBbHH", b"EOS", *[0] * 9),
    }
    information = {b"ifil": struct.pack("<HH", 2, 1), b"isng": b"EMU8000\0", b"INAM": b"tone\0\0"}
    lists = {b"INFO": information, b"sdta": {b"smpl": samples}, b"pdta": hydra}
    content = b"sfbk" + b"".join(
        _chunk(b"LIST", kind + b"".join(_chunk(*c) for c in lists[kind].items())) for kind in lists
    )
    path.write_bytes(_chunk(b"RIFF", content))
    return path


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
