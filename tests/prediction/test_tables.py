"""Judgements as text: names of files and classes never reach a terminal or a spreadsheet as commands."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatial_swin.errors import Problem
from spatial_swin.evaluation.domain import Domain
from spatial_swin.evaluation.domain_words import NOTHING_TOLD
from spatial_swin.prediction.judging import Judgement
from spatial_swin.prediction.predictor import Timeline
from spatial_swin.prediction.tables import Outcome, as_text, summary

NAMES = ["10\x1b[31m0", "=2+3"]
FILES = ["a\nb\x1b]0;owned\x07.wav", "=cmd|' /C calc'!A0.wav", "\udcff.wav", "\u202egnp.wav"]


@pytest.fixture
def outcome() -> Outcome:
    windows = np.array([[0.9, 0.1], [0.2, 0.8]])
    timeline = Timeline(NAMES, np.array([0.0, 1.0]), 1.0, windows, ["", "clipped"])
    judged = [Judgement(Path(name), NAMES[0], timeline.probabilities, [], timeline) for name in FILES]
    problems = [Problem("bad\x1b[2J.wav", "cannot be read", "copy it again")]
    return Outcome("runs/first", NAMES, None, judged, problems, expect=NAMES[1])


def assert_harmless(text: str) -> None:
    assert all(letter == "\n" or letter.isprintable() for letter in text), ascii(text)
    text.encode("utf-8")  # also what was no UTF-8 in a file name


@pytest.mark.parametrize("kind", ["table", "csv", "json"])
@pytest.mark.parametrize("timeline", [False, True])
def test_nothing_reaches_the_terminal_raw(outcome: Outcome, kind: str, timeline: bool) -> None:
    assert_harmless(as_text(outcome, kind, 2, timeline))
    assert_harmless(summary(outcome))


def test_a_name_with_a_newline_keeps_the_table_whole(outcome: Outcome) -> None:
    lines = as_text(outcome, "table", 1, False).splitlines()
    assert len(lines) == 1 + len(FILES)
    assert lines[1].startswith(r"a\nb\x1b]0;owned\x07.wav")


def test_no_cell_is_a_formula(outcome: Outcome) -> None:
    rows = list(csv.reader(io.StringIO(as_text(outcome, "csv", 2, True))))
    assert len({len(row) for row in rows}) == 1
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@", "-"))]


def test_json_says_what_the_model_learnt_from(outcome: Outcome) -> None:
    told = replace(outcome, domain=Domain(pictures=8, layouts={"a": 8}, programmes=2, size=32))
    found = json.loads(as_text(told, "json", 2, False))["domain"]
    assert found["in_words"].startswith("The model learnt from 2 programmes")
    assert (found["programmes"], found["listeners"]) == (2, None)
    assert json.loads(as_text(outcome, "json", 2, False))["domain"] == {"in_words": NOTHING_TOLD}


def test_json_names_the_files_exactly(outcome: Outcome) -> None:
    answer = json.loads(as_text(outcome, "json", 2, True))
    assert [row["file"] for row in answer["files"]] == FILES
    assert answer["class_names"] == NAMES
