"""The one family of errors meant for the person at the keyboard.

Every error says what was found, where, and what to do about it; problems of a folder come all at once, not one by one.
`spatial_swin.cli` prints the message without a traceback and leaves with `exit_code`. Names of files, classes and keys
come from others, so no message passes on what a terminal would obey. Broken invariants of our own are plain `assert`s
and do show a traceback. A leaf: every package may import it, it imports none of ours.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

STOPPED = 143  # exit code after SIGTERM, as shells count it
SHOWN_PROBLEMS = 50  # a folder with ten thousand broken files should not scroll the summary away


def printable(text: object) -> str:
    r"""`text` with everything that a terminal, a log or a table could obey shown as escapes: \n, \x1b, \u202e, \udcff.

    Escaped are control characters, line separators, marks of direction and width, and lone surrogates (the bytes of a
    file name that is not UTF-8). What was escaped once stays as it is.
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(letter if _is_harmless(letter) else _escaped(letter) for letter in shown)


def _is_harmless(letter: str) -> bool:
    return letter.isprintable() or unicodedata.category(letter) == "Zs"  # spaces that do not break are harmless


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


class SpatialSwinError(Exception):
    """Something in what was given is wrong; each argument is one line of the message, shown `printable`."""

    exit_code = 1

    def __str__(self) -> str:
        return "\n".join(map(printable, self.args))


class RecipeError(SpatialSwinError):
    """A key, a value, or a combination of values of the recipe cannot work."""


class DataError(SpatialSwinError):
    """Pictures, folders, manifests or splits are not what training needs."""


class AudioError(SpatialSwinError):
    """A sound, a SOFA file or a layout is not what rendering or the cues need."""


class WriteError(SpatialSwinError, OSError):
    """A file cannot be written: the disk is full, the folder is read-only, or its name is too long."""


class RunError(SpatialSwinError):
    """A run folder is unfinished, damaged, in use, or of another recipe."""


class UntrainableError(RunError):
    """These values cannot be trained here: the loss is not finite, or a step does not fit in memory."""


class HubError(SpatialSwinError):
    """The Hub could not be reached, or it said no."""


class UsageError(SpatialSwinError):
    """The command line itself is wrong."""

    exit_code = 2


class Stopped(SpatialSwinError):
    """SIGTERM came: what was done is kept (a checkpoint, part of the cache), and the same command continues."""

    exit_code = STOPPED


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (file, key), what was found with its value, and what to do."""

    where: str
    what: str
    do: str

    @classmethod
    def of(cls, where: str, error: Exception, otherwise: str) -> "Problem":
        """An error's sentence, `where: what; do`, taken apart; `otherwise` is what to do where it does not say."""
        what, found, do = str(error).removeprefix(f"{where}: ").rpartition("; ")
        return cls(where, what, do) if found else cls(where, do, otherwise)

    def __str__(self) -> str:
        return printable(f"{self.where}: {self.what}; {self.do}")


class BadSound(AudioError):
    """A sound file that cannot be used, as a Problem."""

    def __init__(self, where: str, what: str, do: str) -> None:
        self.problem = Problem(where, what, do)
        super().__init__(str(self.problem))


def raise_problems(
    error: type[SpatialSwinError], problems: Sequence[Problem], heading: str, shown: int = SHOWN_PROBLEMS
) -> None:
    """Raise `error` listing all `problems` under `heading`; do nothing when there are none."""
    if not problems:
        return
    lines = [f"{heading} ({len(problems)} problem{'s' if len(problems) != 1 else ''}):"]
    lines += [f"  - {problem}" for problem in problems[:shown]]
    if len(problems) > shown:
        lines.append(f"  ... and {len(problems) - shown} more")
    raise error(*lines)
