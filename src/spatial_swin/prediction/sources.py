"""Which files `predict` judges: words of the command line in, paths out, and the model that they name.

Nothing is opened here.
"""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_swin.audio.sound_files import SOUND_ENDINGS
from spatial_swin.errors import Problem, UsageError, printable
from spatial_swin.files import PICTURE_ENDINGS
from spatial_swin.finished import is_model
from spatial_swin.shipped import MODELS, locate_model

ADVICE = "give files, folders or a quoted pattern"


@dataclass(frozen=True)
class Sources:
    """Files to judge, in order and each once; words that led to nothing; how many files of folders were passed by."""

    paths: list[Path]
    problems: list[Problem]
    passed_by: int


def is_sound(path: Path) -> bool:
    return path.suffix.lower() in SOUND_ENDINGS


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_ENDINGS


def find_files(words: Sequence[str]) -> Sources:
    """The sound and pictures that the words name: files, folders (all below them), or patterns such as 'a/**/*.wav'.

    A file that is named itself is always judged; of folders and patterns only what its ending calls sound or picture.
    """
    paths: dict[Path, None] = {}
    problems: list[Problem] = []
    passed_by = 0
    for word in words:
        unreadable: list[Problem] = []
        if os.path.isfile(word):
            paths[Path(word)] = None
            continue
        if os.path.isdir(word):
            members = _below(word, unreadable)
        elif glob.has_magic(word):
            members = sorted(Path(name) for name in glob.glob(word, recursive=True) if os.path.isfile(name))
        else:
            problems.append(Problem(word, _why_not(word), ADVICE))
            continue
        known = [path for path in members if is_sound(path) or is_picture(path)]
        passed_by += len(members) - len(known)
        paths |= dict.fromkeys(known)
        problems += unreadable
        if not known and not unreadable:
            problems.append(Problem(word, "no sound and no picture there", ADVICE))
    return Sources(list(paths), problems, passed_by)


def split_words(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The model that a command line names first, None for the one that ships; and the words for recordings.

    The first word names a model when it is the folder of one, the name of one that ships, or nothing that could be
    judged: then whoever opens it says what it lacks. Raises UsageError for a model without recordings.
    """
    first, rest = words[0], list(words[1:])
    path = Path(first)
    if not is_model(path):
        if first in MODELS and not path.exists():
            path = Path(locate_model(first))
        elif find_files([first]).paths or not rest or is_sound(path) or is_picture(path) or glob.has_magic(first):
            return None, list(words)
    if not rest:
        raise UsageError(f"{printable(first)} is a model; name the recordings or pictures after it")
    return path, rest


def _below(folder: str, unreadable: list[Problem]) -> list[Path]:
    """Every file below `folder`, sorted, hidden ones left out; folders that cannot be read become problems."""

    def note(error: OSError) -> None:
        unreadable.append(Problem(str(error.filename), f"cannot be read ({error.strerror})", "change its permissions"))

    members = []
    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        members += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(path for path in members if path.is_file())


def _why_not(word: str) -> str:
    try:
        os.stat(word)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return "not found"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "neither a file nor a folder"
