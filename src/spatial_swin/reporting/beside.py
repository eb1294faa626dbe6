"""A run beside the simple model that was fitted on the same pictures: metrics of both, and the paired differences.

Predictions of a run go in with its folder, a `BaselineFound` comes out. Nothing is fitted or written here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from spatial_swin.errors import RunError
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.evaluation.power import Detectable, smallest_difference
from spatial_swin.evaluation.significance import matching_order, paired_bootstrap
from spatial_swin.runs import BASELINE, Predictions, RunFolder

DEEP, SIMPLE = "Swin", "gradient boosting"


@dataclass(frozen=True)
class BaselineFound:
    """The simple model beside a run: what is known of it, its metrics, and how the run differs from it.

    difference: metric -> a row as comparisons have it (first: the simple model, second: the run).
    """

    about: dict[str, Any]
    predictions: Predictions
    metrics: dict[str, Any]
    difference: dict[str, dict[str, Any]]
    detectable: Detectable


def beside(run: RunFolder, test: Predictions, resamples: int, seed: int) -> BaselineFound:
    """The baseline's answers in the order of `test`, the run's own. Raises RunError or DataError when they differ."""
    said, names = run.read_predictions(BASELINE), np.array(test.class_names)
    if said.class_names != test.class_names:
        raise RunError(f"{run.predictions_file(BASELINE)}: other classes than test.csv; remove {run.baseline_file}")
    order = matching_order(test.paths, list(names[test.labels]), said.paths, list(names[said.labels]))
    table = said.probabilities[order]
    differences = paired_bootstrap(test.labels, table, test.probabilities, test.groups, resamples, seed)
    rows = {
        name: {
            "first": SIMPLE,
            "second": DEEP,
            "metric": name,
            "difference": found.value,
            "low": found.interval.low,
            "high": found.interval.high,
            "p": found.p,
        }
        for name, found in differences.items()
    }
    better = (test.predicted == test.labels).astype(float) - (table.argmax(axis=1) == test.labels)
    metrics = summarise(test.labels, table, test.groups, test.class_names, resamples, seed)
    return BaselineFound(run.read_baseline(), said, metrics, rows, smallest_difference(better, test.groups))
