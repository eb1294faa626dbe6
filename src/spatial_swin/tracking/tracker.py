"""What every tracker of a run is told, and how: scalars by epoch and step, confusion matrices, the test part, files.

Rows of history.csv, counts, predictions and files go in; `Tracker` is what wandb, TensorBoard and trackio implement,
`Trackers` tells them all. A tracker that fails is dropped with one sentence: no training is ever lost for it. Never
done here: drawing, deciding what runs where, sending pictures of the data, tokens or absolute paths.
"""

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from spatial_swin.config import Recipe
from spatial_swin.errors import SpatialSwinError
from spatial_swin.metric_names import CLASS_METRICS, Shown, names
from spatial_swin.runs import SPLITS, Predictions

INTERRUPTED = 130  # what a shell says after Ctrl-C
# Facts of environment.json that say how a figure came about; host and command line are nobody else's business.
FACTS = ("versions", "device", "processes", "precision", "git_revision", "cpu_count", "threads")
SPEED = {"seconds": "epoch_seconds", "images_per_second": "pictures_per_second", "memory_gb": "memory_gb"}


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
    active = True  # whether there is anything to tell it, once started
    patience: float | None = None  # seconds that one call may take; a network can die while training

    def start(self, config: Mapping[str, Any]) -> str:
        """Begin, or continue, with the recipe as `config`; return the sentence for the console."""
        return ""

    def log(self, step: int, scalars: Mapping[str, float]) -> None: ...

    def log_confusion(self, step: int, counts: np.ndarray, class_names: Sequence[str], image: Image.Image) -> None:
        """counts: int [K, K], a row a true class; image: the same, drawn."""

    def log_predictions(self, step: int, part: str, predictions: Predictions) -> None: ...

    def log_summary(self, step: int, values: Mapping[str, float]) -> None:
        """The run's final figures."""

    def log_files(self, files: TrackedFiles) -> None: ...

    def finish(self, exit_code: int) -> str:
        """End; return a sentence for the console, or nothing."""
        return ""


class Trackers:
    """All trackers of a run as one; a context that ends them, also when training ends with an error.

    Only the main process has any. The first error of a tracker is said in a sentence, and it is not asked again.
    """

    def __init__(self, trackers: Sequence[Tracker] = (), say: Callable[[str], None] | None = None) -> None:
        self.trackers = list(trackers)
        self.started = False
        self.say = say or (lambda sentence: print(sentence, flush=True))

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

    def log_summary(self, step: int, values: Mapping[str, float]) -> None:
        self._each("log_summary", step, values)

    def log_files(self, files: TrackedFiles) -> None:
        self._each("log_files", files)

    def _each(self, method: str, *given: Any) -> None:
        for tracker in list(self.trackers):
            try:
                sentence = _within(
                    None if method in ("start", "finish") else tracker.patience, getattr(tracker, method), *given
                )
            except SpatialSwinError:  # the user is to decide, before training starts
                raise
            except Exception as error:
                self.trackers.remove(tracker)
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                print(
                    f"{tracker.name}: {method} failed ({reason}); the run goes on without {tracker.name}, its folder "
                    "holds everything",
                    file=sys.stderr,
                    flush=True,
                )
            else:
                if sentence:
                    self.say(sentence)


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


def epoch_scalars(row: Mapping[str, Any], class_names: Sequence[str]) -> dict[str, float]:
    """A row of history.csv under names that trackers group by their first word: validation/accuracy, f1/510 ..."""
    named: dict[str, float] = {"epoch": row["epoch"], "phase": row["phase"], "train/loss": row["train_loss"]}
    named |= {f"validation/{key[11:]}": value for key, value in row.items() if key.startswith("validation_")}
    named |= {f"{kind}/{label}": row[f"{kind}_{label}"] for kind in CLASS_METRICS for label in class_names}
    named |= {f"learning_rate/{part}": row[f"learning_rate_{part}"] for part in ("head", "backbone")}
    return named | {f"speed/{name}": row[key] for key, name in SPEED.items()}


def final_figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The main figures of metrics.json with their intervals: final/test_accuracy, final/test_accuracy_low ..."""
    figures: dict[str, float] = {"best_epoch": metrics["best_epoch"]}
    for part in SPLITS[1:]:
        for name in names(Shown.SUMMARY):
            entry = metrics.get(part, {}).get(name) or {}
            for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
                if entry.get(key) is not None:
                    figures[f"final/{part}_{name}{suffix}"] = entry[key]
    return figures


def tracked_config(recipe: Recipe, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Recipe and environment as a tracker may see them: no tokens, and of absolute paths only the last name."""
    facts = {key: environment[key] for key in FACTS if key in environment}
    return _public({**recipe.requested, "Environment": facts})


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _public(item) for key, item in value.items() if "token" not in str(key).lower()}
    if isinstance(value, (list, tuple)):
        return [_public(item) for item in value]
    if isinstance(value, Path) or (isinstance(value, str) and value.startswith(("/", "~", "\\"))):
        return Path(value).name
    return value
