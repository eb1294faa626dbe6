"""Several models, one answer: logits of one and probabilities of another in, logits out. Numpy is all it needs."""

from collections.abc import Sequence

import numpy as np

from spatial_swin.evaluation.calibration import SMALLEST

SECOND_OPINION = "second_opinion.safetensors"  # a network beside the weights that has a say in the answer
KNOWN_HEAD = "known_head.safetensors"  # what a model adapted to one head knows of it, which has a say too
ALONE = "the Swin alone; what else has a say in the model's answers has no part in this"


def with_second_opinion(logits: np.ndarray, shares: np.ndarray, at: Sequence[int], weight: float) -> np.ndarray:
    """Logits float64 [N, K] in which another model has a say in how the classes `at` share what they have together.

    shares: of the other model, [N, len(at)], rows that sum to 1. weight: of it; the shares become the weighted
    geometric mean of both, normalised. The probability of every other class stays, and so does the sum over `at`.
    """
    result = logits.astype(np.float64)
    own = result[:, at]
    both = (1 - weight) * own + weight * np.log(np.maximum(shares, SMALLEST))
    result[:, at] = both + _log_sums(own) - _log_sums(both)
    return result


def _log_sums(logits: np.ndarray) -> np.ndarray:
    """log of the sum of exp over each row: float64 [N, 1]."""
    highest = logits.max(axis=1, keepdims=True)
    total: np.ndarray = highest + np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
    return total
