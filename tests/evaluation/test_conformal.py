"""Prediction sets: the formula by hand, coverage of new groups, the worst laboratory, and what is never empty."""

import json
import math

import numpy as np
import pytest

from spatial_swin.evaluation.conformal import PredictionSets, coverage_and_size, fit_sets, group_threshold


def test_the_threshold_by_hand() -> None:
    """Three groups of 1, 2 and 4 items: weights of a quarter a group, so that 0.75 needs every one of them."""
    scores, groups = np.array([0.1, 0.2, 0.6, 0.3, 0.4, 0.5, 0.7]), list("abbcccc")
    assert group_threshold(scores, groups, 0.75) == 0.7
    # up to 0.3: a whole, b half, c a quarter = 1.75 / 4; up to 0.5: + c two quarters = 2.25 / 4
    assert group_threshold(scores, groups, 2.25 / 4) == 0.5
    assert group_threshold(scores, groups, 2.26 / 4) == 0.6


def test_too_few_groups_promise_nothing() -> None:
    scores = np.linspace(0, 0.5, 800)
    assert group_threshold(scores, np.arange(800) % 9) < math.inf
    assert group_threshold(scores, np.arange(800) % 8) == math.inf


def draw(generator: np.random.Generator, groups: int, items: int, spread: float = 1.5) -> tuple[np.ndarray, ...]:
    """Labels, probabilities and groups: items of one group are as easy as one another."""
    names = np.repeat(np.arange(groups), items)
    labels = generator.integers(4, size=len(names))
    skill = generator.normal(1.5, spread, groups)[names]
    logits = generator.normal(size=(len(names), 4)) + skill[:, None] * np.eye(4)[labels]
    return labels, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), names.astype(str)


def test_new_groups_are_covered_as_promised_where_a_quantile_over_items_is_not_sure_of_it() -> None:
    generator = np.random.default_rng(0)
    fresh = draw(generator, 2000, 5)
    covered = []
    for _ in range(60):
        labels, probabilities, groups = draw(generator, 12, 20)
        sets = fit_sets(labels, probabilities, 1.0, groups)
        covered.append(coverage_and_size(sets, *fresh[:2])[0])
    assert 0.9 <= np.mean(covered) < 0.96  # 12 groups: 0.9 is kept, and not by taking everything


def test_the_worst_laboratory_decides() -> None:
    generator = np.random.default_rng(1)
    labels, probabilities, programmes = draw(generator, 40, 10, spread=0.2)
    laboratories = np.where(np.arange(400) % 4 == 0, "hard", "easy")
    hard = laboratories == "hard"
    probabilities[hard] = generator.dirichlet(np.ones(4), int(hard.sum()))
    alone = fit_sets(labels, probabilities, 1.0, programmes)
    sets = fit_sets(labels, probabilities, 1.0, programmes, laboratories=laboratories)
    parts = {part.value: part for part in sets.parts}
    assert sets.least == pytest.approx(parts["hard"].least) == pytest.approx(min(p.least for p in sets.parts))
    assert parts["hard"].coverage >= 0.9 > coverage_and_size(alone, labels[hard], probabilities[hard])[0]
    assert (parts["hard"].items, parts["easy"].items, parts["programmes"].groups) == (100, 300, 40)


def test_rooms_of_every_length_are_one_condition_and_the_hardest_one_decides() -> None:
    labels, probabilities, programmes = draw(np.random.default_rng(4), 40, 12, spread=0.2)
    conditions = np.array(["clean", "room 0.15", "room 0.3", "noise 20"])[np.arange(480) % 4]
    rooms = np.char.startswith(conditions, "room")
    probabilities[rooms] = np.random.default_rng(5).dirichlet(np.ones(4), int(rooms.sum()))
    sets = fit_sets(labels, probabilities, 1.0, programmes, conditions=list(conditions))
    parts = {part.value: part for part in sets.parts}
    assert list(parts) == ["programmes", "clean", "noise", "room"]
    assert sets.least == pytest.approx(parts["room"].least)
    assert parts["room"].coverage >= 0.9
    assert parts["room"].items == 240
    clean = fit_sets(labels, probabilities, 1.0, programmes, conditions=["clean"] * 480)
    assert [part.value for part in clean.parts] == ["programmes"]


def test_a_set_is_never_empty_and_begins_with_the_most_probable_label() -> None:
    sets = PredictionSets(0.9, 0.45, 1.0)
    table = np.array([[0.3, 0.3, 0.2, 0.2], [0.48, 0.5, 0.01, 0.01]])
    assert sets.of(table).tolist() == [[True, False, False, False], [True, True, False, False]]
    assert sets.names(table[1], ["a", "b", "c", "d"]) == ["b", "a"]


def test_what_was_too_few_is_said() -> None:
    labels, probabilities, groups = draw(np.random.default_rng(2), 20, 4)
    some = ["kemar"] * len(labels)
    assert fit_sets(labels, probabilities, 1.0, groups, some, some).caution == (
        "the sets promise 90% for programmes like those of the validation part, but it has 1 listener only "
        "(needed: 9) and all of it is of one laboratory"
    )
    few = fit_sets(labels, probabilities, 1.0, np.arange(len(labels)) % 3)
    assert few.least == 0
    assert few.of(probabilities).all()
    assert few.caution.startswith("fewer than 9 programmes")
    listeners, laboratories = groups, np.where(np.arange(len(labels)) % 2, "a", "b")
    assert fit_sets(labels, probabilities, 1.0, groups, listeners, laboratories).caution == ""


def test_a_record_is_read_as_it_was_written() -> None:
    labels, probabilities, groups = draw(np.random.default_rng(3), 20, 4)
    sets = fit_sets(labels, probabilities, 1.3, groups)
    assert PredictionSets.of_record(json.loads(json.dumps(sets.as_record()))) == sets
    with pytest.raises(ValueError, match="least probability of 2"):
        PredictionSets.of_record({**sets.as_record(), "least": 2})
