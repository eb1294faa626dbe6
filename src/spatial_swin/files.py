"""Writing files so that a reader never sees half of one, and telling files apart by their content.

Text is UTF-8 whatever the locale says. What cannot be written (a full disk, a read-only folder) raises WriteError, and
an older file of that name stays whole. A leaf: every package may import it, it imports no more of ours than `errors`.
"""

import csv
import errno
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spatial_swin.errors import DataError, WriteError

PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
STEM = 50  # letters of a name that its temporary file has
TEMPORARY = re.compile(r"\.(?P<stem>.+)\.[0-9a-f]{8}(?P<suffix>\.[^.]+)?", re.DOTALL)
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}  # the disk, or one's share of it, is full
FULL = NO_ROOM | {errno.EFBIG}
# what a spreadsheet computes instead of showing it (OWASP, CSV injection)
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def telling_parts(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """What tells a folder from others: its path below the working folder, elsewhere the last three parts of it."""
    whole, here = Path(path).resolve(), Path.cwd().resolve()
    if whole != here and whole.is_relative_to(here):
        return whole.relative_to(here).parts
    return whole.parts[1:][-3:]


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place when the block ends well, else remove it.

    The file has the mode that the umask gives, whatever the block writes it with. durable: it is on the disk, not only
    in memory, before it takes the place of the old one, so that it survives a power cut.

    Raises:
        WriteError: the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem[:STEM]}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from error
    mode = os.fstat(handle).st_mode
    os.close(handle)
    try:
        yield temporary
        os.chmod(temporary, mode)
        if durable:
            sync(temporary)
        os.replace(temporary, path)
        if durable:
            _sync_one(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and (error.errno in FULL or error.filename2 == os.fspath(path)):
            raise cannot_write(path, error) from error
        raise


@contextmanager
def staged_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; move its files into `folder` when the block ends well, else remove it.

    So a set of files that belong together is new as a whole or old as a whole. What a killed process left is removed.
    """
    folder = Path(folder)
    staging = folder.absolute().with_name(f".{folder.absolute().name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        yield staging
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(staging.iterdir()):
            os.replace(file, folder / file.name)
    except WriteError as error:
        raise WriteError(*(str(line).replace(str(staging), str(folder)) for line in error.args)) from None
    except OSError as error:
        if error.filename and Path(os.fsdecode(error.filename)).is_relative_to(staging):
            raise cannot_write(folder, error) from None
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def cannot_write(path: str | os.PathLike[str], error: OSError) -> WriteError:
    """The one sentence for a file that cannot be written."""
    do = "free some space" if error.errno in FULL else "choose another place or change its permissions"
    reason = "a file has the name of its folder" if isinstance(error, FileExistsError) else error.strerror
    failure = WriteError(f"{os.fspath(path)}: cannot be written ({reason}); {do} and run the command again")
    failure.errno, failure.strerror = error.errno, error.strerror
    return failure


def sync(path: str | os.PathLike[str]) -> None:
    """Wait until a file, or a folder with all that is in it, is on the disk."""
    path = Path(path)
    for file in [*path.rglob("*"), path] if path.is_dir() else [path]:
        if not file.is_symlink():
            _sync_one(file)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path, is_ours: Callable[[Path], bool]) -> None:
    """Remove what a killed process left of files it was writing to `folder`, if `is_ours` says so of their paths.

    Of a long name only the beginning is known, so another process may be writing it: it has a minute to end.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if leftover := TEMPORARY.fullmatch(path.name):
            whole = path.with_name(leftover["stem"] + (leftover["suffix"] or ""))
            is_old = time.time() - path.stat().st_mtime > 60
            if is_old if len(leftover["stem"]) >= STEM else is_ours(whole):
                path.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], content: bytes, *, durable: bool = False) -> None:
    with atomic_path(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], text: str, *, durable: bool = False) -> None:
    r"""Write UTF-8; a byte of a file name that is none is shown as an escape (\udcff)."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"), durable=durable)


def write_json(path: str | os.PathLike[str], value: Any, *, durable: bool = False) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", durable=durable)


def write_csv(path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    write_text(path, as_csv(rows, columns))


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """`rows` under a header of `columns`; floats keep every digit, None becomes an empty cell.

    Text that a spreadsheet would take for a formula gets an apostrophe in front, which `read_csv` takes away again;
    numbers stay as they are, also those that are text.
    """
    table = [dict(zip(columns, map(_as_cell, columns), strict=True))]
    table += [{name: _as_cell(cell) for name, cell in row.items()} for row in rows]
    # the csv module quotes the letters of its line end only, but reads a lone \r as one
    has_return = any("\r" in str(cell) for row in table for cell in row.values())
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, list(columns), lineterminator="\n", quoting=csv.QUOTE_ALL if has_return else csv.QUOTE_MINIMAL
    )
    writer.writerows(table)
    return text.getvalue()


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Rows of a CSV file by column, as `write_csv` got them; None stands under and for what has no column or cell."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        reader.fieldnames = [_from_cell(name) for name in reader.fieldnames or ()]
        return [{name: _from_cell(cell) for name, cell in row.items()} for row in reader]


def _as_cell(value: Any) -> Any:
    is_formula = isinstance(value, str) and FORMULA.match(value) and not NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value


def _from_cell(cell: Any) -> Any:
    is_escaped = isinstance(cell, str) and cell.startswith("'") and FORMULA.match(cell)
    return cell[1:] if is_escaped else cell


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entries_of(folder: Path) -> list[Path]:
    """What lies directly in `folder`, sorted, without hidden names. Raises DataError when it cannot be listed."""
    try:
        return sorted(path for path in folder.iterdir() if path.name[0] != ".")
    except OSError as error:
        raise _cannot_list(error) from error


def files_below(folder: Path) -> list[Path]:
    """Every file below `folder`, sorted; hidden ones and what hidden folders hold are passed over.

    Raises DataError for a folder that cannot be listed: it is not an empty one.
    """

    def refuse(error: OSError) -> None:
        raise _cannot_list(error) from error

    below: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if name[0] != "."]
        below += [Path(root, name) for name in names if name[0] != "."]
    return sorted(path for path in below if path.is_file())


def _cannot_list(error: OSError) -> DataError:
    what = f"{error.filename}: this folder cannot be listed ({error.strerror})"
    return DataError(f"{what}; change its permissions or move it away")


def lies_in(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Whether `path` is `folder` or lies below it, links followed; neither needs to be there."""
    return Path(path).resolve().is_relative_to(Path(folder).resolve())
