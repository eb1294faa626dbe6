"""Songs become folders of stems: all problems at once, each part in its place, nothing half-written, nothing twice."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_songs import notes, song, tempo, track, write_soundfont

from spatial_swin import files
from spatial_swin.audio import fluidsynth, songs
from spatial_swin.audio.loudness import SILENCE, loudness
from spatial_swin.audio.mixing import part_stems, place_parts
from spatial_swin.audio.programme import programme_at
from spatial_swin.audio.songs import Songbook, find_songs, make_stems
from spatial_swin.audio.synthesis import GROUPS, energy_shares
from spatial_swin.errors import AudioError
from spatial_swin.keyed_random import keyed_generator

RATE = 32_000
PLAYS = shutil.which("fluidsynth") is not None
needs_fluidsynth = pytest.mark.skipif(not PLAYS, reason="fluidsynth is not installed")
BAND = song(
    track((0, tempo(120))),
    notes([72, 76] * 2, 0, 40),
    notes([60, 64] * 2, 1, 48),
    notes([36] * 4, 2, 33),
    notes([40], 9),
)


@pytest.fixture
def book(tmp_path: Path) -> Songbook:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "a song.mid").write_bytes(BAND)
    return Songbook(tmp_path / "songs", write_soundfont(tmp_path / "tone.sf2"), 10.0)


def stems_of(book: Songbook, output: Path, seed: int = 0) -> Path:
    found, problems = find_songs(book)
    assert not problems
    return make_stems(found, book, output, seed, RATE, 1)[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_that_is_missing_or_damaged_is_named_at_once(book: Songbook, monkeypatch: pytest.MonkeyPatch) -> None:
    (book.folder / "b.MID").write_bytes(BAND[:-5])
    (book.folder / "a-song.mid").write_bytes(BAND)
    (book.folder / "words.txt").write_text("no song")
    monkeypatch.setenv("PATH", "")
    found, problems = find_songs(Songbook(book.folder, book.folder / "no.sf2", 10))
    assert found == []
    said = [str(problem).replace(f"{book.folder}/", "") for problem in problems]
    assert said[0] == "fluidsynth: this program is not installed; install it (Debian: apt install fluidsynth)"
    assert said[1].startswith("no.sf2: there is no such file; give a soundfont")
    assert said[2] == "a-song.mid: would be called a-song, as a song.mid is; rename one of the two"
    assert said[3].startswith("b.MID: is damaged (a track at byte ")
    assert len(said) == 4


def test_a_file_that_is_no_soundfont_is_refused(book: Songbook) -> None:
    problems = list(fluidsynth.missing(book.folder / "a song.mid"))
    assert "is no soundfont" in str(problems[-1])


@pytest.mark.parametrize(("name", "says"), [("nothing", "not a folder"), ("", "no song in it")])
def test_a_folder_without_songs_is_refused(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(AudioError, match=says):
        find_songs(Songbook(tmp_path / name, tmp_path, 10))


def tone(pitch: float, count: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(count) / RATE).astype(np.float32)


def test_drums_bass_and_melody_stand_in_front_and_others_everywhere(book: Songbook) -> None:
    found = songs.read_song(book.folder / "a song.mid")
    places = [place_parts(keyed_generator("places", k), found.parts) for k in range(200)]
    for lead, _, bass, drums in places:
        assert max(abs(lead.azimuth), abs(bass.azimuth), abs(drums.azimuth)) <= 20
        assert lead.elevation == bass.elevation == drums.elevation == 0
    others = [place[1] for place in places]
    assert 30 < sum(place.elevation > 0 for place in others) < 70
    assert 50 < sum(abs(place.azimuth) >= 85 and place.elevation == 0 for place in others) < 90


def test_a_wide_part_is_two_stems_and_a_silent_one_none(book: Songbook) -> None:
    found = songs.read_song(book.folder / "a song.mid")
    wide = np.stack([tone(60), tone(67)])
    played = [np.stack([tone(72)] * 2), wide, np.zeros((2, RATE), np.float32), np.stack([tone(40)] * 2)]
    places = place_parts(keyed_generator("mix"), found.parts)
    stems = [
        part_stems(keyed_generator("mix"), number, part, place, sound)
        for number, (part, place, sound) in enumerate(zip(found.parts, places, played, strict=True), start=1)
    ]
    assert [[stem.kind for stem in one] for one in stems] == [
        ["01-strings"],
        ["02-ensemble-left", "02-ensemble-right"],
        [],
        ["04-drums"],
    ]
    left, right = stems[1]
    assert left.azimuth[0] - right.azimuth[0] == pytest.approx(places[1].width)
    np.testing.assert_allclose(left.signal / np.abs(left.signal).max(), tone(60) / np.abs(tone(60)).max(), atol=1e-5)
    assert np.abs(right.signal).max() == pytest.approx(np.abs(left.signal).max(), rel=0.01)


def test_what_a_killed_process_left_is_removed_and_what_another_makes_is_not(book: Songbook, tmp_path: Path) -> None:
    for name in (".a-song.0123abcd", ".b-song.0123abcd", ".mine"):
        (tmp_path / "out" / name).mkdir(parents=True)
    os.utime(tmp_path / "out" / ".a-song.0123abcd", (0, 0))
    os.utime(tmp_path / "out" / ".mine", (0, 0))
    assert make_stems([], book, tmp_path / "out", 0, RATE, 1) == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".b-song.0123abcd", ".mine"]


@needs_fluidsynth
def test_a_song_is_played_in_tune_and_time_and_shared_out(book: Songbook, tmp_path: Path) -> None:
    folder = stems_of(book, tmp_path / "out")
    names = {path.name for path in folder.iterdir()}
    assert {"01-strings.flac", "02-ensemble.flac", "03-bass.flac", "04-drums.flac", "stems.csv", "song.json"} <= names
    sound, rate = soundfile.read(folder / "02-ensemble.flac")
    assert rate == RATE
    assert len(sound) == pytest.approx(3 * RATE, abs=0.02 * RATE)  # four beats of half a second, and a second to ring
    for number, pitch in enumerate((60, 64, 60, 64)):
        note = sound[round((0.5 * number + 0.1) * RATE) : round((0.5 * number + 0.45) * RATE)]
        spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note)), 1 << 17))
        heard = np.argmax(spectrum) * RATE / (1 << 17)
        assert 12 * np.log2(heard / 440) + 69 == pytest.approx(pitch, abs=0.2)
    programme = programme_at(folder, 0)
    assert (programme.kind, programme.name) == ("midi", "a-song")
    stems = programme.scene(0, programme.frames, RATE).stems
    shares = energy_shares(stems)
    assert min(shares[group] for group in GROUPS) > 0.12
    assert np.abs(sound).max() < 1
    ears = sum(stem.signal for stem in stems)
    assert loudness(np.stack([ears, ears]), RATE) > SILENCE + 10  # what is rendered is not taken for silence


@needs_fluidsynth
def test_the_same_seed_plays_the_same_bytes_and_another_mixes_otherwise(book: Songbook, tmp_path: Path) -> None:
    first = contents(stems_of(book, tmp_path / "first"))
    assert contents(stems_of(book, tmp_path / "again")) == first
    other = contents(stems_of(book, tmp_path / "other", seed=1))
    assert other["stems.csv"] != first["stems.csv"]


@needs_fluidsynth
def test_what_is_there_is_not_played_again_and_never_mixed_with_other_options(
    book: Songbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stems_of(book, tmp_path / "out")
    with monkeypatch.context() as patched:
        patched.setattr(fluidsynth, "play", None)
        assert stems_of(book, tmp_path / "out") == folder
    with pytest.raises(AudioError, match="was made with another seed; remove it"):
        stems_of(book, tmp_path / "out", seed=1)
    (folder / "song.json").unlink()
    with pytest.raises(AudioError, match=r"song\.json is missing or damaged"):
        stems_of(book, tmp_path / "out")


def test_a_song_that_cannot_be_played_leaves_nothing_behind(
    book: Songbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [songs.read_song(book.folder / "a song.mid")]
    monkeypatch.setattr(fluidsynth, "play", lambda *_: np.zeros((2, RATE), np.float32))
    with pytest.raises(AudioError, match="plays no sound for it"):
        make_stems(found, book, tmp_path / "out", 0, RATE, 1)
    monkeypatch.setattr(fluidsynth, "play", lambda *_: np.ones((2, RATE), np.float32))
    monkeypatch.setattr(files, "write_json", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_stems(found, book, tmp_path / "out", 0, RATE, 1)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("program", "says"), [("exit 0", "it says nothing"), ("echo fluidsynth: error: ill >&2", "ill")]
)
def test_a_program_that_fails_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, says: str
) -> None:
    fake = tmp_path / "fluidsynth"
    fake.write_text(f"#!/bin/sh\n{program}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match=rf"fluidsynth made no sound \({says}\)"):
        fluidsynth.play(b"", tmp_path / "any.sf2", RATE)
