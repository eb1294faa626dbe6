"""Songs become folders of stems, mixed as an engineer mixes for loudspeakers around and above.

In go MIDI files, a soundfont and a seed, out comes a folder a song, as `audio.programme` reads folders of stems: mono
FLAC files, their places and gains in stems.csv, and song.json with what they were made of. Drums, the bass and the
melody stand in front, the other parts in front, around or above; a room returns from around and above. Over a song,
what is around and what is above have drawn shares of the energy, none below an eighth, so that no two layouts sound
alike. A folder is there as a whole or not at all, and what is there is not made again.
"""

import json
import math
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from spatial_swin import files
from spatial_swin.audio import fluidsynth
from spatial_swin.audio.midi import Part, Song, read_song
from spatial_swin.audio.mixing import part_stems, place_parts, room_stems
from spatial_swin.audio.programme import SONG, STEMS_TABLE, name_of, same_name
from spatial_swin.audio.render import Stem
from spatial_swin.audio.synthesis import GROUPS, as_shares, group_gains, group_of
from spatial_swin.errors import AudioError, Problem
from spatial_swin.keyed_random import keyed_generator

SONG_ENDINGS = (".mid", ".midi")
RING = 1.0  # s after the last note that is taken begins to end
ABANDONED = 3600.0  # s after which an unfinished folder is no one's
MIX = 2  # version; the first was so quiet (some -60 LUFS) that what was rendered of it passed for silence
HEADROOM = 0.7  # peak of a stem in its file; stems.csv has the gains


@dataclass(frozen=True)
class Songbook:
    """Where songs come from: a folder of MIDI files, the soundfont that plays them, and how many s of each."""

    folder: Path
    soundfont: Path
    seconds: float


def find_songs(book: Songbook) -> tuple[list[Song], list[Problem]]:
    """The songs of a folder by name, and everything that keeps them, or others, from being played."""
    if not book.folder.is_dir():
        raise AudioError(f"{book.folder}: not a folder; give the one that holds MIDI files")
    songs: list[Song] = []
    problems: list[Problem] = []
    for path in files.entries_of(book.folder):
        if path.suffix.lower() not in SONG_ENDINGS or not path.is_file():
            continue
        try:
            song = read_song(path)
        except (AudioError, OSError) as error:
            problems.append(Problem.of(str(path), error, "make it readable"))
            continue
        twin = next((other for other in songs if name_of(other.path) == name_of(path)), None)
        if twin is None:
            songs.append(song)
        else:
            problems.append(same_name(path, name_of(path), twin.path))
    if not songs and not problems:
        raise AudioError(f"{book.folder}: no song in it; put MIDI files ({', '.join(SONG_ENDINGS)}) there")
    lacking = list(fluidsynth.missing(book.soundfont))
    return ([] if lacking else songs), lacking + problems


def make_stems(
    songs: Sequence[Song], book: Songbook, output: Path, seed: int, sample_rate: int, workers: int
) -> list[Path]:
    """Folders of stems below `output`, one a song, made where they are not there yet.

    Raises AudioError when fluidsynth fails, or when a folder was made of another song or with other options.
    """
    _sweep(output)
    soundfont = files.sha256_of(book.soundfont)
    folders = []
    for song in tqdm(songs, desc="playing", unit="song", disable=None):
        folder = output / name_of(song.path)
        made_of = {
            "song": song.path.name,
            "sha256": files.sha256_of(song.path),
            "soundfont": soundfont,
            "song_seconds": book.seconds,
            "seed": seed,
            "sample_rate": sample_rate,
            "mix": MIX,
        }
        if not _is_made(folder, made_of):
            _make(song, book, folder, made_of, workers)
        folders.append(folder)
    return folders


def _sweep(output: Path) -> None:
    """Remove what killed processes left; a song that is being made is younger than that."""
    for path in output.iterdir() if output.is_dir() else ():
        if files.TEMPORARY.fullmatch(path.name) and path.is_dir() and time.time() - path.stat().st_mtime > ABANDONED:
            shutil.rmtree(path, ignore_errors=True)


def _is_made(folder: Path, made_of: dict[str, object]) -> bool:
    if not folder.exists():
        return False
    try:
        before = dict(json.loads((folder / SONG).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise AudioError(f"{folder}: was not made of a song ({SONG} is missing or damaged); remove it") from None
    other = [key for key, value in made_of.items() if before.get(key) != value]
    if other:
        raise AudioError(f"{folder}: was made with another {', '.join(other)}; remove it, or use another --output_dir")
    return True


def _make(song: Song, book: Songbook, folder: Path, made_of: dict[str, object], workers: int) -> None:
    """Play, place and write one song; its folder appears when all of it is written."""
    staging = folder.with_name(f".{folder.name[: files.STEM]}.{secrets.token_hex(4)}")
    try:
        staging.mkdir(parents=True)
        rows = _mix(song, book, staging, int(str(made_of["seed"])), int(str(made_of["sample_rate"])), workers)
        files.write_csv(staging / STEMS_TABLE, rows, ("file", "azimuth", "elevation", "gain_db"))
        files.write_json(staging / SONG, made_of)
        try:
            staging.rename(folder)
        except OSError:
            if not _is_made(folder, made_of):  # another process was faster: its folder is the same
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _mix(song: Song, book: Songbook, folder: Path, seed: int, rate: int, workers: int) -> list[dict[str, object]]:
    """Write every stem of a song, each at its own peak, as it is played; return the rows of stems.csv."""
    draw = keyed_generator(seed, "mix of a song", name_of(song.path))
    places = place_parts(draw, song.parts)
    dry = np.zeros(1, np.float32)
    energies = dict.fromkeys(GROUPS, 0.0)
    written: list[tuple[Stem, float]] = []  # without their signals, and their peaks

    def write(stem: Stem) -> None:
        peak = float(np.abs(stem.signal).max())
        _write(folder / f"{stem.kind}.flac", HEADROOM / peak * stem.signal, rate)
        energies[group_of(stem)] += float(np.dot(stem.signal, stem.signal))
        written.append((replace(stem, signal=stem.signal[:0]), peak))

    with ThreadPoolExecutor(workers) as pool:  # each waits for a program
        played = pool.map(_player(song, book, rate), song.parts)
        for number, (part, place, sound) in enumerate(zip(song.parts, places, played, strict=True), start=1):
            for stem in part_stems(draw, number, part, place, sound):
                write(stem)
                dry = dry + stem.signal
    if not written:
        raise AudioError(f"{song.path}: {book.soundfont.name} plays no sound for it; remove it or give another")
    for stem in room_stems(draw, dry, rate):
        write(stem)
    gain = group_gains(draw, as_shares(energies))
    return [_row(stem, float(gain[group_of(stem)]) * peak / HEADROOM) for stem, peak in written]


def _row(stem: Stem, gain: float) -> dict[str, object]:
    place = {"azimuth": round(float(stem.azimuth[0]), 2), "elevation": round(float(stem.elevation[0]), 2)}
    return {"file": f"{stem.kind}.flac", **place, "gain_db": round(20 * math.log10(gain), 2)}


def _player(song: Song, book: Songbook, sample_rate: int) -> Callable[[Part], np.ndarray]:
    """What plays a part: float32 [2, N], all parts of one length, from the first note of the song on."""
    begin = song.seconds(song.first_tick)
    end = min(song.tick_at(begin + book.seconds), song.last_tick + 1)
    rest = max(1, song.tick_at(song.seconds(end) + RING) - end)
    first, count = round(begin * sample_rate), round((song.seconds(end) - begin + RING) * sample_rate)
    count = min(count, round(book.seconds * sample_rate))

    def play(part: Part) -> np.ndarray:
        sound = fluidsynth.play(song.file_of(part, end, rest), book.soundfont, sample_rate)[:, first : first + count]
        return np.pad(sound, ((0, 0), (0, count - sound.shape[1])))

    return play


def _write(path: Path, sound: np.ndarray, sample_rate: int) -> None:
    content = BytesIO()
    soundfile.write(content, sound, sample_rate, format="FLAC", subtype="PCM_16")
    files.write_bytes(path, content.getvalue())
