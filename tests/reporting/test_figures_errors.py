"""Which errors are shown, and how names and factors are cut to what a page can hold."""

import numpy as np

from spatial_swin.reporting.figures_errors import (
    FactorRow,
    _in_lines,
    comparable,
    confused_items,
    gallery_choice,
    worst,
)
from spatial_swin.runs import Predictions


def test_most_frequent_pair_comes_first_and_within_it_the_most_certain() -> None:
    labels = np.array([0, 0, 0, 1, 2])
    table = np.array([[0.4, 0.6, 0], [0.1, 0.9, 0], [0.9, 0.1, 0], [0.95, 0.05, 0], [0, 0, 1]])
    rows = confused_items(Predictions(list("abcde"), list("abcde"), ["x", "y", "z"], labels, table))
    assert [(row.path, row.true, row.predicted, row.pair_count) for row in rows] == [
        ("b", "x", "y", 2),
        ("a", "x", "y", 2),
        ("d", "y", "x", 1),
    ]
    assert rows[0].confidence == 0.9
    assert rows[0].true_probability == 0.1
    assert [[row.path for row in part] for part in gallery_choice(rows)] == [["b", "a"], ["d"]]


def test_file_names_lose_no_letter_when_cut_into_lines() -> None:
    for name in ("synthetic42-000106_kemar_510_chunk0000.png", "x" * 70 + ".png", "_-.", "short.png"):
        lines = _in_lines(name)
        assert "".join(lines) == name
        assert max(map(len, lines)) <= 29
    assert _in_lines("synthetic42-000106_kemar_510_chunk0000.png") == [
        "synthetic42-000106_kemar_510_",
        "chunk0000.png",
    ]


def test_factor_with_one_value_is_not_drawn() -> None:
    rows = [FactorRow(*pair, 4, 2, 0.5, 0.2, 0.8, "") for pair in (("a", "1"), ("b", "1"), ("b", "2"))]
    assert comparable(rows) == ["b"]


def row(value: str, accuracy: float, low: float | None) -> FactorRow:
    return FactorRow("programme", value, 4, 2, accuracy, low, None if low is None else 1.0, "")


def test_values_without_an_interval_are_not_drawn() -> None:
    assert comparable([row("a", 0.5, 0.2), row("b", 0.7, None), row("c", 0.9, None)]) == []
    assert comparable([row("a", 0.5, 0.2), row("b", 0.7, 0.3), row("c", 0.9, None)]) == ["programme"]


def test_a_tie_is_never_cut_in_two() -> None:
    rows = [row(name, accuracy, 0.1) for name, accuracy in zip("abcde", (0.5, 0.75, 0.75, 0.75, 1.0), strict=True)]
    assert [r.value for r in worst(rows, most=3)] == ["a"]
    assert [r.value for r in worst(rows, most=4)] == ["a", "b", "c", "d"]
    assert worst([row(name, 1.0, 0.9) for name in "abcd"], most=3) == []
