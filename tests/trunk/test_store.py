"""The stores on disk: what was written comes back, what is damaged or foreign never does, limits are said before."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from spatial_swin.errors import RunError
from spatial_swin.trunk import shards
from spatial_swin.trunk import store as stores
from spatial_swin.trunk.dataset import TrunkDataset, decode, encode
from spatial_swin.trunk.folders import cache_root, list_stores, read_store, release, remove_store
from spatial_swin.trunk.shards import PLAIN, Entry, write_shard
from spatial_swin.trunk.store import ShardWriter, TrunkStore, require_room

KEY = {"trunk": "weights", "draws": None}
ENTRIES: list[Entry] = [(name * 64, view) for name in "abc" for view in (0, 1)]
ARRAYS = np.arange(6 * 4 * 5, dtype=np.float32).reshape(6, 4, 5)


def make_store(root: Path, key: dict[str, object] | None = None) -> TrunkStore:
    return TrunkStore(root, key or KEY, {"model": "tiny"})


@pytest.fixture
def store(tmp_path: Path) -> TrunkStore:
    """A store with six entries in two shards."""
    store = make_store(tmp_path / "cache")
    write_shard(store.folder, store.digest, ENTRIES[:4], ARRAYS[:4])
    write_shard(store.folder, store.digest, ENTRIES[4:], ARRAYS[4:])
    return store


def read(store: TrunkStore) -> dict[Entry, np.ndarray]:
    found = store.places(set(ENTRIES), verify=True)
    return {
        entry: np.array(shards.mapped(str(p.shard.file), p.shard.dtype, p.shard.shape)[p.row])
        for entry, p in found.items()
    }


def test_what_was_written_comes_back_from_another_process_s_view(store: TrunkStore, tmp_path: Path) -> None:
    found = read(make_store(tmp_path / "cache"))
    assert found.keys() == set(ENTRIES)
    for entry, array in zip(ENTRIES, ARRAYS, strict=True):
        assert np.array_equal(found[entry], array)
    assert store.places({("d" * 64, 0), ENTRIES[0]}, verify=True).keys() == {ENTRIES[0]}


@pytest.mark.parametrize("change", [{"trunk": "other"}, {"draws": {"rotation": 15.0}}, {"more": 1}])
def test_another_key_is_another_store(store: TrunkStore, tmp_path: Path, change: dict[str, object]) -> None:
    other = make_store(tmp_path / "cache", {**KEY, **change})
    assert other.folder != store.folder
    assert read(other) == {}
    assert len(list_stores(tmp_path / "cache")) == 2


def test_a_flipped_byte_of_the_numbers_is_never_used(store: TrunkStore, caplog: pytest.LogCaptureFixture) -> None:
    file = next(path for path in store.folder.glob("*.bin") if path.stat().st_size == ARRAYS[:4].nbytes)
    content = bytearray(file.read_bytes())
    content[137] ^= 1
    file.write_bytes(content)
    assert read(store).keys() == set(ENTRIES[4:])
    assert "damaged" in caplog.text
    assert str(file) in caplog.text
    assert not file.exists()
    assert not file.with_suffix(".json").exists()


def test_no_flipped_byte_of_an_index_gives_wrong_numbers(store: TrunkStore) -> None:
    """Every byte in turn: the entries of that shard are refused, or what they give is right."""
    index = next(path for path in store.folder.glob("*.json") if "aaaa" in path.read_text())
    whole, numbers = index.read_bytes(), index.with_suffix(".bin").read_bytes()
    for place in range(0, len(whole), 3):
        content = bytearray(whole)
        content[place] ^= 2
        index.write_bytes(content)
        index.with_suffix(".bin").write_bytes(numbers)
        for entry, array in read(store).items():
            assert np.array_equal(array, ARRAYS[ENTRIES.index(entry)]), f"byte {place}"


def test_an_index_that_was_changed_is_refused_by_the_checksum(store: TrunkStore, tmp_path: Path) -> None:
    """Views exchanged, or another store's name put in: the numbers are whole, and still not those asked for."""
    index = next(path for path in store.folder.glob("*.json") if "aaaa" in path.read_text())
    content = json.loads(index.read_text())
    content["entries"][0], content["entries"][1] = content["entries"][1], content["entries"][0]
    index.write_text(json.dumps(content))
    assert read(store).keys() == set(ENTRIES[4:])
    other = make_store(tmp_path / "cache", {**KEY, "trunk": "other"})
    for path in store.folder.glob("[!s]*.*"):
        (other.folder / path.name).write_bytes(path.read_bytes().replace(store.digest.encode(), other.digest.encode()))
    assert read(other) == {}


@pytest.mark.parametrize("size", [0, 100, 319])
def test_a_cut_off_shard_is_not_used(store: TrunkStore, size: int) -> None:
    file = next(path for path in store.folder.glob("*.bin") if path.stat().st_size == ARRAYS[:4].nbytes)
    os.truncate(file, size)
    assert read(store).keys() == set(ENTRIES[4:])


def test_a_shard_of_another_model_is_not_used(store: TrunkStore, tmp_path: Path) -> None:
    other = make_store(tmp_path / "cache", {**KEY, "trunk": "other"})
    for path in store.folder.glob("[!s]*.*"):
        shutil.copy(path, other.folder)
    assert read(other) == {}
    assert len(read(store)) == 6


def test_a_description_of_another_model_is_written_anew(store: TrunkStore, tmp_path: Path) -> None:
    described = (store.folder / "store.json").read_text()
    (store.folder / "store.json").write_text(described.replace("weights", "forged!"))
    assert read_store(store.folder) is None
    make_store(tmp_path / "cache")
    found = read_store(store.folder)
    assert found is not None
    assert found["key"]["trunk"] == "weights"


def test_what_a_killed_process_left_counts_nothing_and_is_removed(store: TrunkStore) -> None:
    half = store.folder / ".0123.abcdef.bin"
    half.write_bytes(b"half")
    without_index = store.folder / "0123.bin"
    without_index.write_bytes(b"numbers")
    assert len(read(store)) == 6
    store.remove_unfinished()
    assert not half.exists()
    assert not without_index.exists()
    assert len(read(store)) == 6


def test_a_full_disk_is_said_and_leaves_nothing_half_written(
    store: TrunkStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sorted(store.folder.iterdir())
    monkeypatch.setattr(shards.os, "fsync", full)
    writer = ShardWriter(store, 80)
    writer.add([("d" * 64, 0)], ARRAYS[:1])
    with pytest.raises(RunError, match=r"disk of .* is full; what was finished before is kept.*cache ls"):
        writer.close()
    assert sorted(store.folder.iterdir()) == before


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RunError, match=r"cannot be written .*choose another trunk_cache_dir"):
        make_store(tmp_path / "file")


def test_the_limit_says_views_gigabytes_and_what_would_fit(store: TrunkStore, tmp_path: Path) -> None:
    root = tmp_path / "cache"
    entries = [(str(picture) * 64, view) for picture in range(5) for view in range(4)] + [("v" * 64, PLAIN)]
    require_room(root, 1_000_000, entries, 6, 4, max_gb=1)
    with pytest.raises(RunError, match=r"6 pictures in 4 views need 0.02 GB.*is 0.012; 2 views would fit"):
        require_room(root, 1_000_000, entries, 6, 4, max_gb=0.012)
    with pytest.raises(RunError, match="not even one view would fit"):
        require_room(root, 1_000_000, entries, 6, 4, max_gb=0.002)


def test_a_disk_without_room_is_said_before_starting(
    store: TrunkStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=2_500_000)
    monkeypatch.setattr(stores.shutil, "disk_usage", lambda path: usage)
    entries = [("a" * 64, view) for view in range(4)]
    with pytest.raises(RunError, match=r"only 0\.00 GB are free on its disk; 2 views would fit"):
        require_room(tmp_path / "cache", 1_000_000, entries, 1, 4, max_gb=50)


def test_one_run_fills_at_a_time_and_none_removes_what_another_uses(store: TrunkStore, tmp_path: Path) -> None:
    lock = store.try_filling()
    assert lock is not None
    assert make_store(tmp_path / "cache").try_filling() is None
    with pytest.raises(RunError, match="a run is using this store"):
        remove_store(store.folder)
    release(lock)
    used, beside = store.use(), store.use()
    with pytest.raises(RunError, match="a run is using this store"):
        remove_store(store.folder)
    release(used)
    with pytest.raises(RunError, match="a run is using this store"):
        remove_store(store.folder)
    release(beside)
    assert remove_store(store.folder) > ARRAYS.nbytes
    assert list_stores(tmp_path / "cache") == []


def test_a_writer_closes_shards_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "SHARD_BYTES", 160)
    store = make_store(tmp_path)
    writer = ShardWriter(store, 80)
    for entry, array in zip(ENTRIES, ARRAYS, strict=True):
        writer.add([entry], array[None])
    writer.close()
    assert len(list(store.folder.glob("*.bin"))) == 3
    assert read(store).keys() == set(ENTRIES)


@pytest.mark.parametrize(
    ("stored", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp32", torch.float32)]
)
def test_stored_numbers_are_the_rounded_ones(stored: str, dtype: torch.dtype) -> None:
    output = torch.randn(3, 4, 5)
    back = decode(encode(output, stored), stored)
    assert back.dtype == dtype
    assert torch.equal(back, output.to(dtype))


def test_the_dataset_reads_the_view_it_is_asked_for(store: TrunkStore) -> None:
    places = store.places(set(ENTRIES), verify=False)
    data = TrunkDataset([name * 64 for name in "cab"], [2, 0, 1], [7, 8, 9], (0, 1), places, "fp32")
    for row, name in enumerate("cab"):
        for view in (0, 1):
            item = data[row, view]
            assert torch.equal(item["trunk"], torch.from_numpy(ARRAYS[ENTRIES.index((name * 64, view))]))
            assert (item["labels"], item["sample_key"]) == ((2, 0, 1)[row], (7, 8, 9)[row])


def test_the_default_folder_is_the_user_s_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root(None) == tmp_path / "spatial-swin" / "trunk"
    assert cache_root("~/x") == Path.home() / "x"
