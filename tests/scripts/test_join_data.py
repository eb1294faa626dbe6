"""Joining rendered folders: every picture once, in the part that was said, or nothing at all."""

import csv
import sys
from pathlib import Path

import pytest

from spatial_swin.audio.manifest import Row, read_rows, write_rows

SCRIPTS = Path(__file__).parents[2] / "scripts"
LABELS = ("100", "514")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import join_data

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["join_data.py", *words])
        return join_data.main()

    return call


def rendered(folder: Path, programme: str, tiles: str = "{}") -> Path:
    rows = []
    for label in LABELS:
        path = f"{label}/{programme}_kemar_{label}_chunk0000.png"
        picture = folder / "pictures" / path
        picture.parent.mkdir(parents=True)
        picture.write_bytes(path.encode())
        rows.append(Row(path, label, programme, "kemar", "synthetic", "0", programme, "0", "", ""))
    write_rows(folder / "pictures" / "manifest.csv", rows)
    (folder / "pictures" / "tiles.json").write_text(tiles)
    return folder


def test_every_picture_is_there_once_in_the_part_that_was_said(tmp_path: Path, run) -> None:  # type: ignore[no-untyped-def]
    one, two = rendered(tmp_path / "one", "a"), rendered(tmp_path / "two", "b")
    output = tmp_path / "both"
    for _ in range(2):  # and again
        assert run(f"train={one}", f"test={two}", "--output_dir", str(output)) == 0
    rows = read_rows(output / "pictures" / "manifest.csv")
    assert {row.programme for row in rows} == {"a", "b"}
    assert all((output / "pictures" / row.path).read_bytes() == row.path.encode() for row in rows)
    with open(output / "split.csv") as file:
        split = {row["path"]: (row["split"], row["group"]) for row in csv.DictReader(file)}
    assert split == {row.path: ({"a": "train", "b": "test"}[row.programme], row.programme) for row in rows}
    assert (output / "pictures" / "tiles.json").is_file()


def test_what_is_no_one_data_set_is_refused_all_at_once(tmp_path: Path, run, capsys) -> None:  # type: ignore[no-untyped-def]
    one, two = rendered(tmp_path / "one", "a"), rendered(tmp_path / "two", "a", tiles='{"other": 1}')
    assert run(f"train={one}", f"test={two}", "--output_dir", str(tmp_path / "both")) == 1
    error = capsys.readouterr().err
    assert "tiles.json: differs" in error
    assert f"is in {one / 'pictures'} too" in error
    assert "its programme is in train too" in error
    assert not (tmp_path / "both").exists()
    with pytest.raises(SystemExit):
        run(f"learn={one}", "--output_dir", str(tmp_path / "both"))
    assert "the parts are train, validation, test" in capsys.readouterr().err
