"""Stores of trunk output on disk: arrays in, arrays out, no model.

A store is a folder <root>/<digest>/ named by a hash of all that its numbers depend on beside the picture and the view:
the trunk's weights, the preprocessing, the augmentations' values, the precision, the code. Its entries are keyed by
the picture's bytes and the view, in shards (`trunk.shards`) that many runs, folds and seeds share. What matches in
every part is reused, nothing else ever is. Shards have names that nobody else uses, so runs side by side cannot harm
one another; a lock only keeps them from computing the same thing twice.
"""

import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from spatial_swin import files
from spatial_swin.errors import RunError
from spatial_swin.trunk.folders import STORE_FILE, digest, explained, folder_bytes, read_store, try_lock
from spatial_swin.trunk.shards import DamagedShard, Entry, Shard, check, read_index, write_shard

logger = logging.getLogger("spatial_swin")

FORMAT = 1  # of the folder; part of every key, so another format is another store
SHARD_BYTES = 64_000_000
SHARD_SECONDS = 60.0  # a shard is closed after so long, so that kill -9 costs at most this much work


@dataclass(frozen=True)
class Place:
    """Where an entry lies."""

    shard: Shard
    row: int


class TrunkStore:
    """One store. `key` says all that its numbers depend on, `about` what a person wants to read in `cache ls`.

    Raises:
        RunError: the folder cannot be made or written.
    """

    def __init__(self, root: Path, key: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        self.key = json.loads(json.dumps({**key, "format": FORMAT}))  # as it comes back from store.json
        self.digest = digest(self.key)
        self.folder = root / self.digest
        self.about = dict(about)
        with explained(root):
            self.folder.mkdir(parents=True, exist_ok=True)
            described = read_store(self.folder)
            if described is None or described["key"] != self.key:
                created = datetime.now(UTC).isoformat(timespec="seconds")
                about = {**self.about, "created": created}
                files.write_json(self.folder / STORE_FILE, {"key": self.key, "about": about})
            os.utime(self.folder / STORE_FILE)  # when it was used last

    def places(self, wanted: Collection[Entry], verify: bool) -> dict[Entry, Place]:
        """Where the wanted entries lie, as far as they are there.

        With `verify` every shard that holds one is read and compared with its checksum, and what is damaged or of
        another store is removed with a warning, so that it is computed again.
        """
        places: dict[Entry, Place] = {}
        for shard in self._shards(set(wanted), verify):
            for row, entry in enumerate(shard.entries):
                if entry in wanted:
                    places.setdefault(entry, Place(shard, row))
        return places

    def _shards(self, wanted: set[Entry], verify: bool) -> Iterator[Shard]:
        needed = []
        for index in sorted(self.folder.glob("[!.]*.json")):
            if index.name == STORE_FILE:
                continue
            try:
                shard = read_index(index, self.digest)
            except DamagedShard as damage:
                self._discard(index.with_suffix(".bin"), damage)
                continue
            if not wanted.isdisjoint(shard.entries):
                needed.append(shard)
        if not verify:
            yield from needed
            return
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            for shard, checked in [(shard, threads.submit(check, shard)) for shard in needed]:
                try:
                    checked.result()
                    yield shard
                except DamagedShard as damage:
                    self._discard(shard.file, damage)

    def _discard(self, file: Path, damage: DamagedShard) -> None:
        logger.warning(f"trunk cache: {file} is damaged ({damage}); it is removed and computed again")
        with explained(self.folder):
            file.with_suffix(".json").unlink(missing_ok=True)
            file.unlink(missing_ok=True)

    def remove_unfinished(self) -> None:
        """Remove what a killed process left: files under temporary names, numbers without an index.

        Only under `filling`: another process may be writing otherwise.
        """
        for path in [*self.folder.glob(".*.bin"), *self.folder.glob(".*.json")]:
            path.unlink(missing_ok=True)
        for path in self.folder.glob("*.bin"):
            if not path.with_suffix(".json").exists():
                path.unlink(missing_ok=True)

    def try_filling(self) -> int | None:
        """Take the lock of those who compute entries; None when another run has it. `release` lets go."""
        return try_lock(self.folder / ".filling", fcntl.LOCK_EX)

    def use(self) -> int:
        """Keep `cache rm` from removing the store; `release`, or the end of the process, lets go.

        Raises:
            RunError: it is being removed at this moment.
        """
        lock = try_lock(self.folder / ".in_use", fcntl.LOCK_SH)
        if lock is None:
            raise RunError(f"trunk cache: {self.folder} is being removed; give the same command again")
        return lock


class ShardWriter:
    """Gathers entries of one store and writes a shard when there are enough, beside the computation.

    Raises:
        RunError: the disk is full, or the folder cannot be written; what was written before stays.
    """

    def __init__(self, store: TrunkStore, entry_bytes: int) -> None:
        self.store = store
        self.entries: list[Entry] = []
        self.arrays: list[np.ndarray] = []
        self.limit = max(1, SHARD_BYTES // entry_bytes)
        self.began = time.monotonic()
        self.thread = ThreadPoolExecutor(1)
        self.writing: Future[Any] | None = None

    def add(self, entries: Sequence[Entry], arrays: np.ndarray) -> None:
        """Entries with their arrays [len(entries), ...]."""
        if not self.entries:
            self.began = time.monotonic()
        self.entries += entries
        self.arrays.append(arrays)
        if len(self.entries) >= self.limit or time.monotonic() - self.began > SHARD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand over what was gathered, once the shard before it is written."""
        self._wait()
        if self.entries:
            self.writing = self.thread.submit(
                write_shard, self.store.folder, self.store.digest, self.entries, np.concatenate(self.arrays)
            )
            self.entries, self.arrays = [], []

    def close(self) -> None:
        try:
            self.flush()
            self._wait()
        finally:
            self.thread.shutdown()

    def _wait(self) -> None:
        if self.writing is not None:
            writing, self.writing = self.writing, None
            with explained(self.store.folder):
                writing.result()


def require_room(
    root: Path, entry_bytes: int, missing: Collection[Entry], pictures: int, views: int, max_gb: float
) -> None:
    """Raise RunError when the missing entries would take the cache over `max_gb` or fill the disk.

    The sentence says views and gigabytes, and how many views would fit.
    """
    held, free = folder_bytes(root), shutil.disk_usage(root).free
    new = len(missing) * entry_bytes
    room = min(max_gb * 1e9 - held, free)
    if new <= room:
        return
    fitting = max((v for v in range(views) if entry_bytes * sum(view < v for _, view in missing) <= room), default=0)
    limit = f"trunk_cache_max_gb is {max_gb:g}"
    if free < max_gb * 1e9 - held:
        limit = f"only {free / 1e9:.2f} GB are free on its disk"
    advice = f"{fitting} views would fit" if fitting else "not even one view would fit"
    raise RunError(
        f"trunk cache: {pictures} pictures in {views} views need {new / 1e9:.2f} GB more in {root}, which holds "
        f"{held / 1e9:.2f} GB, and {limit}; {advice}. Lower trunk_cache_views, raise trunk_cache_max_gb, choose "
        "another trunk_cache_dir, or remove what is no longer needed with `spatial-swin cache rm`"
    )
