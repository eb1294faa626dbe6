"""Scores of folds in one line: mean, spread, an interval that knows the folds overlap, and the drop between schemes.

Scores and sizes of folds go in, numbers with intervals come out. The interval is Nadeau & Bengio's (2003) corrected
resampled t, from `significance`; a single fold gets the interval of its own test items instead, because one training
says nothing of how trainings differ. Nothing here reads a run folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from spatial_swin.evaluation.intervals import LEVEL
from spatial_swin.evaluation.significance import corrected_resampled_t

SAME = 1e-12
CORRECTED = "corrected resampled t (Nadeau-Bengio)"


@dataclass(frozen=True)
class FoldScores:
    """mean of a score over folds, SD over folds (None for one fold), 95 % limits (cut at 0 and 1; None: unknown).

    error: standard error behind the limits; freedom: its degrees of freedom (inf for a bootstrap over items).
    """

    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    error: float | None
    freedom: float
    folds: int
    method: str


@dataclass(frozen=True)
class Drop:
    """How much lower a scheme scores than random chunks, with 95 % limits (None: unknown)."""

    value: float
    low: float | None
    high: float | None


def summarise_folds(
    scores: Sequence[float],
    train_items: Sequence[int],
    test_items: Sequence[int],
    single: tuple[float | None, float | None] = (None, None),
) -> FoldScores:
    """One line for J folds: scores [J] in 0..1, number of items trained on and tested in each.

    single: low and high of the one fold's own interval, used when J is 1.
    """
    assert len(scores) == len(train_items) == len(test_items) >= 1
    if len(scores) == 1:
        low, high = single
        error = None if low is None or high is None else (high - low) / (2 * float(special.ndtri((1 + LEVEL) / 2)))
        return FoldScores(float(scores[0]), None, low, high, error, np.inf, 1, "one fold: bootstrap over its groups")
    ratio = float(np.mean(np.asarray(test_items) / np.asarray(train_items)))
    test = corrected_resampled_t(scores, ratio)
    if test.deviation < SAME:
        same = "none: every fold scores the same, so how much they differ is unknown"
        return FoldScores(test.mean, 0.0, None, None, None, test.freedom, len(scores), same)
    low, high = max(0.0, test.low), min(1.0, test.high)
    return FoldScores(test.mean, test.deviation, low, high, test.error, test.freedom, len(scores), CORRECTED)


def drop_between(reference: FoldScores, other: FoldScores) -> Drop:
    """reference.mean - other.mean; limits from both errors with Welch & Satterthwaite's degrees of freedom.

    The two are trained on parts of the same data, so the errors are not quite independent; taking them so makes the
    limits wider, not narrower, where the scores rise and fall together.
    """
    value = reference.mean - other.mean
    if reference.error is None or other.error is None:
        return Drop(value, None, None)
    variances = np.array([reference.error**2, other.error**2])
    total = float(variances.sum())
    shares = [v**2 / f for v, f in zip(variances, (reference.freedom, other.freedom), strict=True) if np.isfinite(f)]
    freedom = total**2 / sum(shares) if sum(shares) > 0 else np.inf
    half = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * total**0.5
    return Drop(value, value - half, value + half)
