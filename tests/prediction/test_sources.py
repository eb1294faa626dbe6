"""Finding what to judge: each file once, in order; what cannot be read is not called empty."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spatial_swin.errors import UsageError
from spatial_swin.prediction.sources import find_files, split_words
from spatial_swin.shipped import detector


@pytest.fixture
def box(tmp_path: Path) -> Path:
    for name in ("a.png", "deep/b.wav", "deep/notes.txt", ".hidden/c.png", "deep/.d.png"):
        file = tmp_path / "box" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return tmp_path / "box"


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the system refuse to list `folder`, as it does to users without permission (root always has it)."""
    listed = os.scandir

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_hidden_files_are_left_out_and_others_counted(box: Path) -> None:
    sources = find_files([str(box / "deep" / "b.wav"), str(box)])
    assert sources.paths == [box / "deep" / "b.wav", box / "a.png"]
    assert sources.passed_by == 1
    assert sources.problems == []


@pytest.mark.parametrize("folder", ["", "deep"])
def test_a_folder_that_cannot_be_read_is_not_called_empty(
    box: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, box / folder)
    sources = find_files([str(box)])
    (problem,) = sources.problems
    assert problem.where == str(box / folder)
    assert problem.what == "cannot be read (Permission denied)"
    assert sources.paths == ([box / "a.png"] if folder else [])


def test_a_file_that_may_not_be_looked_at_is_not_called_missing(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stat(path: str, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", stat)
    (problem,) = find_files([str(box / "a.png")]).problems
    assert problem.what == "cannot be read (Permission denied)"


def test_what_is_neither_file_nor_folder_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (problem,) = find_files([str(tmp_path / "pipe.wav")]).problems
    assert problem.what == "neither a file nor a folder"
    assert find_files([str(tmp_path)]).paths == []


def test_the_first_word_is_the_model_only_where_it_is_one(box: Path, tmp_path: Path) -> None:
    for folder, file in (("run", "recipe.yaml"), ("finished/model", "config.json"), ("model", "config.json")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / file).write_text("{}")
    sound = str(box / "deep" / "b.wav")
    for folder in ("run", "finished", "model", "gone"):
        assert split_words([str(tmp_path / folder), sound]) == (tmp_path / folder, [sound])
    for first in (sound, str(box), str(box / "*.png"), "gone.wav"):
        assert split_words([first, sound]) == (None, [first, sound])
        assert split_words([first]) == (None, [first])
    assert split_words(["detector", sound]) == (detector(), [sound])
    with pytest.raises(UsageError, match="run is a model; name the recordings or pictures after it"):
        split_words([str(tmp_path / "run")])
