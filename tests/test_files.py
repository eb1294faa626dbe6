"""A reader never sees half a file, and a key gives the same numbers everywhere."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial_swin import files
from spatial_swin.errors import DataError, WriteError
from spatial_swin.files import files_below
from spatial_swin.keyed_random import keyed_generator, keyed_uniforms


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a" / "table.csv"
    files.write_text(path, "old")

    def fail_half_way() -> None:
        with files.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_csv_keeps_every_digit_and_empty_cells(tmp_path: Path) -> None:
    files.write_csv(tmp_path / "t.csv", [{"a": 0.1 + 0.2, "b": None}], ["a", "b"])
    assert files.read_csv(tmp_path / "t.csv") == [{"a": "0.30000000000000004", "b": ""}]


CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.builds(
    "{}{}".format, st.sampled_from("'=+-@\t\r\n＝"), st.text("'=-5e.")
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=4), CELLS)
def test_csv_reads_back_every_text(tmp_path_factory: pytest.TempPathFactory, pairs: list, name: str) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    rows = [{f"{name}1": first, f"{name}2": second} for first, second in pairs]
    files.write_csv(path, rows, [f"{name}1", f"{name}2"])
    assert files.read_csv(path) == rows


def test_no_cell_and_no_header_is_a_formula_and_numbers_stay(tmp_path: Path) -> None:
    rows = [{"=a": "=HYPERLINK(1)", "b": "@x", "c": -0.5, "d": "-0.5"}, {"=a": "+x", "b": "-x", "c": "'=x", "d": "'x"}]
    files.write_csv(tmp_path / "t.csv", rows, list(rows[0]))
    assert (tmp_path / "t.csv").read_text() == "'=a,b,c,d\n'=HYPERLINK(1),'@x,-0.5,-0.5\n'+x,'-x,''=x,'x\n"
    assert files.read_csv(tmp_path / "t.csv")[1] == rows[1]
    (tmp_path / "old.csv").write_text("a,b\n=x,-y\n")
    assert files.read_csv(tmp_path / "old.csv") == [{"a": "=x", "b": "-y"}], "tables of earlier versions are the same"


def test_text_is_utf_8_and_bytes_that_are_not_are_shown(tmp_path: Path) -> None:
    name = b"bad\xff".decode(errors="surrogateescape")
    files.write_json(tmp_path / "m.json", {"ü": name})
    assert (tmp_path / "m.json").read_bytes().decode() == '{\n  "ü": "bad\\udcff"\n}\n'
    files.write_csv(tmp_path / "t.csv", [{"a": name}], ["a"])
    assert (tmp_path / "t.csv").read_bytes() == b"a\nbad\\udcff\n"


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize(("umask", "mode"), [(0o027, 0o640), (0o077, 0o600), (0o022, 0o644)])
def test_files_have_the_mode_of_the_umask(tmp_path: Path, umask: int, mode: int, durable: bool) -> None:
    before = os.umask(umask)
    try:
        with files.atomic_path(tmp_path / "a.txt", durable=durable) as temporary:
            temporary.unlink()
            os.close(os.open(temporary, os.O_CREAT, 0o600))  # as savers do that write a private file and move it
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode


def test_durable_files_are_on_the_disk_before_they_are_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    move = os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: steps.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))[:3])
    )
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("moved"), move(*names)))
    files.write_json(tmp_path / "runs" / "m.json", {}, durable=True)
    assert steps == [".m.", "moved", "run"]
    files.sync(tmp_path / "runs")
    assert steps[3:] == ["m.j", "run"]


def test_a_full_disk_is_a_sentence_and_the_old_file_stays(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.csv", "old")

    def fill() -> None:
        with files.atomic_path(tmp_path / "a.csv"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(WriteError, match=r"a\.csv: cannot be written \(No space left on device\); free some space"):
        fill()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.csv", "old")]


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"a\.csv: cannot be written \(a file has the name"):
        files.write_text(tmp_path / "file" / "a.csv", "x")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(WriteError, match=r"folder\.csv: cannot be written \(Is a directory\)"):
        files.write_text(tmp_path / "folder.csv", "x")
    assert {p.name for p in tmp_path.iterdir()} == {"file", "folder.csv"}


def test_json_with_nan_is_refused_before_the_old_file_is_touched(tmp_path: Path) -> None:
    files.write_json(tmp_path / "m.json", {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "m.json", {"a": float("nan")})
    assert (tmp_path / "m.json").read_text() == '{\n  "a": 1\n}\n'


def test_a_key_is_the_only_thing_that_matters() -> None:
    assert keyed_generator(1, "crop", 2).random() == keyed_generator(1, "crop", 2).random()
    draws = {keyed_generator(*key).random() for key in ((1, 23), (12, 3), ("1", 23), (1, 2, 3), (123,))}
    assert len(draws) == 5


def test_the_numbers_are_the_same_on_every_machine() -> None:
    """Philox is specified; these are the values that published runs were drawn with."""
    assert keyed_generator(42, "golden", 0).random(3).tolist() == GOLDEN


def test_uniforms_are_uniform_and_rows_are_independent() -> None:
    table = keyed_uniforms(4, [(7, k) for k in range(4000)])
    assert table.shape == (4000, 4)
    assert np.abs(table.mean(axis=0) - 0.5).max() < 0.02
    assert np.abs(np.corrcoef(table.T) - np.eye(4)).max() < 0.06
    assert keyed_uniforms(4, []).shape == (0, 4)


GOLDEN = [0.6255099922702179, 0.13711981057502198, 0.3129613035307043]


def test_a_folder_that_cannot_be_listed_is_not_called_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    scan = os.scandir

    def refusing(path: str | os.PathLike[str]) -> object:
        if os.fspath(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match=r"closed: this folder cannot be listed \(Permission denied\)"):
        files_below(tmp_path)
    monkeypatch.undo()
    (tmp_path / "closed" / ".hidden").touch()
    (tmp_path / "closed" / "b").touch()
    (tmp_path / "a").touch()
    assert files_below(tmp_path) == [tmp_path / "a", tmp_path / "closed" / "b"]


def test_leftovers_of_a_killed_writer_are_removed_by_name_and_long_names_by_age(tmp_path: Path) -> None:
    for name in ("table.csv", "x" * 80 + ".csv"):
        with files.atomic_path(tmp_path / name) as temporary:
            pass
        (tmp_path / name).rename(temporary)  # as a kill would have left it
    (tmp_path / ".hidden.csv").touch()
    files.remove_leftovers(tmp_path, {tmp_path / "other.csv"}.__contains__)
    assert len(list(tmp_path.iterdir())) == 3
    files.remove_leftovers(tmp_path, {tmp_path / "table.csv"}.__contains__)
    (young,) = [path for path in tmp_path.iterdir() if path.name.startswith(".x")]
    os.utime(young, (0, 0))
    files.remove_leftovers(tmp_path, lambda path: True)
    assert [path.name for path in tmp_path.iterdir()] == [".hidden.csv"]
