"""Folds in one line: the corrected interval by hand, a single fold's own interval, the drop between schemes."""

import numpy as np
import pytest
from scipy import stats

from spatial_swin.evaluation.generalisation import drop_between, summarise_folds


def test_the_corrected_interval_by_hand() -> None:
    # five folds of 20 tested, 80 trained: SD 0.0158..., t(4) = 2.776, variance s^2 (1/5 + 1/4)
    scores = [0.90, 0.92, 0.94, 0.91, 0.93]
    found = summarise_folds(scores, [80] * 5, [20] * 5)
    half = 2.7764451 * 0.0158113883 * np.sqrt(0.45)
    assert found.mean == pytest.approx(0.92)
    assert found.deviation == pytest.approx(0.0158113883)
    assert found.low == pytest.approx(0.92 - half)
    assert found.high == pytest.approx(0.92 + half)
    assert found.freedom == 4


def test_limits_of_a_share_stay_between_0_and_1() -> None:
    found = summarise_folds([0.99, 0.8, 0.98], [20] * 3, [10] * 3)
    assert found.high == 1


def test_one_fold_has_the_interval_of_its_own_items() -> None:
    found = summarise_folds([0.8], [80], [20], (0.7, 0.9))
    assert (found.low, found.high, found.deviation) == (0.7, 0.9, None)
    assert found.error == pytest.approx(0.1 / 1.959964)
    assert summarise_folds([0.8], [80], [20]).low is None


def test_the_drop_by_hand_with_welch_degrees_of_freedom() -> None:
    high = summarise_folds([0.90, 0.92, 0.94], [80] * 3, [40] * 3)
    low = summarise_folds([0.60, 0.70, 0.80], [80] * 3, [40] * 3)
    drop = drop_between(high, low)
    a, b = 0.02**2 * (1 / 3 + 0.5), 0.1**2 * (1 / 3 + 0.5)
    freedom = (a + b) ** 2 / (a**2 / 2 + b**2 / 2)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(a + b)
    assert drop.value == pytest.approx(0.22)
    assert drop.low == pytest.approx(0.22 - half)
    assert drop.high == pytest.approx(0.22 + half)


def test_a_drop_without_an_error_has_no_limits() -> None:
    assert drop_between(summarise_folds([0.9], [80], [20]), summarise_folds([0.8], [80], [20])).low is None


def test_two_single_folds_combine_as_normal_errors() -> None:
    drop = drop_between(
        summarise_folds([0.9], [80], [20], (0.85, 0.95)), summarise_folds([0.8], [80], [20], (0.75, 0.85))
    )
    assert drop.low == pytest.approx(0.1 - np.hypot(0.05, 0.05))


def test_folds_that_all_score_the_same_have_no_interval() -> None:
    found = summarise_folds([0.8, 0.8, 0.8], [80] * 3, [40] * 3)
    assert (found.deviation, found.low, found.high) == (0, None, None)
    assert "every fold scores the same" in found.method
    assert drop_between(summarise_folds([0.9, 0.8], [80] * 2, [40] * 2), found).low is None
