"""The simple model: finds what is there, finds nothing where nothing is, never sees a group twice."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from spatial_swin.data.splits import k_folds
from spatial_swin.evaluation.baseline import Baseline, boosting, cross_validate, leaf_items, one_thread

NAMES = ["100", "200", "510"]


def data(strength: float, groups: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Every group in every class: features that carry the class (columns 0-3) and the group (4-7)."""
    generator = np.random.default_rng(seed)
    labels = np.tile(np.arange(3), groups)
    group = np.repeat(np.arange(groups), 3)
    features = generator.standard_normal((len(labels), 8))
    features[:, :4] += strength * labels[:, None]
    features[:, 4:] += 5 * generator.standard_normal((groups, 4))[group]
    return features, labels, [f"g{k}" for k in group]


def boost(features: np.ndarray, labels: np.ndarray, groups: list[str], folds: int = 5, **options) -> Baseline:
    fold_of = k_folds([NAMES[k] for k in labels], groups, folds, (0,))
    return cross_validate(features, labels, groups, fold_of, NAMES, **options)


def test_features_that_carry_the_class_are_found_and_named():
    features, labels, groups = data(2.0)
    kinds = {"carries": slice(0, 4), "does not": slice(4, 8)}
    baseline = boost(features, labels, groups, kinds=kinds)
    assert (baseline.probabilities.argmax(axis=1) == labels).mean() > 0.85
    np.testing.assert_allclose(baseline.probabilities.sum(axis=1), 1)
    assert baseline.importance["carries"] > 0.3 > 0.1 > abs(baseline.importance["does not"])


def test_nothing_is_found_where_nothing_is():
    features, labels, groups = data(0.0, groups=40)
    baseline = boost(features, labels, groups)
    assert (baseline.probabilities.argmax(axis=1) == labels).mean() < 0.5


def test_a_group_that_tells_its_class_is_no_help():
    """One class a group, features that tell only the group: random folds would be near 1."""
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(30), 8)
    labels = group % 3
    features = 5 * generator.standard_normal((30, 4))[group] + 0.01 * generator.standard_normal((len(group), 4))
    baseline = boost(features, labels, [str(g) for g in group])
    assert (baseline.probabilities.argmax(axis=1) == labels).mean() < 0.6


def test_every_item_is_tested_once_and_no_group_is_divided():
    features, labels, groups = data(1.0)
    baseline = boost(features, labels, groups, folds=4)
    assert sorted(set(baseline.fold_of)) == [1, 2, 3, 4]
    assert sum(row["test_items"] for row in baseline.folds) == len(labels)
    assert all(row["train_items"] + row["test_items"] == len(labels) for row in baseline.folds)
    for name in set(groups):
        assert len({fold for fold, group in zip(baseline.fold_of, groups, strict=True) if group == name}) == 1
    right = baseline.probabilities.argmax(axis=1) == labels
    means = [right[baseline.fold_of == fold].mean() for fold in (1, 2, 3, 4)]
    assert [row["accuracy"] for row in baseline.folds] == pytest.approx(means)


def test_the_same_seed_gives_the_same_figures():
    first, second = (boost(*data(0.5), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_a_few_pictures_are_enough_to_split_on() -> None:
    """scikit-learn's 20 items a leaf would leave 36 items of four classes as they are."""
    labels = np.arange(36) % 4
    features = np.random.default_rng(0).normal(0, 0.1, (36, 3)) + labels[:, None]
    fitted = boosting(0, len(labels)).fit(features, labels)
    assert (fitted.predict(features) == labels).all()
    assert [leaf_items(count) for count in (10, 100, 400, 5000)] == [2, 5, 20, 20]


def test_it_is_fitted_with_one_thread():
    with one_thread():
        inside = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"]
    assert inside
    assert set(inside) == {1}
