"""The manifest: one row a picture, the same bytes for the same work, parts that merge, a folder that finds itself."""

from pathlib import Path

import pytest

from spatial_swin.audio.manifest import MANIFEST, Row, merge, pictures_folder, read_rows, shard_name, write_rows
from spatial_swin.errors import AudioError


def row(name: str, **changes: str) -> Row:
    cells = dict.fromkeys(Row.__dataclass_fields__, "") | {"path": f"510/{name}.png", "label": "510"} | changes
    return Row(**cells)


def test_rows_come_back_as_written_in_the_order_of_paths(tmp_path: Path) -> None:
    rows = [row("b", flags="silent+short"), row("a", source="synthetic, nearest direction", loudness_before="-31.20")]
    write_rows(tmp_path / MANIFEST, rows)
    assert read_rows(tmp_path / MANIFEST) == rows[::-1]
    before = (tmp_path / MANIFEST).read_bytes()
    write_rows(tmp_path / MANIFEST, rows[::-1])
    assert (tmp_path / MANIFEST).read_bytes() == before


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("path,label\na.png,510\n")
    with pytest.raises(AudioError, match="column programme, listener"):
        read_rows(tmp_path / MANIFEST)


def test_a_manifest_of_before_laboratories_is_read(tmp_path: Path) -> None:
    write_rows(tmp_path / MANIFEST, [row("a"), row("b")])
    lines = (tmp_path / MANIFEST).read_text().splitlines()
    (tmp_path / MANIFEST).write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    assert read_rows(tmp_path / MANIFEST) == [row("a"), row("b")]


@pytest.mark.parametrize(("content", "reason"), [(b"\xff\xfe\x00", "is damaged"), (None, "line 3 is cut off")])
def test_a_damaged_manifest_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    write_rows(tmp_path / MANIFEST, [row("a"), row("b")])
    (tmp_path / MANIFEST).write_bytes(content or (tmp_path / MANIFEST).read_bytes()[:-20])
    with pytest.raises(AudioError, match=reason):
        read_rows(tmp_path / MANIFEST)


def test_parts_merge_when_all_are_there_and_are_hidden_from_readers(tmp_path: Path) -> None:
    write_rows(tmp_path / shard_name((2, 2)), [row("b")])
    assert not merge(tmp_path, 2)
    write_rows(tmp_path / shard_name((1, 2)), [row("a")])
    assert merge(tmp_path, 2)
    assert [r.path for r in read_rows(tmp_path / MANIFEST)] == ["510/a.png", "510/b.png"]
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == [MANIFEST]
    assert shard_name(None) == shard_name((1, 1)) == MANIFEST


def test_the_pictures_of_a_rendered_folder_are_found(tmp_path: Path) -> None:
    assert pictures_folder(tmp_path) == tmp_path
    (tmp_path / "pictures" / "510").mkdir(parents=True)
    (tmp_path / "sound" / "510").mkdir(parents=True)
    assert pictures_folder(tmp_path) == tmp_path / "pictures"
    (tmp_path / "514").mkdir()  # then `pictures` is a class like any other
    assert pictures_folder(tmp_path) == tmp_path
