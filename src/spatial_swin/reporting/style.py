"""One look for every figure: sizes of a thesis page, 8 pt letters, colours that the colour-blind can tell apart.

Names and numbers go in, matplotlib figures come out, and `save` writes them as .png (300 dpi) and .pdf. Figures are
made without pyplot, so that nothing depends on a display or on global state. Colours: Okabe & Ito (2008), yellow left
out because it vanishes on white.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from fontTools.subset import Options
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.transforms import ScaledTranslation
from PIL import Image

from spatial_swin import files
from spatial_swin.errors import printable
from spatial_swin.layouts import LAYOUTS, spelled

PAGE_WIDTH = 6.3  # inches: the text width of an A4 thesis with 25 mm margins
PAGE_HEIGHT = 9.4
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLOURS
GREY, PALE = "#767676", "#E6E6E6"
LINES = ("-", "--", "-.", ":")
LAYOUT_TABLES = ("GDEF", "GPOS", "GSUB", "kern")  # of a font: ligatures, kerning; letters in a .pdf are placed already
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.grid": True,
    "grid.color": PALE,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
    "figure.dpi": 100,
    "axes.unicode_minus": True,
    "text.parse_math": False,
    "svg.fonttype": "none",
}


@contextmanager
def thesis_style() -> Iterator[None]:
    """Everything drawn and saved inside has the house's look; the reader's own matplotlib settings are not used."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def new_figure(width: float = PAGE_WIDTH, height: float = 3.0) -> Figure:
    figure = Figure(figsize=(width, min(height, PAGE_HEIGHT)), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write `stem`.png at 300 dpi and `stem`.pdf; neither has a date in it: the same run gives the same bytes."""
    paths = []
    _lay_out(figure)
    for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None, "Creator": None})):
        path = stem.with_name(stem.name + suffix)
        with files.atomic_path(path) as temporary, _letters_only():
            figure.savefig(temporary, metadata=metadata)
        paths.append(path)
    return paths


def _lay_out(figure: Figure) -> None:
    """Place everything for good, once for both files; `savefig` would lay out and draw it for nothing before each.

    At the resolution of the file, since letters are a little wider or narrower at another.
    """
    layout = figure.get_layout_engine()
    if layout is not None and figure.axes:
        figure.set_dpi(matplotlib.rcParams["savefig.dpi"])
        layout.execute(figure)
        figure.set_layout_engine("none")


@contextmanager
def _letters_only() -> Iterator[None]:
    """A .pdf holds the letters it shows; rules for setting other text with the font took a third of a report's time.

    matplotlib leaves no choice of the tables that its .pdf files hold. Where fontTools has no such list any more,
    files are only larger.
    """
    kept = getattr(Options, "_drop_tables_default", [])
    Options._drop_tables_default = [*kept, *LAYOUT_TABLES]
    try:
        yield
    finally:
        Options._drop_tables_default = kept


def picture(figure: Figure, dpi: int = 150) -> Image.Image:
    """The figure as an RGB picture in memory, for trackers and pages."""
    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=dpi)
    return Image.open(memory).convert("RGB")


def shorten(names: Sequence[str], length: int = 22) -> list[str]:
    """Names on one line, cut in the middle to at most `length` characters, still different from one another."""
    names = list(map(printable, names))
    short = [
        name if len(name) <= length else f"{name[: length // 2]}…{name[-(length - length // 2 - 1) :]}"
        for name in names
    ]
    return [text if short.count(text) == 1 else f"{text} ({k + 1})" for k, text in enumerate(short)]


def class_labels(names: Sequence[str], length: int = 22) -> list[str]:
    """Class names for a figure, codes of layouts spelled out: `514, 5.1.4`; as `shorten` otherwise."""
    return shorten(list(map(spelled, names)), length)


def class_ticks(names: Sequence[str], length: int = 14) -> list[str]:
    """Class names for the ticks of an axis: the code of a layout on one line and its title on the next."""
    short = shorten(names, length)
    return [f"{name}\n{LAYOUTS[name].title}" if name in LAYOUTS else s for name, s in zip(names, short, strict=True)]


def legend_below(axes: Axes, points: float = 30, **look: Any) -> Legend:
    """A legend under the axes, `points` below them (beneath the label of the x axis), where no line can run."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    below = axes.transAxes + ScaledTranslation(0, -points / 72, figure.dpi_scale_trans)
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "bbox_transform": below}
    return axes.legend(**place, **({"borderaxespad": 0, "columnspacing": 1.2, "handlelength": 1.8} | look))


def label_size(pitch: float, largest: float = 7.5) -> float:
    """Letter size in points for labels that stand `pitch` inches apart."""
    return max(4.0, min(largest, pitch * 72 * 0.85))


def colour(k: int) -> str:
    return COLOURS[k % len(COLOURS)]


def line(k: int) -> str:
    """A line style that changes when the colours begin again, so that 28 classes stay apart."""
    return LINES[k // len(COLOURS) % len(LINES)]


def whole_epochs(axes: Axes, last: int) -> None:
    """Whole numbers on an axis of epochs, at most eight of them."""
    step = max(1, round(last / 8))
    axes.set_xticks(sorted({1, *range(step, last + 1, step)} if step > 1 else range(1, last + 1)))


def interval_dot(
    axes: Axes, value: float, low: float | None, high: float | None, row: float, colour: str, face: str | None = None
) -> None:
    """A value with its interval on one line of a dot plot; an open marker where there is no interval, or `face`."""
    if low is not None and high is not None:
        axes.plot([low, high], [row, row], color=colour, linewidth=1.1, solid_capstyle="butt")
    fill = (face or colour) if low is not None else "white"
    axes.plot(value, row, "o", markersize=3.6, color=colour, markerfacecolor=fill, clip_on=False, zorder=3)
