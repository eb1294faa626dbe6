"""One class against the rest: who is of it and scores in, the points of its ROC and precision-recall curves out.

scikit-learn has the same (the tests compare); its import takes longer than all statistics of a report. It reads no
file and draws nothing.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curves:
    """false_positives, recall, precision: shares [T + 1] at falling thresholds, from nothing called positive (0, 0, 1)
    to everything; area: below the ROC curve; average_precision: precision, weighted by the steps of recall."""

    false_positives: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    area: float
    average_precision: float


def curves(mine: np.ndarray, scores: np.ndarray) -> Curves:
    """mine: bool [N], whether an item is of the class, some are and some are not; scores: float [N]."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # equal scores are one threshold
    right = np.append(0, mine[order].cumsum()[last])
    called = np.append(0, last + 1)
    wrong = called - right
    recall, false_positives = right / right[-1], wrong / wrong[-1]
    precision = np.append(1.0, right[1:] / called[1:])
    area = float(np.trapezoid(recall, false_positives))
    return Curves(false_positives, recall, precision, area, float(np.sum(np.diff(recall) * precision[1:])))
