"""The one family of errors meant for the person at the keyboard.

Every error says what was found, where, and what to do about it; problems of a folder come all at once, not one by one.
`spatial_swin.cli` prints the message without a traceback and leaves with `exit_code`. Broken invariants of our own are
plain `assert`s and do show a traceback. A leaf: every package may import it, it imports none of ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

STOPPED = 143  # exit code after SIGTERM, as shells count it
SHOWN_PROBLEMS = 50  # a folder with ten thousand broken files should not scroll the summary away


class SpatialSwinError(Exception):
    """Something in what was given is wrong; the message is one clear sentence or a list of problems."""

    exit_code = 1


class RecipeError(SpatialSwinError):
    """A key, a value, or a combination of values of the recipe cannot work."""


class DataError(SpatialSwinError):
    """Pictures, folders, manifests or splits are not what training needs."""


class AudioError(SpatialSwinError):
    """A sound, a SOFA file or a layout is not what rendering or the cues need."""


class RunError(SpatialSwinError):
    """A run folder is unfinished, damaged, in use, or of another recipe."""


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

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.do}"


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
    raise error("\n".join(lines))
