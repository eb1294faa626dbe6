"""The folders of the trunk cache: where they are, what each holds in words, removing them, and their locks.

A store's folder is named by the digest of its key and described by its store.json. What the disk refuses becomes a
sentence here, for all who write there.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from spatial_swin import files
from spatial_swin.errors import RunError, UsageError
from spatial_swin.trunk.shards import DamagedShard, read_index

STORE_FILE = "store.json"


def cache_root(given: str | os.PathLike[str] | None) -> Path:
    """The folder of all stores: as given, else spatial-swin/trunk in the user's cache folder (XDG)."""
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spatial-swin" / "trunk"


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into a sentence with a way out."""
    try:
        yield
    except OSError as error:
        if error.errno in files.NO_ROOM:
            raise RunError(
                f"trunk cache: the disk of {folder} is full; what was finished before is kept. Make room "
                "(`spatial-swin cache ls` shows what is there) and give the same command again, "
                "or choose another trunk_cache_dir"
            ) from None
        raise RunError(
            f"trunk cache: {folder} cannot be written ({error.strerror}); choose another trunk_cache_dir, or set "
            "trunk_cache_views to 0"
        ) from None


def digest(key: Mapping[str, Any]) -> str:
    """40 hex digits of a key's SHA-256: what a store is named by."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:40]


def read_store(folder: Path) -> dict[str, Any] | None:
    """store.json as {"key", "about"}; None when it is missing or damaged."""
    try:
        described = json.loads((folder / STORE_FILE).read_text())
        return described if digest(described["key"]) == folder.name and described["about"] is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def list_stores(root: Path) -> list[Path]:
    """The folders of all stores, the last used first."""
    stores = [path for path in root.glob("*") if path.is_dir() and len(path.name) == 40]
    return sorted(stores, key=_last_used, reverse=True)


@dataclass(frozen=True)
class StoreSummary:
    """What a person wants to know of a store, in words."""

    name: str
    model: str
    cut: str  # where training begins
    stored: str
    draws: str
    entries: int
    size: int  # bytes
    used: str


def describe_store(folder: Path) -> StoreSummary:
    """Read a store's description and count its entries; a damaged description is said to be one."""
    described = read_store(folder) or {"key": {}, "about": {}}
    key, about = described["key"], described["about"]
    entries = 0
    for index in folder.glob("[!.]*.json"):
        if index.name != STORE_FILE:
            with contextlib.suppress(DamagedShard):
                entries += len(read_index(index, folder.name).entries)
    used = _last_used(folder)
    return StoreSummary(
        name=folder.name,
        model=str(about.get("model", "description damaged")),
        cut=f"stage {key['cut']}" if key.get("cut", 5) < 5 else "head",
        stored=str(key.get("stored", "?")),
        draws="views" if key.get("draws") else "plain",
        entries=entries,
        size=folder_bytes(folder),
        used=datetime.fromtimestamp(used).isoformat(" ", "minutes") if used else "never",
    )


def store_table(stores: Sequence[Path]) -> str:
    """One line per store, and their sum."""
    summaries = [describe_store(store) for store in stores]
    rows = [("store", "model", "training begins at", "stored", "draws", "outputs", "GB", "last used")]
    rows += [
        (s.name[:12], s.model, s.cut, s.stored, s.draws, f"{s.entries:,}", f"{s.size / 1e9:.2f}", s.used)
        for s in summaries
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    total = sum(summary.size for summary in summaries) / 1e9
    return "\n".join([*lines, f"\n{len(stores)} stores, {total:.2f} GB in {stores[0].parent}"])


def choose_stores(stores: Sequence[Path], names: Sequence[str], root: Path) -> list[Path]:
    """The stores of `root` whose names begin with `names`; every one for `all`. Raises UsageError."""
    if not names:
        raise UsageError("rm needs the beginning of a store's name (`spatial-swin cache ls`), or `all`")
    if "all" in names:
        return list(stores)
    chosen: dict[Path, None] = {}
    for name in names:
        matching = [store for store in stores if name and store.name.startswith(name)]
        if not matching:
            raise UsageError(f"no store in {root} begins with {name!r}; `spatial-swin cache ls` shows their names")
        if len(matching) > 1:
            raise UsageError(f"{len(matching)} stores begin with {name!r}; give more of the name")
        chosen[matching[0]] = None
    return list(chosen)


def remove_store(folder: Path) -> int:
    """Remove a store that nobody uses; return its bytes. Raises RunError while a run fills it or trains from it."""
    handles = []
    try:
        for name in (".filling", ".in_use"):
            handle = try_lock(folder / name, fcntl.LOCK_EX)
            if handle is None:
                raise RunError(f"{folder}: a run is using this store; wait until it has ended")
            handles.append(handle)
        size = folder_bytes(folder)
        with explained(folder):
            shutil.rmtree(folder)
        return size
    finally:
        for handle in handles:
            release(handle)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; files that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _last_used(folder: Path) -> float:
    try:
        return (folder / STORE_FILE).stat().st_mtime
    except OSError:
        return 0.0


def release(lock: int | None) -> None:
    """Let go of a lock, also where worker processes have inherited it; None is none."""
    if lock is not None:
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def try_lock(path: Path, kind: int) -> int | None:
    with explained(path.parent):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
