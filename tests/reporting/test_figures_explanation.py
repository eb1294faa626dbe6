"""Figures and files of an explanation: whole, of any number of classes, without torch, the same twice."""

import csv
import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from spatial_swin import files
from spatial_swin.audio.tiles import tile_map
from spatial_swin.errors import WriteError
from spatial_swin.evaluation.explanation import Falls, Region, grid_regions, rank_correlation, region_masks
from spatial_swin.reporting import figures_explanation, style
from spatial_swin.reporting.explanation_pages import Explanation, summary_text, write
from spatial_swin.reporting.figures_explanation import ShownSample


def made_up(classes: int = 4, samples: int = 2, occlusion: bool = True, size: int = 48) -> Explanation:
    generator = np.random.default_rng(0)
    regions, masks = region_masks(grid_regions(size), size)
    items = np.array([0, *generator.integers(1, 9, classes)])
    items[-1] = 0  # a class that the part has no picture of
    items[0] = items[1:].sum()
    maps = generator.random((classes + 1, 12, 12))
    maps /= maps.sum(axis=(1, 2), keepdims=True)
    maps[items == 0] = np.nan
    relevance = generator.dirichlet(np.ones(len(regions)), classes + 1)
    relevance[items == 0] = np.nan
    likelihood, accuracy = generator.normal(0.2, 0.3, (2, classes + 1, len(regions)))
    likelihood[items == 0] = accuracy[items == 0] = np.nan
    names = [f"class{k}" for k in range(classes)]
    shown = [
        ShownSample(
            f"class0/a_rather_long_name_of_a_recording_D1_48K_{k}_chunk0022.png",
            "confident wrong",
            "class0",
            "class1",
            0.93,
            0.04,
            generator.integers(0, 256, (size, size), dtype=np.uint8),
            np.nan_to_num(maps[0]),
        )
        for k in range(samples)
    ]
    return Explanation(
        names,
        regions,
        masks.mean(axis=(1, 2)),
        items,
        relevance,
        maps,
        Falls(accuracy, likelihood, items) if occlusion else None,
        shown,
        np.tile(relevance[0], (samples, 1)),
        np.tile(likelihood[0], (samples, 1)) if occlusion else None,
        shown[0].picture,
        {"part": "test"},
        ["a note"],
    )


@pytest.mark.parametrize("occlusion", [True, False])
def test_everything_is_written_and_can_be_read(tmp_path: Path, occlusion: bool) -> None:
    found = made_up(samples=1, occlusion=occlusion)
    write(found, tmp_path)
    stored = json.loads((tmp_path / "explanations.json").read_text())
    for stem in stored["figures"]:
        assert (tmp_path / f"{stem}.png").stat().st_size > 5000
        assert (tmp_path / f"{stem}.pdf").stat().st_size > 1000
    assert len(stored["figures"]) == 4
    with open(tmp_path / "tiles.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 16
    assert sum(float(row["relevance"]) for row in rows if row["class"] == "all") == pytest.approx(1)
    assert [row["relevance"] for row in rows if row["class"] == "class3"] == [""] * 16
    if occlusion:
        expected = rank_correlation(found.relevance[0], found.falls.likelihood[0])
        assert stored["rank_correlation"] == {"rho": pytest.approx(expected.rho), "n": 16, "reason": ""}
        assert f"{expected.rho:+.2f} (n = 16)" in summary_text(found)
    else:
        assert stored["rank_correlation"] is None
        assert "Spearman" not in summary_text(found)
    assert stored["notes"] == ["a note"]


def test_figures_of_an_earlier_explanation_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "sample_07_uncertain_gone.png").touch()
    write(made_up(samples=1), tmp_path)
    assert [file.name[:9] for file in tmp_path.glob("sample_*.png")] == ["sample_01"]


def test_a_full_disk_leaves_the_older_explanation_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "explanations"
    files.write_text(folder / "sample_07_uncertain_old.png", "old")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(WriteError, match=r"explanations/relevance_per_tile\.png: cannot be written"):
        write(made_up(samples=1), folder)
    assert [path.read_text() for path in tmp_path.rglob("*.*")] == ["old"]


@pytest.mark.parametrize("classes", [2, 40, 100])
def test_any_number_of_classes_can_be_drawn(tmp_path: Path, classes: int) -> None:
    found = made_up(classes)
    with style.thesis_style():
        tables = figures_explanation.relevance_per_class(
            found.regions, found.class_names, found.items, found.relevance, found.falls
        )
        maps = figures_explanation.mean_maps(
            found.maps, found.class_names, found.items, found.mean_picture, found.regions
        )
        for figure in (tables, maps):
            assert figure.get_size_inches()[1] <= style.PAGE_HEIGHT
            figure.draw_without_rendering()


def test_regions_of_one_even_map_can_be_drawn() -> None:
    even = ShownSample("a.png", "uncertain", "a", "b", 0.5, 0.5, np.zeros((8, 8), np.uint8), np.full((4, 4), 1 / 16))
    with style.thesis_style():
        figures_explanation.sample_overlay(even, [Region("a", "A", 0, 0, 8, 8)]).draw_without_rendering()


def test_headings_name_the_class_once_and_in_words() -> None:
    def heading(true: str, predicted: str) -> str:
        picture, relevance = np.zeros((8, 8), np.uint8), np.full((4, 4), 1 / 16)
        return figures_explanation.said_of(
            ShownSample("a.png", "confident wrong", true, predicted, 0.9, 0.05, picture, relevance)
        )

    assert heading("510", "510") == "confident wrong: 510, 5.1.0, rightly recognised with p = 0.90"
    assert heading("510", "514").endswith("true 510, 5.1.0 (p = 0.05), taken for 514, 5.1.4 (p = 0.90)")


def test_every_cue_of_a_picture_is_called_by_its_title() -> None:
    regions = [Region(t.name, t.title, t.x, t.y, t.width, t.height) for t in tile_map("4x4", 384, 48_000, 3.0)]
    picture, relevance = np.zeros((384, 384), np.uint8), np.random.default_rng(0).random((12, 12))
    figure = figures_explanation.sample_overlay(
        ShownSample("a.png", "uncertain", "a", "b", 0.5, 0.5, picture, relevance), regions
    )
    written = {text.get_text().replace("-\n", "-").replace("\n", " ") for text in figure.axes[0].texts}
    assert written == {region.title for region in regions}


def test_drawing_needs_no_torch() -> None:
    code = "import sys, spatial_swin.reporting.explanation_pages; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
