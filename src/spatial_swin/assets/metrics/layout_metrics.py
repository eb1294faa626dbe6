"""Accuracy, macro and weighted means, per-class precision, recall and F1, and the confusion matrix.

A metric module for `evaluate`, loaded by its path so that it works offline. It counts; every formula is in
`spatial_swin.evaluation.metrics`. `evaluate` reads the imports of this file with a parser of its own that wants one
plain import per line.
"""

from typing import Any

import datasets
import evaluate
import numpy as np

from spatial_swin.evaluation.metrics import confusion_matrix, metrics_of_counts


class LayoutMetrics(evaluate.Metric):  # type: ignore[misc]
    """In: predictions and references as class indices. Out: floats, lists of K floats, and the K x K counts."""

    def _info(self) -> evaluate.MetricInfo:
        integer = datasets.Value("int64")
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions, references: int; class_count: K, so that an absent class keeps its place",
            features=datasets.Features({"predictions": integer, "references": integer}),
        )

    def _compute(self, predictions: list[int], references: list[int], class_count: int) -> dict[str, Any]:
        counts = confusion_matrix(np.asarray(references), np.asarray(predictions), class_count)
        values = metrics_of_counts(counts.diagonal()[None], counts.sum(axis=1)[None], counts.sum(axis=0)[None])
        # a class that does not occur keeps its column in history.csv, with 0; the means leave it out
        return {name: np.nan_to_num(value[0]).tolist() for name, value in values.items()} | {
            "confusion": counts.tolist()
        }
