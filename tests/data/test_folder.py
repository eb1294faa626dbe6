"""What is in a data folder: class names as found, ready parts, and everything that would break training, named at
once.
"""

import os
from pathlib import Path

import pytest
from PIL import Image

from spatial_swin.data.folder import scan_folder
from spatial_swin.errors import DataError


def put(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(root / path)
    return root


def three(name: str) -> list[str]:
    return [f"{name}/{k}.png" for k in range(3)]


def test_class_folders_are_found_with_their_names(tmp_path: Path) -> None:
    folder = scan_folder(put(tmp_path, *three("514"), *three("Ünder cover")))
    assert folder.class_names == ["514", "Ünder cover"]
    assert [p.path for p in folder.pictures] == three("514") + three("Ünder cover")
    assert {p.part for p in folder.pictures} == {None}


def test_ready_parts_are_found_under_their_usual_names(tmp_path: Path) -> None:
    put(tmp_path, *(f"{part}/{path}" for part in ("train", "val", "test") for path in three("a") + three("b")))
    folder = scan_folder(tmp_path)
    assert folder.class_names == ["a", "b"]
    assert {p.part for p in folder.pictures} == {"train", "validation", "test"}


def test_a_class_may_be_called_train_beside_others(tmp_path: Path) -> None:
    assert scan_folder(put(tmp_path, *three("train"), *three("tram"))).class_names == ["train", "tram"]


def test_our_manifest_and_tile_map_are_no_strangers(tmp_path: Path) -> None:
    put(tmp_path, *three("a"), *three("b"))
    (tmp_path / "manifest.csv").write_text("path\n")
    (tmp_path / "tiles.json").write_text("{}")
    assert len(scan_folder(tmp_path).pictures) == 6


def test_what_render_wrote_is_found_below_pictures(tmp_path: Path) -> None:
    put(tmp_path / "pictures", *three("a"), *three("b"))
    assert scan_folder(tmp_path).root == tmp_path / "pictures"


@pytest.mark.parametrize("name", ["metadata.csv", "a/metadata.jsonl", "metadata.parquet"])
def test_a_metadata_file_is_refused(tmp_path: Path, name: str) -> None:
    put(tmp_path, *three("a"), *three("b"))
    (tmp_path / name).write_text("file_name,label\n")
    with pytest.raises(DataError, match="forget the class folders"):
        scan_folder(tmp_path)


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ([], "holds no picture"),
        (three("a"), "one class only"),
        ([*three("a"), "b/0.png", "b/1.png"], "b: has 2 pictures"),
        ([*three("a"), *three("b"), "stray.png"], r"stray\.png: is not at the depth"),
        ([*three("a"), *three("b"), "a/deep/0.png"], r"a/deep/0\.png: is not at the depth"),
        (
            [*(f"train/{p}" for p in three("a") + three("b")), *(f"test/{p}" for p in three("c"))],
            "c: is in another part",
        ),
    ],
)
def test_folders_that_cannot_train_are_refused(tmp_path: Path, paths: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        scan_folder(put(tmp_path, *paths))


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    put(tmp_path, *three("a"), "b/0.png", "stray.png")
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"(?s)4 problems.*notes\.txt.*stray\.png.*empty: holds no picture.*b: has 1"):
        scan_folder(tmp_path)


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_not(tmp_path: Path) -> None:
    inside = put(tmp_path / "data", *three("a"), *three("b"))
    outside = put(tmp_path, "elsewhere.png") / "elsewhere.png"
    (inside / "a" / "copy.png").symlink_to(inside / "a" / "0.png")
    assert len(scan_folder(inside).pictures) == 7
    (inside / "b" / "link.png").symlink_to(outside)
    with pytest.raises(DataError, match=r"b/link\.png: is a link out of the folder"):
        scan_folder(inside)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        scan_folder(tmp_path / "nowhere")


def test_links_to_folders_and_to_nothing_are_refused(tmp_path: Path) -> None:
    put(tmp_path, *three("a"), *three("b"))
    (tmp_path / "c").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "a" / "nowhere.png")
    with pytest.raises(DataError, match=r"(?s)c: is a link to a folder.*a/gone\.png: is a link to nothing"):
        scan_folder(tmp_path)


def parts(**classes: str) -> list[str]:
    return [f"{part}/{path}" for part, names in classes.items() for name in names for path in three(name)]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (parts(train="ab", test="a"), "b: is in another part and not in test"),
        (parts(train="ab", val="ab", valid="ab"), "val and valid: are both validation"),
        (parts(test="ab", val="ab"), "train is missing"),
        ([*parts(train="ab", test="ab"), *three("c")], "make everything beside it a part too"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path, paths: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        scan_folder(put(tmp_path, *paths))


def test_parts_without_validation_are_taken(tmp_path: Path) -> None:
    assert {p.part for p in scan_folder(put(tmp_path, *parts(train="ab", test="ab"))).pictures} == {"train", "test"}


def test_classes_called_train_and_test_are_classes(tmp_path: Path) -> None:
    assert scan_folder(put(tmp_path, *three("train"), *three("test"))).class_names == ["test", "train"]


def test_misplaced_pictures_are_told_once_a_folder(tmp_path: Path) -> None:
    put(tmp_path, *three("a"), *three("b"), *(f"a/deep/{k}.png" for k in range(80)))
    with pytest.raises(DataError, match=r"1 problem\).*\n.*a/deep/0\.png: .*and 79 more"):
        scan_folder(tmp_path)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path.name} cannot be used"):
        scan_folder(tmp_path)


def test_a_folder_that_cannot_be_read_is_not_called_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, *three("a"), *three("b"), "b/0.png")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # the tests may be run by root, whom no permission stops
    with pytest.raises(DataError) as caught:
        scan_folder(tmp_path)
    assert "b: cannot be read (Permission denied)" in str(caught.value)
    assert "1 problem)" in str(caught.value)  # neither "holds no picture" nor "one class only"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a\nb", r"a\\nb: has a control character"),
        ("\x1b[2Jred", r"\\x1b\[2Jred: has a control character"),
        (os.fsdecode(b"caf\xe9"), r"caf\\udce9: has a name that is not UTF-8"),
    ],
    ids=["newline", "escape", "latin-1"],
)
def test_names_that_a_terminal_would_obey_or_no_table_can_hold_are_refused(
    tmp_path: Path, name: str, said: str
) -> None:
    put(tmp_path, *three("a"), *three("b"), *three(name))
    with pytest.raises(DataError, match=said):
        scan_folder(tmp_path)
    for path in three(name):
        (tmp_path / path).unlink()
    (tmp_path / name).rmdir()
    put(tmp_path, f"a/{name}.png")
    with pytest.raises(DataError, match=said.replace(": ", r"\.png: ")):
        scan_folder(tmp_path)


def test_what_is_no_file_is_refused_and_not_opened(tmp_path: Path) -> None:
    put(tmp_path, *three("a"), *three("b"))
    os.mkfifo(tmp_path / "a" / "pipe.png")
    with pytest.raises(DataError, match=r"a/pipe.png: is neither a file nor a folder"):
        scan_folder(tmp_path)
