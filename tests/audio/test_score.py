"""What a band plays: notes of the key, in time, heard in part where they began before or end after."""

import numpy as np
import pytest

from spatial_swin.audio import score
from spatial_swin.audio.score import Music, Note, perform
from spatial_swin.keyed_random import keyed_generator

RATE = 32_000


@pytest.mark.parametrize("part", [score.melody, score.bass, score.chords, score.arpeggio])
def test_parts_play_notes_of_the_scale_over_the_whole_time(part: score.Part) -> None:
    for seed in range(10):
        music = Music.draw(keyed_generator("music", seed), 3.0)
        notes = part(keyed_generator("part", seed), music)
        assert {(round(note.pitch) - music.tonic) % 12 for note in notes} <= set(music.scale)
        assert all(24 <= note.pitch <= 108 for note in notes)
        assert min(note.start for note in notes) < 1.5
        assert max(note.start + note.length for note in notes) > 2


def test_bass_lies_below_the_melody() -> None:
    music = Music.draw(keyed_generator("music"), 3.0)
    low, high = (
        np.mean([n.pitch for n in part(keyed_generator("part"), music)]) for part in (score.bass, score.melody)
    )
    assert high > low + 12


def test_drums_stand_on_sixteenths() -> None:
    music = Music.draw(keyed_generator("music"), 6.0)
    for drum in ("kick", "snare", "cymbal"):
        steps = [
            (note.start - music.bars[0][0]) / music.beat * 4
            for note in score.beats(keyed_generator(drum), music, drum)
        ]
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
        assert len(steps) > 2


def test_notes_that_began_before_or_go_on_after_are_heard_in_part() -> None:
    def ramp(draw: object, frequency: float, count: int) -> np.ndarray:
        assert frequency == pytest.approx(440)
        return np.arange(count, dtype=np.float32)

    notes = [Note(-0.5, 1.0, 69, 1.0), Note(0.75, 1.0, 69, 0.5), Note(-2.0, 1.0, 69, 1.0), Note(1.0, 1.0, 69, 1.0)]
    sound = perform(keyed_generator("draw"), notes, ramp, RATE, RATE)
    np.testing.assert_array_equal(sound[: RATE // 2], np.arange(RATE // 2, RATE))
    assert not sound[RATE // 2 : 3 * RATE // 4].any()
    np.testing.assert_array_equal(sound[3 * RATE // 4 :], 0.5 * np.arange(RATE // 4))
