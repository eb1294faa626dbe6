"""Compose songs, so that a detector learns from sampled instruments without learning anyone's music.

    python scripts/compose_songs.py --songs 200 --seed 16 --output_dir songs
    spatial-swin render --midi songs --soundfont FluidR3_GM.sf2 --seconds 3 --hop_seconds 8 --output_dir data

Each is a MIDI file of about a minute: a drawn key, tempo and line-up (one keyboard, a melody with chords, four voices,
a quartet, mixed consorts, a band with drums, an orchestra), chords that wander through the key, and a voice for every
part that keeps to them in its own range and rhythm. Scores of composers are left for judging. A song depends on the
seed and its number alone.
"""

import argparse
import struct
from pathlib import Path

import numpy as np
from tqdm import tqdm

from spatial_swin import files
from spatial_swin.audio.midi import DRUMS, Event, Part, Song
from spatial_swin.audio.sounds import Draw
from spatial_swin.keyed_random import keyed_generator

Notes = list[tuple[float, float, list[int]]]  # (beat, beats, pitches)

DIVISION = 480  # ticks of a beat
SECONDS = 62.0
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
NEXT = {0: (3, 4, 5, 1), 1: (4, 6), 2: (5, 3), 3: (4, 0, 1), 4: (0, 5), 5: (3, 1, 4), 6: (0, 5)}  # roots in the key
STRINGS, WOODWINDS, BRASS, VOICES = (40, 41, 42, 43, 45, 48), (68, 69, 70, 71, 73, 74), (56, 57, 58, 60), (52, 53)
KEYS, PLUCKED, BASSES, MALLETS = (0, 1, 4, 6, 19, 21), (24, 25, 26, 46, 104), (32, 33, 35, 43, 58), (8, 9, 11, 12)
LEADS = (*WOODWINDS, *BRASS, 40, 65, 66, 22, 25)
RHYTHMS = ((1,), (2,), (0.5,), (1, 0.5, 0.5), (1.5, 0.5), (0.5, 0.25, 0.25), (4,), (3, 1), (0.75, 0.25))  # beats
DRUM_PATTERNS = (  # (note, eighths of a bar of four beats)
    ((36, (0, 4)), (38, (2, 6)), (42, tuple(range(8)))),
    ((36, (0, 3, 4)), (38, (2, 6)), (46, (1, 3, 5, 7))),
    ((35, (0, 4)), (51, (0, 2, 3, 4, 6, 7)), (44, (2, 6))),
    ((41, (0, 1, 4)), (43, (2, 6)), (49, (0,))),
)


def line_up(draw: Draw) -> list[tuple[int, int, str]]:
    """The parts of a song as (General MIDI program, middle of its range, what it does)."""
    form = draw.choice(["keyboard", "song", "choir", "quartet", "consort", "band", "orchestra"])

    def of(programs: tuple[int, ...]) -> int:
        return int(draw.choice(programs))

    if form == "keyboard":
        one = of((*KEYS, *PLUCKED, *MALLETS))
        return [(one, 74, "melody"), (one, 50, str(draw.choice(["chords", "broken"])))]
    if form == "song":
        return [(of(LEADS), 72, "melody"), (of((*KEYS, *PLUCKED)), 57, str(draw.choice(["chords", "broken"])))]
    if form in ("choir", "quartet"):
        one, family = of((*VOICES, 19, 48, *BRASS)), WOODWINDS if draw.random() < 0.3 else STRINGS
        programs = [one] * 4 if form == "choir" else [of(family) for _ in range(4)]
        return [(program, middle, "voice") for program, middle in zip(programs, (74, 66, 59, 48), strict=True)]
    if form == "consort":
        every = (*STRINGS, *WOODWINDS, *BRASS, *KEYS, *PLUCKED, *MALLETS)
        doing = ["melody", *draw.choice(["voice", "chords", "broken"], draw.integers(2, 6))]
        return [(of(every), int(draw.integers(45, 78)), str(what)) for what in doing]
    if form == "band":
        parts = [(-1, 0, "drums"), (of(BASSES), 38, "bass"), (of((26, 27, 28, 29)), 57, "chords")]
        return [*parts, (of((*KEYS, 81, 89)), 64, "broken"), (of(LEADS), 74, "melody")]
    parts = [(of(STRINGS), middle, "voice") for middle in (76, 70, 60, 50, 40)]
    parts += [(of(WOODWINDS), int(middle), "voice") for middle in draw.integers(60, 80, draw.integers(1, 4))]
    parts += [(of(BRASS), int(middle), "voice") for middle in draw.integers(50, 68, draw.integers(1, 4))]
    return [*parts, (of(LEADS), 76, "melody"), (47, 43, "bass")]


def compose(seed: int, number: int, path: Path) -> Song:
    """The `number`-th song of a seed."""
    draw = keyed_generator(seed, "composed song", number)
    tempo = draw.uniform(55, 160)
    beats = int(SECONDS * tempo / 60)
    scale = np.array(MAJOR if draw.random() < 0.6 else MINOR) + draw.integers(12)
    change, roots = int(draw.choice([1, 2, 2, 4])), [0]
    while len(roots) * change < beats:
        roots.append(int(draw.choice(NEXT[roots[-1]])))
    chords = [[int(scale[(root + step) % 7]) % 12 for step in (0, 2, 4)] for root in roots]
    parts = []
    for track, (program, middle, what) in enumerate(line_up(draw)):
        channel = DRUMS if what == "drums" else track % 8
        notes = drummed(draw, beats) if what == "drums" else played(draw, what, middle, beats, change, chords, scale)
        first = [] if what == "drums" else [Event(0, bytes((0xC0 | channel, program)))]
        parts.append(Part(track, channel, max(program, 0), (*first, *events(draw, notes, channel))))
    return Song(path, DIVISION, ((0, round(6e7 / tempo)),), tuple(parts))


def drummed(draw: Draw, beats: int) -> Notes:
    pattern = DRUM_PATTERNS[draw.integers(len(DRUM_PATTERNS))]
    eighths = range(2 * beats)
    return [(at / 2, 0.25, [note]) for at in eighths for note, when in pattern if at % 8 in when]


def played(
    draw: Draw, what: str, middle: int, beats: int, change: int, chords: list[list[int]], scale: np.ndarray
) -> Notes:
    """What one part plays over the chords: a line for melody, voice and bass, chords held or broken for the others."""
    pattern = RHYTHMS[draw.integers(len(RHYTHMS))]
    pause = float(draw.choice([0, 0.05, 0.2]))
    at, step, pitch, notes = 0.0, 0, middle, []
    in_key = set((scale % 12).tolist())
    while at < beats:
        length = change if what == "chords" and draw.random() < 0.7 else pattern[step % len(pattern)]
        chord = chords[min(int(at / change), len(chords) - 1)]
        near = [p for p in range(middle - 12, middle + 13) if p % 12 in chord]
        if what == "chords":
            low = int(draw.integers(max(1, len(near) - 3)))
            pitches = near[low : low + int(draw.integers(3, 5))]
        elif what == "bass":
            pitches = [min((p for p in near if p % 12 == chord[0]), key=lambda p: abs(p - middle))]
        elif what == "broken":
            pitches = [near[step % 4 + (len(near) - 4) // 2] if len(near) > 4 else near[step % len(near)]]
        else:  # a step along the key, or to the nearest tone of the chord on the beat
            moved = pitch + int(draw.integers(-3, 4))
            allowed = [p for p in range(middle - 12, middle + 13) if p % 12 in (chord if at % 1 == 0 else in_key)]
            pitch = min(allowed, key=lambda p: abs(p - moved))
            pitches = [pitch]
        if draw.random() >= pause:
            notes.append((at, float(length), pitches))
        at, step = at + length, step + 1
    return notes or [(0.0, 1.0, [middle])]


def events(draw: Draw, notes: Notes, channel: int) -> list[Event]:
    """Messages of notes that begin a little late, end a little early and are not all as loud."""
    level, found = draw.integers(60, 105), []
    hold = draw.uniform(0.6, 1.0)
    for at, length, pitches in notes:
        begin = round((at + abs(draw.normal(0, 0.01))) * DIVISION)
        end = max(begin + 1, round((at + length * hold) * DIVISION))
        velocity = int(np.clip(level + draw.normal(0, 8), 20, 127))
        for pitch in pitches:
            found.append(Event(begin, bytes((0x90 | channel, pitch, velocity))))
            found.append(Event(end, bytes((0x80 | channel, pitch, 0))))
    return sorted(found, key=lambda event: (event.tick, event.message[0]))


def midi_file(song: Song) -> bytes:
    """A MIDI file of format 1, one track a part."""
    tracks = [song.file_of(part, song.last_tick + 1, DIVISION)[14:] for part in song.parts]
    return struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), song.division) + b"".join(tracks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, required=True)
    parser.add_argument("--first_song", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output_dir", type=Path, required=True)
    options = parser.parse_args()
    numbers = range(options.first_song, options.first_song + options.songs)
    for number in tqdm(numbers, desc="composing", unit="song", disable=None):
        path = options.output_dir / f"composed{options.seed}-{number:04d}.mid"
        files.write_bytes(path, midi_file(compose(options.seed, number, path)))


if __name__ == "__main__":
    main()
