"""Is one model really better than another? Paired tests on the same items, and on folds that overlap.

Arrays go in, p-values and intervals come out. Two models are compared on the same items only: anything else is
refused, because McNemar's test and the paired bootstrap have no meaning there. Nothing here reads a run folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special  # not stats: its import takes a second, and these are what it calls

from spatial_swin.errors import DataError
from spatial_swin.evaluation import intervals
from spatial_swin.evaluation.intervals import Interval, Statistics
from spatial_swin.evaluation.metrics import item_sums, metrics_of_sums
from spatial_swin.metric_names import Shown, names

COMPARED = names(Shown.PAIRED)


@dataclass(frozen=True)
class McNemar:
    """Items that only the first, and only the second model gets right, and the exact two-sided p."""

    items: int
    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True)
class Difference:
    """Second model minus first, with its interval and the two-sided bootstrap p (None when it cannot be had)."""

    value: float
    interval: Interval
    p: float | None


@dataclass(frozen=True)
class CorrectedT:
    """Mean of resampled scores (or differences), corrected standard error, t, degrees of freedom, p and interval."""

    mean: float
    deviation: float
    error: float
    t: float
    freedom: int
    p: float
    low: float
    high: float


def matching_order(
    first_items: Sequence[str], first_labels: Sequence[str], second_items: Sequence[str], second_labels: Sequence[str]
) -> np.ndarray:
    """Where each item of the first model stands in the second's list, int64 [N].

    Raises DataError when the two were not tested on the same items with the same true classes.
    """
    place = {item: k for k, item in enumerate(second_items)}
    missing = [item for item in first_items if item not in place]
    extra = len(set(second_items) - set(first_items))
    if missing or extra or len(first_items) != len(second_items):
        example = f", for example {missing[0]}" if missing else ""
        raise DataError(
            f"the two models were tested on different items ({len(missing)} of the first are not in the second"
            f"{example}; {extra} of the second are not in the first); a paired test needs the same test set: "
            "train one of them again with --split_file and the split.csv of the other"
        )
    order = np.array([place[item] for item in first_items])
    differ = [k for k, at in enumerate(order) if first_labels[k] != second_labels[at]]
    if differ:
        raise DataError(
            f"{len(differ)} items have another true class in the second run, for example {first_items[differ[0]]}; "
            "a paired test needs the same labels"
        )
    return order


def exact_mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """McNemar's exact test on paired answers, bool [N] each: a sign test on the items where just one is right.

    It takes items as independent; where several come from one recording, trust `paired_bootstrap` instead.
    """
    if first_right.shape != second_right.shape:
        raise DataError(
            f"McNemar's test needs the same items for both models, not {len(first_right)} and {len(second_right)}"
        )
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    differ = only_first + only_second
    p = min(1.0, 2 * float(special.bdtr(min(only_first, only_second), differ, 0.5))) if differ else 1.0
    return McNemar(len(first_right), only_first, only_second, p)


def paired_bootstrap(
    labels: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    groups: Sequence[str] | np.ndarray | None,
    resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Difference]:
    """Differences (second minus first) of COMPARED, with intervals from drawing whole groups for both at once.

    labels: int [N]; first, second: probabilities [N, K]; groups: N names, or None when items are independent.
    """
    if first.shape != second.shape or len(labels) != len(first):
        raise DataError(f"a paired bootstrap needs the same items and classes: {first.shape} against {second.shape}")
    classes = first.shape[1]
    numbers = intervals.group_numbers(groups, len(labels))
    both = np.concatenate([item_sums(labels, first), item_sums(labels, second)], axis=1)
    sums = intervals.group_sums(both, numbers)
    width = both.shape[1] // 2

    def differences(drawn: np.ndarray) -> Statistics:
        one, two = metrics_of_sums(drawn[:, :width], classes), metrics_of_sums(drawn[:, width:], classes)
        return {name: two[name] - one[name] for name in COMPARED}

    point = differences(sums.sum(axis=0, keepdims=True))
    if len(sums) < 2:
        reason = intervals.no_interval("all items are of one group, so how much groups differ cannot be known")
        return {name: Difference(float(point[name][0]), reason, None) for name in COMPARED}
    draws = intervals.bootstrap_sums(sums, differences, resamples, seed)
    return {name: _difference(float(point[name][0]), draws[name], len(sums)) for name in COMPARED}


def _difference(value: float, draws: np.ndarray, groups: int) -> Difference:
    interval = intervals.percentile_interval(draws, groups, "paired cluster bootstrap over groups")
    if interval.low is None:
        return Difference(value, interval, 1.0 if value == 0 else None)
    tail = min((draws <= 0).sum(), (draws >= 0).sum())
    return Difference(value, interval, float(min(1.0, 2 * (tail + 1) / (len(draws) + 1))))


def corrected_resampled_t(
    scores: Sequence[float] | np.ndarray, test_over_train: float, null: float = 0.0
) -> CorrectedT:
    """Nadeau & Bengio's (2003) corrected resampled t for scores, or paired differences, of J overlapping trainings.

    The plain t takes the folds as independent; their training sets overlap, so the variance of the mean is
    s^2 (1/J + n_test/n_train) instead of s^2 / J. test_over_train: n_test/n_train, 1/4 in 5-fold cross-validation.
    Raises DataError for fewer than two scores or a share that is not above 0.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) < 2 or not test_over_train > 0:
        raise DataError(
            f"the corrected t needs at least two scores and a test/train ratio above 0; got {len(values)} scores and "
            f"{test_over_train}"
        )
    mean, deviation, freedom = float(values.mean()), float(values.std(ddof=1)), len(values) - 1
    error = deviation * float(np.sqrt(1 / len(values) + test_over_train))
    t = (mean - null) / error if error else (0.0 if mean == null else float(np.copysign(np.inf, mean - null)))
    half = float(special.stdtrit(freedom, (1 + intervals.LEVEL) / 2)) * error
    return CorrectedT(
        mean, deviation, error, t, freedom, float(2 * special.stdtr(freedom, -abs(t))), mean - half, mean + half
    )


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's (1979) step-down adjusted p-values, in the order given: float64 [M]."""
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted
