"""What a band plays: a key, chords, a tempo, and notes for melody, bass, chords, arpeggios and drums.

In goes a generator, out come `Note` lists of a few seconds, as if the music had begun before and went on after; and
`perform`, which lets an instrument play them. Pitches are MIDI numbers (69 is 440 Hz), times seconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spatial_swin.audio.instruments import Play
from spatial_swin.audio.sounds import Draw

MAJOR, MINOR, DORIAN = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10)
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 0), (1, 4, 0, 5), (0, 6, 5, 4))
RHYTHMS = ((1, 1, 1, 1), (0.5, 0.5, 1, 1, 1), (1.5, 0.5, 1, 1), (0.5,) * 8, (2, 1, 1), (0.75, 0.75, 0.5, 1, 1), (3, 1))
BEATS = 4  # of a bar
AHEAD = 1  # bars that have passed when the sound begins, at most


@dataclass(frozen=True)
class Note:
    start: float
    length: float
    pitch: float
    velocity: float


@dataclass(frozen=True)
class Music:
    """tonic: MIDI number of the key; chords: degrees of the scale, one a bar; beat: s; bars: (start, degree) heard."""

    tonic: int
    scale: tuple[int, ...]
    beat: float
    bars: tuple[tuple[float, int], ...]

    @staticmethod
    def draw(draw: Draw, seconds: float) -> "Music":
        scale = (MAJOR, MINOR, DORIAN)[draw.choice(3, p=[0.5, 0.35, 0.15])]
        beat, chords = 60 / draw.uniform(66, 152), PROGRESSIONS[draw.integers(len(PROGRESSIONS))]
        begin, turn = -draw.uniform(0, AHEAD) * BEATS * beat, int(draw.integers(len(chords)))
        bars = int(np.ceil((seconds - begin) / (BEATS * beat)))
        return Music(
            int(draw.integers(45, 57)),
            scale,
            beat,
            tuple((begin + k * BEATS * beat, chords[(turn + k) % len(chords)]) for k in range(bars)),
        )

    def pitch(self, degree: int, octave: int = 0) -> int:
        """The MIDI number of a degree of the scale, counted from 0 and beyond an octave."""
        return self.tonic + self.scale[degree % 7] + 12 * (degree // 7 + octave)


Part = Callable[[Draw, Music], list[Note]]


def melody(draw: Draw, music: Music) -> list[Note]:
    """Steps and small leaps along the scale, on chord tones where a bar begins; some notes are rests."""
    notes, degree, octave = [], int(draw.integers(0, 5)), int(draw.integers(1, 3))
    for start, chord in music.bars:
        degree, at = chord + int(draw.choice([0, 2, 4])), start
        for beats in RHYTHMS[draw.integers(len(RHYTHMS))]:
            if draw.random() < 0.88:
                notes.append(Note(at, 0.95 * beats * music.beat, music.pitch(degree, octave), draw.uniform(0.6, 1)))
            degree += int(draw.choice([-2, -1, -1, 0, 1, 1, 2]))
            at += beats * music.beat
    return notes


def bass(draw: Draw, music: Music) -> list[Note]:
    """Roots and fifths, low."""
    notes, pattern = [], RHYTHMS[draw.integers(len(RHYTHMS))]
    for start, chord in music.bars:
        at = start
        for number, beats in enumerate(pattern):
            step = 0 if number == 0 else int(draw.choice([0, 0, 4, 7, -3]))
            notes.append(Note(at, 0.9 * beats * music.beat, music.pitch(chord + step, -1), draw.uniform(0.8, 1)))
            at += beats * music.beat
    return notes


def chords(draw: Draw, music: Music) -> list[Note]:
    """Triads, some with a seventh: held a bar, or struck on a rhythm, a strum's few milliseconds apart."""
    pattern = (4,) if draw.random() < 0.5 else RHYTHMS[draw.integers(len(RHYTHMS))]
    strum, seventh, octave = draw.uniform(0, 0.03), draw.random() < 0.3, int(draw.integers(0, 2))
    notes = []
    for start, chord in music.bars:
        at = start
        for beats in pattern:
            for number, step in enumerate((0, 2, 4, 6) if seventh else (0, 2, 4)):
                when, length = at + number * strum, 0.97 * beats * music.beat
                notes.append(Note(when, length, music.pitch(chord + step, octave), draw.uniform(0.7, 1)))
            at += beats * music.beat
    return notes


def arpeggio(draw: Draw, music: Music) -> list[Note]:
    """Chord tones one after the other, in eighths or sixteenths."""
    step, octave = float(draw.choice([0.5, 0.25])), int(draw.integers(1, 3))
    order = [(0, 2, 4, 7), (7, 4, 2, 0), (0, 4, 2, 7), (0, 4, 7, 4)][draw.integers(4)]
    return [
        Note(start + k * step * music.beat, 1.5 * step * music.beat, music.pitch(chord + order[k % 4], octave), 0.8)
        for start, chord in music.bars
        for k in range(round(BEATS / step))
        if draw.random() < 0.9
    ]


def beats(draw: Draw, music: Music, drum: str) -> list[Note]:
    """A pattern of sixteenths for `kick`, `snare` or `cymbal`, the same in every bar but for a few hits."""
    sixteenths = np.arange(16)
    strong = {"kick": sixteenths % 8 == 0, "snare": sixteenths % 8 == 4, "cymbal": sixteenths % 4 == 0}[drum]
    chance = np.where(strong, 0.95, {"kick": 0.1, "snare": 0.06, "cymbal": 0.45}[drum] * (sixteenths % 2 == 0))
    pattern = draw.random(16) < chance
    return [
        Note(start + k * music.beat / 4, 0.9, 60, draw.uniform(0.7, 1) * (1.0 if strong[k] else 0.6))
        for start, _ in music.bars
        for k in np.flatnonzero(pattern ^ (draw.random(16) < 0.04))
    ]


def perform(draw: Draw, notes: Sequence[Note], play: Play, count: int, sample_rate: int) -> np.ndarray:
    """The notes on one instrument: float32 [count]; a note that began before, or goes on after, is heard in part."""
    sound = np.zeros(count, np.float32)
    for note in notes:
        begin, length = round(note.start * sample_rate), round(note.length * sample_rate)
        if begin >= count or begin + length <= 0 or length < 64:
            continue
        tone = play(draw, 440 * 2 ** ((note.pitch - 69) / 12), length)[max(0, -begin) : count - begin]
        at = max(0, begin)
        sound[at : at + len(tone)] += np.float32(note.velocity) * tone
    return sound
