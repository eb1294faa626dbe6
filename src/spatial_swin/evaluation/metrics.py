"""Every metric of one part of the split with its interval: labels, probabilities and groups in, a JSON-ready dict out.

All but the AUC are functions of sums over items (`item_sums`), defined once in `metrics_of_sums` and evaluated on the
whole sample and on every resample of groups alike; those that the confusion matrix decides are defined once in
`metrics_of_counts`, for the epochs of training too. Conventions: means over classes are over the classes that occur in
the part as true ones, as balanced accuracy has it (scikit-learn's macro means also count, as 0, a class that is only
predicted); a class that is never predicted has precision 0; Brier is the sum over the classes (0..2); NLL is in nats;
ECE uses 15 bins. It reads no file and never fits anything. The names are those of `metric_names`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from spatial_swin.errors import DataError
from spatial_swin.evaluation import intervals
from spatial_swin.evaluation.calibration import BINS, bin_numbers, equal_mass_edges, equal_width_edges, item_nll
from spatial_swin.evaluation.intervals import Interval, Statistics, no_interval
from spatial_swin.metric_names import CLASS_METRICS


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts, int64 [K, K]: one row per true class, one column per predicted class."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def item_sums(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """What has to be added up over items to know every metric but the AUC: float64 [N, 3 K + 3 + 2 BINS].

    Columns: right of class k, true class k, predicted class k, NLL, Brier, 1, then confidence minus right in its bin
    (equal width, then equal mass; the edges are those of the whole sample).
    """
    count, classes = probabilities.shape
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    identity = np.eye(classes)
    true, said = identity[labels], identity[predicted]
    scores = np.stack([item_nll(labels, probabilities), ((probabilities - true) ** 2).sum(axis=1), np.ones(count)], 1)
    gap = confidence - (predicted == labels)
    gaps = np.zeros((count, 2 * BINS))
    for start, edges in ((0, equal_width_edges()), (BINS, equal_mass_edges(confidence))):
        gaps[np.arange(count), start + bin_numbers(confidence, edges)] = gap
    return np.concatenate([true * said, true, said, scores, gaps], axis=1)


def metrics_of_sums(sums: np.ndarray, classes: int) -> Statistics:
    """Metrics from sums [R, S] of `item_sums`: {name: [R], or [R, K] for precision, recall and f1 of a class}.

    A class without items in a row is NaN there and left out of that row's macro means.
    """
    right, true, said = (sums[:, k * classes : (k + 1) * classes] for k in range(3))
    nll, brier, count = sums[:, 3 * classes : 3 * classes + 3].T
    gaps = np.abs(sums[:, 3 * classes + 3 :])
    return metrics_of_counts(right, true, said) | {
        "nll": nll / count,
        "brier": brier / count,
        "ece": gaps[:, :BINS].sum(axis=1) / count,
        "ece_equal_mass": gaps[:, BINS:].sum(axis=1) / count,
    }


def metrics_of_counts(right: np.ndarray, true: np.ndarray, said: np.ndarray) -> Statistics:
    """What the confusion matrix decides, from items of each class that are right, true and predicted, each [R, K].

    {name: [R], or [R, K] for precision, recall and f1 of a class}; NaN for a class without items in a row, which that
    row's means leave out.
    """
    present, count = true > 0, np.maximum(true.sum(axis=1), 1)
    occurring = np.maximum(present.sum(axis=1), 1)
    known: Statistics = {
        "recall": np.where(present, right / np.maximum(true, 1), np.nan),
        "precision": np.where(present, right / np.maximum(said, 1), np.nan),
        "f1": np.where(present, 2 * right / np.maximum(true + said, 1), np.nan),
    }
    means: Statistics = {"accuracy": right.sum(axis=1) / count}
    means["balanced_accuracy"] = np.nansum(known["recall"], axis=1) / occurring
    for name, values in known.items():
        means[f"macro_{name}"] = np.nansum(values, axis=1) / occurring
        means[f"weighted_{name}"] = np.nansum(values * true, axis=1) / count
    return means | known


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values their mean rank, float64 [N]: `scipy.stats.rankdata`, whose import takes a second."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (count.cumsum() - (count - 1) / 2)[place]


def macro_auc(labels: np.ndarray, probabilities: np.ndarray, numbers: np.ndarray) -> tuple[float, Interval]:
    """Mean one-against-rest area under the ROC curve, over classes with and without items, and its interval.

    The area is not a function of sums, so it is not bootstrapped: the variance is DeLong's (1988), its components
    added up over groups (Obuchowski 1997), and the interval is normal on the logit scale. numbers: group of each item.
    """
    count, classes = probabilities.shape
    areas, influence = [], np.zeros(count)
    for k in range(classes):
        mine = labels == k
        m, n = int(mine.sum()), int((~mine).sum())
        if not m or not n:
            continue
        scores = probabilities[:, k]
        placed = ranks(scores)  # share of the other side below, ties half: the placement values
        placed[mine] = (placed[mine] - ranks(scores[mine])) / n
        placed[~mine] = 1 - (placed[~mine] - ranks(scores[~mine])) / m
        area = float(placed[mine].mean())
        areas.append(area)
        influence += (placed - area) / np.where(mine, m, n)
    if not areas:
        return float("nan"), no_interval("only one class occurs, so there is nothing to separate")
    value, total = float(np.mean(areas)), np.bincount(numbers, influence / len(areas))
    groups = len(total)
    if groups < 2:
        return value, no_interval("all items are of one group")
    deviation = float(np.sqrt(groups / (groups - 1) * np.sum((total - total.mean()) ** 2)))
    if not 0 < value < 1 or deviation == 0:
        return value, no_interval("the classes are separated perfectly, so the variance cannot be estimated")
    width = special.ndtri((1 + intervals.LEVEL) / 2) * deviation / (value * (1 - value))
    low, high = (float(1 / (1 + np.exp(-(np.log(value / (1 - value)) + side * width)))) for side in (-1, 1))
    return value, Interval(low, high, "DeLong components summed over groups, logit scale")


def summarise(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: Sequence[str] | np.ndarray | None,
    class_names: Sequence[str],
    resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Any]:
    """All metrics of one part with 95 % intervals, JSON-ready (`metrics.json` holds one such dict per part).

    labels: int [N] into class_names. probabilities: float [N, K]. groups: N names of what was recorded together, or
    None when every item is independent. Shares of independent items get Wilson's interval, all else the cluster
    bootstrap. Raises DataError when there are no items or the shapes do not fit.
    """
    labels, probabilities = np.asarray(labels, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    classes = len(class_names)
    if not len(labels) or probabilities.shape != (len(labels), classes):
        raise DataError(
            f"cannot evaluate {len(labels)} labels with probabilities of shape {probabilities.shape} for {classes} "
            "classes; give at least one item and one probability per class"
        )
    numbers = intervals.group_numbers(groups, len(labels))
    sums = intervals.group_sums(item_sums(labels, probabilities), numbers)
    metrics = _Metrics(sums, classes, len(labels), resamples, seed)
    support = np.bincount(labels, minlength=classes).tolist()
    summary: dict[str, Any] = {
        "items": len(labels),
        "groups": len(sums),
        "absent_classes": [name for name, items in zip(class_names, support, strict=True) if not items],
        "bootstrap": {"unit": "group", "resamples": resamples, "seed": seed, "level": intervals.LEVEL},
    }
    summary |= {name: metrics.overall(name) for name, value in metrics.point.items() if value.ndim == 0}
    area, interval = macro_auc(labels, probabilities, numbers)
    summary["macro_auc"] = interval.around(area)
    for name, binning in (("ece", "equal width"), ("ece_equal_mass", "equal mass")):
        summary[name] |= {"bins": BINS, "binning": binning}
    summary["mean_confidence"] = float(probabilities.max(axis=1).mean())
    summary["per_class"] = {
        name: {metric: metrics.of_class(metric, k) for metric in CLASS_METRICS} | {"support": support[k]}
        for k, name in enumerate(class_names)
    }
    summary["confusion"] = confusion_matrix(labels, probabilities.argmax(axis=1), classes).tolist()
    return summary


class _Metrics:
    """The metrics of sums [G, S], each with the interval that fits it: Wilson, cluster bootstrap, or none and why."""

    def __init__(self, sums: np.ndarray, classes: int, items: int, resamples: int, seed: int) -> None:
        def metrics(drawn: np.ndarray) -> Statistics:
            return metrics_of_sums(drawn, classes)

        self.sums, self.independent = sums, len(sums) == items
        self.right, self.true, self.said = (sums[:, k * classes : (k + 1) * classes] for k in range(3))
        self.point = {name: value[0] for name, value in metrics(sums.sum(axis=0, keepdims=True)).items()}
        self.draws = intervals.bootstrap_sums(sums, metrics, resamples, seed) if len(sums) > 1 else None
        self.method = "bootstrap over items" if self.independent else "cluster bootstrap over groups"

    def overall(self, name: str) -> dict[str, Any]:
        return self._overall_interval(name).around(float(self.point[name]))

    def of_class(self, metric: str, k: int) -> dict[str, Any]:
        return self._class_interval(metric, k).around(float(self.point[metric][k]))

    def _overall_interval(self, name: str) -> Interval:
        if self.draws is None:
            return no_interval("all items are of one group, so how much groups differ cannot be known")
        count = float(self.true.sum())
        if name in ("accuracy", "weighted_recall"):  # the same number
            return self._share(self.draws[name], float(self.right.sum()), count, len(self.sums))
        biased = float(self.point[name]) if name.startswith("ece") else None
        method = f"{self.method}, bins fixed, shifted by its bias" if biased is not None else self.method
        return intervals.percentile_interval(self.draws[name], len(self.sums), method, biased)

    def _class_interval(self, metric: str, k: int) -> Interval:
        if not self.true[:, k].any():
            return no_interval("the class does not occur")
        of = {"recall": self.true, "precision": self.said, "f1": self.true + self.said}[metric][:, k]
        groups = int((of > 0).sum())
        if self.draws is None or (groups < 2 and not (self.independent and metric != "f1")):
            return no_interval("the class is in one group only" if groups else "the class is never predicted")
        draws = self.draws[metric][:, k]
        if metric == "f1":
            return intervals.percentile_interval(draws, groups, self.method)
        return self._share(draws, float(self.right[:, k].sum()), float(of.sum()), groups)

    def _share(self, draws: np.ndarray, successes: float, count: float, groups: int) -> Interval:
        if self.independent:
            return intervals.wilson(successes, count)
        if successes in (0.0, count):  # resampling cannot vary what is all right or all wrong; groups are the evidence
            return intervals.wilson(groups if successes else 0, groups, "Wilson with the number of groups")
        return intervals.percentile_interval(draws, groups, self.method)
