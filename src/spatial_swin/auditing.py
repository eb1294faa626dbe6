"""The steps of `spatial-swin audit`: look at every picture once, then judge what was seen.

In goes a folder of pictures, out come a `reporting.audit_page.Audit`, its page and its tables. This is only the
wiring: measuring is done by `data.fingerprints`, judging by `evaluation.alarms`, writing by `reporting.audit_page`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatial_swin import files
from spatial_swin.audio.tiles import TileMap
from spatial_swin.data import fingerprints
from spatial_swin.data.factors import Factors, factor_table, find_factors
from spatial_swin.data.fingerprints import COLUMNS, STATISTICS, THUMBNAIL, Box, Fingerprints
from spatial_swin.data.folder import Picture, PictureFolder, scan_folder
from spatial_swin.data.splits import describe_split, k_folds, split_samples
from spatial_swin.errors import DataError
from spatial_swin.evaluation import alarms
from spatial_swin.evaluation.alarms import Family, Finding
from spatial_swin.reporting.audit_page import Audit, Copy, write_page, write_tables

FOLDS = 5
EXAMPLES = 4
CELLS = 4  # parts per side of a picture without a tile map
PROGRAMMES = 3  # in every class, for folds that hold out whole programmes
MEASURED = 0.95  # share of the pictures that must have a measured loudness for it to stand for the level


@dataclass(frozen=True)
class Subject:
    """A folder as seen: pictures sorted by path, the recording of each, and their fingerprints in the same order."""

    folder: PictureFolder
    factors: Factors
    pictures: list[Picture]
    recordings: list[str]
    prints: Fingerprints
    tiles: bool  # whether it is known where the pictures show level

    @property
    def paths(self) -> list[str]:
        return [picture.path for picture in self.pictures]

    @property
    def labels(self) -> list[str]:
        return [picture.label for picture in self.pictures]

    def column(self, name: str) -> list[str]:
        return [self.factors.values[picture.path][name] for picture in self.pictures]


@dataclass(frozen=True)
class Division:
    """The split that is judged: part and group of every picture, in words, and whether it came with the folders."""

    parts: list[str]
    groups: list[str]
    text: str
    ready: bool
    finding: Finding | None = None


def audit_folder(
    data: Path,
    pattern: str | None,
    manifest: Path | None,
    split_by: str | None,
    seed: int,
    output: Path,
    workers: int | None = None,
) -> Audit:
    """Look at the pictures of `data`, judge them, and write the page and the tables to `output`."""
    folder = scan_folder(data)
    factors = find_factors(folder.root, [picture.path for picture in folder.pictures], pattern, manifest)
    print(factor_table(factors), flush=True)
    factors.groups(split_by)  # a factor that does not exist is named before the pictures are read
    subject = look(folder, factors, workers)
    audit = judge(subject, split_by, seed)
    write_tables(audit, output)
    write_statistics(subject, output / "statistics.csv")
    write_page(audit, output / "audit.html")
    return audit


def look(folder: PictureFolder, factors: Factors, workers: int | None = None) -> Subject:
    """Open every picture once. Raises DataError listing the ones that cannot be read."""
    pictures = sorted(folder.pictures, key=lambda picture: picture.path)
    boxes, size = level_tiles(folder.root)
    prints = fingerprints.fingerprint(folder.root, [picture.path for picture in pictures], boxes, size, workers)
    recordings = factors.groups()
    return Subject(folder, factors, pictures, [recordings[p.path] for p in pictures], prints, bool(boxes))


def judge(subject: Subject, split_by: str | None, seed: int) -> Audit:
    """Every check of the audit on what was seen."""
    labels = subject.labels
    columns = {name: subject.column(name) for name in subject.factors.names}
    tables = alarms.factor_findings(labels, subject.recordings, columns)
    division = divide_as_training_would(subject, split_by, seed)
    copies = find_copies(subject, division)
    findings = [
        alarms.balance(labels),
        alarms.recordings(labels, subject.recordings, "recording" in subject.factors.names),
        *(table.finding for table in tables),
        *guesses(subject, columns),
        *([division.finding] if division.finding else []),
        *alarms.leak_findings(
            division.groups, division.parts, labels, *copies, division.ready, split_by or "recording"
        ),
    ]
    means, examples = {}, {}
    for label in sorted(set(labels)):
        own = np.flatnonzero(np.asarray(labels) == label)
        means[label] = subject.prints.thumbnails[own].mean(axis=0).reshape(THUMBNAIL, THUMBNAIL)
        spread = np.linspace(0, len(own) - 1, min(EXAMPLES, len(own))).astype(int)
        examples[label] = [subject.paths[row] for row in own[spread]]
    return Audit(
        root=subject.folder.root,
        pictures=len(labels),
        findings=findings,
        factors=tables,
        copies=[as_copy(subject, division, "identical", rows, 0.0) for rows in copies[0]]
        + [as_copy(subject, division, "near-identical", pair[:2], pair[2]) for pair in copies[1]],
        split=division.text,
        origin=f"Factors from {subject.factors.origin}",
        mean_pictures=means,
        examples=examples,
    )


def divide_as_training_would(subject: Subject, split_by: str | None, seed: int) -> Division:
    """The split of a recipe with this `split_by` and seed; a split that cannot be made is itself a finding."""
    ready = all(picture.part for picture in subject.pictures)
    sha256 = dict(zip(subject.paths, subject.prints.sha256, strict=True))
    try:
        samples = split_samples(subject.folder, sha256, subject.factors, seed=seed, split_by=split_by)
    except DataError as error:
        text = f"no split by {split_by or 'picture'} is possible"
        finding = Finding("recordings", "split", True, text, str(error).replace("\n", " "))
        return Division(["undivided"] * len(sha256), subject.recordings, f"There is no split. {error}", ready, finding)
    return Division([s.split for s in samples], [s.group for s in samples], describe_split(samples), ready)


def find_copies(subject: Subject, division: Division) -> tuple[list[list[int]], list[tuple[int, int, float]]]:
    """Rows with equal bytes, and pairs of one class and different groups that look the same down to their detail.

    Pairs of two classes are left out: one programme in two layouts may look alike, and that is no leak.
    """
    sha256, labels, paths = subject.prints.sha256, subject.labels, subject.paths
    near = fingerprints.near_identical(
        subject.prints.thumbnails, division.parts if division.ready else division.groups
    )
    near = [pair for pair in near if sha256[pair[0]] != sha256[pair[1]] and labels[pair[0]] == labels[pair[1]]]
    agree = fingerprints.same_detail(subject.folder.root, [(paths[i], paths[j]) for i, j, _ in near])
    return fingerprints.identical(sha256), [pair for pair, same in zip(near, agree, strict=True) if same]


def as_copy(subject: Subject, division: Division, kind: str, rows: Sequence[int], difference: float) -> Copy:
    parts, groups = [division.parts[row] for row in rows], [division.groups[row] for row in rows]
    crossing = len(set(parts if division.ready else groups)) > 1
    return Copy(kind, [subject.paths[row] for row in rows], groups, parts, difference, crossing)


def guesses(subject: Subject, columns: dict[str, list[str]]) -> list[Finding]:
    """What tiny classifiers make of names and of file-level statistics, tested on recordings they never saw."""
    labels, recordings = subject.labels, subject.recordings
    count = min(FOLDS, fewest_groups(labels, recordings))
    try:
        if count < 2:
            raise DataError("a class has one recording, so nothing can be held out")
        # the names of held-out programmes would tell a classifier nothing, so names are tested by recording
        by_recording = k_folds(labels, recordings, count, ("audit", "recording"))
    except DataError as error:
        text = f"names and statistics are not tested: {error}".replace("\n", " ")
        return [Finding("shortcut", "tiny classifiers", False, text, "add recordings")]
    named = alarms.names_finding(labels, recordings, by_recording, columns)
    folds, groups = folds_by_programme(labels, columns) or (by_recording, recordings)
    return [*([named] if named else []), *alarms.shortcut_findings(labels, groups, folds, statistics_of(subject))]


def folds_by_programme(labels: Sequence[str], columns: dict[str, list[str]]) -> tuple[np.ndarray, list[str]] | None:
    """Folds that hold out whole programmes, where every class has several; else None."""
    for name in ("programme", "content"):
        count = min(FOLDS, fewest_groups(labels, columns[name])) if name in columns else 0
        if count >= PROGRAMMES:
            try:
                return k_folds(labels, columns[name], count, ("audit", name)), columns[name]
            except DataError:
                continue
    return None


def fewest_groups(labels: Sequence[str], groups: Sequence[str]) -> int:
    """Groups of the class that has fewest."""
    return min(Counter(label for label, _ in set(zip(labels, groups, strict=True))).values())


def statistics_of(subject: Subject) -> dict[str, Family]:
    """Statistics to try, by family, with where they come from.

    Measured loudness wins over the picture's. Where the tiles are not known, level is what every part of the picture
    says alike, and silence is columns that are black from top to bottom: the rest may be what a cue shows.
    """
    prints, measures = subject.prints, subject.factors.measures
    families = {name: Family(prints.family(name), "of the file") for name in STATISTICS}
    for name in ("level", "silence", "bandwidth"):
        families[name] = Family(
            prints.family(name), "from the magnitude tiles" if subject.tiles else "from the picture"
        )
    if not subject.tiles:
        families["level"] = Family(cell_means(prints.thumbnails), "in every part of the picture", in_every_part=True)
        families["silence"] = Family(prints.column("silent_columns"), "black columns of the picture")
    names = list(dict.fromkeys(name for path in subject.paths for name in measures.get(path, {})))
    names = [name for name in names if "before" not in name] or names
    if names:
        measured = np.array([[measures[path][name] for name in names] for path in subject.paths])
        if np.isfinite(measured).all(axis=1).mean() >= MEASURED:
            families["level"] = Family(measured, f"{', '.join(names)} in the manifest")
    return families


def cell_means(thumbnails: np.ndarray) -> np.ndarray:
    """Means of CELLS x CELLS parts of thumbnails uint8 [N, side * side]: float64 [N, CELLS * CELLS]."""
    side = THUMBNAIL // CELLS
    return thumbnails.reshape(-1, CELLS, side, CELLS, side).mean(axis=(2, 4)).reshape(-1, CELLS * CELLS)


def level_tiles(root: Path) -> tuple[list[Box], tuple[int, int] | None]:
    """The boxes of the tiles that show magnitude over frequency, and the pictures' width and height."""
    tiles = TileMap.beside(root)
    if tiles is None:
        return [], None
    boxes = [(t.x, t.y, t.width, t.height) for t in tiles.tiles if "magnitude" in t.name and t.vertical == "frequency"]
    return boxes, (tiles.size[1], tiles.size[0])


def write_statistics(subject: Subject, path: Path) -> None:
    """statistics.csv: one row per picture, its hash and every file-level statistic."""
    prints = subject.prints
    rows = [
        {"path": path, "sha256": digest, **{name: round(float(v), 5) for name, v in zip(COLUMNS, row, strict=True)}}
        for path, digest, row in zip(subject.paths, prints.sha256, prints.statistics, strict=True)
    ]
    files.write_csv(path, rows, ["path", "sha256", *COLUMNS])
