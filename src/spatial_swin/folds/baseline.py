"""Gradient boosting on pooled cues, on the very folds of the deep model: what a simple model makes of the same splits.

In go a data folder and folds, out comes a row of figures a fold, as `fold_runs.fold_row` gives for a run, kept in
baseline/<fold>.json so that a continued matrix does not fit it again.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spatial_swin import files
from spatial_swin.audio.manifest import pictures_folder
from spatial_swin.data.pooled_tiles import pooled_tiles
from spatial_swin.evaluation import baseline
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.folds.runs import FIGURES, FoldRun


def boosting(data_dir: str | Path, output: Path, seed: int = 0) -> Callable[[FoldRun], dict[str, Any]]:
    """A function that fits gradient boosting on a fold's train part and scores its test part."""
    pooled: dict[str, np.ndarray] = {}

    def features(paths: list[str]) -> np.ndarray:
        missing = [path for path in paths if path not in pooled]
        if missing:
            pooled.update(zip(missing, pooled_tiles(pictures_folder(Path(data_dir)), missing), strict=True))
        return np.stack([pooled[path] for path in paths])

    def score(fold: FoldRun) -> dict[str, Any]:
        file = output / "baseline" / f"{fold.name}.json"
        identity = hashlib.sha256("\n".join(f"{s.sha256} {s.split}" for s in fold.samples).encode()).hexdigest()
        if file.is_file():
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["split"] == identity:
                return kept
        train = [sample for sample in fold.samples if sample.split == "train"]
        test = [sample for sample in fold.samples if sample.split == "test"]
        names = sorted({sample.label for sample in fold.samples})
        model = baseline.boosting(seed).fit(features([s.path for s in train]), [s.label for s in train])
        probabilities = model.predict_proba(features([s.path for s in test]))
        assert list(model.classes_) == names, "every class is in every part of a fold"
        labels = np.array([names.index(sample.label) for sample in test])
        found = summarise(labels, probabilities, [sample.group for sample in test], names)
        row = {"split": identity, "name": fold.name, "items": len(test), "train_items": len(train)}
        row |= {name: found[name]["value"] for name in FIGURES}
        row |= {"accuracy_low": found["accuracy"]["low"], "accuracy_high": found["accuracy"]["high"]}
        files.write_json(file, row)
        return row

    return score
