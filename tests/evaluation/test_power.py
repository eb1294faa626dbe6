"""The smallest difference that can be shown: a closed form, groups, and a test that finds it as often as it says."""

import numpy as np
import pytest
from scipy import stats

from spatial_swin.evaluation.power import POWER, smallest_difference


def test_it_is_blooms_multiple_of_the_standard_error_of_a_mean() -> None:
    differences = np.random.default_rng(0).integers(-1, 2, 100).astype(float)
    found = smallest_difference(differences, None)
    error = differences.std(ddof=1) / 10
    assert found.error == pytest.approx(error)
    assert found.value == pytest.approx(error * (stats.t.ppf(0.975, 99) + stats.t.ppf(0.8, 99)))


def test_items_in_groups_count_as_their_groups() -> None:
    differences = np.random.default_rng(0).integers(-1, 2, 100).astype(float)
    groups = [str(k // 4) for k in range(400)]
    together = smallest_difference(np.repeat(differences, 4), groups)
    assert together.value == pytest.approx(smallest_difference(differences, None).value)
    assert together.groups == 100


def test_a_difference_of_that_size_is_found_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    spread = smallest_difference(generator.normal(0, 1, 40_000), None).error * 200
    found = []
    for _ in range(1500):
        sample = generator.normal(0, spread, 40)
        size = spread / np.sqrt(40) * (stats.t.ppf(0.975, 39) + stats.t.ppf(POWER, 39))
        found.append(stats.ttest_1samp(sample + size, 0).pvalue < 0.05)
    assert np.mean(found) == pytest.approx(POWER, abs=0.04)


@pytest.mark.parametrize(
    ("differences", "groups", "why"), [([1.0, 0], ["a", "a"], "one group"), ([0.0, 0], None, "differ in no group")]
)
def test_what_cannot_be_known_has_a_reason(differences: list[float], groups: list[str] | None, why: str) -> None:
    found = smallest_difference(np.array(differences), groups)
    assert found.value is None
    assert why in found.reason
