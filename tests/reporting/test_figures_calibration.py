"""Error bars of the reliability diagram: an interval for each bin that has one, groups kept whole."""

import numpy as np

from spatial_swin.reporting.figures_calibration import bin_limits


def test_bins_have_intervals_and_a_bin_of_one_group_has_none() -> None:
    table = np.array([[0.9, 0.1]] * 8 + [[0.6, 0.4]] * 2)
    labels = np.array([0] * 6 + [1] * 2 + [0, 1])
    alone = bin_limits(labels, table, None)
    assert alone[1][0] < 0.75 < alone[1][1]
    grouped = bin_limits(labels, table, [*"aabbccdd", "e", "e"])
    assert grouped[0] is None
    assert grouped[1][1] - grouped[1][0] > alone[1][1] - alone[1][0]


def test_right_and_wrong_bins_are_in_the_order_of_confidence() -> None:
    table = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 4)
    limits = bin_limits(np.array([0] * 4 + [1] * 4), table, None)
    assert limits[0][0] == 0
    assert limits[1][1] == 1
