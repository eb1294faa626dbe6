"""The run folder: its one reader and one writer, the contract between training and everything after it.

    runs/<name>/
      recipe.yaml           as resolved, complete          environment.json   versions, device, precision really used
      split.csv             path, label, group, split, sha256, then one column a factor
      history.csv           one row an epoch               progress.json      state while running, written atomically
      checkpoints/          Trainer checkpoints            model/             best model, plain Hugging Face format
      predictions/{validation,test}.csv                    confusion/epoch_NNN.csv
      metrics.json          final figures with intervals   thesis_results/    what `spatial-swin report` makes
      tracking.json         under which ids it is tracked  tensorboard/, wandb/   what trackers keep here

Nothing here imports torch, so that reports work on a machine without it. Damaged files raise RunError, naming file and
row.
"""

import csv
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spatial_swin import files
from spatial_swin.errors import RunError

SPLITS = ("train", "validation", "test")
SPLIT_COLUMNS = ("path", "label", "group", "split", "sha256")
STATES = ("running", "finished", "stopped", "failed")


@dataclass(frozen=True)
class Sample:
    """One picture: path below the data folder (posix), class name, recording (group), part, hash, factors."""

    path: str
    label: str
    group: str
    split: str
    sha256: str
    factors: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Predictions:
    """What a model said of one part of the split, one item a file.

    paths, groups: N strings; class_names: K names; labels, predicted: int64 [N] into class_names;
    probabilities: float64 [N, K], rows sum to 1.
    """

    paths: list[str]
    groups: list[str]
    class_names: list[str]
    labels: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of_logits(cls, logits: np.ndarray, samples: Sequence[Sample], class_names: list[str]) -> "Predictions":
        """What logits [N, K] say of `samples`, in their order."""
        table = np.asarray(logits, dtype=np.float64)
        table = np.exp(table - table.max(axis=1, keepdims=True))
        labels = np.array([class_names.index(sample.label) for sample in samples])
        paths, groups = [sample.path for sample in samples], [sample.group for sample in samples]
        return cls(paths, groups, class_names, labels, table / table.sum(axis=1, keepdims=True))

    @cached_property
    def predicted(self) -> np.ndarray:
        return self.probabilities.argmax(axis=1)

    def __len__(self) -> int:
        return len(self.paths)


def write_samples(path: str | os.PathLike[str], samples: Sequence[Sample]) -> None:
    """Write a split manifest; factor columns follow the fixed ones, in the order of the first sample."""
    factors = list(dict.fromkeys(name for sample in samples for name in sample.factors))
    rows = (
        {"path": s.path, "label": s.label, "group": s.group, "split": s.split, "sha256": s.sha256, **s.factors}
        for s in samples
    )
    files.write_csv(path, rows, [*SPLIT_COLUMNS, *factors])


def read_samples(path: str | os.PathLike[str]) -> list[Sample]:
    """Read a split manifest. Raises RunError for a missing column, an unknown part, or a row of another length."""
    rows = _read_rows(Path(path), SPLIT_COLUMNS)
    samples = []
    for number, row in enumerate(rows, start=2):
        if row["split"] not in SPLITS:
            raise RunError(f"{path}, line {number}: split is {row['split']!r}; it must be one of {', '.join(SPLITS)}")
        factors = {name: value for name, value in row.items() if name not in SPLIT_COLUMNS}
        samples.append(Sample(**{name: row[name] for name in SPLIT_COLUMNS}, factors=factors))
    return samples


def write_predictions(path: str | os.PathLike[str], predictions: Predictions) -> None:
    names = predictions.class_names
    rows = (
        {
            "path": p,
            "group": g,
            "label": names[y],
            "prediction": names[z],
            **{f"p_{name}": repr(float(q)) for name, q in zip(names, row, strict=True)},
        }
        for p, g, y, z, row in zip(
            predictions.paths,
            predictions.groups,
            predictions.labels,
            predictions.predicted,
            predictions.probabilities,
            strict=True,
        )
    )
    files.write_csv(path, rows, ["path", "group", "label", "prediction", *(f"p_{name}" for name in names)])


def read_predictions(path: str | os.PathLike[str]) -> Predictions:
    """Read predictions/<part>.csv. Raises RunError for missing columns, labels without a column, non-numbers, NaN."""
    rows = _read_rows(Path(path), ("path", "group", "label", "prediction"))
    if not rows:
        raise RunError(f"{path}: there is no prediction in it; run `spatial-swin evaluate` on the run again")
    names = [column[2:] for column in rows[0] if column.startswith("p_")]
    index = {name: k for k, name in enumerate(names)}
    labels, probabilities = [], []
    for number, row in enumerate(rows, start=2):
        try:
            labels.append(index[row["label"]])
            probabilities.append([float(row[f"p_{name}"]) for name in names])
        except KeyError as error:
            raise RunError(f"{path}, line {number}: label {error} has no column p_{row['label']}") from None
        except ValueError as error:
            raise RunError(
                f"{path}, line {number}: {error}; the file is damaged, run `spatial-swin evaluate`"
            ) from None
    table = np.asarray(probabilities, dtype=np.float64)
    if not np.isfinite(table).all():
        line = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0]) + 2
        raise RunError(f"{path}, line {line}: a probability is not finite; run `spatial-swin evaluate` again")
    return Predictions([r["path"] for r in rows], [r["group"] for r in rows], names, np.asarray(labels), table)


def _read_rows(path: Path, required: Sequence[str]) -> list[dict[str, str]]:
    try:
        rows = files.read_csv(path)
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; is this a run folder, and has training got that far?") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: not readable as CSV ({error})") from None
    for number, row in enumerate(rows, start=2):
        missing = [name for name in required if name not in row]
        if missing:
            raise RunError(f"{path}: column {', '.join(missing)} is missing")
        if None in row or None in row.values():
            raise RunError(f"{path}, line {number}: the row has not as many cells as the header")
    return rows


class RunFolder:
    """Read and write one run folder; creating the object touches nothing on disk."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.recipe_file = self.path / "recipe.yaml"
        self.environment_file = self.path / "environment.json"
        self.split_file = self.path / "split.csv"
        self.history_file = self.path / "history.csv"
        self.progress_file = self.path / "progress.json"
        self.metrics_file = self.path / "metrics.json"
        self.log_file = self.path / "training.log"  # of `spatial-swin start`, as is the next
        self.pid_file = self.path / "pid"
        self.checkpoints = self.path / "checkpoints"
        self.model = self.path / "model"
        self.thesis_results = self.path / "thesis_results"
        self.tracking_file = self.path / "tracking.json"
        self.tensorboard = self.path / "tensorboard"
        self.explanations = self.path / "explanations"
        self.explanations_file = self.explanations / "explanations.json"

    def require(self) -> "RunFolder":
        """Return self if this is a run folder at all, else raise RunError saying what is missing."""
        if not self.recipe_file.is_file():
            raise RunError(
                f"{self.path}: not a run folder (it has no recipe.yaml); give the --output_dir of a training"
            )
        return self

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one process; a second one gets RunError. The kernel lets go when the process dies."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written ({error.strerror}); choose another --output_dir") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise RunError(
                f"{self.path}: another process is using this run folder; wait for it or choose another --output_dir"
            ) from None
        try:
            yield
        finally:
            os.close(handle)

    def predictions_file(self, part: str) -> Path:
        return self.path / "predictions" / f"{part}.csv"

    def confusion_file(self, epoch: int) -> Path:
        return self.path / "confusion" / f"epoch_{epoch:03d}.csv"

    # -- recipe, environment, progress, metrics --

    def write_recipe(self, recipe: Mapping[str, Any]) -> None:
        files.write_text(self.recipe_file, yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True))

    def read_recipe(self) -> dict[str, dict[str, Any]]:
        """The recipe as resolved: {"Model": {...}, "Data": {...}, "Trainer": {...}}."""
        try:
            return yaml.safe_load(self.recipe_file.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise RunError(f"{self.recipe_file}: not readable ({error})") from None

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        files.write_json(self.environment_file, environment)

    def read_environment(self) -> dict[str, Any]:
        return self._read_json(self.environment_file)

    def write_progress(self, progress: Mapping[str, Any]) -> None:
        assert progress["state"] in STATES
        updated = datetime.now(UTC).isoformat(timespec="seconds")
        files.write_json(self.progress_file, {**progress, "updated": updated})

    def read_progress(self) -> dict[str, Any]:
        return self._read_json(self.progress_file)

    def state(self) -> str | None:
        """The last state written: one of STATES, or None for a folder where no training ever started."""
        return self.read_progress().get("state") if self.progress_file.is_file() else None

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        files.write_json(self.metrics_file, metrics)

    def read_metrics(self) -> dict[str, Any]:
        return self._read_json(self.metrics_file)

    def write_tracking(self, tracker: str, identity: Mapping[str, str]) -> None:
        """Keep the id and names under which `tracker` knows this run, so that a continuation is the same run."""
        files.write_json(self.tracking_file, {**self.read_tracking(), tracker: dict(identity)})

    def read_tracking(self) -> dict[str, Any]:
        """{tracker: {"id" or "name", "project"}}; empty for a run that is not tracked."""
        return self._read_json(self.tracking_file) if self.tracking_file.is_file() else {}

    def read_explanations(self) -> dict[str, Any]:
        """What `spatial-swin explain` left: settings, regions, rank correlations, names of figures."""
        return self._read_json(self.explanations_file)

    # -- split, history, confusion, predictions --

    def write_split(self, samples: Sequence[Sample]) -> None:
        write_samples(self.split_file, samples)

    def read_split(self) -> list[Sample]:
        return read_samples(self.split_file)

    def write_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        files.write_csv(self.history_file, rows, columns)

    def read_history(self) -> list[dict[str, Any]]:
        """Rows of history.csv: `epoch`, `phase`, `step` as int, all else as float (nan where the cell is empty)."""
        rows: list[dict[str, Any]] = []
        for number, row in enumerate(_read_rows(self.history_file, ("epoch", "phase", "step")), start=2):
            try:
                rows.append(
                    {
                        name: int(cell) if name in ("epoch", "phase", "step") else float(cell or "nan")
                        for name, cell in row.items()
                    }
                )
            except ValueError as error:
                raise RunError(f"{self.history_file}, line {number}: {error}; the file is damaged") from None
        return rows

    def write_confusion(self, epoch: int, matrix: np.ndarray, class_names: Sequence[str]) -> None:
        """Write one epoch's confusion matrix, int [K, K]: a row a true class, a column a predicted class."""
        rows = (
            {"true": name, **dict(zip(class_names, map(int, row), strict=True))}
            for name, row in zip(class_names, matrix, strict=True)
        )
        files.write_csv(self.confusion_file(epoch), rows, ["true", *class_names])

    def read_confusion(self, epoch: int) -> tuple[np.ndarray, list[str]]:
        rows = _read_rows(self.confusion_file(epoch), ("true",))
        names = [row["true"] for row in rows]
        try:
            return np.array([[int(row[name]) for name in names] for row in rows]), names
        except (KeyError, ValueError) as error:
            raise RunError(f"{self.confusion_file(epoch)}: not a square table of counts ({error})") from None

    def write_predictions(self, part: str, predictions: Predictions) -> None:
        write_predictions(self.predictions_file(part), predictions)

    def read_predictions(self, part: str) -> Predictions:
        return read_predictions(self.predictions_file(part))

    def _read_json(self, path: Path) -> dict[str, Any]:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{path}: no such file; is this a run folder, and has training got that far?") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: not readable as JSON ({error})") from None
