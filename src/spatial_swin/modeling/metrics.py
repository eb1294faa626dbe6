"""Validation metrics through `evaluate`: logits and labels in, flat floats out (what the Trainer logs).

The confusion matrix of the last call is kept aside, because the Trainer's logs hold numbers only. The metric is
a class here because `evaluate.load` writes below the home folder; its formulas are in `evaluation.metrics`.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import evaluate
import numpy as np
from scipy.special import logsumexp
from transformers import EvalPrediction

from spatial_swin.evaluation.metrics import confusion_matrix, metrics_of_counts
from spatial_swin.metric_names import CLASS_METRICS, Shown, names


class ConfusionMetrics(evaluate.Metric):  # type: ignore[misc]
    """In: predictions and references as class indices. Out: floats, lists of K floats, and the K x K counts."""

    def _info(self) -> evaluate.MetricInfo:
        integer = datasets.Value("int64")
        return evaluate.MetricInfo(
            description=str(__doc__),
            citation="",
            inputs_description="predictions, references: int; class_count: K, so that an absent class keeps its place",
            features=datasets.Features({"predictions": integer, "references": integer}),
        )

    def _compute(self, predictions: list[int], references: list[int], class_count: int) -> dict[str, Any]:
        counts = confusion_matrix(np.asarray(references), np.asarray(predictions), class_count)
        values = metrics_of_counts(counts.diagonal()[None], counts.sum(axis=1)[None], counts.sum(axis=0)[None])
        # a class that does not occur keeps its column in history.csv, with 0; the means leave it out
        lists = {name: np.nan_to_num(value[0]).tolist() for name, value in values.items()}
        return lists | {"confusion": counts.tolist()}


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy of each item in nats, float64 [N], without label smoothing or class weights: logits [N, K]."""
    table = logits.astype(np.float64)
    return logsumexp(table, axis=1) - table[np.arange(len(labels)), labels]


class LayoutMetrics:
    """`compute_metrics` for the Trainer: the metrics of an epoch, and the plain cross-entropy beside the objective.

    folder: one that can be written; `evaluate` makes an empty folder when it starts, which is removed again.
    confusion: int64 [K, K] of the last call, one row per true class.
    """

    def __init__(self, class_names: Sequence[str], folder: Path) -> None:
        self.class_names = list(class_names)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".metrics.") as cache:
            self.metric = ConfusionMetrics(cache_dir=cache, keep_in_memory=True)
        self.confusion = np.zeros((len(class_names), len(class_names)), dtype=np.int64)

    def __call__(self, outcome: EvalPrediction) -> dict[str, float]:
        logits = outcome.predictions[0] if isinstance(outcome.predictions, tuple) else outcome.predictions
        values = self.metric.compute(
            predictions=np.argmax(logits, axis=1), references=outcome.label_ids, class_count=len(self.class_names)
        )
        self.confusion = np.asarray(values["confusion"], dtype=np.int64)
        plain = float(np.mean(cross_entropy(np.asarray(logits), np.asarray(outcome.label_ids))))
        return (
            {"cross_entropy": plain}
            | {name: values[name] for name in names(Shown.EPOCH)}
            | {
                f"{kind}_{label}": value
                for kind in CLASS_METRICS
                for label, value in zip(self.class_names, values[kind], strict=True)
            }
        )
