"""How far a recording is from what a model learnt from: features of pictures in, one number out, above 0 outside.

Two looks at the same standardised features are taken, and the larger one counts. The first is a logistic regression of
genuine pictures against outliers that were made for it (outlier exposure: Hendrycks, Mazeika and Dietterich 2019,
ICLR); the second is the Mahalanobis distance to the genuine ones in their principal components (Lee, Lee, Lee and Shin
2018, NeurIPS), which needs no outliers and so also sees what nobody thought of. Each is measured from its own
threshold, in standard deviations of genuine pictures of heads that were not fitted. The features are those of
`data.pooled_tiles`; no network is asked, and numpy is all that judging needs.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 6.0  # standard deviations; one odd band must not outweigh all others
DIGITS = 6  # of the numbers in a record


@dataclass(frozen=True)
class Look:
    """threshold, spread: of its raw values on genuine pictures of heads not fitted; `of` is 0 at the threshold."""

    threshold: float
    spread: float

    def of(self, raw: np.ndarray) -> np.ndarray:
        return (raw - self.threshold) / self.spread


@dataclass(frozen=True)
class DomainScore:
    """mean, scale [F] of genuine features; weights [F] and bias of the regression; components [C, F] of unit length
    and variances [C] of the genuine ones; exposed, distant: the two looks.

    about: JSON-ready, what it was fitted on and what it came to.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float
    components: np.ndarray
    variances: np.ndarray
    exposed: Look
    distant: Look
    about: dict[str, Any]

    def of(self, features: np.ndarray) -> np.ndarray:
        """Scores float64 [N] of features [N, F]; above 0 is outside the domain."""
        logits, distances = self.raw(features)
        return np.maximum(self.exposed.of(logits), self.distant.of(distances))

    def raw(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logit and root mean square distance over the components, each float64 [N]."""
        z = standardised(features, self.mean, self.scale)
        along = z @ self.components.T
        return z @ self.weights + self.bias, np.sqrt((along**2 / self.variances).mean(axis=1))

    def as_record(self) -> dict[str, Any]:
        """What domain_score.json holds."""
        arrays = {
            name: _rounded(getattr(self, name)) for name in ("mean", "scale", "weights", "components", "variances")
        }
        looks = {name: vars(getattr(self, name)) for name in ("exposed", "distant")}
        return {"about": self.about, "bias": self.bias, **looks, **arrays}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "DomainScore":
        """As `as_record` gives it. Raises KeyError, TypeError or ValueError for what it cannot be."""
        names = ("mean", "scale", "weights", "components", "variances")
        mean, scale, weights, components, variances = (np.array(record[name], dtype=np.float64) for name in names)
        looks = [Look(float(record[n]["threshold"]), float(record[n]["spread"])) for n in ("exposed", "distant")]
        bias, count = float(record["bias"]), len(mean)
        if not (mean.shape == scale.shape == weights.shape and components.shape == (len(variances), count)):
            raise ValueError(f"{count} features, but weights {weights.shape} and components {components.shape}")
        numbers = [
            *mean,
            *scale,
            *weights,
            *components.ravel(),
            *variances,
            bias,
            *(v for k in looks for v in vars(k).values()),
        ]
        if not np.isfinite(numbers).all() or min(scale.min(), variances.min(), *(k.spread for k in looks)) <= 0:
            raise ValueError("a number is not finite, or a spread not positive")
        return cls(mean, scale, weights, bias, components, variances, *looks, dict(record["about"]))


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


def _rounded(values: np.ndarray) -> list[Any]:
    rounded: list[Any] = np.vectorize(lambda value: float(f"{value:.{DIGITS}g}"))(values).tolist()
    return rounded
