"""Tests of significance against statsmodels, scipy and closed forms."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from spatial_swin.errors import DataError
from spatial_swin.evaluation import significance


@pytest.mark.parametrize(("only_first", "only_second"), [(3, 11), (5, 5), (0, 6), (0, 0)])
def test_mcnemar_agrees_with_statsmodels(only_first: int, only_second: int) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True] * 20 + [False] * 4)
    second = np.array([False] * only_first + [True] * only_second + [True] * 20 + [False] * 4)
    found = significance.exact_mcnemar(first, second)
    expected = mcnemar([[20, only_first], [only_second, 4]], exact=True).pvalue if only_first + only_second else 1.0
    assert found.p == pytest.approx(min(1.0, expected))
    assert (found.only_first, found.only_second) == (only_first, only_second)


def test_different_items_are_refused_and_another_order_is_not() -> None:
    order = significance.matching_order(["a", "b", "c"], ["1", "2", "3"], ["c", "a", "b"], ["3", "1", "2"])
    assert order.tolist() == [1, 2, 0]
    with pytest.raises(
        DataError, match=r"different items.*for example c.*--split_file and the split.csv of the other"
    ):
        significance.matching_order(["a", "c"], ["1", "1"], ["a", "b"], ["1", "1"])
    with pytest.raises(DataError, match="another true class"):
        significance.matching_order(["a", "b"], ["1", "1"], ["a", "b"], ["1", "2"])
    with pytest.raises(DataError, match="same items"):
        significance.exact_mcnemar(np.ones(3, bool), np.ones(4, bool))


def probabilities_for(predicted: np.ndarray, classes: int = 3) -> np.ndarray:
    return np.where(np.eye(classes)[predicted] == 1, 0.8, 0.1)


def test_paired_bootstrap_spread_is_the_closed_form() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 500)
    first = np.where(generator.random(500) < 0.80, labels, (labels + 1) % 3)
    second = np.where(generator.random(500) < 0.88, labels, (labels + 1) % 3)
    found = significance.paired_bootstrap(labels, probabilities_for(first), probabilities_for(second), None)[
        "accuracy"
    ]
    gain = (second == labels).astype(float) - (first == labels)
    half = 1.96 * gain.std() / np.sqrt(500)
    assert found.value == pytest.approx(gain.mean())
    assert found.interval.low == pytest.approx(gain.mean() - half, abs=0.004)
    assert found.interval.high == pytest.approx(gain.mean() + half, abs=0.004)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(gain.mean() / (gain.std() / np.sqrt(500)))), abs=0.004)


def test_same_model_twice_differs_by_nothing() -> None:
    labels = np.arange(30) % 3
    same = probabilities_for(np.roll(labels, 1))
    found = significance.paired_bootstrap(labels, same, same, (np.arange(30) // 3).astype(str), resamples=200)
    assert found["accuracy"].value == 0
    assert found["accuracy"].p == 1


def test_groups_widen_the_interval_of_a_difference() -> None:
    generator = np.random.default_rng(1)
    labels = np.repeat(generator.integers(0, 3, 60), 8)
    wrong = np.repeat(generator.random(60) < 0.2, 8)  # whole recordings are wrong together
    first, second = probabilities_for(np.where(wrong, (labels + 1) % 3, labels)), probabilities_for(labels)
    width = {}
    for name, groups in (("items", None), ("groups", np.repeat(np.arange(60), 8).astype(str))):
        interval = significance.paired_bootstrap(labels, first, second, groups)["accuracy"].interval
        width[name] = interval.high - interval.low
    assert width["groups"] == pytest.approx(width["items"] * np.sqrt(8), rel=0.1)


def test_one_group_gives_a_difference_without_interval() -> None:
    labels = np.arange(6) % 3
    found = significance.paired_bootstrap(labels, probabilities_for(labels), probabilities_for(labels), ["r"] * 6, 50)
    assert found["accuracy"].interval.low is None
    assert found["accuracy"].p is None


def test_corrected_t_by_hand_and_plain_t_without_the_correction() -> None:
    scores = np.array([0.95, 0.94, 0.96, 0.93, 0.95])
    found = significance.corrected_resampled_t(scores, 1 / 4, null=0.9)
    # s^2 = (0.004^2 + 0.006^2 + 0.014^2 + 0.016^2 + 0.004^2) / 4 = 0.00013, 1/5 + 1/4 = 0.45
    assert found.error == pytest.approx(np.sqrt(0.00013 * 0.45))
    assert found.t == pytest.approx((0.946 - 0.9) / np.sqrt(0.00013 * 0.45))
    assert found.high - found.mean == pytest.approx(2.7764451 * found.error)
    plain = stats.ttest_1samp(scores, 0.9)
    tiny = significance.corrected_resampled_t(scores, 1e-12, null=0.9)
    assert tiny.t == pytest.approx(plain.statistic)
    assert tiny.p == pytest.approx(plain.pvalue)
    assert found.p > plain.pvalue


def test_corrected_t_refuses_what_it_cannot_do() -> None:
    with pytest.raises(DataError, match="two scores"):
        significance.corrected_resampled_t([0.9], 0.25)
    with pytest.raises(DataError, match="above 0"):
        significance.corrected_resampled_t([0.9, 0.8], 0)


def test_holm_agrees_with_statsmodels() -> None:
    for p_values in ([0.01, 0.04, 0.03, 0.005], [0.2, 0.2, 0.9], [0.03]):
        expected = multipletests(p_values, method="holm")[1]
        np.testing.assert_allclose(significance.holm(p_values), expected)
