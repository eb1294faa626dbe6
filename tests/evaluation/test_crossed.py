"""The crossed bootstrap: an analytic case, what it is when one factor has one value, and what it cannot say."""

import numpy as np
import pytest

from spatial_swin.evaluation.crossed import cell_sums, crossed_bootstrap, crossed_interval, share_interval
from spatial_swin.evaluation.intervals import bootstrap_sums

ROWS, COLUMNS = 12, 25


def mean(sums):
    return {"mean": sums[:, 0] / sums[:, 1]}


def crossed(rows: int = ROWS, columns: int = COLUMNS, noise: float = 0.0) -> np.ndarray:
    """[R, C, 2]: an effect of the row plus one of the column (plus noise) in every cell, and a count of one."""
    generator = np.random.default_rng(3)
    effects = 2 * generator.standard_normal(rows)[:, None] + generator.standard_normal(columns)
    effects = effects + noise * generator.standard_normal(effects.shape)
    return np.stack([effects, np.ones_like(effects)], axis=2)


def test_the_variance_of_additive_effects_is_the_sum_of_both_factors():
    sums = crossed()
    draws = crossed_bootstrap(sums, mean, 40_000, seed=1)["mean"]
    effects = sums[..., 0]
    # the mean of a draw is sum u_r a_r / R + sum v_c b_c / C with independent multinomial counts u and v
    analytic = effects.mean(axis=1).var() / ROWS + effects.mean(axis=0).var() / COLUMNS
    assert draws.var() == pytest.approx(analytic, rel=0.03)
    assert draws.mean() == pytest.approx(effects.mean(), abs=0.01)
    one_factor = bootstrap_sums(sums.sum(axis=1), mean, 40_000, seed=1)["mean"]
    assert one_factor.var() < 0.99 * analytic  # who draws programmes alone is too sure


def test_noise_of_single_cells_counts_about_three_times_as_owen_shows():
    """Without effects of rows and columns the pigeonhole bootstrap is conservative: 3 sigma^2 / RC, nearly."""
    cells = np.random.default_rng(5).standard_normal((40, 40))
    draws = crossed_bootstrap(np.stack([cells, np.ones_like(cells)], axis=2), mean, 20_000, seed=2)["mean"]
    assert draws.var() == pytest.approx(3 / 1600, rel=0.25)


@pytest.mark.parametrize("axis", [0, 1])
def test_with_one_column_or_row_it_is_the_bootstrap_of_the_other(axis):
    sums = crossed(30, 30, noise=0.5)
    narrow = sums[:, :1] if axis == 0 else sums[:1]
    draws = crossed_bootstrap(narrow, mean, 20_000, seed=0)["mean"]
    assert draws.var() == pytest.approx(narrow[..., 0].var() / 30, rel=0.05)
    interval = crossed_interval(draws, narrow.shape[:2])
    assert "a single one of the " + ("listeners", "programmes")[axis] in interval.note


def test_items_are_summed_into_the_cell_of_their_names():
    items = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    sums = cell_sums(items, ["p2", "p1", "p2"], ["a", "b", "a"])
    assert sums.tolist() == [[[0, 0], [0, 1]], [[2, 2], [0, 0]]]


def test_draws_depend_on_the_seed_and_on_nothing_else(monkeypatch):
    sums = crossed()
    once = crossed_bootstrap(sums, mean, 50, seed=4)["mean"]
    assert np.array_equal(once, crossed_bootstrap(sums, mean, 50, seed=4)["mean"])
    assert not np.array_equal(once, crossed_bootstrap(sums, mean, 50, seed=5)["mean"])


def test_what_cannot_vary_gets_no_interval_or_that_of_a_share():
    same = np.ones((4, 9, 2))
    draws = crossed_bootstrap(same, mean, 50, seed=0)["mean"]
    assert crossed_interval(draws, (4, 9)).low is None
    certain = share_interval(draws, 1.0, (4, 9))
    assert certain.high == 1.0
    assert certain.low == pytest.approx(0.5101, abs=1e-4)  # Wilson, 4 of 4
    assert certain.method == "Wilson with the number of programmes"
    assert "4 programmes count as 4 trials" in certain.note
    alone = share_interval(draws, 1.0, (1, 1))
    assert (alone.low, alone.reason[:6]) == (None, "one of")
