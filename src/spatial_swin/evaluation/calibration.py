"""How far probabilities can be believed: bins for reliability, ECE, and one temperature fitted on validation.

Labels [N] and probabilities [N, K] go in, numbers come out. Temperature scaling (Guo et al. 2017) divides the
logits by one number; log-probabilities are logits up to a constant that the softmax takes away, so probabilities
are enough. It never changes which class is predicted, and must never be fitted on the test part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatial_swin.evaluation.intervals import (
    FEW_GROUPS,
    bootstrap_sums,
    group_numbers,
    group_sums,
    percentile_interval,
)

BINS = 15
FEW_ITEMS = 100  # a temperature fitted on fewer varies by a tenth and more from one validation part to another
SMALLEST = 1e-12  # a probability below this counts as this, so that one item cannot make the NLL infinite
LOWEST, HIGHEST = 0.05, 20.0  # a fit at these limits says that validation is separated perfectly, or not at all


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature, with the NLL of the part it was fitted on, before and after, in nats an item.

    low, high: 95 % limits from drawing whole groups of that part; None for one group, or where nothing varies.
    """

    value: float
    items: int
    nll_before: float
    nll_after: float
    at_limit: bool
    groups: int | None = None
    low: float | None = None
    high: float | None = None

    @property
    def caution(self) -> str:
        """A sentence on why not to trust it, with its interval; empty where there is no reason."""
        return caution(self.value, self.items, self.groups, self.low, self.high)


@dataclass(frozen=True)
class Reliability:
    """Bins of confidence, empty ones left out: count, mean confidence and accuracy, each [B]; edges [bins + 1]."""

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    edges: np.ndarray


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T): float64 [N, K]."""
    return softmax(np.log(np.maximum(probabilities, SMALLEST)) / temperature)


def softmax(logits: np.ndarray) -> np.ndarray:
    """float64 [N, K], rows that sum to 1; `scipy.special.softmax` to the bit, without the import of SciPy."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def item_nll(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """-log of the probability of the true class, in nats: float64 [N]."""
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], SMALLEST))


def caution(value: float, items: int, groups: int | None, low: float | None, high: float | None) -> str:
    """What a reader of calibrated probabilities must know of their temperature; empty when nothing is wrong with it.

    A temperature at LOWEST or HIGHEST is no estimate; one of fewer than FEW_ITEMS items or FEW_GROUPS groups is a
    poor one.
    """
    reasons = []
    if min(np.log(value / LOWEST), np.log(HIGHEST / value)) < 1e-3:
        reasons.append("it stopped at the limit of what is tried")
    if items < FEW_ITEMS or (groups is not None and groups < FEW_GROUPS):
        of = "" if groups is None or groups == items else f" of {groups} group{'' if groups == 1 else 's'}"
        reasons.append(f"it was fitted on {items} validation items{of} only")
    if not reasons:
        return ""
    interval = "no interval can be given" if low is None or high is None else f"95 % interval {low:.2f} to {high:.2f}"
    return f"the temperature {value:.2f} is uncertain: {' and '.join(reasons)}; {interval}"


def fit_temperature(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Temperature:
    """The temperature with the least NLL, within LOWEST..HIGHEST; give it the validation part, never the test part.

    groups: N names of what is not independent, drawn whole for the interval; None when every item is independent.
    """
    from scipy import optimize, special  # who only judges never fits

    logits = np.log(np.maximum(probabilities, SMALLEST))
    rows = np.arange(len(labels))

    def nll(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(special.logsumexp(scaled, axis=1) - scaled[rows, labels]))

    limits = (np.log(LOWEST), np.log(HIGHEST))
    best = optimize.minimize_scalar(nll, bounds=limits, method="bounded", options={"xatol": 1e-6})
    at_limit = bool(min(best.x - limits[0], limits[1] - best.x) < 1e-3)
    numbers = group_numbers(groups, len(labels))
    low, high = _limits(_nll_table(labels, logits), numbers, resamples, seed)
    before, after = nll(0.0), float(best.fun)
    return Temperature(float(np.exp(best.x)), len(labels), before, after, at_limit, int(numbers.max()) + 1, low, high)


TRIED = np.exp(np.linspace(np.log(LOWEST), np.log(HIGHEST), 300))  # steps of 2 %, for the interval


def _nll_table(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """NLL of each item at each temperature of TRIED: float64 [N, T]."""
    from scipy import special

    rows = np.arange(len(labels))
    scaled = (logits / temperature for temperature in TRIED)
    return np.stack([special.logsumexp(s, axis=1) - s[rows, labels] for s in scaled], axis=1)


def _limits(table: np.ndarray, numbers: np.ndarray, resamples: int, seed: int) -> tuple[float | None, float | None]:
    """Limits of the temperature with the least NLL, over resamples of groups: the NLL of a resample is a sum."""
    sums = group_sums(table, numbers)
    if len(sums) < 2:
        return None, None
    draws = bootstrap_sums(sums, lambda drawn: {"best": TRIED[drawn.argmin(axis=1)]}, resamples, seed)["best"]
    interval = percentile_interval(draws, len(sums), "cluster bootstrap over groups")
    return interval.low, interval.high


def equal_width_edges(bins: int = BINS) -> np.ndarray:
    return np.linspace(0, 1, bins + 1)


def equal_mass_edges(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Edges that put the same number of items in every bin; ties may leave fewer bins than asked for."""
    inner = np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1])
    return np.concatenate([[0.0], np.unique(inner), [1.0]])


def bin_numbers(confidence: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bin of each confidence, int64 [N]; bins are open below and closed above, so 1.0 is in the last one."""
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)


def reliability(labels: np.ndarray, probabilities: np.ndarray, edges: np.ndarray | None = None) -> Reliability:
    """Confidence against accuracy, bin by bin (15 equal-width bins unless `edges` are given)."""
    edges = equal_width_edges() if edges is None else edges
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    numbers = bin_numbers(confidence, edges)
    count = np.bincount(numbers, minlength=len(edges) - 1)
    used = count > 0
    mean = [np.bincount(numbers, values, len(edges) - 1)[used] / count[used] for values in (confidence, right)]
    return Reliability(count[used], mean[0], mean[1], edges)


def expected_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, edges: np.ndarray | None = None
) -> float:
    """Mean absolute gap between confidence and accuracy, weighted by the bins' counts, in 0..1."""
    bins = reliability(labels, probabilities, edges)
    return float(np.sum(bins.count * np.abs(bins.confidence - bins.accuracy)) / bins.count.sum())
