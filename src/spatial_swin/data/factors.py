"""What is known of every picture beside its class: recording, listener, programme, source, chunk.

In go the paths of a folder and, if given, a regular expression with named groups or a CSV with a `path` column; out
comes a `Factors` table, one row per picture. Without either, the `manifest.csv` beside the pictures is read, else the
names themselves, by the first of `NAMES` that fits all of them (or any `*_chunkNNNN`). A picture is never opened, a
value is never guessed: a name that does not match is listed, all of them at once.
"""

import csv
import difflib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from spatial_swin import files
from spatial_swin.audio.manifest import MANIFEST
from spatial_swin.audio.virtual_heads import measured_name
from spatial_swin.data.folder import PART_NAMES
from spatial_swin.errors import DataError, Problem, printable, raise_problems
from spatial_swin.runs import SPLIT_COLUMNS

# A recording as the field names it (FIELD: listener D1.. dummy heads, H3.. people); `files` of the reference study.
RECORDING_NAME = (
    r"(?P<listener>[DH]\d+)_\d+K_\d+bit_(?:[\d.]+s|\d+tap)_FIR_SOFA_(?P<content>ac\d+)-(?P<source>[A-Za-z0-9]+)-"
)
# Pictures of `spatial-swin render`: <layout>/<programme>_<listener>_<layout>_chunk0000.png. The renderings of a
# programme in all layouts are one recording, as in its manifest. A listener from a SOFA file can have any name, so
# where it begins is unknown: programme and listener together are the recording then.
RENDERED = r"(?:^|/)(?P<label>[^/]+)/{}_(?P=label)_chunk(?P<chunk>\d+)"
NAMES = {
    "as in the reference study": re.compile(rf"{RECORDING_NAME}(?P<version>\d+_\d+)_chunk(?P<chunk>\d+)"),
    "as `render` gives them": re.compile(
        RENDERED.format(r"(?P<programme>(?P<recording>[^/]+))_(?P<listener>kemar|parametric\d+)")
    ),
    "as `render` gives them for SOFA files": re.compile(RENDERED.format("(?P<recording>[^/]+)")),
}
CHUNK_NAME = re.compile(r"[_-]?chunk[_-]?(?P<chunk>\d+)", re.IGNORECASE)
MEASURES = re.compile(r"(loudness|level|rms|peak|lufs|silence|bandwidth)(_|$)", re.IGNORECASE)
NOT_FACTORS = {"path", "label", "split", "part", "group", "sha256", "seed", "flags", ""}
ALIASES = {"content": "programme", "programme": "content", "program": "programme"}
WITHOUT = {"", "none", "random", "picture"}  # values of `split_by` that mean "no group"


@dataclass(frozen=True)
class Factors:
    """One row per picture.

    names: the factors, in order. values: path -> {factor: value}. measures: path -> {name: number}, what a manifest
    says of level (loudness before and after), kept apart because it is a quantity. origin: where they come from, for
    people. notes: what the person should know (rows without a picture, names without a chunk).
    """

    names: list[str]
    values: Mapping[str, Mapping[str, str]]
    origin: str
    measures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def resolve(self, name: str) -> str:
        """The factor called `name` or by its other usual name (content, programme); DataError names the nearest."""
        for candidate in (name, ALIASES.get(name, name)):
            if candidate in self.names:
                return candidate
        nearest = difflib.get_close_matches(name, self.names, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        known = ", ".join(self.names) or "none"
        raise DataError(
            f"there is no factor {name!r} in this data ({self.origin}); {hint}known: {known}. "
            "Say how to find it with --factors REGEX or --manifest FILE"
        )

    def column(self, name: str) -> dict[str, str]:
        """path -> value of one factor; `a+b` gives the combination of two."""
        names = self._parts(name)
        return {path: "+".join(row[n] for n in names) for path, row in self.values.items()}

    def _parts(self, name: str) -> list[str]:
        return [self.resolve(part.strip()) for part in name.split("+")]

    def groups(self, by: str | None = None) -> dict[str, str]:
        """path -> group: the factor `by`, else the recording, else the picture itself. DataError as `resolve`.

        Virtual heads are in the group of the listener they were made from.
        """
        if by is not None and by.lower() not in WITHOUT:
            if by == "recording" and by not in self.names:
                return self.groups(None)
            names = self._parts(by)
            return {path: "+".join(whole(n, row[n]) for n in names) for path, row in self.values.items()}
        if "recording" in self.names:
            return self.column("recording")
        return {path: _stem(path) for path in self.values}


def whole(factor: str, value: str) -> str:
    """Whom a value must not be parted from: of a virtual head, the listener it was made from; else the value."""
    return measured_name(value) if factor == "listener" else value


def find_factors(
    root: str | os.PathLike[str],
    paths: Sequence[str],
    pattern: str | None = None,
    manifest: str | os.PathLike[str] | None = None,
) -> Factors:
    """The factors of `paths` (posix, relative to `root`) by `pattern`, by `manifest`, or without being given any.

    Raises DataError for a pattern that is no regular expression or names no group, for names that do not match it, for
    a manifest without a `path` column, and for pictures without a row: all of them at once.
    """
    root = Path(root)
    if pattern and manifest:
        raise DataError(
            "factors come from a pattern or from a manifest: give one of --factors and --manifest, not both"
        )
    if pattern:
        return _by_pattern(_compiled(pattern), paths, f"pattern {pattern}")
    if manifest:
        return _by_manifest(root, Path(manifest), paths)
    beside = root / MANIFEST
    return _by_manifest(root, beside, paths) if beside.is_file() else _by_names(paths)


def factor_table(factors: Factors, shown: int = 4) -> str:
    """The factors as a table for the console: how many values each has, and the most frequent ones."""
    lines = [f"Factors from {factors.origin}: {len(factors.values)} pictures"]
    width = max([len(name) for name in factors.names] + [6])
    for name in factors.names:
        counts = Counter(row[name] for row in factors.values.values())
        common = ", ".join(f"{_short(value) or '(empty)'} ({n})" for value, n in counts.most_common(shown))
        more = f", ... {len(counts) - shown} more" if len(counts) > shown else ""
        lines.append(f"  {name:<{width}}  {len(counts):>6} values: {common}{more}")
    lines += [f"  note: {note}" for note in factors.notes]
    return "\n".join(map(printable, lines))


def _short(value: str, length: int = 28) -> str:
    """The end of a long value: recordings of one set differ there."""
    return value if len(value) <= length else "..." + value[-length:]


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"--factors {pattern!r} is not a regular expression: {error}") from None
    if not compiled.groupindex:
        raise DataError(
            f"--factors {pattern!r} names no group; write the factors as named groups, "
            "for example (?P<listener>[DH]\\d+)_.*_chunk(?P<chunk>\\d+)"
        )
    if taken := sorted(compiled.groupindex.keys() & set(SPLIT_COLUMNS)):
        raise DataError(f"--factors names a group {taken[0]!r}, which is a column of split.csv; give it another name")
    return compiled


def _by_pattern(pattern: re.Pattern[str], paths: Sequence[str], origin: str) -> Factors:
    matches = {path: pattern.search(path) for path in paths}
    advice = "rename or remove the file, or widen --factors"
    strays = [path for path, match in matches.items() if match is None]
    problems = [Problem(path, f"does not match {pattern.pattern}", advice) for path in strays]
    raise_problems(DataError, problems, "Names without the factors asked for")
    values = {path: _row(path, match) for path, match in matches.items() if match}
    names = dict.fromkeys([*pattern.groupindex, "recording"])
    return Factors([name for name in names if name != "label"], values, origin)


def _row(path: str, match: re.Match[str]) -> dict[str, str]:
    """The factors in one name. The recording, where the pattern does not name it, is what the path is without its
    chunk, in its class: the same name in two classes is two recordings."""
    row = {name: value or "" for name, value in match.groupdict().items() if name != "label"}
    if "recording" not in row:
        whole = path[: match.start("chunk")] + path[match.end("chunk") :] if row.get("chunk") else path
        row["recording"] = _stem(re.sub(r"[_-]?chunk[_-]?(?=\.|$)", "", whole, flags=re.IGNORECASE))
    return row


def _by_names(paths: Sequence[str]) -> Factors:
    for origin, pattern in NAMES.items():
        if paths and all(map(pattern.search, paths)):
            return _by_pattern(pattern, paths, f"the file names ({origin})")
    chunks = {path: CHUNK_NAME.search(path, path.rfind("/") + 1) for path in paths}
    strays = [path for path, match in chunks.items() if match is None]
    if len(strays) == len(paths):
        note = "every picture counts as its own recording; give --factors or --manifest if several come from one"
        origin = "nothing: no manifest.csv and no _chunkNNNN in the names"
        return Factors([], {path: {} for path in paths}, origin, notes=[note])
    notes = []
    if strays:
        listed = ", ".join(strays[:20]) + (" ..." if len(strays) > 20 else "")
        notes.append(f"{len(strays)} names have no _chunkNNNN and count as whole recordings: {listed}")
    whole = {path: {"recording": _stem(path), "chunk": ""} for path in strays}
    rows = {path: _row(path, match) if match else whole[path] for path, match in chunks.items()}
    return Factors(["recording", "chunk"], rows, "the file names (_chunkNNNN)", notes=notes)


def _by_manifest(root: Path, manifest: Path, paths: Sequence[str]) -> Factors:
    rows = _read_manifest(root, manifest)
    problems: list[Problem] = []
    by_path = _by_path(root, manifest, rows, set(paths), problems)
    advice = "add the row, remove the picture, or give --factors REGEX"
    problems += [Problem(path, f"has no row in {manifest}", advice) for path in paths if path not in by_path]
    kept = [name for name in rows[0] if name and name.lower() not in NOT_FACTORS]
    measured = [name for name in kept if MEASURES.match(name)]
    own = {path: by_path[path] for path in paths if path in by_path}
    measures = {path: _numbers(f"{manifest}, {path}", row, measured, problems) for path, row in own.items()}
    raise_problems(DataError, problems, f"The manifest {manifest.name} does not fit the pictures")
    names = [name for name in kept if name not in measured and any(row[name] for row in own.values())]
    values = {path: {name: row[name] for name in names} for path, row in own.items()}
    extra = len(by_path.keys() - own.keys())
    notes = [f"{extra} rows of {manifest.name} have no picture here and are not used"] if extra else []
    if "recording" in names and any(not row["recording"] for row in values.values()):
        for path, row in values.items():  # an empty cell must not throw pictures of many recordings together
            row["recording"] = row["recording"] or _stem(path)
        notes.append("pictures with an empty recording count as recordings of their own")
    elif "recording" not in names and "chunk" in names and "recording" in (named := _by_names(paths)).names:
        names = [*names, "recording"]
        values = {path: {**row, "recording": named.values[path]["recording"]} for path, row in values.items()}
    return Factors(names, values, str(manifest), measures if measured else {}, notes)


def _read_manifest(root: Path, manifest: Path) -> list[dict[str, str]]:
    try:
        rows = files.read_csv(manifest)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{manifest}: not readable as CSV ({error})") from None
    columns = [str(name) for name in rows[0]] if rows else []
    if "path" not in columns:
        listed = ", ".join(columns) or "nothing"
        raise DataError(
            f"{manifest}: there is no column 'path' (its columns: {listed}); one row per picture, path below {root}"
        )
    return rows


def _by_path(
    root: Path, manifest: Path, rows: Sequence[dict[str, str]], known: set[str], problems: list[Problem]
) -> dict[str, dict[str, str]]:
    """Picture -> its row; short, long and contradicting rows are a problem each."""
    by_path: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{manifest}, line {number}"
        if None in row or None in row.values():
            problems.append(Problem(where, "the row has not as many cells as the header", "repair the row"))
            continue
        path = _below(root, manifest.parent, row["path"], known)
        if by_path.setdefault(path, row) != row:
            problems.append(Problem(where, f"a second, different row for {path}", "keep one of them"))
    return by_path


def _numbers(where: str, row: Mapping[str, str], names: Sequence[str], problems: list[Problem]) -> dict[str, float]:
    numbers = {}
    for name in names:
        try:
            numbers[name] = float(row[name] or "nan")
        except ValueError:
            problems.append(Problem(where, f"{name} is {row[name]!r}", "write a number or nothing"))
    return numbers


def _below(root: Path, folder: Path, cell: str, known: set[str]) -> str:
    """`cell` as a posix path below `root`; a manifest may write paths below its own folder, or whole ones."""
    path = PurePosixPath(cell.replace("\\", "/")).as_posix()
    if path in known:
        return path
    whole, top = Path(os.path.abspath(folder / path)), os.path.abspath(root)
    return whole.relative_to(top).as_posix() if whole.is_relative_to(top) else path


def _stem(path: str) -> str:
    """The path without the folder of its part and without its extension: the same in train/ and in test/."""
    pure = PurePosixPath(path)
    parts = pure.with_suffix("").parts
    return "/".join(parts[1:] if len(parts) > 2 and parts[0].lower() in PART_NAMES else parts)
