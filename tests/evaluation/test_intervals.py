"""Intervals against statsmodels, a plain loop, and closed forms."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from spatial_swin.evaluation import intervals


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (7, 10), (10, 10), (714, 750)])
def test_wilson_agrees_with_statsmodels(successes: int, count: int) -> None:
    found = intervals.wilson(successes, count)
    assert (found.low, found.high) == pytest.approx(proportion_confint(successes, count, method="wilson"), abs=1e-12)


def test_quantiles_are_numpys_without_the_undefined() -> None:
    draws = np.random.default_rng(0).normal(size=(101, 4))
    draws[::3, 1] = np.nan
    draws[:, 2] = np.nan
    found = intervals.quantiles(draws, (0.025, 0.5, 0.975))
    used = [0, 1, 3]
    np.testing.assert_allclose(found[:, used], np.nanquantile(draws[:, used], (0.025, 0.5, 0.975), axis=0))
    assert np.isnan(found[:, 2]).all()


def test_bootstrap_draws_whole_groups() -> None:
    sums = np.array([[10.0, 10], [0, 30]])  # two groups: all right, and all wrong
    draws = intervals.bootstrap_sums(sums, lambda drawn: {"share": drawn[:, 0] / drawn[:, 1]}, 4000, seed=1)["share"]
    assert sorted(set(draws.round(9))) == [0, 0.25, 1]
    assert np.mean(draws == 0.25) == pytest.approx(0.5, abs=0.03)


def test_bootstrap_spread_is_the_closed_form_of_a_mean() -> None:
    values = np.random.default_rng(3).normal(size=200)
    sums = np.stack([values, np.ones(200)], axis=1)
    draws = intervals.bootstrap_sums(sums, lambda drawn: {"mean": drawn[:, 0] / drawn[:, 1]}, 10_000, seed=0)["mean"]
    assert draws.std() == pytest.approx(values.std() / np.sqrt(200), rel=0.03)
    interval = intervals.percentile_interval(draws, 200, "bootstrap")
    assert interval.low == pytest.approx(values.mean() - 1.96 * values.std() / np.sqrt(200), abs=0.01)


def test_blocks_of_resamples_are_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(0).normal(size=(12, 1))
    whole = intervals.bootstrap_sums(sums, lambda drawn: {"sum": drawn[:, 0]}, 100, seed=5)["sum"]
    monkeypatch.setattr(intervals, "CELLS_AT_ONCE", 12 * 7)
    np.testing.assert_allclose(intervals.bootstrap_sums(sums, lambda d: {"sum": d[:, 0]}, 100, seed=5)["sum"], whole)


def test_few_groups_are_cautioned_against_and_no_variation_is_no_interval() -> None:
    draws = np.random.default_rng(0).random(500)
    assert "only 6 groups" in intervals.percentile_interval(draws, 6, "m").note
    assert intervals.percentile_interval(draws, 200, "m").note == ""
    flat = intervals.percentile_interval(np.ones(500), 200, "m")
    assert flat.low is None
    assert "same value" in flat.reason


def test_groups_that_are_all_half_right_have_wilsons_interval_of_their_number() -> None:
    right, groups = np.array([True, False] * 5), np.repeat(list("abcde"), 2)
    found = intervals.share_right(right, groups)
    assert found.method == "Wilson with the number of groups"
    assert (found.low, found.high) == pytest.approx(proportion_confint(2.5, 5, method="wilson"))


def test_biased_statistic_is_shifted_to_its_value_and_never_negative() -> None:
    draws = np.random.default_rng(0).normal(0.05, 0.02, 20_000)
    interval = intervals.percentile_interval(draws, 100, "m", bias_of=0.02)
    assert interval.low == 0
    assert interval.high == pytest.approx(0.02 + 1.96 * 0.02, abs=0.002)
