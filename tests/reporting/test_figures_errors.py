"""Which errors are shown, and how names and factors are cut to what a page can hold."""

import numpy as np

from spatial_swin.reporting.figures_errors import FactorRow, _in_lines, comparable, confused_items, gallery_choice
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
    rows = [FactorRow(*pair, 4, 2, 0.5, None, None, "") for pair in (("a", "1"), ("b", "1"), ("b", "2"))]
    assert comparable(rows) == ["b"]
