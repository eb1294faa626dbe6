"""The simple model: finds what is there, finds nothing where nothing is, never sees a group twice."""

import numpy as np
import pytest

from spatial_swin.errors import DataError
from spatial_swin.evaluation.baseline import cross_validate

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


def test_features_that_carry_the_class_are_found_and_named():
    features, labels, groups = data(2.0)
    kinds = {"carries": slice(0, 4), "does not": slice(4, 8)}
    found = cross_validate(features, labels, groups, NAMES, kinds=kinds)
    assert (found.probabilities.argmax(axis=1) == labels).mean() > 0.9
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    assert found.importance["carries"] > 0.3 > 0.1 > abs(found.importance["does not"])


def test_nothing_is_found_where_nothing_is():
    features, labels, groups = data(0.0, groups=40)
    found = cross_validate(features, labels, groups, NAMES)
    assert (found.probabilities.argmax(axis=1) == labels).mean() < 0.5


def test_a_group_that_tells_its_class_is_no_help():
    """One class a group, features that tell only the group: random folds would be near 1."""
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(30), 8)
    labels = group % 3
    features = 5 * generator.standard_normal((30, 4))[group] + 0.01 * generator.standard_normal((len(group), 4))
    found = cross_validate(features, labels, [str(g) for g in group], NAMES)
    assert (found.probabilities.argmax(axis=1) == labels).mean() < 0.6


def test_every_item_is_tested_once_and_no_group_is_divided():
    features, labels, groups = data(1.0)
    found = cross_validate(features, labels, groups, NAMES, folds=4)
    assert sorted(set(found.fold_of)) == [1, 2, 3, 4]
    assert sum(row["test_items"] for row in found.folds) == len(labels)
    assert all(row["train_items"] + row["test_items"] == len(labels) for row in found.folds)
    for name in set(groups):
        assert len({fold for fold, group in zip(found.fold_of, groups, strict=True) if group == name}) == 1
    means = [
        (found.probabilities[found.fold_of == k].argmax(1) == labels[found.fold_of == k]).mean() for k in (1, 2, 3, 4)
    ]
    assert [row["accuracy"] for row in found.folds] == pytest.approx(means)


def test_the_same_seed_gives_the_same_figures():
    first, second = (cross_validate(*data(0.5), NAMES, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_fewer_groups_than_folds_is_refused_with_the_numbers():
    features, labels, groups = data(1.0, groups=3)
    with pytest.raises(DataError, match="100 has 3"):
        cross_validate(features, labels, groups, NAMES)
    with pytest.raises(DataError, match="not 1"):
        cross_validate(features, labels, groups, NAMES, folds=1)
