"""Options of the command line: one dialect for all verbs, and values that are refused in one clear sentence.

In goes what was typed, out come checked values. `--some-option` is `--some_option`; a boolean stands alone or before
`true` or `false`, and any other word after it is left alone, so that `--timeline take.wav` keeps its file. The help
shows every default as `(default: ...)`. Nothing here knows a verb.
"""

import argparse
import difflib
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from spatial_swin import files
from spatial_swin.errors import UsageError, printable
from spatial_swin.files import lies_in
from spatial_swin.recipe_keys import written

RECIPE = "the recipe: a YAML file, or one that ships by name, such as demo or swin-base-384/spatial_audio"
TRUTHS = {"true": True, "false": False}


def boolean(text: str) -> bool:
    """`true` or `false`, in any case."""
    if text.lower() not in TRUTHS:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return TRUTHS[text.lower()]


def whole(low: int, high: int) -> Callable[[str], int]:
    """The type of an option that is a whole number from `low` to `high`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,20}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return read


def number(low: float, high: float, unit: str = "") -> Callable[[str], float]:
    """The type of an option that is a finite number from `low` to `high`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}{unit}")
        return value

    return read


def shard(text: str) -> tuple[int, int]:
    """`3/8` -> (3, 8)."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not i/n with i from 1 to n, such as 3/8")
    return int(match[1]), int(match[2])


whole_number = whole(0, 1_000_000)
count = whole(1, 1_000_000)
batch_size = whole(1, 65_536)
resamples = whole(10, 1_000_000)
workers = whole(1, 1_024)
folds = whole(2, 1_000)
seed = whole(0, 2**32 - 1)  # what numpy and the Trainer take
share = number(0, 1)
seconds = number(0.001, 86_400, " seconds")  # of sound: a millisecond to a day
patience = number(0, 31_536_000, " seconds")  # of waiting: up to a year
lkfs = number(-70, 20, " LKFS")  # of programme loudness, from the absolute gate of BS.1770 on
dbtp = number(-70, 20, " dBTP")
sample_rate = whole(1, 1_000_000)  # Hz; which ones cues and listeners can use, they check


def folder_for(kind: str, data: Path) -> Path:
    """Where `kind` of a data folder goes by default: `audits/demo_data_pictures`, another for every data folder."""
    return Path(kind) / "_".join(files.telling_parts(data))


def require_outside(output: Path, data: str | Path) -> None:
    """Raise UsageError when what is written would lie among what is read, and be taken for it the next time."""
    if lies_in(output, data):
        raise UsageError(f"{output} lies in the data folder {data}; choose a folder outside of it to write to")


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that understands the dialect; `boolean_option` adds an option that stands alone as well."""

    def __init__(self, verb: str, description: str) -> None:
        name = f"spatial-swin {verb}"
        super().__init__(
            name, description=description, formatter_class=Help, allow_abbrev=False, conflict_handler="resolve"
        )
        self.words_anywhere = False  # whether options may stand between the words of one list

    def boolean_option(self, name: str, help: str, default: bool | None = False) -> None:
        self.add_argument(name, type=boolean, nargs="?", const=True, default=default, metavar="true|false", help=help)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[argparse.Namespace, list[str]]:  # type: ignore[override]
        return super().parse_known_args(self._spelled_out(args), namespace)

    def _spelled_out(self, words: Sequence[str]) -> list[str]:
        """`--some-option 3 --strict a.png` -> `--some_option 3 --strict=true a.png`."""
        result: list[str] = []
        for word in words:
            before = self._option_string_actions.get(result[-1]) if result else None
            if before is not None and before.type is boolean:
                value = word if word.lower() in TRUTHS else "true"
                result[-1] += f"={value}"
                if word.lower() in TRUTHS:
                    continue
            result.append(underscored(word))
        return result

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))

    def suggest(self, unknown: Sequence[str]) -> NoReturn:
        """End with a usage error that names the options nearest to those that do not exist."""
        said = []
        for word in unknown:
            near = difflib.get_close_matches(word.partition("=")[0], self._option_string_actions, n=1)
            said.append(f"{word} (did you mean {near[0]}?)" if near and word.startswith("--") else word)
        self.error(f"unrecognized arguments: {', '.join(said)}")


def underscored(word: str) -> str:
    """`--some-option=a-b` -> `--some_option=a-b`; other words stay as they are."""
    if not word.startswith("--"):
        return word
    name, equals, value = word[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


class Help(argparse.RawDescriptionHelpFormatter):
    """Writes `(default: ...)` behind every option that has one, unless its text says the default in words."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        if not action.option_strings or "(default:" in text or default in (None, argparse.SUPPRESS):
            return text
        if action.nargs == 0:  # a switch
            return text
        return f"{text} (default: {written(default)})".replace("%", "%%")
