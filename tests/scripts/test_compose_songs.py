"""Composed songs: the same seed gives the same notes, every form is playable, and no two songs are alike."""

import sys
from pathlib import Path

import numpy as np
import pytest

from spatial_swin.audio.midi import DRUMS, read_song

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    sys.path.insert(0, str(SCRIPTS))
    import compose_songs

    folder = tmp_path_factory.mktemp("songs")
    paths = [folder / f"{number}.mid" for number in range(24)]
    for number, path in enumerate(paths):
        path.write_bytes(compose_songs.midi_file(compose_songs.compose(3, number, path)))
        assert path.read_bytes() == compose_songs.midi_file(compose_songs.compose(3, number, path))
    return paths


def test_each_is_a_song_of_about_a_minute_in_the_range_of_instruments(songs: list[Path]) -> None:
    counts = set()
    for song in map(read_song, songs):
        assert 55 < song.seconds(song.last_tick) < 75
        counts.add(len(song.parts))
        for part in song.parts:
            assert part.pitches
            assert min(part.pitches) >= 24
            assert max(part.pitches) <= 100
    assert {2, 4} < counts  # a keyboard, a quartet, and larger ones
    assert len({path.read_bytes() for path in songs}) == len(songs)


def test_parts_keep_to_the_chords_of_their_song(songs: list[Path]) -> None:
    """What sounds together is of one key: seven of the twelve pitch classes, of all parts but the drums."""
    for song in map(read_song, songs):
        tuned = [pitch % 12 for part in song.parts if part.channel != DRUMS for pitch in part.pitches]
        assert len(np.unique(tuned)) <= 7
