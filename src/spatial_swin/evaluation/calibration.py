"""How far probabilities can be believed: bins for reliability, ECE, and one temperature fitted on validation.

Labels [N] and probabilities [N, K] go in, numbers come out. Temperature scaling (Guo et al. 2017) divides the
logits by one number; log-probabilities are logits up to a constant that the softmax takes away, so probabilities
are enough. It never changes which class is predicted, and must never be fitted on the test part.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

BINS = 15
SMALLEST = 1e-12  # a probability below this counts as this, so that one item cannot make the NLL infinite
LOWEST, HIGHEST = 0.05, 20.0  # a fit at these limits says that validation is separated perfectly, or not at all


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature, with the NLL of the part it was fitted on, before and after, in nats an item."""

    value: float
    items: int
    nll_before: float
    nll_after: float
    at_limit: bool


@dataclass(frozen=True)
class Reliability:
    """Bins of confidence, empty ones left out: count, mean confidence and accuracy, each [B]; edges [bins + 1]."""

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    edges: np.ndarray


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T): float64 [N, K]."""
    return special.softmax(np.log(np.maximum(probabilities, SMALLEST)) / temperature, axis=1)


def item_nll(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """-log of the probability of the true class, in nats: float64 [N]."""
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], SMALLEST))


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> Temperature:
    """The temperature with the least NLL, within LOWEST..HIGHEST; give it the validation part, never the test part."""
    logits = np.log(np.maximum(probabilities, SMALLEST))
    rows = np.arange(len(labels))

    def nll(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(special.logsumexp(scaled, axis=1) - scaled[rows, labels]))

    limits = (np.log(LOWEST), np.log(HIGHEST))
    best = optimize.minimize_scalar(nll, bounds=limits, method="bounded", options={"xatol": 1e-6})
    at_limit = bool(min(best.x - limits[0], limits[1] - best.x) < 1e-3)
    return Temperature(float(np.exp(best.x)), len(labels), nll(0.0), float(best.fun), at_limit)


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
