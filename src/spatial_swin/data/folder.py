"""Which pictures a folder holds, and of which class: class folders, or train/ validation/ test/ that hold them.

In goes a path, out comes a `PictureFolder`. Names are looked at, no picture is opened (that is `preflight`). What
would make imagefolder drop the labels in silence (a metadata file, one class, uneven depth) is refused by name.
"""

import os
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from spatial_swin.audio.manifest import MANIFEST, TILES, pictures_folder
from spatial_swin.errors import DataError, Problem, RunError, raise_problems
from spatial_swin.files import PICTURE_ENDINGS
from spatial_swin.runs import RunFolder

OURS = frozenset({MANIFEST, TILES})  # beside the classes, by `spatial-swin mosaic` and `render`
METADATA = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})
PART_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
FEWEST = 3  # pictures per class: one for each part


@dataclass(frozen=True)
class Picture:
    """path: posix, below the folder; label: the class folder's name; part: train, validation, test, or None."""

    path: str
    label: str
    part: str | None = None


@dataclass(frozen=True)
class PictureFolder:
    """root: the folder; class_names: as written, sorted as text (imagefolder's order); pictures: sorted by path."""

    root: Path
    class_names: list[str]
    pictures: list[Picture]


def scan_folder(root: str | os.PathLike[str]) -> PictureFolder:
    """Find the pictures of `root` (or of root/pictures, as `spatial-swin render` writes them).

    The folder counts as divided when everything in it is a part (train, training; validation, valid, val, dev; test,
    testing) and holds folders, not pictures. A divided folder needs train; without a validation part one is taken out
    of train later. Hidden files are passed over.

    Raises:
        DataError: no such folder, no picture, one class, a class with fewer than 3 pictures, a class that a ready part
            lacks, files that are no pictures, metadata files, uneven depth, links that leave the folder, folders that
            cannot be read, names with control characters or not in UTF-8; all at once.
    """
    given = Path(root)
    if not given.is_dir():
        raise DataError(f"{given}: no such folder; give the folder that holds the class folders")
    try:
        folder = pictures_folder(given)
    except OSError as error:
        raise DataError(f"{given}: cannot be read ({error.strerror}); correct its permissions") from None
    tree = _walk(folder)
    problems = list(tree.problems)
    tops = [path for path in tree.folders if len(path.parts) == 1]
    bare = {path.parent for path in tree.files if path.suffix.lower() in PICTURE_ENDINGS}
    divided = bool(tops) and all(top.name.lower() in PART_NAMES and top not in bare for top in tops)
    pictures = _sort_out(tree.files, divided, problems)
    if not pictures and not problems:
        problems.append(Problem(str(folder), "holds no picture", "put class folders of PNG or JPEG files into it"))
    problems += _class_problems(folder, tree, pictures, divided)
    if divided and not tree.problems:  # what could not be read may be what a part seems to lack
        problems += _part_problems(tops, pictures)
    raise_problems(DataError, problems, f"The data folder {folder} cannot be used")
    return PictureFolder(folder, sorted({picture.label for picture in pictures}), pictures)


def pictures_of(run: RunFolder, data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where the pictures of a run lie: below `data_dir`, or below that of its recipe when None.

    Raises RunError when the recipe names none, DataError when there is no such folder.
    """
    given = data_dir or (run.read_recipe().get("Data") or {}).get("data_dir")
    if not given:
        raise RunError(f"{run.recipe_file}: it names no data_dir; say where the pictures are with --data_dir")
    if not Path(given).is_dir():
        raise DataError(f"{given}: no such folder; say where the pictures are now with --data_dir")
    return pictures_folder(given)


@dataclass(frozen=True)
class _Tree:
    """What lies below a folder, hidden names left out, all paths below it and sorted. occupied: folders that are not
    empty, or may not be because they cannot be read."""

    files: list[Path]
    folders: list[Path]
    occupied: set[Path]
    problems: list[Problem]


def _walk(top: Path) -> _Tree:
    """List a folder. Folders that cannot be read, names that no table can hold, and files that are none (links out of
    the folder, to a folder or to nothing, pipes, devices) are a problem each."""
    whole = top.resolve()
    tree = _Tree([], [], set(), [])

    def refuse(path: Path, what: str, do: str) -> None:
        tree.problems.append(Problem(path.as_posix(), what, do))
        tree.occupied.update([path, *path.parents])

    def unreadable(error: OSError) -> None:
        path = Path(error.filename).relative_to(top)
        refuse(path, f"cannot be read ({error.strerror})", "correct the permissions of the folder")

    for directory, names, files in os.walk(top, onerror=unreadable):
        inside = Path(directory).relative_to(top)
        links = [name for name in names if (top / inside / name).is_symlink()]
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in links)
        tree.folders.extend(inside / name for name in names)
        for path in (inside / name for name in [*names, *files, *links] if not name.startswith(".")):
            if wrong := _wrong_name(path.name) or (path.name not in names and _wrong_file(top / path, whole)):
                refuse(path, *wrong)
            elif path.name not in names:
                tree.files.append(path)
                tree.occupied.update(path.parents)
    tree.files.sort()
    tree.folders.sort()
    return tree


def _wrong_name(name: str) -> tuple[str, str] | None:
    """What no table, label or terminal can hold: control characters, and bytes that are not UTF-8."""
    if name.isprintable():
        return None
    kinds = {unicodedata.category(letter) for letter in name}
    if "Cs" in kinds:
        return "has a name that is not UTF-8", "rename it"
    return ("has a control character in its name", "rename it") if kinds & {"Cc", "Zl", "Zp"} else None


def _wrong_file(path: Path, top: Path) -> tuple[str, str] | None:
    if path.is_symlink():
        return _wrong_link(path, top)
    return None if path.is_file() else ("is neither a file nor a folder", "remove it")


def _wrong_link(path: Path, top: Path) -> tuple[str, str] | None:
    if not path.exists():
        return "is a link to nothing", "remove it or put the file here"
    if not path.resolve().is_relative_to(top):
        return "is a link out of the folder", "copy the file here"
    return ("is a link to a folder", "put a real folder here") if path.is_dir() else None


def _sort_out(files: list[Path], divided: bool, problems: list[Problem]) -> list[Picture]:
    """The pictures at the right depth; everything else is a problem, misplaced ones one per folder."""
    shape = "<part>/<class>/<file>" if divided else "<class>/<file>"
    pictures, misplaced = [], defaultdict(list)
    for path in files:
        name, parts = path.as_posix(), path.parts
        if path.name.lower() in METADATA:
            problems.append(Problem(name, "would make the loader forget the class folders", "remove it or rename it"))
        elif path.name in OURS and len(parts) <= (2 if divided else 1):
            continue
        elif path.suffix.lower() not in PICTURE_ENDINGS:
            endings = ", ".join(sorted(ending[1:] for ending in PICTURE_ENDINGS))
            problems.append(Problem(name, "is not a picture by its name", f"remove it; pictures are {endings}"))
        elif len(parts) != shape.count("/") + 1:
            misplaced[path.parent.as_posix()].append(path.name)
        else:
            pictures.append(Picture(name, parts[-2], PART_NAMES[parts[0].lower()] if divided else None))
    for where, names in misplaced.items():
        first = names[0] if where == "." else f"{where}/{names[0]}"
        more = f" (and {len(names) - 1} more in that folder)" if len(names) > 1 else ""
        advice = "move it into its class folder"
        if where.split("/")[0].lower() in PART_NAMES and not divided:
            advice = (
                "make everything beside it a part too (train/, validation/, test/), or move it into a class folder"
            )
        problems.append(Problem(first, f"is not at the depth of {shape}{more}", advice))
    return pictures


def _class_problems(folder: Path, tree: _Tree, pictures: list[Picture], divided: bool) -> list[Problem]:
    counts = Counter(picture.label for picture in pictures)
    problems = []
    if len(counts) == 1 and not tree.problems:
        problems.append(Problem(str(folder), f"has one class only ({next(iter(counts))})", "a classifier needs two"))
    depth = 2 if divided else 1
    empty = [path for path in tree.folders if len(path.parts) == depth and path not in tree.occupied]
    problems += [Problem(path.as_posix(), "holds no picture", "fill or remove it") for path in empty]
    problems += [
        Problem(name, f"has {count} picture{'s' if count > 1 else ''}", f"a class needs at least {FEWEST}")
        for name, count in sorted(counts.items())
        if count < FEWEST
    ]
    return problems


def _part_problems(tops: list[Path], pictures: list[Picture]) -> list[Problem]:
    """What ready parts can get wrong: two spellings of one part, no train, a class that one of them lacks."""
    spellings: dict[str, list[str]] = {}
    for top in tops:
        spellings.setdefault(PART_NAMES[top.name.lower()], []).append(top.name)
    problems = [
        Problem(" and ".join(names), f"are both {part}", "put them together")
        for part, names in spellings.items()
        if len(names) > 1
    ]
    if "train" not in spellings:
        named = ", ".join(top.name for top in tops)
        advice = "add train/, or give the class folders alone"
        problems.append(Problem(named, "are parts, and train is missing", advice))
    classes = {picture.label for picture in pictures}
    for part, names in spellings.items():
        has = {picture.label for picture in pictures if picture.part == part}
        for name in sorted(classes - has):
            advice = f"add pictures to {names[0]}/{name}, or remove the class from the other parts"
            problems.append(Problem(name, f"is in another part and not in {names[0]}", advice))
    return problems
