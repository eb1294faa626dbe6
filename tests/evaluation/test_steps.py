"""The verdict in two steps: families by their loudspeakers, sums that add up, and what has no steps."""

import numpy as np
import pytest

from spatial_swin.evaluation.steps import families, in_words, steps_of

FOUR = ["100", "200", "510", "514"]


def test_families_follow_from_the_loudspeakers() -> None:
    assert families(FOUR) == {"mono": ["100"], "stereo": ["200"], "surround": ["510", "514"]}
    assert families(["300", "202", "400", "100"]) == {"stereo": ["300"], "surround": ["202", "400"], "mono": ["100"]}


@pytest.mark.parametrize("names", [["cat", "dog", "200"], ["510", "514"], ["100", "200"], ["100", "200", "510"]])
def test_without_layouts_or_without_a_family_of_several_there_are_no_steps(names: list[str]) -> None:
    assert steps_of(np.full(len(names), 1 / len(names)), names) == []


def test_surround_is_the_sum_and_the_second_step_a_share_of_it() -> None:
    first, second = steps_of(np.array([0.05, 0.15, 0.3, 0.5]), FOUR)
    assert (first.answer, second.answer) == ("surround", "514")
    assert first.probabilities == pytest.approx({"mono": 0.05, "stereo": 0.15, "surround": 0.8})
    assert second.probabilities == pytest.approx({"510": 0.375, "514": 0.625})
    assert in_words([first, second]) == "surround 0.80, of it 5.1.4 0.62"


def test_the_likeliest_family_need_not_hold_the_likeliest_layout() -> None:
    first, second = steps_of(np.array([0.0, 0.4, 0.35, 0.25]), FOUR)
    assert (first.answer, second.answer) == ("surround", "510")


def test_a_family_of_one_layout_ends_with_the_first_step() -> None:
    (only,) = steps_of(np.array([0.9, 0.04, 0.03, 0.03]), FOUR)
    assert only.answer == "mono"


def test_below_the_confidence_a_step_is_no_answer() -> None:
    first, second = steps_of(np.array([0.05, 0.05, 0.4, 0.5]), FOUR, minimum_confidence=0.8)
    assert (first.answer, second.answer) == ("surround", None)
    assert in_words([first, second]) == "surround 0.90, of it 5.1.4? 0.56"
    assert steps_of(np.array([0.3, 0.4, 0.2, 0.1]), FOUR, minimum_confidence=0.8)[0].answer is None
