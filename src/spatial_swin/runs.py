"""The run folder: its one reader and one writer, the contract between training and everything after it.

    runs/<name>/
      recipe.yaml           as resolved, complete          environment.json   versions, device, precision really used
      split.csv             path, label, group, split, sha256, then one column per factor
      history.csv           one row per epoch               progress.json      state while running, written atomically
      checkpoints/          Trainer checkpoints            model/             best model, plain Hugging Face format
      predictions/{validation,test}.csv                    confusion/epoch_NNN.csv
      metrics.json          final figures with intervals   thesis_results/    what `spatial-swin report` makes
      bench/                what `spatial-swin bench` makes: bench.json, bench.csv, figures, page
      tracking.json         under which ids it is tracked  tensorboard/, wandb/   what trackers keep here

Nothing here imports torch, so that reports work on a machine without it. A file that is missing, empty, cut or of
another kind raises RunError, which names file and row and says how to go on.
"""

import csv
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
SECTIONS = ("Model", "Data", "Trainer")  # of recipe.yaml
BASELINE = "baseline_test"  # predictions of the simple model on the test part
COUNTED = ("epoch", "phase", "step")  # the whole numbers of history.csv
STATES = ("running", "finished", "stopped", "failed")
BENCH_VERSION = 1  # of bench.json
ANEW = "put back a copy, or train again with --overwrite true"
WAYS_OUT = {
    "recipe.yaml": ANEW,
    "split.csv": ANEW,
    "history.csv": "put back a copy, or remove it to go on without its epochs",
    "environment.json": "remove it; reports then say nothing of the machine",
    "progress.json": "remove it; the command that started the training then continues it",
    "metrics.json": "remove it and run `spatial-swin evaluate` on the run",
    "tracking.json": "remove it; the trackers then take the run for a new one",
    "explanations.json": "run `spatial-swin explain` on the run again",
    "bench.json": "run `spatial-swin bench` on the run again",
    "test.csv": "run `spatial-swin evaluate` on the run again",
    "validation.csv": "run `spatial-swin evaluate` on the run again",
}


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
    """What a model said of one part of the split, one item per file.

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
    path = Path(path)
    samples = []
    for number, row in _read_rows(path, SPLIT_COLUMNS):
        if row["split"] not in SPLITS:
            raise _damaged(path, f"split is {row['split']!r}, not one of {', '.join(SPLITS)}", number)
        factors = {name: value for name, value in row.items() if name not in SPLIT_COLUMNS}
        samples.append(Sample(**{name: row[name] for name in SPLIT_COLUMNS}, factors=factors))
    return samples


def write_predictions(path: str | os.PathLike[str], predictions: Predictions) -> None:
    names = predictions.class_names
    columns = [f"p_{name}" for name in names]
    rows = (
        {"path": path, "group": group, "label": names[label], "prediction": names[said]}
        | dict(zip(columns, row, strict=True))
        for path, group, label, said, row in zip(
            predictions.paths,
            predictions.groups,
            predictions.labels,
            predictions.predicted,
            predictions.probabilities.tolist(),
            strict=True,
        )
    )
    files.write_csv(path, rows, ["path", "group", "label", "prediction", *columns])


def read_predictions(path: str | os.PathLike[str]) -> Predictions:
    """Read predictions/<part>.csv. Raises RunError for missing columns, labels without a column, non-numbers, NaN."""
    path = Path(path)
    rows = _read_rows(path, ("path", "group", "label", "prediction"))
    names = [column[2:] for column in rows[0][1] if column.startswith("p_")]
    index = {name: k for k, name in enumerate(names)}
    labels, probabilities = [], []
    for number, row in rows:
        try:
            labels.append(index[row["label"]])
            probabilities.append([float(row[f"p_{name}"]) for name in names])
        except KeyError:
            raise _damaged(path, f"label {row['label']!r} has no column p_{row['label']}", number) from None
        except ValueError as error:
            raise _damaged(path, str(error), number) from None
        if not np.isfinite(probabilities[-1]).all():
            raise _damaged(path, "a probability is not finite", number)
    paths, groups = [row["path"] for _, row in rows], [row["group"] for _, row in rows]
    return Predictions(paths, groups, names, np.asarray(labels), np.asarray(probabilities, dtype=np.float64))


def _damaged(path: Path, what: str, line: int | None = None) -> RunError:
    where = f"{path}, line {line}" if line else str(path)
    return RunError(f"{where}: {what}; {WAYS_OUT.get(path.name, 'put back a copy or make it again')}")


def _read_text(path: Path) -> str:
    """The text of a file that this module wrote: UTF-8, and whole, so that its last line has an end.

    JSON says itself whether it is whole.
    """
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; is this a run folder, and has training got that far?") from None
    except UnicodeDecodeError:
        raise _damaged(path, "is not UTF-8 text") from None
    except OSError as error:
        raise _damaged(path, f"cannot be read ({error.strerror})") from None
    if not text.strip():
        raise _damaged(path, "is empty")
    if path.suffix != ".json" and not text.endswith("\n"):
        raise _damaged(path, "is cut: its last line has no end")
    return text


def _read_rows(path: Path, required: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Rows with their line numbers, at least one."""
    _read_text(path)
    try:
        rows = list(enumerate(files.read_csv(path), start=2))
    except csv.Error as error:
        raise _damaged(path, f"is not readable as CSV ({error})") from None
    if not rows:
        raise _damaged(path, "has no row")
    if missing := [name for name in required if name not in rows[0][1]]:
        raise _damaged(path, f"column {', '.join(missing)} is missing")
    for number, row in rows:
        if None in row or None in row.values():
            raise _damaged(path, "the row has not as many cells as the header", number)
    return rows


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"is not readable as JSON ({error})") from None
    if not isinstance(content, dict):
        raise _damaged(path, f"holds a {type(content).__name__} where names and values belong")
    return content


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
        self.bench = self.path / "bench"
        self.bench_file = self.bench / "bench.json"
        self.baseline_file = self.path / "baseline.json"  # its predictions lie beside the run's own
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
        """Hold the folder for one process; a second one gets RunError. The kernel lets go when the process dies.

        A lock, and a folder made for it, in which nothing was written meanwhile are removed again.
        """
        made = not self.path.exists()
        handle = self._locked()
        try:
            yield
        finally:
            with suppress(OSError):  # somebody else writes here: then it stays
                if [path.name for path in self.path.iterdir()] == [".lock"]:
                    (self.path / ".lock").unlink()
                    if made:
                        self.path.rmdir()
            os.close(handle)

    def _locked(self) -> int:
        """A descriptor that holds the lock. Raises RunError when another process has it, or nothing can be written."""
        file = self.path / ".lock"
        while True:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise RunError(
                    f"{self.path}: cannot be written ({error.strerror}); choose another --output_dir"
                ) from None
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(handle), os.stat(file)):
                    return handle
            except BlockingIOError:
                os.close(handle)
                raise RunError(
                    f"{self.path}: another process is using this run folder; wait for it or choose another "
                    "--output_dir"
                ) from None
            except FileNotFoundError:
                pass
            os.close(handle)  # its holder removed the file between our opening and our locking it: once more

    def predictions_file(self, part: str) -> Path:
        return self.path / "predictions" / f"{part}.csv"

    def confusion_file(self, epoch: int) -> Path:
        return self.path / "confusion" / f"epoch_{epoch:03d}.csv"

    # -- recipe, environment, progress, metrics --

    def write_recipe(self, recipe: Mapping[str, Any]) -> None:
        files.write_text(self.recipe_file, yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True))

    def read_recipe(self) -> dict[str, dict[str, Any]]:
        """The recipe as resolved: {"Model": {...}, "Data": {...}, "Trainer": {...}}."""
        text = _read_text(self.recipe_file)
        try:
            recipe = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError) as error:
            raise _damaged(self.recipe_file, f"is not readable as YAML ({' '.join(str(error).split())})") from None
        sections = recipe if isinstance(recipe, dict) else {}
        if missing := [name for name in SECTIONS if not isinstance(sections.get(name, ""), dict | None)]:
            raise _damaged(self.recipe_file, f"has no section {' and no '.join(missing)}")
        return {name: values or {} for name, values in sections.items()}

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        files.write_json(self.environment_file, environment)

    def read_environment(self) -> dict[str, Any]:
        return _read_json(self.environment_file)

    def write_progress(self, progress: Mapping[str, Any]) -> None:
        assert progress["state"] in STATES
        updated = datetime.now(UTC).isoformat(timespec="seconds")
        files.write_json(self.progress_file, {**progress, "updated": updated})

    def read_progress(self) -> dict[str, Any]:
        return _read_json(self.progress_file)

    def state(self) -> str | None:
        """The last state written: one of STATES, or None for a folder where no training ever started."""
        return self.read_progress().get("state") if self.progress_file.is_file() else None

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        files.write_json(self.metrics_file, metrics, durable=True)

    def read_metrics(self) -> dict[str, Any]:
        return _read_json(self.metrics_file)

    def write_tracking(self, tracker: str, identity: Mapping[str, str]) -> None:
        """Keep the id and names under which `tracker` knows this run, so that a continuation is the same run."""
        files.write_json(self.tracking_file, {**self.read_tracking(), tracker: dict(identity)})

    def read_tracking(self) -> dict[str, Any]:
        """{tracker: {"id" or "name", "project"}}; empty for a run that is not tracked."""
        return _read_json(self.tracking_file) if self.tracking_file.is_file() else {}

    def has_baseline(self) -> bool:
        """Whether a simple model was fitted beside this run, with its predictions."""
        return self.baseline_file.is_file() and self.predictions_file(BASELINE).is_file()

    def read_baseline(self) -> dict[str, Any]:
        """What is known of the simple model: features, sizes, the split it was fitted on."""
        return _read_json(self.baseline_file)

    def read_explanations(self) -> dict[str, Any]:
        """What `spatial-swin explain` left: settings, regions, rank correlations, names of figures."""
        return _read_json(self.explanations_file)

    def read_bench(self) -> dict[str, Any]:
        """What `spatial-swin bench` left: figures by listener, laboratory, kind and condition."""
        results = _read_json(self.bench_file)
        if results.get("version") != BENCH_VERSION or not isinstance(results.get("figures"), list):
            raise _damaged(self.bench_file, f"has no figures of version {BENCH_VERSION}")
        return results

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
        for number, row in _read_rows(self.history_file, COUNTED):
            try:
                rows.append({name: int(row[name]) if name in COUNTED else float(row[name] or "nan") for name in row})
            except ValueError as error:
                raise _damaged(self.history_file, str(error), number) from None
        return rows

    def read_history_to(self, epoch: int) -> list[dict[str, Any]]:
        """Rows of epochs 1 to `epoch`, to go on after it. Raises RunError when one is missing or there twice."""
        rows = [row for row in self.read_history() if row["epoch"] <= epoch]
        epochs = [row["epoch"] for row in rows]
        if epochs != list(range(1, epoch + 1)):
            there = ", ".join(map(str, epochs)) or "none"
            raise _damaged(self.history_file, f"a checkpoint has epochs 1 to {epoch}, this has {there}")
        return rows

    def write_confusion(self, epoch: int, matrix: np.ndarray, class_names: Sequence[str]) -> None:
        """Write one epoch's confusion matrix, int [K, K]: one row per true class, one column per predicted class."""
        rows = (
            {"true": name, **dict(zip(class_names, map(int, row), strict=True))}
            for name, row in zip(class_names, matrix, strict=True)
        )
        files.write_csv(self.confusion_file(epoch), rows, ["true", *class_names])

    def write_predictions(self, part: str, predictions: Predictions) -> None:
        write_predictions(self.predictions_file(part), predictions)

    def read_predictions(self, part: str) -> Predictions:
        return read_predictions(self.predictions_file(part))
