"""The HTML of the page: right numbers in it, names escaped, no other host."""

import re

import numpy as np
import pytest

from spatial_swin.app import fragments
from spatial_swin.app.page import style_sheet, theme
from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.domain import Domain
from spatial_swin.evaluation.explanation import grid_regions, region_masks, region_relevance

CODES = ["100", "200", "510", "514"]


def test_verdict_names_the_layout_and_abstains_below_the_threshold() -> None:
    probabilities = np.array([0.1, 0.2, 0.1, 0.6])
    said = fragments.verdict(CODES, probabilities, 0.5, "One picture.")
    assert "5.1.4" in said.split("</p>")[0]
    assert "0.60" in said
    assert "set:" not in said
    known = fragments.verdict(CODES, probabilities, 0.5, "One picture.", sets=PredictionSets(0.9, 0.0, 1.0))
    assert "no layout can be ruled out" in known
    abstained = fragments.verdict(CODES, probabilities, 0.65, "One picture.")
    assert "No verdict" in abstained
    assert "0.60" in abstained
    assert "0.65" in abstained


def test_bars_are_ordered_and_as_long_as_the_probabilities() -> None:
    widths = [
        float(w) for w in re.findall(r"width:([\d.]+)%", fragments.bars(CODES, np.array([0.1, 0.5, 0.15, 0.25]), 0))
    ]
    assert widths == [50, 25, 15, 10]


def test_a_timeline_fills_its_height_and_hides_for_one_window() -> None:
    windows = np.array([[0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]])
    drawn = fragments.timeline(CODES, np.array([0.0, 3.0]), 3.0, windows, 1)
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" fill', drawn)]
    assert sum(heights) == pytest.approx(2000)
    assert fragments.timeline(CODES, np.array([0.0]), 3.0, windows[:1], 0) == ""


def test_a_timeline_of_hours_stays_small() -> None:
    windows = np.tile([0.25, 0.25, 0.25, 0.25], (10_000, 1))
    drawn = fragments.timeline(CODES, np.arange(10_000.0), 1.0, windows, 9_999)
    assert drawn.count("<rect") == 4 * fragments.STRETCHES
    assert "2:46:40" in drawn


def test_relevance_is_shown_as_a_multiple_of_the_even_share() -> None:
    regions, masks = region_masks(grid_regions(32, 2), 32)
    relevance = np.zeros((16, 16))
    relevance[:8, :8] = 1 / 64  # all of it in the first quarter
    shares = region_relevance(relevance[None], masks)[0]
    np.testing.assert_allclose(fragments.multiples(regions, shares, 32), [4, 0, 0, 0], atol=1e-12)
    table = fragments.relevance_table(regions, shares, 32)
    assert table.index("row 1, column 1") < table.index("row 2, column 2")
    assert "100.0 %" in table
    assert "×4.00" in table
    picture = np.full((32, 32), 128, np.uint8)
    covered = fragments.overlay(picture, relevance)
    assert covered.shape == (32, 32, 3)
    assert covered[4, 4].astype(int).sum() > covered[20, 20].astype(int).sum()


def test_names_are_escaped_and_no_other_host_is_named() -> None:
    bad = "<script>alert(1)</script>"
    regions, _ = region_masks(grid_regions(8, 2), 8)
    picture, relevance = np.zeros((8, 8), np.uint8), np.full((4, 4), 1 / 16)
    page = (
        fragments.notice(f"{bad}: mono\n  - {bad}")
        + fragments.verdict([bad, "b"], np.array([0.6, 0.4]), 0.9, bad, [bad])
        + fragments.timeline([bad, "b"], np.array([0.0, 1.0]), 1.0, np.full((2, 2), 0.5), 0)
        + fragments.mosaics(picture, relevance, regions, np.full(4, 0.25))
        + style_sheet()
    )
    assert "<script" not in page
    assert "&lt;script" in page
    assert not re.search(r"https?://|url\(|@import", page)
    assert not theme()._stylesheets


def test_what_the_model_learnt_from_is_a_line_that_unfolds() -> None:
    learnt = Domain(pictures=8, layouts={"100": 4, "<b>": 4}, programmes=2, seconds=3.0, size=192)
    shown = fragments.domain(learnt)
    assert "<summary>The model learnt from 2 programmes, in clips of 3 s.</summary>" in shown
    assert "of the classes 100, &lt;b&gt;. Not known: kinds of programmes" in shown
    assert "Nothing says" in fragments.domain(None)
