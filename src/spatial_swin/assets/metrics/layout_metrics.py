"""Accuracy, macro and weighted F1, macro precision and recall, per-class P/R/F1 and the confusion matrix.

A metric module for `evaluate`, loaded by its path so that it works offline. `evaluate` reads the imports of this file
with a parser of its own that wants one plain import a line.
"""

from typing import Any

import datasets
import evaluate
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support


class LayoutMetrics(evaluate.Metric):
    """In: predictions and references as class indices. Out: floats, lists of K floats, and the K x K counts."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions, references: int; class_count: K, so that an absent class keeps its place",
            features=datasets.Features(
                {"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: list[int], references: list[int], class_count: int) -> dict[str, Any]:
        labels = list(range(class_count))
        counts = confusion_matrix(references, predictions, labels=labels)
        per_class = precision_recall_fscore_support(references, predictions, labels=labels, zero_division=0.0)
        # means run over the classes that occur, as reference or as prediction: an absent class is no failure
        seen = [k for k in labels if counts[k].sum() + counts[:, k].sum() > 0]
        average = {
            kind: precision_recall_fscore_support(
                references, predictions, labels=seen, average=kind, zero_division=0.0
            )
            for kind in ("macro", "weighted")
        }
        return {
            "accuracy": float(counts.trace() / max(counts.sum(), 1)),
            "macro_f1": float(average["macro"][2]),
            "weighted_f1": float(average["weighted"][2]),
            "macro_precision": float(average["macro"][0]),
            "macro_recall": float(average["macro"][1]),
            "precision": [float(value) for value in per_class[0]],
            "recall": [float(value) for value in per_class[1]],
            "f1": [float(value) for value in per_class[2]],
            "confusion": counts.tolist(),
        }
