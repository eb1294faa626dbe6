"""The manifest of a folder of pictures: one row per picture, what it shows and where it comes from.

Its name is `manifest.csv`, which imagefolder passes over: a `metadata.csv` would make it forget the class folders.
Job arrays write one manifest per shard, hidden from readers of the pictures; `merge` makes one of them when all are
there. One reader, one writer.
"""

import csv
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path

from spatial_swin import files
from spatial_swin.errors import AudioError

MANIFEST = "manifest.csv"
TILES = "tiles.json"
PICTURES = "pictures"
SOUND = "sound"
ARRIVALS = "arrivals"  # where the sound of a known head comes from, picture by picture
STEMS = "stems"  # of songs, which `render --midi` plays


@dataclass(frozen=True)
class Row:
    """One picture. Levels in LUFS (BS.1770-4), empty for silence; flags joined by `+`: silent, clipped, short.

    laboratory: who measured the listener, as far as the SOFA file says. kind: of the programme: master, stems,
    midi, or that of a synthetic one. condition: how it was heard, `clean` or a name of `audio.conditions`. Columns
    with a default may be missing.
    """

    path: str
    label: str
    programme: str
    listener: str
    source: str
    chunk: str
    recording: str
    seed: str
    loudness_before: str
    loudness_after: str
    flags: str = ""
    laboratory: str = ""
    kind: str = ""
    condition: str = ""


def lufs(level: float) -> str:
    """A level as a cell of the manifest: two decimals, empty for silence."""
    return f"{level:.2f}" if math.isfinite(level) else ""


COLUMNS = tuple(field.name for field in fields(Row))


def arrivals_file(pictures: Path, path: str) -> Path:
    """Where the arrivals of the picture `path` below the folder `pictures` are noted (`audio.arrivals`)."""
    return (pictures.parent / ARRIVALS / path).with_suffix(".npy")


def pictures_folder(path: str | os.PathLike[str]) -> Path:
    """`path`/pictures when `spatial-swin render` made it, else `path` itself."""
    folder = Path(path)
    inner = folder / PICTURES
    if not inner.is_dir():
        return folder
    beside = {p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")} - {PICTURES, SOUND, STEMS}
    return folder if beside else inner


def shard_name(shard: tuple[int, int] | None) -> str:
    """manifest.csv, or .manifest.<i>of<n>.csv for the i-th of n parts of the work."""
    return MANIFEST if shard is None or shard[1] == 1 else f".manifest.{shard[0]}of{shard[1]}.csv"


def write_rows(path: str | os.PathLike[str], rows: Iterable[Row]) -> None:
    """Write rows sorted by path, so that the same work gives the same bytes."""
    ordered = sorted(rows, key=lambda row: row.path)
    files.write_csv(path, (asdict(row) for row in ordered), COLUMNS)


def read_rows(path: str | os.PathLike[str]) -> list[Row]:
    """Read a manifest. Raises AudioError for one that is no table, lacks a column, or was cut off."""
    try:
        rows = files.read_csv(path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise AudioError(f"{path}: is damaged ({error}); remove it and make the pictures again") from None
    needed = [field.name for field in fields(Row) if field.default is MISSING]
    missing = [name for name in needed if rows and name not in rows[0]]
    if missing:
        raise AudioError(f"{path}: column {', '.join(missing)} is missing; make the pictures again")
    for number, row in enumerate(rows, start=2):
        if None in row.values():
            raise AudioError(f"{path}: line {number} is cut off; remove the file and make the pictures again")
    return [Row(**{name: row[name] for name in COLUMNS if name in row}) for row in rows]


def merge(folder: Path, count: int) -> bool:
    """Make manifest.csv of the `count` shards' manifests when all are there; return whether it was made."""
    parts: Sequence[Path] = [folder / shard_name((i, count)) for i in range(1, count + 1)]
    if count == 1 or not all(part.is_file() for part in parts):
        return False
    write_rows(folder / MANIFEST, [row for part in parts for row in read_rows(part)])
    return True
