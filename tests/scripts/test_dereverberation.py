"""The experiment that asks a second opinion about dry sound too: its table."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from dereverberation import AS_IT_IS, Row, line_of


def test_a_line_holds_what_a_variant_gains() -> None:
    classes, right, wrong = ["100", "200"], np.array([0.9, 0.1]), np.array([0.4, 0.6])
    rows: list[Row] = [
        (f"p{k // 4}", f"h{k % 4}", "100", "room 0.3", [wrong if k % 2 else right, right]) for k in range(40)
    ]
    line = line_of("room 0.3", rows, [AS_IT_IS, "3 taps"], classes, 200)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:3] == ["room 0.3", "40", "0.500"]
    assert cells[4].startswith("1.000 (+0.500 [")
    assert float(cells[3]) == pytest.approx(-np.log(0.9 * 0.4) / 2, abs=1e-3)
