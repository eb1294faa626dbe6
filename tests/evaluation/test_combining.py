"""Windows become one answer: the rules by hand, and a rule that is chosen only where it is clearly better."""

import numpy as np
import pytest

from spatial_swin.evaluation.combining import FEWEST, MEAN, RULES, choose_rule, combined


def test_the_rules_by_hand() -> None:
    windows = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9], [0.9, 0.1], [0.8, 0.2]])
    assert combined(windows) == pytest.approx([0.64, 0.36])
    ratio = np.exp(np.log(windows[:, 0] / windows[:, 1]).mean())
    assert combined(windows, "mean of logarithms") == pytest.approx([ratio / (1 + ratio), 1 / (1 + ratio)])
    assert combined(windows, "trimmed mean") == pytest.approx([2.2 / 3, 0.8 / 3])
    for rule in RULES:
        assert combined(windows[:1], rule) == pytest.approx(windows[0])


def recordings(count: int, windows: int, agree: bool) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Windows that each know a little, and together much; or that all say the same, which adds nothing."""
    generator = np.random.default_rng(0)
    labels = np.repeat(generator.integers(4, size=count), windows)
    noise = generator.normal(size=(count if agree else len(labels), 4))
    logits = 1.2 * np.eye(4)[labels] + (np.repeat(noise, windows, axis=0) if agree else noise)
    table = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, table, [f"r{k}" for k in np.repeat(np.arange(count), windows)]


def test_another_rule_is_chosen_where_validation_shows_it_clearly() -> None:
    chosen = choose_rule(*recordings(200, 6, agree=False))
    assert chosen.rule == "mean of logarithms"
    assert chosen.recordings == 200
    assert chosen.nll is not None
    assert chosen.nll["mean of logarithms"] < chosen.nll[MEAN]


def test_the_mean_stays_where_nothing_is_gained_or_too_little_is_known() -> None:
    assert choose_rule(*recordings(200, 6, agree=True)).rule == MEAN
    assert choose_rule(*recordings(FEWEST - 1, 6, agree=False)).rule == MEAN
    assert choose_rule(*recordings(200, 1, agree=False)).recordings == 0
