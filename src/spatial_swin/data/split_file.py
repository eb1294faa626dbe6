"""A split that is given: a CSV with a row per picture goes in, a checked split comes out.

Columns: path (below the data folder), label, split (train, validation, test), and, where they are there, group and
sha256; the split.csv of any run is such a file. Every picture must have a part and every row a picture; nothing is
guessed and nothing is left out. All problems of all rows come at once.
"""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from spatial_swin import files
from spatial_swin.data.factors import Factors
from spatial_swin.data.folder import PictureFolder
from spatial_swin.data.splits import parts_of_groups
from spatial_swin.errors import DataError, Problem, raise_problems
from spatial_swin.runs import SPLITS, Sample

NEEDED = ("path", "label", "split")
PARTS = ", ".join(SPLITS)
Row = Mapping[str, str]


def given_split(
    file: str | os.PathLike[str],
    folder: PictureFolder,
    sha256: Mapping[str, str],
    factors: Factors,
    split_by: str | None = None,
) -> list[Sample]:
    """The split that `file` asks for, in the order of the paths.

    A sample's group is that of the file; without such a column the factor `split_by`, else its recording, which may
    then be in two parts, as in a split by picture.

    Raises:
        DataError: not such a file; rows without a picture, pictures without a row or with two; another label, part
            or hash than the picture has; unknown parts; a group in two parts; a class that a part lacks.
    """
    file = Path(file)
    by_path, problems = _by_path(file, folder)
    samples = _samples(by_path, folder, sha256, factors, split_by)
    has_groups = any("group" in row for row in by_path.values())
    problems += _picture_problems(by_path, folder, sha256)
    problems += _part_problems(samples, check_groups=has_groups or split_by is not None)
    raise_problems(DataError, problems, f"{file} cannot be the split of the pictures in {folder.root}")
    return samples


def gives_other_parts(file: str | os.PathLike[str], samples: Sequence[Sample]) -> bool:
    """Whether `file` no longer gives `samples` their parts; a file that is gone says nothing.

    Raises DataError for what is not such a file.
    """
    if not Path(file).exists():
        return False
    given = {(PurePosixPath(row["path"].replace("\\", "/")).as_posix(), row["split"]) for row in _read(Path(file))}
    return given != {(sample.path, sample.split) for sample in samples}


def _by_path(file: Path, folder: PictureFolder) -> tuple[dict[str, Row], list[Problem]]:
    """Rows by picture, and what is wrong with single rows."""
    known = {picture.path for picture in folder.pictures}
    by_path: dict[str, Row] = {}
    problems: list[Problem] = []
    for number, row in enumerate(_read(file), start=2):
        where = f"{file.name}, line {number}"
        if None in row or None in row.values():
            problems.append(Problem(where, "the row has not as many cells as the header", "repair the row"))
            continue
        path = PurePosixPath(row["path"].replace("\\", "/")).as_posix()
        if path not in known:
            problems.append(Problem(where, f"there is no picture {path}", "remove the row or put the picture back"))
        elif row["split"] not in SPLITS:
            problems.append(Problem(where, f"split is {row['split']!r}", f"write one of {PARTS}"))
        elif path in by_path:
            problems.append(Problem(where, f"a second row for {path}", "keep one of them"))
        else:
            by_path[path] = row
    return by_path, problems


def _read(file: Path) -> list[dict[str, str]]:
    try:
        rows = files.read_csv(file)
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; split_file is a CSV with the columns {', '.join(NEEDED)}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: not readable as CSV ({error}); save it as CSV in UTF-8") from None
    columns = [str(name) for name in rows[0]] if rows else []
    if missing := [name for name in NEEDED if name not in columns]:
        listed = ", ".join(columns) or "nothing"
        raise DataError(f"{file}: there is no column {' and no '.join(missing)} (its columns: {listed}); add it")
    return rows


def _samples(
    by_path: Mapping[str, Row],
    folder: PictureFolder,
    sha256: Mapping[str, str],
    factors: Factors,
    split_by: str | None,
) -> list[Sample]:
    groups = factors.groups(split_by)
    samples = []
    for picture in sorted(folder.pictures, key=lambda one: one.path):
        path, row = picture.path, by_path.get(picture.path)
        if row is not None:
            group = row.get("group") or groups[path]
            samples.append(Sample(path, picture.label, group, row["split"], sha256[path], dict(factors.values[path])))
    return samples


def _picture_problems(
    by_path: Mapping[str, Row], folder: PictureFolder, sha256: Mapping[str, str]
) -> Iterator[Problem]:
    """Pictures that the file leaves out or says something else of than they are."""
    for picture in folder.pictures:
        path, row = picture.path, by_path.get(picture.path)
        if row is None:
            yield Problem(path, "has no row", "add one: every picture needs a part")
            continue
        if row["label"] != picture.label:
            yield Problem(path, f"its label is {row['label']!r}, its folder is {picture.label}", "correct the label")
        if picture.part and picture.part != row["split"]:
            yield Problem(path, f"lies in {picture.part} and is to be {row['split']}", "move it or correct the row")
        if row.get("sha256") and row["sha256"].lower() != sha256[path]:
            what = f"has the sha256 {sha256[path][:12]}..., the file says {row['sha256'][:12]}..."
            yield Problem(path, what, "put back the picture that the split was made with")


def _part_problems(samples: Sequence[Sample], *, check_groups: bool) -> Iterator[Problem]:
    """Groups in two parts, and parts without a class, of what could be read."""
    advice = "put it into one part, or leave out the column group (and split_by) to divide picture by picture"
    for group, parts in parts_of_groups(samples).items() if check_groups else ():
        if len(parts) > 1:
            named = " and ".join(part for part in SPLITS if part in parts)
            yield Problem(f"group {group}", f"is in {named}", advice)
    classes = {sample.label for sample in samples}
    for part in SPLITS:
        has = {sample.label for sample in samples if sample.split == part}
        if not has and part != "test":
            yield Problem(part, "has no picture", "give it some of every class")
        for label in sorted(classes - has) if has else ():
            yield Problem(f"class {label}", f"has no picture in {part}", "give it one at least")
