"""How far a recording is from what a model learnt from: features of pictures in, one number out, above 0 outside.

It is a regularised logistic regression of genuine pictures against outliers that were made for it (outlier exposure:
Hendrycks, Mazeika and Dietterich 2019, ICLR), measured from its threshold in standard deviations of genuine pictures
of heads that were not fitted. A distance to the genuine pictures alone (Mahalanobis) was tried and left out: it
flagged real music heard by real heads, because it sees programmes before it sees heads. The features are those of
`data.pooled_tiles`; no network is asked, and numpy is all that judging needs.

Two equal channels leave the colour alone to tell mono that a symmetric head has heard from mono that was copied, and
a second regression of such pictures knows it better; the higher of the two scores counts.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 6.0  # standard deviations; one odd band must not outweigh all others
DIGITS = 6  # of the numbers in a record
ARRAYS, NUMBERS = ("mean", "scale", "weights"), ("bias", "threshold", "spread")
SAME = "same_channels"  # where a record keeps the score for them


@dataclass(frozen=True)
class DomainScore:
    """mean, scale [F] of genuine features; weights [F] and bias of the regression; threshold, spread: of its logits on
    genuine pictures of heads that were not fitted.

    about: JSON-ready, what it was fitted on and what it came to. of_same: the score for equal channels, None where
    there is none.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float
    threshold: float
    spread: float
    about: dict[str, Any]
    of_same: "DomainScore | None" = None

    def of(self, features: np.ndarray, same: np.ndarray | None = None) -> np.ndarray:
        """Scores float64 [N] of features [N, F]; above 0 is outside the domain.

        same: which pictures are of two equal channels, bool [N]; none when None.
        """
        scores: np.ndarray = (self.logits(features) - self.threshold) / self.spread
        if self.of_same is not None and same is not None and same.any():
            scores[same] = np.maximum(scores[same], self.of_same.of(features[same]))
        return scores

    def logits(self, features: np.ndarray) -> np.ndarray:
        """What the regression says, float64 [N]."""
        logits: np.ndarray = standardised(features, self.mean, self.scale) @ self.weights + self.bias
        return logits

    def as_record(self) -> dict[str, Any]:
        """What domain_score.json holds."""
        arrays = {name: [float(f"{v:.{DIGITS}g}") for v in getattr(self, name)] for name in ARRAYS}
        record = {"about": self.about, **{name: getattr(self, name) for name in NUMBERS}, **arrays}
        return record if self.of_same is None else {**record, SAME: self.of_same.as_record()}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "DomainScore":
        """As `as_record` gives it. Raises KeyError, TypeError or ValueError for what it cannot be."""
        mean, scale, weights = (np.array(record[name], dtype=np.float64) for name in ARRAYS)
        bias, threshold, spread = (float(record[name]) for name in NUMBERS)
        if not (mean.ndim == 1 and len(mean) and mean.shape == scale.shape == weights.shape):
            raise ValueError(f"{mean.size} means, {scale.size} scales and {weights.size} weights")
        if not np.isfinite([*mean, *scale, *weights, bias, threshold, spread]).all() or min(scale.min(), spread) <= 0:
            raise ValueError("a number is not finite, or a spread not positive")
        same = cls.of_record(record[SAME]) if SAME in record else None
        if same is not None and same.mean.shape != mean.shape:
            raise ValueError(f"{mean.size} means, {same.mean.size} for equal channels")
        return cls(mean, scale, weights, bias, threshold, spread, dict(record["about"]), same)


def standardised(features: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(x - mean) / scale within +-MOST: float64 [N, F]."""
    return np.clip((np.asarray(features, np.float64) - mean) / scale, -MOST, MOST)


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Probability that a score of `outside` is above one of `inside`, ties by half."""
    if not len(inside) or not len(outside):
        return math.nan
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, side="left") + np.searchsorted(ordered, outside, side="right")
    return float(below.mean() / (2 * len(inside)))
