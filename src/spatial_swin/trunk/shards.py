"""One shard of the trunk cache: some arrays in one raw file that is mapped into memory, and an index beside it.

Entries (a picture's SHA-256 and a view) with their arrays become a `<name>.bin` and a `<name>.json`, each written
under another name, synchronised and moved into place, the index last: a shard without an index was cut off and counts
for nothing. The checksum covers the store's name, the entries and the numbers, so that neither a flipped
byte nor a shard from another store is ever taken for good. Nothing here knows models or pictures.
"""

import json
import os
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from spatial_swin.files import atomic_path

PLAIN = -1  # the view of a picture without augmentation
MAPS_OPEN = 256  # a mapped file costs a file descriptor, of which a process commonly has 1,024
CHECKED_AT_ONCE = 1 << 24  # bytes

Entry = tuple[str, int]  # hex SHA-256 of the picture's file, view


class DamagedShard(Exception):
    """A shard whose index or numbers are not what was written; never a reason to stop, one to compute it again."""


@dataclass(frozen=True)
class Shard:
    """A whole shard, as its index describes it: entry k is row k of the array [len(entries), *shape] in `file`."""

    file: Path
    store: str
    entries: tuple[Entry, ...]
    shape: tuple[int, ...]
    dtype: str
    checksum: int

    @property
    def index(self) -> Path:
        return self.file.with_suffix(".json")

    @property
    def size(self) -> int:
        return len(self.entries) * int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


def write_shard(folder: Path, store: str, entries: Sequence[Entry], array: np.ndarray) -> Shard:
    """Write `array` [N, ...], one row per entry, as a new shard. Raises OSError; nothing half-written stays."""
    assert len(entries) == len(array) > 0
    array = np.ascontiguousarray(array)
    file = folder / f"{uuid.uuid4().hex}.bin"
    shard = Shard(file, store, tuple(entries), array.shape[1:], array.dtype.str, 0)
    checksum = _checksum(shard, array)
    _write_synchronised(file, _bytes_of(array))
    index = {
        "store": store,
        "entries": shard.entries,
        "shape": shard.shape,
        "dtype": shard.dtype,
        "checksum": checksum,
    }
    _write_synchronised(shard.index, memoryview(json.dumps(index).encode()))
    return replace(shard, checksum=checksum)


def _write_synchronised(path: Path, content: memoryview) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)  # the move itself
    finally:
        os.close(handle)


def read_index(path: Path, store: str) -> Shard:
    """The shard that the index at `path` describes. Raises DamagedShard where it is unreadable or of another store."""
    try:
        index = json.loads(path.read_text())
        entries = tuple((str(sha256), int(view)) for sha256, view in index["entries"])
        shape, dtype = tuple(int(side) for side in index["shape"]), np.dtype(index["dtype"]).str
        shard = Shard(path.with_suffix(".bin"), str(index["store"]), entries, shape, dtype, int(index["checksum"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DamagedShard(f"index not readable ({type(error).__name__})") from None
    if shard.store != store:
        raise DamagedShard(f"belongs to another store, {shard.store[:20]}")
    return shard


def check(shard: Shard) -> None:
    """Read the whole shard and compare it with its checksum. Raises DamagedShard."""
    try:
        size = shard.file.stat().st_size
    except OSError as error:
        raise DamagedShard(f"not readable ({error.strerror})") from None
    if size != shard.size or not shard.entries:
        raise DamagedShard(f"holds {size} bytes, {shard.size} were written")
    content = np.memmap(shard.file, shard.dtype, "r", shape=(len(shard.entries), *shard.shape))
    if _checksum(shard, content) != shard.checksum:
        raise DamagedShard("the checksum is another")


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _checksum(shard: Shard, array: np.ndarray) -> int:
    """CRC-32 of the store's name, the entries, the shape and the numbers; it lets other threads run meanwhile."""
    about = json.dumps([shard.store, shard.entries, shard.shape, shard.dtype])
    checksum = zlib.crc32(about.encode())
    content = _bytes_of(array)
    for start in range(0, len(content), CHECKED_AT_ONCE):
        checksum = zlib.crc32(content[start : start + CHECKED_AT_ONCE], checksum)
    return checksum


@lru_cache(maxsize=MAPS_OPEN)
def mapped(file: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """A shard's numbers [N, *shape], mapped into memory and kept so; names of shards are never used twice."""
    return np.memmap(file, dtype, "r").reshape(-1, *shape)
