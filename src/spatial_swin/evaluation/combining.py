"""Several windows of one recording become one answer, by a rule that validation chose.

Probabilities [W, K] go in, [K] come out. The mean over windows is the rule unless validation has enough recordings of
several windows and another rule has a clearly lower NLL there: by more than one standard error of the difference over
recordings. The test part is never looked at, and numpy is all it needs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SMALLEST = 1e-6  # a probability below this counts as this, so that one window cannot veto a label
FEWEST = 30  # recordings of several windows, below which nothing is chosen
TRIM = 0.2  # of the windows, left out at either end of every label


def mean(windows: np.ndarray) -> np.ndarray:
    """The mean of the probabilities."""
    found: np.ndarray = windows.mean(axis=0)
    return found


def log_mean(windows: np.ndarray) -> np.ndarray:
    """The mean of the logarithms, as if windows agreed on one distribution; brought back to a sum of 1."""
    found = np.exp(np.log(np.maximum(windows, SMALLEST)).mean(axis=0))
    return np.asarray(found / found.sum())


def trimmed_mean(windows: np.ndarray) -> np.ndarray:
    """The mean without the lowest and highest fifth of every label; brought back to a sum of 1."""
    cut = int(TRIM * len(windows))
    found = np.sort(windows, axis=0)[cut : len(windows) - cut].mean(axis=0)
    return np.asarray(found / found.sum())


MEAN = "mean"
RULES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    MEAN: mean,
    "mean of logarithms": log_mean,
    "trimmed mean": trimmed_mean,
}


@dataclass(frozen=True)
class Choice:
    """rule: a key of RULES; recordings: how many of several windows there were; nll: of each rule, in nats."""

    rule: str = MEAN
    recordings: int = 0
    nll: Mapping[str, float] | None = None


def combined(windows: np.ndarray, rule: str = MEAN) -> np.ndarray:
    """Probabilities float64 [K] of windows [W, K]."""
    return RULES[rule](windows)


def choose_rule(labels: np.ndarray, probabilities: np.ndarray, recordings: Sequence[str]) -> Choice:
    """The rule for windows [N, K] of `recordings` [N], each of which has one label."""
    names, numbers = np.unique(np.asarray(recordings, dtype=str), return_inverse=True)
    several = [members for k in range(len(names)) if len(members := np.flatnonzero(numbers == k)) > 1]
    if len(several) < FEWEST:
        return Choice(recordings=len(several))
    losses = {
        name: np.array([-np.log(max(rule(probabilities[m])[labels[m[0]]], SMALLEST)) for m in several])
        for name, rule in RULES.items()
    }
    best = min(losses, key=lambda name: float(losses[name].mean()))
    gain = losses[MEAN] - losses[best]
    sure = gain.mean() > max(gain.std(ddof=1) / np.sqrt(len(gain)), SMALLEST)
    nll = {name: round(float(values.mean()), 6) for name, values in losses.items()}
    return Choice(best if sure else MEAN, len(several), nll)
