"""A second opinion: an equal say in what it knows, and nothing else changes."""

import numpy as np
import pytest

from spatial_swin.evaluation.calibration import softmax
from spatial_swin.evaluation.opinions import with_second_opinion


def test_a_second_opinion_has_an_equal_say_in_how_layouts_share_what_they_have() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (5, 4))
    shares = np.array([[0.25, 0.75]] * 5)
    before, after = softmax(logits), softmax(with_second_opinion(logits, shares, [3, 2], weight=0.5))
    assert after[:, :2] == pytest.approx(before[:, :2])
    assert after[:, 2:].sum(1) == pytest.approx(before[:, 2:].sum(1))
    assert after[:, 3] / after[:, 2] == pytest.approx(np.sqrt(before[:, 3] / before[:, 2] * 0.25 / 0.75))


def test_a_second_opinion_may_have_all_the_say_or_none() -> None:
    logits = np.random.default_rng(1).normal(0, 2, (5, 4))
    shares = np.array([[0.25, 0.75]] * 5)
    assert with_second_opinion(logits, shares, [2, 3], weight=0) == pytest.approx(logits)
    after = softmax(with_second_opinion(logits, shares, [2, 3], weight=1))
    assert after[:, 2] / after[:, 2:].sum(1) == pytest.approx(0.25)
    certain = softmax(
        with_second_opinion(np.array([[0.0, 0.0, -900.0, -950.0]]), np.array([[1.0, 0.0]]), [2, 3], weight=0.5)
    )
    assert np.isfinite(certain).all()


def test_of_all_classes_it_is_the_geometric_mean_of_both() -> None:
    generator = np.random.default_rng(2)
    logits, shares = generator.normal(0, 2, (5, 4)), generator.dirichlet(np.ones(4), 5)
    wanted = np.sqrt(softmax(logits) * shares)
    after = softmax(with_second_opinion(logits, shares, [0, 1, 2, 3], weight=0.5))
    assert after == pytest.approx(wanted / wanted.sum(1, keepdims=True))
