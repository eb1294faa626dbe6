"""Cramer's V against hand-computed values, tiny classifiers against sets whose answer is known."""

import numpy as np
import pytest

from spatial_swin.evaluation.association import cramers_v, factor_by_class, guess_from_names, guess_from_statistics
from spatial_swin.keyed_random import keyed_generator


def test_cramers_v_and_its_correction_by_hand() -> None:
    # n = 100, chi-squared = 4 * 5^2 / 25 = 4, phi^2 = 0.04, V = 0.2;
    # corrected: phi^2 - 1/99, over min(2 - 1/99, 2 - 1/99) - 1
    found = cramers_v(np.array([[30, 20], [20, 30]]))
    assert found.raw == pytest.approx(0.2)
    assert found.corrected == pytest.approx(np.sqrt((0.04 - 1 / 99) / (1 - 1 / 99)))
    assert found.p == pytest.approx(0.0455, abs=1e-4)
    assert found.units == 100


def test_a_factor_that_determines_the_class_has_v_of_1() -> None:
    assert cramers_v(np.diag([20, 20, 20])).corrected == pytest.approx(1)


def test_a_factor_without_association_has_v_of_0() -> None:
    assert cramers_v(np.full((3, 4), 7)).corrected == 0


def test_a_value_of_its_own_for_every_unit_says_nothing() -> None:
    counts = np.zeros((12, 3), int)
    counts[np.arange(12), np.arange(12) % 3] = 1
    found = cramers_v(counts)
    assert found.raw == pytest.approx(1)
    assert found.corrected == 0


@pytest.mark.parametrize("counts", [np.array([[5, 6]]), np.array([[5], [6]]), np.array([[1, 0], [0, 0]])])
def test_a_table_of_one_row_or_column_says_nothing(counts: np.ndarray) -> None:
    assert cramers_v(counts).corrected == 0
    assert cramers_v(counts).p == 1


def test_chunks_of_one_recording_are_counted_once() -> None:
    table = factor_by_class(["x", "x", "x", "y"], ["a", "a", "b", "b"], ["r1", "r1", "r2", "r3"])
    assert table.values == ["x", "y"]
    assert table.counts.tolist() == [[1, 1], [0, 1]]
    assert table.exclusive_share == pytest.approx(1 / 3)


def grouped(classes: int = 3, groups: int = 60, size: int = 5) -> tuple[list[str], list[str], np.ndarray]:
    names = [f"g{g}" for g in range(groups) for _ in range(size)]
    labels = [str(g % classes) for g in range(groups) for _ in range(size)]
    return labels, names, np.repeat(np.arange(groups) // classes % 5, size)


def test_statistics_that_tell_the_class_are_read_off() -> None:
    labels, groups, folds = grouped()
    features = np.array([[float(label)] for label in labels]) + keyed_generator("a").normal(0, 0.05, (len(labels), 1))
    guess = guess_from_statistics(features, labels, groups, folds)
    assert guess.accuracy == 1
    assert guess.lower_skill == 1
    assert guess.chance == pytest.approx(1 / 3)


def test_statistics_of_the_recording_do_not_help_with_a_recording_not_seen() -> None:
    # every recording has its own level, the class has none: known recordings would be recognised, unknown ones not
    labels, groups, folds = grouped()
    level = keyed_generator("level").normal(0, 1, 60)[[int(name[1:]) for name in groups]]
    guess = guess_from_statistics(level[:, None], labels, groups, folds)
    assert guess.low is not None
    assert guess.high is not None
    assert guess.low < 1 / 3 + 0.1
    seen = np.arange(len(labels)) % 5  # chunks of one recording in training and test: the very mistake
    assert guess_from_statistics(level[:, None], labels, groups, seen).accuracy > 0.6


def test_missing_statistics_are_allowed() -> None:
    labels, groups, folds = grouped()
    features = np.array([[float(label)] for label in labels])
    features[::7] = np.nan
    assert guess_from_statistics(features, labels, groups, folds).accuracy > 0.8


def test_names_tied_to_the_class_are_read_off_and_shared_names_are_not() -> None:
    labels, groups, folds = grouped()
    tied = [f"c{label}{int(group[1:]) % 2}" for label, group in zip(labels, groups, strict=True)]
    assert guess_from_names([tied], labels, groups, folds).accuracy == 1
    shared = [f"c{int(group[1:]) // 3}" for group in groups]
    assert guess_from_names([shared], labels, groups, folds).lower_skill < 0.1


def test_a_name_never_seen_in_training_does_not_break_the_classifier() -> None:
    labels, groups, folds = grouped()
    assert 0 <= guess_from_names([groups], labels, groups, folds).accuracy <= 1
