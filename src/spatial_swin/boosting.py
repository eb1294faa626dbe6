"""A simple model beside a deep one: gradient boosting on the pooled tiles of the same training pictures.

In go a run folder and the pictures it was trained on, out come baseline.json and predictions/baseline_test.csv: what
gradient boosting, fitted on the train part alone, says of every item of the test part. It is fitted once and kept; the
validation part is not looked at. A deep model that does not beat it has learned no more.
"""

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from spatial_swin import files
from spatial_swin.data.folder import pictures_of
from spatial_swin.data.pooled_tiles import pooled_tiles
from spatial_swin.data.preflight import require_same_pictures
from spatial_swin.errors import RunError, SpatialSwinError
from spatial_swin.evaluation import baseline as simple
from spatial_swin.runs import BASELINE, Predictions, RunFolder, Sample

SEED = 0
NAME = "gradient boosting"
Features = Callable[[Sequence[str]], np.ndarray]  # paths -> float [N, F]


def pooled_below(root: Path) -> Features:
    """Pooled tiles of pictures below `root`, each picture read once."""
    known: dict[str, np.ndarray] = {}

    def features(paths: Sequence[str]) -> np.ndarray:
        missing = [path for path in paths if path not in known]
        if missing:
            known.update(zip(missing, pooled_tiles(root, missing), strict=True))
        return np.stack([known[path] for path in paths])

    return features


def fit_and_predict(
    features: Features, train: Sequence[Sample], test: Sequence[Sample], class_names: Sequence[str], seed: int = SEED
) -> Predictions:
    """Fit on `train`, predict `test`; a class that `train` lacks has probability 0."""
    names = list(class_names)
    numbers = [names.index(sample.label) for sample in train]
    known = features([s.path for s in train])
    model = simple.fitted(known, numbers, seed)
    table = np.zeros((len(test), len(names)))
    table[:, model.classes_] = model.predict_proba(features([s.path for s in test]))
    labels = np.array([names.index(sample.label) for sample in test])
    return Predictions([s.path for s in test], [s.group for s in test], names, labels, table)


def add_baseline(run: RunFolder, data_dir: str | os.PathLike[str] | None = None) -> str:
    """Fit the baseline of a run and keep it in its folder; return why there is none, empty when there is one.

    One that was fitted on the same split is kept as it is. data_dir: where the pictures are now (the recipe's when
    None). What is missing or damaged is no error: a report is made without a baseline, and says so.
    """
    try:
        samples, test = run.read_split(), run.read_predictions("test")
        identity = split_identity(samples)
        train = [sample for sample in samples if sample.split == "train"]
        if run.has_baseline():
            kept = run.read_baseline()
            if (kept.get("split"), kept.get("leaf_items")) == (identity, simple.leaf_items(len(train))):
                return ""
        root = pictures_of(run, data_dir)
        tested = [sample for sample in samples if sample.split == "test"]
        if not train or {sample.path for sample in tested} != set(test.paths):
            raise RunError(f"{run.split_file}: it has no train part, or another test part than the predictions")
        require_same_pictures(root, [*train, *tested])
        began = time.monotonic()
        said = fit_and_predict(pooled_below(root), train, tested, test.class_names)
        run.write_predictions(BASELINE, said)
        files.write_json(run.baseline_file, _about(identity, train, time.monotonic() - began))
    except SpatialSwinError as error:
        return " ".join(str(error).split())
    return ""


def _about(identity: str, train: Sequence[Sample], seconds: float) -> Mapping[str, object]:
    return {
        "model": NAME,
        "features": "mean, standard deviation, 10th and 90th percentile of 8 bands of every tile",
        "iterations": simple.ITERATIONS,
        "leaf_items": simple.leaf_items(len(train)),
        "seed": SEED,
        "train_items": len(train),
        "train_groups": len({sample.group for sample in train}),
        "seconds": round(seconds, 1),
        "split": identity,
    }


def split_identity(samples: Sequence[Sample]) -> str:
    """A digest of who is in which part with which content and label."""
    rows = sorted(f"{s.path} {s.label} {s.split} {s.sha256}" for s in samples)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
