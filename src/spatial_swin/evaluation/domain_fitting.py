"""A domain score fitted: features of genuine pictures with their heads, and of outliers, in, a `DomainScore` out.

The threshold comes from heads that were not fitted: the heads are dealt into folds, each fold is scored by what the
others give, and the threshold is the quantile of those scores above which half of the false alarms allowed lie (so
that heads unlike all of these have room), the larger of all heads together and of the worst laboratory. A score that
is there can get the threshold of other heads in the same way. The test part is never looked at; nothing is read or
written.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spatial_swin.evaluation.domain_score import DomainScore, standardised
from spatial_swin.keyed_random import keyed_generator

FALSE_ALARMS = 0.02  # of genuine items of heads not fitted
FOLDS = 4
STRENGTH = 0.003  # of the regression, inverse to its ridge: hundreds of features that hang together want a strong one
STRENGTH_OF_SAME = 0.3  # where only colour differs and programmes are the same; chosen on people and songs kept out
LABORATORY_ITEMS = 200  # with fewer a laboratory has no quantile of its own


def fit_domain_score(
    genuine: np.ndarray,
    heads: Sequence[str],
    laboratories: Sequence[str],
    outliers: np.ndarray,
    about: dict[str, Any],
    seed: int = 0,
    strength: float = STRENGTH,
) -> DomainScore:
    """The score of genuine features [N, F] of `heads` and `laboratories` [N] against outliers [M, F].

    about: what is kept beside; counts, false alarms of heads not fitted and a caution are added. strength: of the
    regression, inverse to its ridge.
    """
    names, held = np.asarray(heads, dtype=str), np.zeros(len(genuine))
    for chosen in _folds(names, seed):
        held[chosen] = _fitted(genuine[~chosen], outliers, strength).logits(genuine[chosen])
    threshold, count = _threshold(held, np.asarray(laboratories, dtype=str)), len(np.unique(names))
    facts = {
        **about,
        "genuine": len(genuine),
        "heads": count,
        "laboratories": sorted({str(name) for name in laboratories}),
        "outliers": len(outliers),
        "false_alarms": round(float((held > threshold).mean()), 4),
        "caution": caution_for(count),
    }
    return replace(_fitted(genuine, outliers, strength), threshold=threshold, spread=_spread(held), about=facts)


def with_own_threshold(
    score: DomainScore,
    genuine: np.ndarray,
    heads: Sequence[str],
    laboratories: Sequence[str],
    same: np.ndarray | None = None,
) -> DomainScore:
    """The same regression, measured from what it gives genuine features [N, F] of `heads` [N] it was not fitted to.

    Few heads are enough for that: the regression has learnt from many what a head sounds like, and these have no part
    in it, so that all of them say where the threshold has to be. Where some have two equal channels (`same`, bool
    [N]), the threshold for such pictures rises to what they ask for.
    """
    held, count = score.logits(genuine), len(set(heads))
    threshold = _threshold(held, np.asarray(laboratories, dtype=str))
    facts = {
        **score.about,
        "regression_of_heads": score.about.get("regression_of_heads", score.about.get("heads")),
        "genuine": len(genuine),
        "heads": count,
        "laboratories": sorted(set(laboratories)),
        "false_alarms": round(float((held > threshold).mean()), 4),
        "caution": caution_for(count),
    }
    of_same = score.of_same
    if of_same is not None and same is not None and same.any():
        asked = _highest_allowed(of_same.logits(genuine[same]))
        of_same = replace(of_same, threshold=max(of_same.threshold, asked))
    return replace(score, threshold=threshold, spread=_spread(held), about=facts, of_same=of_same)


def caution_for(heads: int) -> str:
    """Why not to rely on a threshold of so many heads, empty without a reason."""
    return "" if heads >= FOLDS else f"{heads} head{'s' * (heads != 1)} only: another may be taken for no head"


def _spread(logits: np.ndarray) -> float:
    return max(float(logits.std()), 1e-6)


def _folds(names: np.ndarray, seed: int) -> list[np.ndarray]:
    """Masks of FOLDS folds of whole heads; with fewer heads than that, of items."""
    found, numbers = np.unique(names, return_inverse=True)
    if len(found) < FOLDS:
        numbers = np.arange(len(names))
    order = keyed_generator(seed, "folds of heads", int(numbers.max())).permutation(int(numbers.max()) + 1)
    return [order[numbers] % FOLDS == fold for fold in range(FOLDS)]


def _fitted(genuine: np.ndarray, outliers: np.ndarray, strength: float) -> DomainScore:
    """The regression; its threshold is not yet known."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = genuine.mean(axis=0, dtype=np.float64), np.maximum(genuine.std(axis=0, dtype=np.float64), 1.0)
    inside, outside = (standardised(features, mean, scale) for features in (genuine, outliers))
    labels = np.repeat([0, 1], [len(inside), len(outside)])
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=300)
    model.fit(np.concatenate([inside, outside]), labels)
    return DomainScore(mean, scale, model.coef_[0], float(model.intercept_[0]), 0.0, 1.0, {})


def _threshold(held: np.ndarray, laboratories: np.ndarray) -> float:
    parts = [held[laboratories == name] for name in np.unique(laboratories)]
    large = [part for part in parts if len(part) >= LABORATORY_ITEMS]
    return max(map(_highest_allowed, [held, *large]))


def _highest_allowed(logits: np.ndarray) -> float:
    """Above it lie half of the false alarms allowed."""
    return float(np.quantile(logits, 1 - FALSE_ALARMS / 2))
