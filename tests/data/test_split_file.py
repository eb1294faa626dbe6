"""A split that is given: taken as it is when it is whole, else refused with everything that is wrong with it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from spatial_swin import files
from spatial_swin.config import load_recipe
from spatial_swin.data.factors import find_factors
from spatial_swin.data.folder import Picture, PictureFolder
from spatial_swin.data.split_file import given_split
from spatial_swin.errors import DataError, RecipeError, RunError
from spatial_swin.folds.data import load_samples
from spatial_swin.runs import SPLITS, RunFolder, Sample
from spatial_swin.training import fine_tune

PATHS = [f"{label}/take{take}_chunk{chunk}.png" for label in ("100", "200") for take in range(4) for chunk in (0, 1)]
FOLDER = PictureFolder(Path("data"), ["100", "200"], [Picture(path, path.split("/")[0]) for path in PATHS])
HASHES = {path: f"{number:064x}" for number, path in enumerate(PATHS)}
PART_OF_TAKE = {"0": "train", "1": "train", "2": "validation", "3": "test"}
Rows = list[dict[str, str]]


def good_rows() -> Rows:
    """Takes 0 and 1 train, 2 validates, 3 tests; the group is the take of the class."""
    return [
        {
            "path": path,
            "label": path[:3],
            "group": f"{path[:3]} take {path[8]}",
            "split": PART_OF_TAKE[path[8]],
            "sha256": HASHES[path],
        }
        for path in PATHS
    ]


def read(folder: Path, rows: Rows, columns: Sequence[str] | None = None, split_by: str | None = None) -> list[Sample]:
    file = folder / "split.csv"
    files.write_csv(file, [{k: row[k] for k in columns or row} for row in rows], columns or list(rows[0]))
    return given_split(file, FOLDER, HASHES, find_factors("data", PATHS), split_by)


def test_a_whole_file_is_taken_as_it_is_in_the_order_of_the_paths(tmp_path: Path) -> None:
    samples = read(tmp_path, good_rows()[::-1])
    assert [sample.path for sample in samples] == sorted(PATHS)
    wanted = {row["path"]: (row["label"], row["group"], row["split"], row["sha256"]) for row in good_rows()}
    assert {s.path: (s.label, s.group, s.split, s.sha256) for s in samples} == wanted
    assert samples[0].factors["chunk"] == "0"


def test_without_the_columns_group_and_sha256_groups_are_recordings_and_hashes_those_of_the_pictures(
    tmp_path: Path,
) -> None:
    samples = read(tmp_path, good_rows(), ["path", "label", "split"])
    assert samples[0].group == "100/take0"
    assert {s.path: s.sha256 for s in samples} == HASHES


def changed(rows: Rows, index: int, **cells: str) -> Rows:
    return [{**row, **cells} if number == index else row for number, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda rows: rows[1:], "100/take0_chunk0.png: has no row"),
        (lambda rows: changed(rows, 0, path="100/gone.png"), "split.csv, line 2: there is no picture 100/gone.png"),
        (lambda rows: [*rows, rows[0]], "split.csv, line 18: a second row for 100/take0_chunk0.png"),
        (lambda rows: changed(rows, 0, split="held"), "split.csv, line 2: split is 'held'; write one of train, val"),
        (lambda rows: changed(rows, 0, label="510"), "100/take0_chunk0.png: its label is '510', its folder is 100"),
        (lambda rows: changed(rows, 0, sha256="f" * 64), "has the sha256 000000000000..., the file says ffffffffffff"),
        (lambda rows: changed(rows, 0, split="test"), "group 100 take 0: is in train and test; put it into one part"),
        (
            lambda rows: [{**r, "split": "train"} if r["group"] == "200 take 2" else r for r in rows],
            "class 200: has no picture in validation",
        ),
        (lambda rows: [{**r, "split": r["split"].replace("validation", "train")} for r in rows], "validation: has no"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, damage: Callable[[Rows], Rows], said: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, damage(good_rows()))
    assert said in str(caught.value)
    assert "cannot be the split of the pictures in data" in str(caught.value)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    rows = changed(changed(changed(good_rows(), 0, path="no.png"), 2, split="test"), 8, sha256="0")
    with pytest.raises(DataError, match=r"\(4 problems\)") as caught:
        read(tmp_path, rows)
    for said in ("no.png", "100/take0_chunk0.png: has no row", "group 100 take 1", "200/take0_chunk0.png"):
        assert said in str(caught.value)


def test_groups_of_a_factor_are_checked_where_the_file_has_none(tmp_path: Path) -> None:
    rows = changed(good_rows(), 0, split="test")
    columns = ["path", "label", "split"]
    assert read(tmp_path, rows, columns)[0].split == "test"  # picture by picture, as nothing else was asked for
    with pytest.raises(DataError, match="group 100/take0: is in train and test"):
        read(tmp_path, rows, columns, split_by="recording")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,label\na,b\n", "there is no column split"),
        ("", "there is no column path and no label and no split"),
        ("path,label,split\na,b\n", "line 2: the row has not as many cells"),
        (None, "no such file"),
    ],
)
def test_what_is_no_split_file_is_one_sentence(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "split.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(DataError, match=said):
        given_split(file, FOLDER, HASHES, find_factors("data", PATHS))


@pytest.fixture
def trained(write_recipe: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run whose split was decided and whose training was not begun."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spatial_swin.training.build_trainer", stop)
    recipe = load_recipe(write_recipe("first", split_by="recording"))
    with pytest.raises(KeyboardInterrupt):
        fine_tune(recipe)
    return RunFolder(recipe.output_dir)


def test_the_split_of_a_run_is_a_split_file_and_stays_the_runs_own(
    trained: RunFolder, write_recipe: Callable[..., Path]
) -> None:
    file = trained.path.parent / "split.csv"
    file.write_bytes(trained.split_file.read_bytes())
    recipe = load_recipe(write_recipe("second", seed=8), ["--split_file", str(file)])
    with pytest.raises(KeyboardInterrupt):
        fine_tune(recipe)
    second = RunFolder(recipe.output_dir)
    assert second.read_split() == trained.read_split()
    file.write_text(file.read_text().replace(",validation,", ",test,"))
    (second.checkpoints / "checkpoint-7").mkdir(parents=True)
    with pytest.raises(RunError, match="gives other parts than"):
        fine_tune(recipe)
    assert {sample.split for sample in second.read_split()} == set(SPLITS)


def test_folds_refuse_a_split_file(write_recipe: Callable[..., Path]) -> None:
    with pytest.raises(RecipeError, match="split_file: is any, but folds divide"):
        load_samples(load_recipe(write_recipe(), ["--split_file", "any"]), "none")
