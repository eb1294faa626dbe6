"""ROC and precision-recall curves against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from spatial_swin.evaluation.curves import curves


@pytest.mark.parametrize("steps", [1, 7, 10_000])  # how many different scores: all the same, many the same, none
def test_curves_and_areas_agree_with_scikit_learn(steps: int) -> None:
    generator = np.random.default_rng(steps)
    mine = generator.random(300) < 0.3
    scores = np.floor(steps * (0.7 * generator.random(300) + 0.3 * mine)) / steps
    found = curves(mine, scores)
    false, true, _ = sk.roc_curve(mine, scores, drop_intermediate=False)
    np.testing.assert_allclose([found.false_positives, found.recall], [false, true])
    precision, recall, _ = sk.precision_recall_curve(mine, scores)
    np.testing.assert_allclose([found.precision[::-1], found.recall[::-1]], [precision, recall])
    assert found.area == pytest.approx(sk.roc_auc_score(mine, scores))
    assert found.average_precision == pytest.approx(sk.average_precision_score(mine, scores))
