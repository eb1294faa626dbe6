"""What is known of every picture beside its class: recording, listener, programme, source, chunk.

In go the paths of a folder and, if given, a regular expression with named groups or a CSV with a `path` column; out
comes a `Factors` table, one row a picture. Without either, the `manifest.csv` beside the pictures is read, else the
names themselves (`D1_48K_24bit_..._ac01-globo-1_0_chunk0022`, or any `*_chunkNNNN`). A picture is never opened, a
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
from spatial_swin.errors import DataError, Problem, raise_problems

# Names of the field (FIELD: listener D1.. dummy heads, H3.. people; 10 s chunks); `files` of the reference study.
FIELD_PATTERN = re.compile(
    r"(?P<listener>[DH]\d+)_\d+K_\d+bit_(?:[\d.]+s|\d+tap)_FIR_SOFA_"
    r"(?P<content>ac\d+)-(?P<source>[A-Za-z0-9]+)-(?P<version>\d+_\d+)_chunk(?P<chunk>\d+)"
)
CHUNK_PATTERN = re.compile(r"[_-]?chunk[_-]?(?P<chunk>\d+)", re.IGNORECASE)
PART_FOLDERS = {"train", "training", "validation", "valid", "val", "dev", "test", "testing"}
MEASURES = re.compile(r"(loudness|level|rms|peak|lufs|silence|bandwidth)(_|$)", re.IGNORECASE)
NOT_FACTORS = {"path", "label", "split", "part", "group", "sha256", "seed", "flags", ""}
ALIASES = {"content": "programme", "programme": "content", "program": "programme"}
WITHOUT = {"", "none", "random", "picture"}  # what `split_by` may say for "no group"


@dataclass(frozen=True)
class Factors:
    """One row a picture.

    names: the factors, in the order found. values: path -> {factor: value}. measures: path -> {name: number}, what a
    manifest says of level (loudness before and after), kept apart because it is a quantity. origin: where they come
    from, for people. notes: what the person should know (rows without a picture, names without a chunk).
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
        names = [self.resolve(part.strip()) for part in name.split("+")]
        return {path: "+".join(row[n] for n in names) for path, row in self.values.items()}

    def groups(self, by: str | None = None) -> dict[str, str]:
        """path -> group: the factor `by`, else the recording, else the picture itself. DataError as `resolve`."""
        if by is not None and by.lower() not in WITHOUT:
            if by == "recording" and by not in self.names:
                return self.groups(None)
            return self.column(by)
        if "recording" in self.names:
            return self.column("recording")
        return {path: _stem(path) for path in self.values}


def find_factors(
    root: str | os.PathLike[str],
    paths: Sequence[str],
    pattern: str | None = None,
    manifest: str | os.PathLike[str] | None = None,
) -> Factors:
    """The factors of `paths` (posix, relative to `root`) by `pattern`, by `manifest`, or found by themselves.

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
    beside = root / "manifest.csv"
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
    return "\n".join(lines)


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
    return compiled


def _by_pattern(pattern: re.Pattern[str], paths: Sequence[str], origin: str) -> Factors:
    matches = {path: pattern.search(path) for path in paths}
    strays = [path for path, match in matches.items() if match is None]
    advice = "rename or remove the file, or widen --factors"
    problems = [Problem(path, f"does not match {pattern.pattern}", advice) for path in strays]
    raise_problems(DataError, problems, "Names without the factors asked for")
    values: dict[str, dict[str, str]] = {}
    for path, match in matches.items():
        assert match is not None
        row = {name: value or "" for name, value in match.groupdict().items()}
        # a recording is what is left of the name without its chunk, in its class: the same programme in two layouts
        # is two recordings
        whole = path[: match.start("chunk")] + path[match.end("chunk") :] if row.get("chunk") else path
        row.setdefault("recording", _stem(re.sub(r"[_-]?chunk[_-]?(?=\.|$)", "", whole, flags=re.IGNORECASE)))
        values[path] = row
    names = [*pattern.groupindex, *(["recording"] if "recording" not in pattern.groupindex else [])]
    return Factors(names, values, origin)


def _by_names(paths: Sequence[str]) -> Factors:
    if paths and all(FIELD_PATTERN.search(path) for path in paths):
        return _by_pattern(FIELD_PATTERN, paths, "the file names (listener, content, source, version, chunk)")
    strays = [path for path in paths if not CHUNK_PATTERN.search(PurePosixPath(path).name)]
    if len(strays) == len(paths):
        values: dict[str, dict[str, str]] = {path: {} for path in paths}
        note = "every picture counts as its own recording; say --factors or --manifest if several come from one"
        return Factors([], values, "nothing: no manifest.csv and no _chunkNNNN in the names", notes=[note])
    rows = {}
    for path in paths:
        name = PurePosixPath(path).name
        chunk = CHUNK_PATTERN.search(name)
        whole = name[: chunk.start()] + name[chunk.end() :] if chunk else name
        rows[path] = {
            "recording": _stem(str(PurePosixPath(path).with_name(whole or name))),
            "chunk": chunk["chunk"] if chunk else "",
        }
    notes = []
    if strays:
        listed = ", ".join(strays[:20]) + (" ..." if len(strays) > 20 else "")
        notes.append(f"{len(strays)} names have no _chunkNNNN and count as whole recordings: {listed}")
    return Factors(["recording", "chunk"], rows, "the file names (_chunkNNNN)", notes=notes)


def _by_manifest(root: Path, manifest: Path, paths: Sequence[str]) -> Factors:
    try:
        rows = files.read_csv(manifest)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{manifest}: not readable as CSV ({error})") from None
    columns = list(rows[0]) if rows else []
    if "path" not in columns:
        found = ", ".join(map(str, columns)) or "nothing"
        raise DataError(
            f"{manifest}: there is no column 'path' (found: {found}); one row a picture, path below {root}"
        )
    problems, known = [], set(paths)
    by_path: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{manifest}, line {number}"
        if None in row or None in row.values():
            problems.append(Problem(where, "the row has not as many cells as the header", "mend the row"))
            continue
        path = _below(root, manifest.parent, row["path"], known)
        if path in by_path and by_path[path] != row:
            problems.append(Problem(where, f"a second, different row for {path}", "keep one of them"))
        by_path[path] = row
    advice = "add the row, remove the picture, or say --factors REGEX"
    problems += [Problem(path, f"has no row in {manifest}", advice) for path in paths if path not in by_path]
    kept = [name for name in columns if name is not None and name.lower() not in NOT_FACTORS]
    measured = [name for name in kept if MEASURES.match(name)]
    measures: dict[str, dict[str, float]] = {path: {} for path in paths}
    for path in paths:
        for name in measured:
            cell = by_path.get(path, {}).get(name, "")
            try:
                measures[path][name] = float(cell) if cell else float("nan")
            except ValueError:
                problems.append(Problem(f"{manifest}, {path}", f"{name} is {cell!r}", "write a number or nothing"))
    raise_problems(DataError, problems, f"The manifest {manifest.name} does not fit the pictures")
    names = [n for n in kept if n not in measured and any(by_path[path][n] for path in paths)]
    values = {path: {name: by_path[path][name] for name in names} for path in paths}
    extra = len(by_path.keys() - set(paths))
    notes = [f"{extra} rows of {manifest.name} have no picture here and are not used"] if extra else []
    if "recording" in names and any(not row["recording"] for row in values.values()):
        for path, row in values.items():  # an empty cell must not throw pictures of many recordings together
            row["recording"] = row["recording"] or _stem(path)
        notes.append("pictures with an empty recording count as recordings of their own")
    elif "recording" not in names and "chunk" in names:
        by_name = _by_names(paths)
        if by_name.names:
            names = [*names, "recording"]
            values = {p: {**values[p], "recording": by_name.values[p]["recording"]} for p in paths}
    return Factors(names, values, str(manifest), measures if measured else {}, notes)


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
    return "/".join(parts[1:] if len(parts) > 2 and parts[0].lower() in PART_FOLDERS else parts)
