"""Which pictures a folder holds, and of which class: class folders, or train/ validation/ test/ folders that hold
them.

In goes a path, out comes a `PictureFolder`. Names are looked at, no picture is opened (that is `preflight`). What
would make imagefolder drop the labels in silence (a metadata file, one class, uneven depth) is refused by name, all of
it at once.
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from spatial_swin.audio.manifest import pictures_folder
from spatial_swin.errors import DataError, Problem, raise_problems

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
OURS = frozenset(
    {"manifest.csv", "tiles.json"}
)  # beside the class folders, made by `spatial-swin mosaic` and `render`
METADATA = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})
PART_NAMES = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
FEWEST = 3  # pictures a class: one for each part


@dataclass(frozen=True)
class Picture:
    """path: posix, below the folder; label: the class folder's name; part: train, validation, test, or None."""

    path: str
    label: str
    part: str | None = None


@dataclass(frozen=True)
class PictureFolder:
    """root: the folder; class_names: as found, sorted; pictures: sorted by path."""

    root: Path
    class_names: list[str]
    pictures: list[Picture]


def scan_folder(root: str | os.PathLike[str]) -> PictureFolder:
    """Find the pictures of `root` (or of root/pictures, as `spatial-swin render` writes them).

    Raises:
        DataError: no such folder, no picture, one class, a class with fewer than 3 pictures, a class that a ready part
            lacks, files that are no pictures, metadata files, uneven depth, links that leave the folder; all at once.
    """
    given = Path(root)
    if not given.is_dir():
        raise DataError(f"{given}: no such folder; give the folder that holds the class folders")
    folder = pictures_folder(given)
    tops = [entry.name for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    divided = bool(tops) and all(name.lower() in PART_NAMES for name in tops)
    problems: list[Problem] = []
    pictures = [p for path in _files(folder, problems) if (p := _picture(folder, path, divided, problems)) is not None]
    if not pictures and not problems:
        problems.append(Problem(str(folder), "holds no picture", "put class folders of PNG or JPEG files into it"))
    problems += _class_problems(folder, pictures, divided)
    raise_problems(DataError, problems, "The data folder cannot be used")
    return PictureFolder(folder, sorted({picture.label for picture in pictures}), pictures)


def _files(folder: Path, problems: list[Problem]) -> list[Path]:
    """Every file below `folder`, sorted; hidden ones left out; links that leave the folder are a problem each."""
    top, found = folder.resolve(), []
    for directory, names, files in os.walk(folder, followlinks=False):
        links = [name for name in names if (Path(directory) / name).is_symlink()]
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in links)
        for name in sorted([*files, *links]):
            path = Path(directory) / name
            if name.startswith("."):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(top):
                problems.append(
                    Problem(str(path.relative_to(folder)), "is a link out of the folder", "copy the file here")
                )
            else:
                found.append(path)
    return sorted(found)


def _picture(folder: Path, path: Path, divided: bool, problems: list[Problem]) -> Picture | None:
    relative = path.relative_to(folder)
    name, parts = relative.as_posix(), relative.parts
    if path.name in METADATA:
        problems.append(Problem(name, "would make the loader forget the class folders", "remove it or rename it"))
    elif path.is_dir():
        problems.append(Problem(name, "is a link to a folder", "put a real folder here"))
    elif path.name in OURS and len(parts) <= (2 if divided else 1):
        return None
    elif path.suffix.lower() not in ENDINGS:
        problems.append(
            Problem(name, "is not a picture (by its name)", "remove it; pictures are PNG, JPEG, TIFF, ...")
        )
    elif len(parts) != (3 if divided else 2):
        where = "<part>/<class>/<file>" if divided else "<class>/<file>"
        problems.append(Problem(name, f"is not at the depth of {where}", "move it into its class folder"))
    else:
        return Picture(name, parts[-2], PART_NAMES[parts[0].lower()] if divided else None)
    return None


def _class_problems(folder: Path, pictures: list[Picture], divided: bool) -> list[Problem]:
    counts = Counter(picture.label for picture in pictures)
    problems = []
    if len(counts) == 1:
        problems.append(Problem(str(folder), f"has one class only ({next(iter(counts))})", "a classifier needs two"))
    empty = [
        path for path in sorted(folder.glob("*/*" if divided else "*"))
        if path.is_dir() and not path.name.startswith(".") and path.name not in counts
    ]  # fmt: skip
    problems += [
        Problem(path.relative_to(folder).as_posix(), "holds no picture", "fill or remove it") for path in empty
    ]
    problems += [
        Problem(name, f"has {count} picture{'s' if count > 1 else ''}", f"a class needs at least {FEWEST}")
        for name, count in sorted(counts.items()) if count < FEWEST
    ]  # fmt: skip
    if divided:
        trained = {picture.label for picture in pictures if picture.part == "train"}
        for name in sorted(set(counts) - trained):
            problems.append(Problem(name, "is in another part and not in train", "add it to train/ or remove it"))
    return problems
