"""Several rendered folders as one data set, each as the part of a split that you say.

    python scripts/join_data.py train=clean train=spoilt validation=people test=elsewhere --output_dir detector

For splits that no factor gives: people kept out to choose by, a laboratory left out to test on. Pictures are linked
where the file system allows it, else copied. Writes OUTPUT/pictures with one manifest.csv and tiles.json, and
OUTPUT/split.csv for `train --split_file`, grouped by programme. Refused, all at once: folders whose pictures were made
otherwise (tiles.json), two pictures of one path, a programme in two parts.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from spatial_swin import files
from spatial_swin.audio.manifest import MANIFEST, PICTURES, TILES, Row, read_rows, write_rows
from spatial_swin.errors import Problem, SpatialSwinError, raise_problems
from spatial_swin.runs import SPLITS

Folder = tuple[str, Path]  # its part, and the folder of its pictures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="PART=FOLDER", type=part_and_folder)
    parser.add_argument("--output_dir", type=Path, required=True)
    options = parser.parse_args()
    try:
        rows = {folder: read_rows(folder / MANIFEST) for _, folder in options.folders}
        raise_problems(SpatialSwinError, problems_of(options.folders, rows), "Nothing was joined")
        counts = join(options.folders, rows, options.output_dir)
    except (SpatialSwinError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{', '.join(f'{part} {counts[part]}' for part in SPLITS)} pictures; open {options.output_dir}")
    return 0


def part_and_folder(word: str) -> Folder:
    """`train=clean` as its part and folder of pictures. Raises ArgumentTypeError for other words."""
    part, _, name = word.partition("=")
    folder = Path(name) / PICTURES
    if part not in SPLITS or not name:
        raise argparse.ArgumentTypeError(f"{word!r} is not PART=FOLDER; the parts are {', '.join(SPLITS)}")
    if not (folder / MANIFEST).is_file():
        raise argparse.ArgumentTypeError(f"{name} has no {PICTURES}/{MANIFEST}; give what `render` wrote")
    return part, folder


def problems_of(folders: list[Folder], rows: dict[Path, list[Row]]) -> list[Problem]:
    """What keeps the folders from being one data set."""
    problems, paths, parts = [], dict[str, Path](), dict[str, str]()
    tiles = (folders[0][1] / TILES).read_bytes()
    for part, folder in folders:
        if (folder / TILES).read_bytes() != tiles:
            problems.append(Problem(str(folder / TILES), "differs from the first folder's", "render both alike"))
        for row in rows[folder]:
            if (other := paths.setdefault(row.path, folder)) != folder:
                problems.append(Problem(str(folder / row.path), f"is in {other} too", "use other --first_programme"))
            if (first := parts.setdefault(row.programme, part)) != part:
                problems.append(Problem(row.path, f"its programme is in {first} too", "use other --first_programme"))
    return problems


def join(folders: list[Folder], rows: dict[Path, list[Row]], output: Path) -> dict[str, int]:
    """Fill OUTPUT; return how many pictures each part has. The manifest and the split come last."""
    counts, split = dict.fromkeys(SPLITS, 0), []
    for part, folder in folders:
        for row in rows[folder]:
            link(folder / row.path, output / PICTURES / row.path)
            split.append({"path": row.path, "label": row.label, "split": part, "group": row.programme})
        counts[part] += len(rows[folder])
    files.write_bytes(output / PICTURES / TILES, (folders[0][1] / TILES).read_bytes())
    write_rows(output / PICTURES / MANIFEST, [row for _, folder in folders for row in rows[folder]])
    files.write_csv(output / "split.csv", sorted(split, key=lambda row: row["path"]), list(split[0]))
    return counts


def link(source: Path, target: Path) -> None:
    """One file in two places; a copy where that cannot be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main())
