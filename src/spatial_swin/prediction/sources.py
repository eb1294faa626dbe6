"""What `predict` does between the command line and the printing: find the files, judge them one after the other.

In go the words of the command line and a predictor, out come `Judgement`s in the order of the words, and a `Problem`
for everything that could not be judged; one bad file never keeps the others from being judged.
"""

import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spatial_swin.audio.clips import SOUND_ENDINGS
from spatial_swin.errors import AudioError, DataError, Problem, SpatialSwinError
from spatial_swin.files import PICTURE_ENDINGS
from spatial_swin.prediction.predictor import BATCH, Predictor, Timeline, read_picture, verdict_of

OTHER_SIZE = "other size"  # flag of a picture that is not a mosaic as the model was trained with


@dataclass(frozen=True)
class Judgement:
    """One file: its verdict (None: abstained), probabilities float64 [K], flags; the timeline of a recording."""

    path: Path
    verdict: str | None
    probabilities: np.ndarray
    flags: list[str]
    timeline: Timeline | None = None

    @property
    def windows(self) -> int:
        return 1 if self.timeline is None else len(self.timeline.starts)

    @property
    def best(self) -> int:
        """Index of the most probable label, whether or not it is a verdict."""
        return int(self.probabilities.argmax())


@dataclass(frozen=True)
class Found:
    """Files to judge, in order and each once; words that led to nothing; how many files of folders were passed by."""

    paths: list[Path]
    problems: list[Problem]
    passed_by: int


def find_files(words: Sequence[str]) -> Found:
    """The sound and pictures that the words name: files, folders (all below them), or patterns such as 'a/**/*.wav'.

    A file that is named itself is always judged; of folders and patterns only what its ending calls sound or picture.
    """
    paths: dict[Path, None] = {}
    problems, passed_by = [], 0
    for word in words:
        path = Path(word)
        if path.is_file():
            paths[path] = None
            continue
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path)))
        elif glob.has_magic(word):
            files = sorted(Path(p) for p in glob.glob(word, recursive=True) if Path(p).is_file())
        else:
            problems.append(Problem(word, "not found", "give files, folders or a quoted pattern"))
            continue
        known = [p for p in files if p.suffix.lower() in SOUND_ENDINGS | PICTURE_ENDINGS]
        passed_by += len(files) - len(known)
        paths |= dict.fromkeys(known)
        if not known:
            problems.append(Problem(word, "no sound and no picture there", "give files, folders or a quoted pattern"))
    return Found(list(paths), problems, passed_by)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


@dataclass
class Judge:
    """Judges files with one predictor and one set of options, as `Predictor.of_sound` takes them."""

    predictor: Predictor
    minimum_confidence: float = 0.0
    hop_seconds: float | None = None
    minimum_seconds: float | None = None
    batch_size: int = BATCH

    def units(self, paths: Sequence[Path]) -> int:
        """About how many windows and pictures there are to judge, from the headers."""
        return sum(self.predictor.window_count(p, self.hop_seconds) or 1 if _is_sound(p) else 1 for p in paths)

    def judge(
        self, paths: Sequence[Path], tell: Callable[[int], object] | None = None
    ) -> tuple[list[Judgement], list[Problem]]:
        """Judgements in the order of `paths`, and what could not be judged. tell: units done since the last call."""
        tell = tell or (lambda count: None)
        done: dict[Path, Judgement] = {}
        problems: dict[Path, Problem] = {}
        waiting: list[tuple[Path, torch.Tensor, list[str]]] = []
        for path in paths:
            try:
                if _is_sound(path):
                    done[path] = self._sound(path, tell)
                else:
                    waiting.append((path, *self._picture(path)))
            except SpatialSwinError as error:
                problems[path] = _problem(path, error)
                tell(1)
            if len(waiting) == self.batch_size:
                done |= self._pictures(waiting, tell)
                waiting = []
        done |= self._pictures(waiting, tell)
        return [done[p] for p in paths if p in done], [problems[p] for p in paths if p in problems]

    def _sound(self, path: Path, tell: Callable[[int], object]) -> Judgement:
        timeline = self.predictor.of_sound(
            path, self.hop_seconds, self.minimum_seconds, self.minimum_confidence, False, self.batch_size, tell
        )
        return Judgement(path, timeline.verdict, timeline.probabilities, _counted(timeline.flags), timeline)

    def _picture(self, path: Path) -> tuple[torch.Tensor, list[str]]:
        if path.suffix.lower() not in PICTURE_ENDINGS:
            raise DataError(f"{path}: neither sound nor picture by its name; give WAV, FLAC, ... or PNG, JPEG, ...")
        pixels, size = read_picture(path, self.predictor.image_size)
        tiles = self.predictor.tiles
        trained = (self.predictor.image_size,) * 2 if tiles is None else tiles.size[::-1]
        return pixels, [] if size == trained else [OTHER_SIZE]

    def _pictures(
        self, waiting: list[tuple[Path, torch.Tensor, list[str]]], tell: Callable[[int], object]
    ) -> dict[Path, Judgement]:
        if not waiting:
            return {}
        tables = self.predictor.of_pixels(torch.stack([pixels for _, pixels, _ in waiting]))
        tell(len(waiting))
        names, least = self.predictor.class_names, self.minimum_confidence
        return {
            path: Judgement(path, verdict_of(row, names, least), row, flags)
            for (path, _, flags), row in zip(waiting, tables, strict=True)
        }


def _is_sound(path: Path) -> bool:
    return path.suffix.lower() in SOUND_ENDINGS


def _counted(flags: Sequence[str]) -> list[str]:
    """Flags of windows as those of the file: `clipped` when all windows are, else `clipped in 3 of 12 windows`."""
    single = [flag for window in flags for flag in window.split("+") if flag]
    counts = {flag: single.count(flag) for flag in dict.fromkeys(single)}
    return [
        flag if count == len(flags) else f"{flag} in {count} of {len(flags)} windows" for flag, count in counts.items()
    ]


def _problem(path: Path, error: SpatialSwinError) -> Problem:
    """The sentence of an error, `where: what; do`, taken apart."""
    text = str(error).removeprefix(f"{path}: ")
    what, _, do = text.partition("; ")
    fallback = "give a two-channel recording" if isinstance(error, AudioError) else "give a picture"
    return Problem(str(path), what, do or fallback)
