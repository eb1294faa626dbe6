"""What a simple model makes of pooled cues: gradient boosting, cross-validated on given folds.

In go features [N, F], labels, groups and folds, out come out-of-fold probabilities, one row of figures per fold, and
how much each kind of feature matters. It reads no file and knows no cue. A deep model that does not beat it has
learned no more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier  # imported where it is used: it takes two seconds

ITERATIONS, LEARNING_RATE, LEAVES = 150, 0.08, 15
LEAF_ITEMS = 20  # of a leaf at least, from 400 items on
FEATURE_SHARE = 0.2  # of the features at each split: pooled bands are many and alike; this decorrelates the trees
SHUFFLES = 3


@dataclass(frozen=True)
class Baseline:
    """probabilities: float64 [N, K], each by the fold that did not train on that item; fold_of: int64 [N]; folds: one
    row of figures per fold; importance: kind of feature -> accuracy lost (mean over folds) when it is shuffled."""

    probabilities: np.ndarray
    fold_of: np.ndarray
    folds: list[dict[str, Any]]
    importance: dict[str, float]


def leaf_items(items: int) -> int:
    """How many items a leaf has at least, of `items` that are fitted: with few of them more, no tree could split."""
    return min(LEAF_ITEMS, max(2, items // LEAF_ITEMS))


def boosting(seed: int, items: int = LEAF_ITEMS**2) -> "HistGradientBoostingClassifier":
    """The model: shallow trees, no early stopping, so that every fold has the same.

    items: how many it will be fitted on; `fitted` does it as it should be done.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=ITERATIONS,
        learning_rate=LEARNING_RATE,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=leaf_items(items),
        max_features=FEATURE_SHARE,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Fit with one thread, which gives the same sums on every machine.

    A tree of a few thousand items is thousands of steps of a millisecond, and threads wait for one another after each:
    beside other work on the same cores that took minutes instead of seconds.
    """
    import sklearn.ensemble  # noqa: F401  its threads can be limited once they are loaded

    with threadpool_limits(1, "openmp"):
        yield


def fitted(features: np.ndarray, labels: Sequence[int] | np.ndarray, seed: int) -> "HistGradientBoostingClassifier":
    """The model, fitted on features [N, F] and N labels."""
    with one_thread():
        return boosting(seed, len(labels)).fit(features, labels)


def cross_validate(
    features: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str],
    fold_of: np.ndarray,
    class_names: Sequence[str],
    seed: int = 0,
    kinds: Mapping[str, slice] | None = None,
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Baseline:
    """Fit and score every fold.

    features: float [N, F]; labels: int [N] into class_names; groups: N names; fold_of: int [N], the fold that tests
    each item, from 0 (`data.splits.k_folds`); kinds: columns of each kind of feature; report: called with each row.
    """
    from sklearn.metrics import f1_score

    names = np.asarray(groups)
    probabilities = np.zeros((len(labels), len(class_names)))
    rows, lost = [], []
    for fold in range(int(fold_of.max()) + 1):
        train, test = fold_of != fold, fold_of == fold
        model = fitted(features[train], labels[train], seed)
        probabilities[np.ix_(test, model.classes_)] = model.predict_proba(features[test])
        predicted = probabilities[test].argmax(axis=1)
        row = {
            "fold": fold + 1,
            "train_items": int(train.sum()),
            "test_items": int(test.sum()),
            "test_groups": len(set(names[test])),
            "accuracy": float(np.mean(predicted == labels[test])),
            "macro_f1": float(f1_score(labels[test], predicted, labels=np.unique(labels[test]), average="macro")),
        }
        rows.append(row)
        lost.append(_losses(model, features[test], labels[test], kinds or {}, seed))
        report(row)
    importance = {kind: float(np.mean([loss[kind] for loss in lost])) for kind in kinds or {}}
    return Baseline(probabilities, fold_of + 1, rows, importance)


def _losses(
    model: "HistGradientBoostingClassifier",
    features: np.ndarray,
    labels: np.ndarray,
    kinds: Mapping[str, slice],
    seed: int,
) -> dict[str, float]:
    """Accuracy lost when the columns of a kind are shuffled together among the items of a test part."""
    whole = model.score(features, labels)
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(len(labels)) for _ in range(SHUFFLES)]

    def score(columns: slice, order: np.ndarray) -> float:
        shuffled = features.copy()
        shuffled[:, columns] = features[order, columns]
        return float(model.score(shuffled, labels))

    return {kind: float(whole - np.mean([score(columns, o) for o in orders])) for kind, columns in kinds.items()}
