"""A predictor and paths in, a `Judgement` of each file out, and a `Problem` for everything that could not be judged.

One bad file never keeps the others from being judged. Nothing is printed or written here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spatial_swin.errors import AudioError, DataError, Problem, SpatialSwinError
from spatial_swin.prediction.asking import NOT_KNOWN, Asked
from spatial_swin.prediction.outside import Outside, outside
from spatial_swin.prediction.predictor import BATCH, Predictor, Timeline, read_picture, verdict_of
from spatial_swin.prediction.sources import is_picture, is_sound

OTHER_SIZE = "other size"  # flag of a picture that is not a mosaic as the model was trained with
Waiting = list[tuple[Path, torch.Tensor, list[str], Asked]]  # pictures read, with what was noticed


@dataclass(frozen=True)
class Judgement:
    """One file: its verdict (None: abstained), probabilities float64 [K], flags.

    Of a recording its timeline, and where it lies outside of what the model learnt from.
    """

    path: Path
    verdict: str | None
    probabilities: np.ndarray
    flags: list[str]
    timeline: Timeline | None = None
    asked: Asked = NOT_KNOWN  # whether the model should be asked about it
    outside: Sequence[Outside] = ()

    @property
    def windows(self) -> int:
        return 1 if self.timeline is None else len(self.timeline.starts)


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
        return sum(self.predictor.window_count(p, self.hop_seconds) or 1 if is_sound(p) else 1 for p in paths)

    def judge(
        self, paths: Sequence[Path], tell: Callable[[int], object] = lambda count: None
    ) -> tuple[list[Judgement], list[Problem]]:
        """Judgements in the order of `paths`, and what could not be judged. tell: units done since the last call."""
        done: dict[Path, Judgement] = {}
        problems: dict[Path, Problem] = {}
        waiting: Waiting = []
        for path in paths:
            try:
                if is_sound(path):
                    done[path] = self._sound(path, tell)
                else:
                    waiting.append((path, *self._picture(path)))
            except SpatialSwinError as error:
                problems[path] = as_problem(path, error)
                tell(1)
            if len(waiting) == self.batch_size:
                done |= self._pictures(waiting, tell)
                waiting = []
        done |= self._pictures(waiting, tell)
        return [done[p] for p in paths if p in done], [problems[p] for p in paths if p in problems]

    def _sound(self, path: Path, tell: Callable[[int], object]) -> Judgement:
        hop, shortest, least = self.hop_seconds, self.minimum_seconds, self.minimum_confidence
        timeline = self.predictor.of_sound(path, hop, shortest, least, self.batch_size, lambda drawn: tell(len(drawn)))
        flags = _counted(timeline.flags)
        assert self.predictor.tiles is not None, "a recording was judged"
        found = outside(path, self.predictor.tiles, self.predictor.domain)
        return Judgement(path, timeline.verdict, timeline.probabilities, flags, timeline, timeline.asked, found)

    def _picture(self, path: Path) -> tuple[torch.Tensor, list[str], Asked]:
        if not is_picture(path):
            raise DataError(f"{path}: neither sound nor picture by its name; give WAV, FLAC, ... or PNG, JPEG, ...")
        pixels, size = read_picture(path, self.predictor.image_size)
        tiles = self.predictor.tiles
        trained = (self.predictor.image_size,) * 2 if tiles is None else tiles.size[::-1]
        return pixels, [] if size == trained else [OTHER_SIZE], self.predictor.asked_of_picture(pixels, size)

    def _pictures(self, waiting: Waiting, tell: Callable[[int], object]) -> dict[Path, Judgement]:
        if not waiting:
            return {}
        rows = self.predictor.of_pixels(torch.stack([pixels for _, pixels, *_ in waiting]))
        tell(len(waiting))
        verdicts = [verdict_of(row, self.predictor.class_names, self.minimum_confidence) for row in rows]
        judged = zip(waiting, verdicts, rows, strict=True)
        return {
            path: Judgement(path, verdict, row, flags, asked=asked) for (path, _, flags, asked), verdict, row in judged
        }


def _counted(flags: Sequence[str]) -> list[str]:
    """Flags of windows as those of the file: `clipped` when all windows are, else `clipped in 3 of 12 windows`."""
    single = [flag for window in flags for flag in window.split("+") if flag]
    counts = {flag: single.count(flag) for flag in dict.fromkeys(single)}
    total = len(flags)
    return [flag if count == total else f"{flag} in {count} of {total} windows" for flag, count in counts.items()]


def as_problem(path: Path, error: SpatialSwinError) -> Problem:
    otherwise = "give a two-channel recording" if isinstance(error, AudioError) else "give a picture"
    return Problem.of(str(path), error, otherwise)
