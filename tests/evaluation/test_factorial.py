"""Figures of a factorial set: the three questions by hand, differences of judges, changes between conditions."""

import json

import numpy as np
import pytest

from spatial_swin.evaluation.factorial import Answers, change, figures

NAMES = ["100", "200", "510", "514"]


def answers(labels, table, programmes=None, listeners=None, names=NAMES, **others):
    count = len(labels)
    programmes = np.array(programmes or [f"p{k}" for k in range(count)])
    listeners = np.array(listeners or ["a"] * count)
    judges = {"model": np.array(table, float), **{name: np.array(t, float) for name, t in others.items()}}
    return Answers(names, np.array([names.index(label) for label in labels]), programmes, listeners, judges)


TABLE = [
    [0.7, 0.1, 0.1, 0.1],  # 100, right
    [0.1, 0.4, 0.3, 0.2],  # 200, right alone; 510 and 514 together have more: wrong when they are one
    [0.0, 0.4, 0.25, 0.35],  # 510, said 200; as one right; of the pair 514, wrong
    [0.5, 0.0, 0.1, 0.4],  # 514, said 100; as one a tie, which the pair does not win: wrong; of the pair right
]


def test_the_three_questions_by_hand():
    said = figures(answers(["100", "200", "510", "514"], TABLE), 20, 0)["model"]
    assert said["accuracy"]["value"] == pytest.approx(2 / 4)
    assert said["merged"]["value"] == pytest.approx(2 / 4)
    assert said["pair"]["value"] == pytest.approx(1 / 2)
    brier = np.mean(((np.array(TABLE) - np.eye(4)) ** 2).sum(axis=1))
    assert said["brier"]["value"] == pytest.approx(brier)
    # bins of a fifteenth: 0.7 right, two of 0.4 (one right), 0.5 wrong
    assert said["ece"]["value"] == pytest.approx((0.3 + abs(-0.6 + 0.4) + 0.5) / 4)


def test_without_5_1_and_5_1_4_only_the_first_question_is_asked():
    made = answers(["100", "200"], [[0.7, 0.3], [0.6, 0.4]], names=["100", "200"])
    assert set(figures(made, 20, 0)["model"]) == {"accuracy", "brier", "ece"}
    none_of_the_pair = figures(answers(["100", "200"], TABLE[:2]), 20, 0)["model"]["pair"]
    assert (none_of_the_pair["value"], none_of_the_pair["reason"]) == (None, "no item is of these layouts")


@pytest.fixture
def crossed():
    """6 programmes x 7 listeners x 4 layouts; the baseline is right where the model is, and sometimes elsewhere."""
    generator = np.random.default_rng(0)
    cells = [(p, h, k) for p in range(6) for h in range(7) for k in range(4)]
    labels = np.array([k for *_, k in cells])
    model, better = generator.dirichlet(np.ones(4), len(cells)), np.empty((len(cells), 4))
    better[:] = model
    helped = generator.random(len(cells)) < 0.3
    better[helped] = np.eye(4)[labels[helped]]
    programmes, listeners = (np.array([f"{c}{cell[i]}" for cell in cells]) for i, c in ((0, "p"), (1, "h")))
    return Answers(NAMES, labels, programmes, listeners, {"model": model, "baseline": better})


def test_two_judges_are_compared_on_the_same_items(crossed):
    said = figures(crossed, 400, 0)
    json.dumps(said, allow_nan=False)
    assert (said["items"], said["programmes"], said["listeners"]) == (168, 6, 7)
    difference = said["baseline"]["difference"]["accuracy"]
    apart = said["baseline"]["accuracy"]["value"] - said["model"]["accuracy"]["value"]
    assert difference["value"] == pytest.approx(apart)
    assert 0 < difference["low"] < apart < difference["high"]
    paired = difference["high"] - difference["low"]
    assert paired < said["model"]["accuracy"]["high"] - said["model"]["accuracy"]["low"] + 0.1
    assert "difference" not in said["model"]


def test_the_order_of_items_changes_nothing(crossed):
    order = np.random.default_rng(1).permutation(len(crossed))
    one, other = figures(crossed.of(order), 100, 0), figures(crossed, 100, 0)
    assert one["model"]["accuracy"]["low"] == pytest.approx(other["model"]["accuracy"]["low"])
    assert one["baseline"]["ece"]["value"] == pytest.approx(other["baseline"]["ece"]["value"])


def test_a_change_is_taken_on_the_cells_of_both(crossed):
    same = change(crossed, crossed, 50, 0)["model"]["accuracy"]
    assert (same["value"], same["low"]) == (0.0, None)
    fewer = crossed.of(crossed.listeners != "h6")
    worse = Answers(NAMES, fewer.labels, fewer.programmes, fewer.listeners, dict(fewer.judges))
    worse.judges["model"] = np.full((len(fewer), 4), 0.25)  # argmax says 100
    found = change(worse, crossed, 400, 0)["model"]["accuracy"]
    right = (fewer.judges["model"].argmax(axis=1) == fewer.labels).mean()
    assert found["value"] == pytest.approx(0.25 - right)
    assert found["low"] < found["value"] < found["high"]


def test_a_change_between_listeners_that_are_not_shared_has_no_value(crossed):
    elsewhere = Answers(NAMES, crossed.labels, crossed.programmes, np.full(len(crossed), "room"), crossed.judges)
    entry = change(elsewhere, crossed, 20, 0)["baseline"]["pair"]
    assert (entry["value"], entry["reason"]) == (None, "no programme was heard by the same listener in both")
