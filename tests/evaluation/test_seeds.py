"""Pooled seeds: mean and SD by hand, an interval that pairs the items, what one seed and one group cannot say."""

import numpy as np
import pytest

from spatial_swin.evaluation.seeds import pool, seeds_right

LABELS = np.array([0, 0, 1, 1] * 10)
GROUPS = [f"g{k // 4}" for k in range(len(LABELS))]


def answers(right: np.ndarray) -> np.ndarray:
    """Probabilities [N, 2] that are right where `right` is."""
    said = np.where(right, LABELS, 1 - LABELS)
    return np.eye(2)[said] * 0.8 + 0.1


def some_right(seed: int, share: float = 0.8) -> np.ndarray:
    return np.random.default_rng(seed).random(len(LABELS)) < share


def test_mean_and_deviation_are_over_the_seeds() -> None:
    rights = [some_right(seed) for seed in range(3)]
    accuracy = pool(LABELS, [answers(right) for right in rights], GROUPS, ["a", "b"], 200)["accuracy"]
    each = [right.mean() for right in rights]
    assert accuracy.values == pytest.approx(each)
    assert accuracy.mean == pytest.approx(np.mean(each))
    assert accuracy.deviation == pytest.approx(np.std(each, ddof=1))
    assert seeds_right(LABELS, [answers(right) for right in rights]).sum() == np.sum(rights)


def test_the_interval_is_that_of_the_items_own_mean_over_the_seeds() -> None:
    rights = [some_right(seed) for seed in range(3)]
    accuracy = pool(LABELS, [answers(right) for right in rights], GROUPS, ["a", "b"], 4000)["accuracy"]
    of_groups = np.mean(rights, axis=0).reshape(10, 4).mean(axis=1)
    drawn = of_groups[np.random.default_rng(1).integers(0, 10, (20000, 10))].mean(axis=1)
    assert accuracy.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.01)
    assert accuracy.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.01)


def test_the_same_seed_twice_is_no_more_evidence_than_once() -> None:
    table = answers(some_right(0))
    once, twice = (pool(LABELS, [table] * count, GROUPS, ["a", "b"], 500) for count in (1, 2))
    assert (once["accuracy"].low, once["f1_b"].high) == (twice["accuracy"].low, twice["f1_b"].high)
    assert (once["accuracy"].deviation, twice["accuracy"].deviation) == (None, 0.0)


def test_a_class_without_items_has_no_f1_and_one_group_no_interval() -> None:
    table = np.concatenate([answers(some_right(0)), np.zeros((len(LABELS), 1))], axis=1)
    pooled = pool(LABELS, [table], ["one"] * len(LABELS), ["a", "b", "c"], 100)
    assert "f1_c" not in pooled
    assert pooled["accuracy"].low is None
    assert "one group" in pooled["accuracy"].interval.reason
