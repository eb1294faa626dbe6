"""A folder of binaural recordings becomes a folder of pictures with its manifest and tile map.

In go class folders of sound, out come OUT/<label>/<name>_chunk0000.png, OUT/manifest.csv and OUT/tiles.json. Every
recording is judged before the first picture is written, so that all problems come at once. Threads share the work
(the heavy parts leave Python's lock); a journal lets the same command continue where it stopped. Same input, same
bytes.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from spatial_swin import files
from spatial_swin.audio.clips import Clip, Cut, Recording, bad_names, clips, find_recordings, judge
from spatial_swin.audio.drawing import Settings, draw, encode_png
from spatial_swin.audio.manifest import MANIFEST, TILES, Row, lufs, merge, read_rows, shard_name, write_rows
from spatial_swin.audio.tiles import TileMap
from spatial_swin.errors import AudioError, Problem, raise_problems

Details = Callable[[Recording], Mapping[str, str]]  # programme, listener, source of a recording, as far as known


@dataclass(frozen=True)
class Converted:
    """What was done: rows of this part of the work, problems that were skipped, whether manifest.csv is complete.

    passed_by: ending -> how many files are not called sound by it.
    """

    rows: list[Row]
    problems: list[Problem]
    complete: bool
    passed_by: Mapping[str, int]


def details_by(pattern: str) -> Details:
    """Programme, listener and source by a pattern with named groups; a name it does not find is its own programme.

    Raises AudioError when `pattern` is not a regular expression.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise AudioError(f"--factors {pattern!r} is not a regular expression: {error}") from None

    def details(recording: Recording) -> Mapping[str, str]:
        match = compiled.search(recording.source)
        named = {name: value or "" for name, value in match.groupdict().items()} if match else {}
        programme = named.get("programme") or named.get("content") or recording.name
        return {**named, "programme": programme, "source": named.get("source") or recording.source}

    return details


def convert_folder(
    root: Path,
    output: Path,
    settings: Settings,
    details: Details,
    workers: int | None = None,
    shard: tuple[int, int] = (1, 1),
    skip_bad: bool = False,
    overwrite: bool = False,
) -> Converted:
    """Make the pictures in `output` of the recordings of `root` that fall to `shard` (i of n, from 1).

    Raises AudioError: nothing to do, bad recordings (all at once, unless `skip_bad`), an output folder that is
    finished (unless `overwrite`) or was begun with other settings.
    """
    tiles = settings.tiles  # a size that does not fit is said before anything is read
    recordings, passed_by = find_recordings(root)
    mine = recordings[shard[0] - 1 :: shard[1]]
    manifest = output / shard_name(shard)
    if overwrite:
        _clear(output, manifest)
    _require_new(output, manifest, tiles)
    workers = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        problems = _judge_all(pool, recordings, mine, settings.cut)
        if not skip_bad:
            raise_problems(AudioError, list(problems.values()), "Recordings that cannot become pictures")
        good = [recording for recording in mine if recording.source not in problems]
        if not good and mine:
            raise_problems(AudioError, list(problems.values()), "No recording can become a picture")
        _sweep(output, good, manifest)
        tiles.write(output / TILES)
        rows = _convert_all(pool, good, output, settings, details, _journal(output, shard))
    write_rows(manifest, rows)
    _journal(output, shard).unlink(missing_ok=True)
    complete = shard[1] == 1 or merge(output, shard[1])
    return Converted(rows, list(problems.values()), complete, passed_by)


def _clear(output: Path, manifest: Path) -> None:
    """Remove the pictures that an earlier, finished run made, and its manifest."""
    if manifest.is_file():
        for row in read_rows(manifest):
            (output / row.path).unlink(missing_ok=True)
    for file in (manifest, output / MANIFEST, output / TILES):
        file.unlink(missing_ok=True)


def _require_new(output: Path, manifest: Path, tiles: TileMap) -> None:
    if manifest.is_file():
        raise AudioError(f"{manifest}: these pictures are finished; use another folder or --overwrite true")
    if (output / TILES).is_file() and TileMap.read(output) != tiles:
        raise AudioError(f"{output} was begun with other settings; use the same, another folder or --overwrite true")


def _sweep(output: Path, recordings: list[Recording], manifest: Path) -> None:
    """Remove what a killed run left of files it had not finished."""
    ours = {(recording.label, recording.name) for recording in recordings}

    def is_ours(path: Path) -> bool:
        return path in (manifest, output / TILES) or (path.parent.name, path.name.rpartition("_chunk")[0]) in ours

    for folder in (output, *(output / label for label in {recording.label for recording in recordings})):
        files.remove_leftovers(folder, is_ours)


def _judge_all(
    pool: ThreadPoolExecutor, recordings: list[Recording], mine: list[Recording], cut: Cut
) -> dict[str, Problem]:
    """Problems by source, in the order of the recordings."""
    problems = bad_names(recordings)
    judged = pool.map(lambda recording: (recording.source, judge(recording, cut)), mine)
    for source, problem in tqdm(judged, total=len(mine), desc="checking", disable=None):
        if problem is not None:
            problems.setdefault(source, problem)
    return {recording.source: problems[recording.source] for recording in mine if recording.source in problems}


def _journal(output: Path, shard: tuple[int, int]) -> Path:
    return output / f".mosaic.{shard[0]}of{shard[1]}.unfinished"


def _convert_all(
    pool: ThreadPoolExecutor,
    recordings: list[Recording],
    output: Path,
    settings: Settings,
    details: Details,
    journal: Path,
) -> list[Row]:
    """Rows of all recordings; taken from the journal where it has the same file with the same settings."""
    done = _read_journal(journal)
    rows = [row for r in recordings for row in done.get(_identity(r, settings), [])]
    todo = [recording for recording in recordings if _identity(recording, settings) not in done]
    waiting = {pool.submit(_convert, recording, output, settings, details): recording for recording in todo}
    total = len(recordings)
    try:
        with (
            journal.open("ab", buffering=0) as file,
            tqdm(total=total, initial=total - len(todo), desc="pictures", unit="recording", disable=None) as bar,
        ):
            for future in as_completed(waiting):
                made = future.result()
                line = {"recording": _identity(waiting[future], settings), "rows": [asdict(row) for row in made]}
                try:
                    file.write(json.dumps(line).encode() + b"\n")
                except OSError as error:
                    raise files.cannot_write(journal, error) from error
                rows += made
                bar.update()
    finally:
        for future in waiting:  # an error or Ctrl-C: what has not begun never does
            future.cancel()
    return rows


def _identity(recording: Recording, settings: Settings) -> str:
    """Changes when the file or the settings do."""
    state = recording.path.stat()
    return f"{recording.source} {state.st_size} {state.st_mtime_ns} {settings}"


def _read_journal(path: Path) -> dict[str, list[Row]]:
    """Rows by recording; a last line that was cut off by a stop is passed over."""
    done = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        done[entry["recording"]] = [Row(**row) for row in entry["rows"]]
    return done


def _convert(recording: Recording, output: Path, settings: Settings, details: Details) -> list[Row]:
    known = details(recording)
    return [
        _picture(recording, clip, output / recording.label, settings, known) for clip in clips(recording, settings.cut)
    ]


def _picture(recording: Recording, clip: Clip, folder: Path, settings: Settings, known: Mapping[str, str]) -> Row:
    """Write one picture and tell its row."""
    drawn = draw(clip, settings)
    level = drawn.level
    name = f"{recording.name}_chunk{clip.index:04d}.png"
    files.write_bytes(folder / name, encode_png(drawn.picture))
    return Row(
        path=f"{recording.label}/{name}",
        label=recording.label,
        programme=known.get("programme", ""),
        listener=known.get("listener", ""),
        source=known.get("source", ""),
        chunk=str(clip.index),
        recording=f"{recording.label}/{recording.name}",
        seed="",
        loudness_before=lufs(level.before),
        loudness_after=lufs(level.after),
        flags="+".join(drawn.flags),
    )
