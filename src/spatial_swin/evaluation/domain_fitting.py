"""A domain score fitted: features of genuine pictures with their heads, and of outliers, in, a `DomainScore` out.

Thresholds come from heads that were not fitted: the heads are dealt into folds, each fold is scored by what the others
give, and a threshold is the quantile of those scores above which half of the false alarms allowed lie, the larger of
all heads together and of the worst laboratory. The test part is never looked at; nothing is read or written.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spatial_swin.evaluation.domain_score import DomainScore, Look, standardised
from spatial_swin.keyed_random import keyed_generator

FALSE_ALARMS = 0.02  # of genuine items of heads not fitted, both looks together
FOLDS = 4
COMPONENTS = 60  # of the genuine features; later ones hold little but the noise of single pictures
STRENGTH = 0.003  # of the regression, inverse to its ridge: hundreds of features that hang together want a strong one
LABORATORY_ITEMS = 200  # with fewer a laboratory has no quantile of its own


def fit_domain_score(
    genuine: np.ndarray,
    heads: Sequence[str],
    laboratories: Sequence[str],
    outliers: np.ndarray,
    about: dict[str, Any],
    seed: int = 0,
) -> DomainScore:
    """The score of genuine features [N, F] of `heads` and `laboratories` [N] against outliers [M, F].

    about: what is kept beside; counts, false alarms of heads not fitted and a caution are added.
    """
    names = np.asarray(heads, dtype=str)
    held = np.zeros((2, len(genuine)))
    for chosen in _folds(names, seed):
        held[:, chosen] = _fitted(genuine[~chosen], outliers).raw(genuine[chosen])
    score = _fitted(genuine, outliers)
    looks = [_look(raw, np.asarray(laboratories, dtype=str)) for raw in held]
    alarms = float((np.maximum(*(look.of(raw) for look, raw in zip(looks, held, strict=True))) > 0).mean())
    count = len(np.unique(names))
    facts = {
        **about,
        "genuine": len(genuine),
        "heads": count,
        "laboratories": sorted({str(name) for name in laboratories}),
        "outliers": len(outliers),
        "false_alarms": round(alarms, 4),
        "caution": ""
        if count >= FOLDS
        else f"{count} head{'s' * (count != 1)} only: another may be taken for no head",
    }
    return replace(score, exposed=looks[0], distant=looks[1], about=facts)


def _folds(names: np.ndarray, seed: int) -> list[np.ndarray]:
    """Masks of FOLDS folds of whole heads; with fewer heads than that, of items."""
    found, numbers = np.unique(names, return_inverse=True)
    if len(found) < FOLDS:
        numbers = np.arange(len(names))
    order = keyed_generator(seed, "folds of heads", int(numbers.max())).permutation(int(numbers.max()) + 1)
    return [order[numbers] % FOLDS == fold for fold in range(FOLDS)]


def _fitted(genuine: np.ndarray, outliers: np.ndarray) -> DomainScore:
    """Regression and components; the looks are not yet known."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = genuine.mean(axis=0, dtype=np.float64), np.maximum(genuine.std(axis=0, dtype=np.float64), 1.0)
    inside, outside = (standardised(features, mean, scale) for features in (genuine, outliers))
    labels = np.repeat([0, 1], [len(inside), len(outside)])
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=300)
    model.fit(np.concatenate([inside, outside]), labels)
    variances, vectors = np.linalg.eigh(inside.T @ inside / len(inside))
    kept = slice(None, -COMPONENTS - 1, -1)
    unset = Look(0.0, 1.0)
    return DomainScore(
        mean,
        scale,
        model.coef_[0],
        float(model.intercept_[0]),
        vectors[:, kept].T,
        np.maximum(variances[kept], 1e-3),
        unset,
        unset,
        {},
    )


def _look(raw: np.ndarray, laboratories: np.ndarray) -> Look:
    """The threshold of raw values of heads not fitted."""
    parts = [raw, *(raw[laboratories == name] for name in np.unique(laboratories))]
    large = [part for part in parts[1:] if len(part) >= LABORATORY_ITEMS]
    threshold = max(float(np.quantile(part, 1 - FALSE_ALARMS / 2)) for part in [raw, *large])
    return Look(threshold, max(float(raw.std()), 1e-6))
