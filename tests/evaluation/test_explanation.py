"""Regions, relevance per region, falls and rank correlation: answers known in advance."""

import numpy as np
import pytest
from scipy import stats

from spatial_swin.evaluation import explanation
from spatial_swin.evaluation.explanation import Region, choose_samples, draw_items, grid_regions, region_masks, scaled


def maps(count: int = 3, side: int = 8) -> np.ndarray:
    found = np.random.default_rng(0).random((count, side, side))
    return found / found.sum(axis=(1, 2), keepdims=True)


def test_tiles_of_whole_patches_hold_exactly_their_patches() -> None:
    regions, masks = region_masks(grid_regions(32), 32)
    shares = explanation.region_relevance(maps(), masks)
    np.testing.assert_allclose(shares[:, 5], maps()[:, 2:4, 2:4].sum(axis=(1, 2)))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert [r.name for r in regions[:5]] == ["r1c1", "r1c2", "r1c3", "r1c4", "r2c1"]


def test_a_cut_patch_is_shared_by_area() -> None:
    left, right = Region("a", "a", 0, 0, 10, 32), Region("b", "b", 10, 0, 22, 32)
    _, masks = region_masks([left, right], 32)
    shares = explanation.region_relevance(np.full((1, 8, 8), 1 / 64), masks)
    np.testing.assert_allclose(shares[0], [10 / 32, 22 / 32])


def test_what_no_tile_covers_is_a_region_of_its_own() -> None:
    regions, masks = region_masks([Region("a", "a", 0, 0, 16, 32)], 32)
    assert regions[-1].name == explanation.REST
    np.testing.assert_array_equal(masks.sum(axis=0), 1)


def test_overlapping_tiles_still_share_the_picture_out() -> None:
    _, masks = region_masks([Region("a", "a", 0, 0, 20, 32), Region("b", "b", 10, 0, 22, 32)], 32)
    np.testing.assert_array_equal(masks.sum(axis=0), 1)


def test_a_tile_map_of_another_size_is_scaled() -> None:
    (found,) = scaled([Region("a", "a", 96, 192, 96, 96)], 384, 384, 192)
    assert (found.x, found.y, found.width, found.height) == (48, 96, 48, 48)


def test_falls_are_those_counted_by_hand() -> None:
    labels = np.array([0, 0, 1])
    shown = np.log([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    hidden = np.log([[0.4, 0.5, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    falls = explanation.falls(labels, np.stack([shown, hidden, shown]))
    np.testing.assert_allclose(falls.accuracy[:3, 0], [1 / 3, 1 / 2, 0])
    np.testing.assert_allclose(falls.likelihood[:3, 0], [np.log(2) / 3, np.log(2) / 2, 0])
    np.testing.assert_allclose(falls.likelihood[:3, 1], 0)
    assert np.isnan(falls.likelihood[3]).all()  # a class without items has no fall
    assert falls.items.tolist() == [3, 2, 1, 0]


def test_limits_of_a_fall_are_wider_when_items_come_in_groups() -> None:
    labels, each = np.zeros(40, dtype=int), np.log([[0.8, 0.2], [0.3, 0.7]])
    hidden = np.repeat(each[np.arange(20) % 2], 2, axis=0)  # pairs of items that fall alike
    answers = np.stack([np.broadcast_to(each[0], (40, 2)), hidden])
    alone = explanation.falls(labels, answers, [str(k) for k in range(40)]).likelihood_limits
    pairs = explanation.falls(labels, answers, [str(k // 2) for k in range(40)]).likelihood_limits
    fall = explanation.falls(labels, answers).likelihood[0, 0]
    assert pairs[0, 0] < alone[0, 0] < fall < alone[1, 0] < pairs[1, 0]
    assert explanation.falls(labels, answers, ["one"] * 40).likelihood_limits is None


def test_class_means_leave_absent_classes_empty() -> None:
    means = explanation.class_means(np.array([0, 0, 2]), np.array([[1.0], [3.0], [8.0]]), 3)
    np.testing.assert_array_equal(means, [[4], [2], [np.nan], [8]])


def test_rank_correlation_is_spearmans_with_ties() -> None:
    first, second = np.array([1, 2, 2, 4, 9.0]), np.array([2, 1, 3, 8, 4.0])
    ranks = np.corrcoef(stats.rankdata(first), stats.rankdata(second))[0, 1]
    found = explanation.rank_correlation(first, second)
    assert found.rho == pytest.approx(ranks)
    assert found.n == 5
    assert explanation.rank_correlation(first, -np.exp(first)).rho == pytest.approx(-1)


@pytest.mark.parametrize(("first", "why"), [([1.0, 1, 1, 1], "same"), ([1.0, np.nan, np.nan, 2], "fewer than three")])
def test_a_rank_correlation_that_does_not_exist_says_why(first: list[float], why: str) -> None:
    found = explanation.rank_correlation(np.array(first), np.arange(4.0))
    assert found.rho is None
    assert why in found.reason


def predictions(count: int = 60, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(2)
    labels = np.arange(count) % classes
    logits = generator.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels]
    table = np.exp(logits)
    return labels, table / table.sum(axis=1, keepdims=True)


def test_samples_are_of_three_kinds_and_of_several_classes() -> None:
    labels, table = predictions()
    chosen = choose_samples(labels, table, 12)
    predicted = table.argmax(axis=1)
    assert len({item for item, _ in chosen}) == 12
    by_kind = {kind: [item for item, its in chosen if its == kind] for kind in explanation.KINDS}
    assert [len(items) for items in by_kind.values()] == [4, 4, 4]
    assert all(predicted[i] == labels[i] for i in by_kind["confident right"])
    assert all(predicted[i] != labels[i] for i in by_kind["confident wrong"])
    assert len(set(labels[by_kind["confident right"]])) == 4
    surest = np.flatnonzero(predicted == labels)[table[predicted == labels].max(axis=1).argmax()]
    assert by_kind["confident right"][0] == surest
    margin = np.diff(np.sort(table, axis=1)[:, -2:])[:, 0]
    assert margin[by_kind["uncertain"]].max() < np.median(margin)


def test_a_model_without_errors_still_gives_as_many_samples() -> None:
    table = np.eye(3)[np.arange(30) % 3] * 0.9 + 1 / 30
    assert len(choose_samples(np.arange(30) % 3, table, 8)) == 8
    assert len(choose_samples(np.arange(3), np.eye(3), 8)) == 3
    assert choose_samples(np.arange(3), np.eye(3), 0) == []


def test_drawn_items_are_even_over_classes_and_do_not_depend_on_the_order() -> None:
    labels = np.array([0] * 50 + [1] * 10)
    paths = [f"{label}/{number}.png" for number, label in enumerate(labels)]
    drawn = draw_items(paths, labels, 12, 0)
    assert np.bincount(labels[drawn]).tolist() == [6, 6]
    turned = draw_items(paths[::-1], labels[::-1], 12, 0)
    assert {paths[i] for i in drawn} == {paths[::-1][i] for i in turned}
    assert len(draw_items(paths, labels, None, 0)) == 60
