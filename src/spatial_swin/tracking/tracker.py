"""What a tracker of a run can do, and all of a run's trackers as one.

`Tracker` is what wandb, TensorBoard and trackio implement: scalars by epoch and step, confusion matrices, the test
part, files. `Trackers` passes everything on to each of them. A tracker that fails is dropped with one sentence: no
training is ever lost for it. Never done here: drawing, or deciding what is sent.
"""

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from spatial_swin.errors import RecipeError, printable
from spatial_swin.runs import Predictions

INTERRUPTED = 130  # what a shell says after Ctrl-C


@dataclass(frozen=True)
class TrackedFiles:
    """Files to keep with a run: `kind` is wandb's type of artifact, `files` maps names in it to files here."""

    name: str
    kind: str
    files: Mapping[str, Path]
    facts: Mapping[str, Any]


class Tracker:
    """One tracker; every method does nothing unless a tracker can do it. `name` is its word in `report_to`."""

    name = ""
    active = True  # whether it takes anything, once started
    patience: float | None = None  # seconds that one call may take; a network can die while training

    def start(self, config: Mapping[str, Any]) -> str:
        """Begin, or continue, with the recipe as `config`; return the sentence for the console."""
        return ""

    def log(self, step: int, scalars: Mapping[str, float]) -> None: ...

    def log_confusion(self, step: int, counts: np.ndarray, class_names: Sequence[str], image: Image.Image) -> None:
        """counts: int [K, K], one row per true class; image: the same, drawn."""

    def log_predictions(self, step: int, part: str, predictions: Predictions) -> None: ...

    def log_summary(self, step: int, scalars: Mapping[str, float]) -> None:
        """The run's final figures."""

    def log_files(self, files: TrackedFiles) -> None: ...

    def finish(self, exit_code: int) -> str:
        """End; return a sentence for the console, or nothing."""
        return ""


class Trackers:
    """All trackers of a run as one; a context that ends them, also when training ends with an error.

    Only the main process has any. The first error of a tracker is printed as a sentence, and the tracker is left out.
    """

    def __init__(self, trackers: Sequence[Tracker] = ()) -> None:
        self.trackers = list(trackers)
        self.started = False

    def __bool__(self) -> bool:
        return bool(self.trackers)

    def __enter__(self) -> "Trackers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.started:
            self._each("finish", _exit_code(error))
        self.trackers = []

    def start(self, config: Mapping[str, Any]) -> None:
        """Begin with all, each saying in a sentence where it can be seen."""
        self.started = True
        self._each("start", config)
        self.trackers = [tracker for tracker in self.trackers if tracker.active]

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        self._each("log", step, scalars)

    def log_confusion(self, step: int, counts: np.ndarray, class_names: Sequence[str], image: Image.Image) -> None:
        self._each("log_confusion", step, counts, class_names, image)

    def log_predictions(self, step: int, part: str, predictions: Predictions) -> None:
        self._each("log_predictions", step, part, predictions)

    def log_summary(self, step: int, scalars: Mapping[str, float]) -> None:
        self._each("log_summary", step, scalars)

    def log_files(self, files: TrackedFiles) -> None:
        self._each("log_files", files)

    def _each(self, method: str, *given: Any) -> None:
        for tracker in list(self.trackers):
            seconds = None if method in ("start", "finish") else tracker.patience
            try:
                sentence = _within(seconds, getattr(tracker, method), *given)
            except RecipeError:  # the user is to decide, before training starts
                raise
            except Exception as error:
                self.trackers.remove(tracker)
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                rest = f"the run goes on without {tracker.name}, its folder holds everything"
                print(printable(f"{tracker.name}: {method} failed ({reason}); {rest}"), file=sys.stderr, flush=True)
            else:
                if sentence:
                    print(printable(sentence), flush=True)


def _within(seconds: float | None, call: Callable[..., Any], *given: Any) -> Any:
    """`call(*given)`, or TimeoutError after so many seconds; the call is left behind, it cannot be ended."""
    if seconds is None:
        return call(*given)
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((True, call(*given)))
        except Exception as error:
            outcome.extend((False, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {seconds:g} s")
    if not outcome[0]:
        raise outcome[1]
    return outcome[1]


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_code", 1)


def prediction_table(predictions: Predictions) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of predictions as trackers with tables show them: one row per file."""
    names = predictions.class_names
    columns = ["file", "group", "label", "prediction", "correct", *(f"p_{name}" for name in names)]
    labels, predicted = ([names[k] for k in classes] for classes in (predictions.labels, predictions.predicted))
    correct = (predictions.labels == predictions.predicted).tolist()
    cells = zip(predictions.paths, predictions.groups, labels, predicted, correct, strict=True)
    return columns, [[*row, *map(float, p)] for row, p in zip(cells, predictions.probabilities, strict=True)]


def is_writable(folder: Path) -> bool:
    """Whether files can be made in `folder`, which is made where it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
