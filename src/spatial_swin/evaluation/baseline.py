"""What a simple model makes of pooled cues: gradient boosting, cross-validated by group.

In go features [N, F], labels and groups, out come out-of-fold probabilities, a row of figures a fold, and how much
each kind of feature matters. It reads no file and knows no cue. A deep model that does not beat it has
learned no more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedGroupKFold

from spatial_swin.errors import DataError

ITERATIONS, LEARNING_RATE, LEAVES = 150, 0.08, 15
FEATURE_SHARE = 0.2  # of the features at each split: pooled bands are many and alike; this decorrelates the trees
SHUFFLES = 3


@dataclass(frozen=True)
class Baseline:
    """probabilities: float64 [N, K], each by the fold that did not train on that item; fold_of: int64 [N]; folds: one
    row of figures a fold; importance: kind of feature -> accuracy lost (mean over folds) when it is shuffled."""

    probabilities: np.ndarray
    fold_of: np.ndarray
    folds: list[dict[str, Any]]
    importance: dict[str, float]


def boosting(seed: int) -> HistGradientBoostingClassifier:
    """The model: shallow trees, no early stopping, so that every fold has the same."""
    return HistGradientBoostingClassifier(
        max_iter=ITERATIONS,
        learning_rate=LEARNING_RATE,
        max_leaf_nodes=LEAVES,
        max_features=FEATURE_SHARE,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )


def cross_validate(
    features: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str],
    class_names: Sequence[str],
    folds: int = 5,
    seed: int = 0,
    kinds: Mapping[str, slice] | None = None,
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Baseline:
    """Fit and score `folds` times, no group in two parts, classes as even as the groups allow.

    features: float [N, F]; labels: int [N] into class_names; groups: N names; kinds: columns of each kind of feature;
    report: called with each fold's row. Raises DataError when a class has fewer groups than there are folds.
    """
    labels, names = np.asarray(labels, dtype=np.int64), np.asarray(groups)
    _require_groups(labels, names, class_names, folds)
    divider = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    probabilities = np.zeros((len(labels), len(class_names)))
    fold_of = np.zeros(len(labels), dtype=np.int64)
    rows, lost = [], []
    for fold, (train, test) in enumerate(divider.split(features, labels, names), start=1):
        model = boosting(seed).fit(features[train], labels[train])
        probabilities[np.ix_(test, model.classes_)] = model.predict_proba(features[test])
        fold_of[test] = fold
        predicted = probabilities[test].argmax(axis=1)
        row = {
            "fold": fold,
            "train_items": len(train),
            "test_items": len(test),
            "test_groups": len(set(names[test])),
            "accuracy": float(accuracy_score(labels[test], predicted)),
            "macro_f1": float(f1_score(labels[test], predicted, labels=np.unique(labels[test]), average="macro")),
        }
        rows.append(row)
        lost.append(_losses(model, features[test], labels[test], kinds or {}, seed))
        report(row)
    importance = {kind: float(np.mean([loss[kind] for loss in lost])) for kind in kinds or {}}
    return Baseline(probabilities, fold_of, rows, importance)


def _require_groups(labels: np.ndarray, groups: np.ndarray, class_names: Sequence[str], folds: int) -> None:
    if folds < 2:
        raise DataError(f"cross-validation needs 2 folds or more, not {folds}")
    counts = {name: len(set(groups[labels == k])) for k, name in enumerate(class_names)}
    few = [f"{name} has {count}" for name, count in counts.items() if count < folds]
    if few:
        raise DataError(
            f"{folds} folds need {folds} groups in every class, but {', '.join(few)}; "
            "use fewer --folds, another --split_by, or more recordings"
        )


def _losses(
    model: HistGradientBoostingClassifier,
    features: np.ndarray,
    labels: np.ndarray,
    kinds: Mapping[str, slice],
    seed: int,
) -> dict[str, float]:
    """Accuracy lost when the columns of a kind are shuffled together among the items of a test part."""
    whole = model.score(features, labels)
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(len(labels)) for _ in range(SHUFFLES)]
    lost = {}
    for kind, columns in kinds.items():
        scores = []
        for order in orders:
            shuffled = features.copy()
            shuffled[:, columns] = features[order, columns]
            scores.append(model.score(shuffled, labels))
        lost[kind] = float(whole - np.mean(scores))
    return lost
