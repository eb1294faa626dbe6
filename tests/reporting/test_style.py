"""Names on figures stay short and different."""

import io
import re
import zlib
from pathlib import Path

import pytest
from fontTools.subset import Options
from fontTools.ttLib import TTFont
from matplotlib.backends.backend_pdf import FigureCanvasPdf

from spatial_swin.reporting import style


def test_long_names_are_cut_in_the_middle_and_stay_different() -> None:
    names = ["short", "x" * 30 + "1" * 30, "x" * 30 + "2" + "1" * 29, "x" * 40]
    short = style.shorten(names, 12)
    assert short[0] == "short"
    assert len(set(short)) == 4
    assert all(len(name) <= 12 + 4 for name in short)


def test_labels_never_overlap_their_neighbours() -> None:
    assert style.label_size(1.0) == 7.5
    assert style.label_size(0.1) < 7.2
    assert style.label_size(0.001) == 4.0


def test_a_pdf_holds_no_rules_for_other_text_than_its_own(tmp_path: Path) -> None:
    before = list(Options._drop_tables_default)
    with style.thesis_style():
        figure = style.new_figure(height=1)
        figure.subplots().set_title("AV fi")
        style.save(figure, tmp_path / "title")
    streams = re.findall(rb"stream\n(.*?)\nendstream", (tmp_path / "title.pdf").read_bytes(), re.DOTALL)
    unpacked = [zlib.decompressobj().decompress(stream) for stream in streams]
    fonts = [TTFont(io.BytesIO(stream)) for stream in unpacked if stream.startswith(b"\0\1\0\0")]
    assert fonts
    for font in fonts:
        assert "glyf" in font
        assert not set(style.LAYOUT_TABLES) & set(font.keys())
    assert Options._drop_tables_default == before, "others embed fonts as they like"


def test_one_layout_holds_the_labels_of_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(style.RC, "savefig.dpi", 300)  # at the 60 of these tests letters are of another width
    with style.thesis_style():
        figure = style.new_figure(height=2)
        axes = figure.subplots()
        axes.set_yticks(range(3), ["a run of a long name " + letter * 20 for letter in "iWm"])
        axes.set_xlabel("score")
        style.save(figure, tmp_path / "labels")
        boxes = [figure.get_tightbbox()]
        FigureCanvasPdf(figure)
        boxes.append(figure.get_tightbbox())
    for box in boxes:
        assert box.xmin >= 0
        assert box.ymin >= 0
        assert box.xmax <= style.PAGE_WIDTH
    assert abs(boxes[0].xmin - boxes[1].xmin) < 0.01, "inches"
    assert 0 < axes.get_position().x0 < 0.6, "the labels have room beside the axes"
