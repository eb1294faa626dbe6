"""Several trainings that differ by their seed alone, judged on the same items: mean, spread, interval of the mean.

Labels, one table of probabilities per seed and groups go in; for every metric the value of each seed, their mean with
its SD over the seeds, and a 95 % interval come out. Items are paired: a resample draws whole groups once and takes
them from every seed, so that the interval says how the mean of *these* seeds would vary with other items. How another
seed would vary is what the SD says. Nothing here reads a run folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatial_swin.evaluation import intervals
from spatial_swin.evaluation.intervals import Interval, Statistics, no_interval
from spatial_swin.evaluation.metrics import item_sums, metrics_of_sums
from spatial_swin.metric_names import Shown, names

METRICS = names(Shown.FOLDS)


@dataclass(frozen=True)
class Pooled:
    """A metric over S seeds: values float64 [S], their mean, SD (None for one seed), interval of the mean."""

    values: np.ndarray
    mean: float
    deviation: float | None
    interval: Interval

    @property
    def low(self) -> float | None:
        return self.interval.low

    @property
    def high(self) -> float | None:
        return self.interval.high


def pool(
    labels: np.ndarray,
    probabilities: Sequence[np.ndarray],
    groups: Sequence[str] | np.ndarray | None,
    class_names: Sequence[str],
    resamples: int = 10_000,
    seed: int = 0,
    minus: np.ndarray | None = None,
) -> dict[str, Pooled]:
    """{metric: pooled}, of `METRICS` and `f1_<class>` of every class that occurs.

    labels: int [N]; probabilities: S tables float [N, K] of the same items in the same order; groups: N names.
    minus: the table of another model, float [N, K]: values and intervals are then those of the differences to it.
    """
    tables = [*probabilities, *([] if minus is None else [minus])]
    classes, numbers = len(class_names), intervals.group_numbers(groups, len(labels))
    sums = np.concatenate([intervals.group_sums(item_sums(labels, table), numbers) for table in tables], axis=1)
    occurring = [k for k in range(classes) if (labels == k).any()]

    def statistic(drawn: np.ndarray) -> Statistics:
        """Sums [R, tables * columns] -> {metric: [R, S]}."""
        of_each = [metrics_of_sums(part, classes) for part in np.split(drawn, len(tables), axis=1)]
        found = {name: np.stack([one[name] for one in of_each], axis=1) for name in METRICS}
        f1 = np.stack([one["f1"] for one in of_each], axis=1)
        if minus is not None:
            found = {name: values[:, :-1] - values[:, -1:] for name, values in found.items()}
            f1 = f1[:, :-1] - f1[:, -1:]
        return found | {f"f1_{class_names[k]}": f1[:, :, k] for k in occurring}

    points = {name: values[0] for name, values in statistic(sums.sum(axis=0, keepdims=True)).items()}
    if len(sums) < 2:
        alone = no_interval("all items are of one group")
        return {name: _pooled(values, alone) for name, values in points.items()}
    draws = intervals.bootstrap_sums(
        sums, lambda drawn: {name: values.mean(axis=1) for name, values in statistic(drawn).items()}, resamples, seed
    )
    method = "cluster bootstrap over groups, the same items for every seed"
    return {
        name: _pooled(values, intervals.percentile_interval(draws[name], len(sums), method))
        for name, values in points.items()
    }


def _pooled(values: np.ndarray, interval: Interval) -> Pooled:
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    return Pooled(values, float(values.mean()), deviation, interval)


def seeds_right(labels: np.ndarray, probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """How many seeds judge each item rightly, int64 [N]."""
    return np.sum([table.argmax(axis=1) == labels for table in probabilities], axis=0)
