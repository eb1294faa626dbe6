"""Validation metrics through `evaluate`, from a metric module that ships in the package and loads offline.

Logits and labels in, flat floats out (what the Trainer logs); the confusion matrix of the last call is kept aside,
because the Trainer's logs hold numbers only.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import evaluate
import numpy as np
from transformers import EvalPrediction

from spatial_swin.metric_names import CLASS_METRICS, Shown, names

METRIC_MODULE = Path(__file__).parents[1] / "assets" / "metrics" / "layout_metrics.py"


class LayoutMetrics:
    """`compute_metrics` for the Trainer.

    confusion: int64 [K, K] of the last call, one row per true class.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = list(class_names)
        # one experiment per process: `evaluate` keeps a lock file by that name
        self.metric = evaluate.load(
            str(METRIC_MODULE), experiment_id=f"spatial-swin-{os.getpid()}", keep_in_memory=True
        )
        self.confusion = np.zeros((len(class_names), len(class_names)), dtype=np.int64)

    def __call__(self, outcome: EvalPrediction) -> dict[str, float]:
        logits = outcome.predictions[0] if isinstance(outcome.predictions, tuple) else outcome.predictions
        values = self.metric.compute(
            predictions=np.argmax(logits, axis=1), references=outcome.label_ids, class_count=len(self.class_names)
        )
        self.confusion = np.asarray(values["confusion"], dtype=np.int64)
        return {name: values[name] for name in names(Shown.EPOCH)} | {
            f"{kind}_{label}": value
            for kind in CLASS_METRICS
            for label, value in zip(self.class_names, values[kind], strict=True)
        }
