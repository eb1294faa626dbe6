"""MIDI files: parts, times and instruments are read right, a part is a whole file again, damage is one sentence."""

import random
import struct
from pathlib import Path

import pytest
from tiny_songs import notes, song, tempo, track

from spatial_swin.audio.midi import Song, read_song
from spatial_swin.errors import AudioError


def read(folder: Path, content: bytes) -> Song:
    path = folder / "song.mid"
    path.write_bytes(content)
    return read_song(path)


def test_every_channel_of_every_track_with_notes_is_a_part(tmp_path: Path) -> None:
    found = read(tmp_path, song(track((0, tempo(120))), notes([60, 64], 0, 40), notes([36], 9), notes([50], 0, 33)))
    assert [(p.track, p.channel, p.program, p.family) for p in found.parts] == [
        (1, 0, 40, "strings"),
        (2, 9, 0, "drums"),
        (3, 0, 33, "bass"),
    ]
    assert found.parts[0].pitches == (60, 64)
    assert found.parts[0].mean_pitch == 62


def test_one_track_of_many_channels_is_divided_by_channel(tmp_path: Path) -> None:
    both = track((0, b"\x90\x3c\x40"), (0, b"\x91\x30\x40"), (100, b"\x80\x3c\x00"), (0, b"\x81\x30\x00"))
    assert [(p.channel, p.pitches) for p in read(tmp_path, song(both, form=0)).parts] == [(0, (60,)), (1, (48,))]


def test_an_instrument_named_in_another_track_is_the_parts_own(tmp_path: Path) -> None:
    setup = track((0, b"\xc0\x38"))
    found = read(tmp_path, song(setup, track((0, b"\x90\x3c\x40"), (100, b"\x80\x3c\x00"))))
    assert [(p.program, p.family) for p in found.parts] == [(56, "brass")]


def test_times_follow_the_tempo(tmp_path: Path) -> None:
    # 100 ticks a beat: one beat of 0.5 s (no tempo is given), two of 1 s, then beats of 0.25 s
    found = read(tmp_path, song(track((100, tempo(60)), (200, tempo(240))), notes([60] * 8)))
    assert [found.seconds(tick) for tick in (0, 50, 100, 200, 300, 400)] == [0, 0.25, 0.5, 1.5, 2.5, 2.75]
    assert [found.tick_at(found.seconds(tick)) for tick in (0, 50, 130, 300, 777)] == [0, 50, 130, 300, 777]


def test_ticks_of_film_frames_have_one_tempo(tmp_path: Path) -> None:
    found = read(tmp_path, song(track((0, tempo(30))), notes([60] * 8), division=(256 - 25) << 8 | 40))
    assert found.seconds(1_000) == pytest.approx(1)


def test_a_part_is_a_file_again_without_its_place_and_cut_where_asked(tmp_path: Path) -> None:
    whole = read(tmp_path, song(track((0, tempo(90))), notes([60, 64, 67], 3, 12), notes([40], 1)))
    (again,) = read(tmp_path, whole.file_of(whole.parts[0], 150, 50)).parts
    assert (again.channel, again.program, again.pitches) == (3, 12, (60, 64))
    assert not any(e.message[0] & 0xF0 == 0xB0 and e.message[1] == 10 for e in again.events)
    assert again.events[-1].message[:2] == b"\xb3\x7b"  # all notes off
    assert again.events[-1].tick == 150
    assert read(tmp_path, whole.file_of(whole.parts[0], 150, 50)).tempos == whole.tempos


def test_what_ends_at_a_tick_comes_before_what_begins_there(tmp_path: Path) -> None:
    clash = track((0, b"\x90\x3c\x40"), (100, b"\x90\x3c\x41"), (0, b"\x80\x3c\x00"), (100, b"\x80\x3c\x00"))
    whole = read(tmp_path, song(clash))
    (again,) = read(tmp_path, whole.file_of(whole.parts[0], 500, 1)).parts
    assert [event.message[0] for event in again.events[:4]] == [0x90, 0x80, 0x90, 0x80]


GOOD = song(track((0, tempo(100)), (0, b"\xff\x03\x02hi"), (0, b"\xf0\x02\x01\xf7")), notes([60, 62, 64]))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "does not begin with MThd"),
        (b"RIFF" + GOOD, "does not begin with MThd"),
        (GOOD[:-9], "has 21 of 30 bytes"),
        (song(notes([60]), form=2), "format 2"),
        (song(notes([60]), division=0), "0 ticks a beat"),
        (song(track((0, tempo(100)))), "plays no note"),
        (song(track((0, b"\x90\x3c"), end=False)), "ends within an event"),
        (song(track((0, b"\x90\x3c\xff"))), "holds 0xff where a number below 0x80 belongs"),
        (song(track((0, b"\x3c\x40"))), "no event begins with 0x00"),
        (song(track((0, b"\xff\x03\x7fhi"))), "ends within an event"),
        (GOOD[:14] + b"MTrk" + struct.pack(">I", 5) + b"\xff" * 5, "more than four bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damage_is_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(AudioError, match=says) as raised:
        read(tmp_path, content)
    assert str(raised.value).startswith(f"{tmp_path / 'song.mid'}: ")
    assert "; " in str(raised.value)


def test_no_damage_of_one_byte_is_anything_but_a_song_or_a_sentence(tmp_path: Path) -> None:
    draw = random.Random(0)
    for _ in range(300):
        content = bytearray(GOOD)
        content[draw.randrange(len(content))] = draw.randrange(256)
        try:
            found = read(tmp_path, bytes(content))
            for part in found.parts:
                found.file_of(part, found.last_tick, 1)
        except AudioError:
            continue
