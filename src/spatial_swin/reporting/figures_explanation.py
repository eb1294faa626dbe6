"""Figures of an explanation: pictures under their relevance, mean maps by class, regions by relevance and occlusion.

Arrays, names and regions go in, matplotlib figures come out (`reporting.style.save` writes them). Relevance is drawn
as a multiple of the even share 1/patches, so that 1 means neither more nor less than any other patch. Nothing here
loads a model.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from spatial_swin.evaluation.explanation import REST, Falls, RankCorrelation, Region
from spatial_swin.reporting import style

HEAT = "inferno"  # even in lightness: the same order in grey and for the colour-blind
MAPS_A_ROW = 4
SHOWN_CLASSES = 24  # maps and rows of a figure; the tables have all classes


@dataclass(frozen=True)
class ShownSample:
    """One picture with what was said about it: picture uint8 [S, S], relevance [h, w] summing to 1."""

    path: str
    kind: str
    true: str
    predicted: str
    confidence: float
    true_probability: float
    picture: np.ndarray
    relevance: np.ndarray


def sample_overlay(sample: ShownSample, regions: Sequence[Region]) -> Figure:
    """The picture with the names of its regions, beside it the same under its relevance."""
    figure = style.new_figure(height=3.55)
    plain, covered = figure.subplots(1, 2)
    size = sample.picture.shape[0]
    square = 0, size, size, 0
    for axes in (plain, covered):
        axes.imshow(sample.picture, cmap="gray", vmin=0, vmax=255, extent=square)
        _bare(axes)
        _outline(axes, regions)
    _name_regions(plain, regions, size)
    multiple = sample.relevance * sample.relevance.size
    low, high = _limits(multiple)
    opacity = 0.3 + 0.55 * np.clip((multiple - low) / (high - low), 0, 1)
    heat = covered.imshow(multiple, cmap=HEAT, vmin=low, vmax=high, extent=square, alpha=opacity)
    plain.set_title("the picture")
    covered.set_title("relevance of its patches")
    bar = figure.colorbar(matplotlib.cm.ScalarMappable(heat.norm, HEAT), ax=covered, shrink=0.85)
    bar.set_label("times the even share")
    figure.suptitle(f"{said_of(sample)}\n{style.shorten([sample.path], 88)[0]}", x=0.01, ha="left", fontsize=8)
    return figure


def said_of(sample: ShownSample) -> str:
    """The heading of a sample: what it is an example of, the true class, the answer and how sure it was."""
    (true,), (predicted,) = style.class_labels([sample.true], 28), style.class_labels([sample.predicted], 28)
    if sample.true == sample.predicted:
        return f"{sample.kind}: {true}, rightly recognised with p = {sample.confidence:.2f}"
    return (
        f"{sample.kind}: true {true} (p = {sample.true_probability:.2f}), "
        f"taken for {predicted} (p = {sample.confidence:.2f})"
    )


def mean_maps(
    maps: np.ndarray, class_names: Sequence[str], items: np.ndarray, picture: np.ndarray, regions: Sequence[Region]
) -> Figure:
    """Mean relevance over all pictures and of each class, one scale for all: maps [1 + K, h, w], items [1 + K].

    picture: uint8 [S, S], the data set's mean, drawn once and large, with the names of the regions.
    """
    shown = [k for k in range(len(maps)) if items[k]][: SHOWN_CLASSES + 1]
    rows = max(2, -(-(len(shown) + 4) // MAPS_A_ROW))  # the mean picture takes the place of four maps
    figure = style.new_figure(height=0.2 + 1.65 * rows)
    grid = figure.add_gridspec(rows, MAPS_A_ROW)
    places = [(row, column) for row in range(rows) for column in range(MAPS_A_ROW) if row > 1 or column > 1]
    panels = [figure.add_subplot(grid[:2, :2]), *(figure.add_subplot(grid[place]) for place in places[: len(shown)])]
    size = picture.shape[0]
    panels[0].imshow(picture, cmap="gray", vmin=0, vmax=255, extent=(0, size, size, 0))
    panels[0].set_title("mean picture, and the names of its tiles")
    _name_regions(panels[0], regions, size)
    multiples = maps * maps[0].size
    low, high = _limits(multiples[shown])
    names = style.class_labels(["all", *class_names], 18)
    for axes, k in zip(panels[1:], shown, strict=True):
        heat = axes.imshow(multiples[k], cmap=HEAT, vmin=low, vmax=high, extent=(0, size, size, 0))
        axes.set_title(f"{names[k]}\n{items[k]} pictures", fontsize=7.5)
    for axes in panels:
        _bare(axes)
        _outline(axes, regions)
    figure.colorbar(heat, ax=panels, shrink=0.8, aspect=30).set_label("relevance, times the even share")
    return figure


def relevance_per_tile(
    regions: Sequence[Region],
    areas: np.ndarray,
    relevance: np.ndarray,
    falls: Falls | None,
    rank: RankCorrelation | None,
) -> Figure:
    """Relevance of each region with its share of the area marked, and beside it what hiding the region costs.

    areas, relevance: float64 [R]; falls: None when nothing was hidden, its row 0 is drawn.
    """
    order = np.argsort(relevance, kind="stable")  # the first bar is drawn lowest
    names = [style.shorten([regions[i].title], 34)[0] for i in order]
    figure = style.new_figure(height=1.1 + 0.2 * len(regions))
    columns: list[tuple[str, str, np.ndarray, np.ndarray | None, str]] = [
        ("relevance", "share", relevance, None, style.BLUE)
    ]
    if falls:
        likelihood, accuracy = falls.likelihood[0], falls.accuracy[0]
        columns.append(
            ("hidden: log-likelihood", "fall (nats)", likelihood, falls.likelihood_limits, style.VERMILLION)
        )
        columns.append(("hidden: accuracy", "fall", accuracy, falls.accuracy_limits, style.GREEN))
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    places = np.arange(len(regions))
    for axes, (title, unit, values, limits, colour) in zip(panels, columns, strict=True):
        axes.barh(places, values[order], height=0.7, color=colour, alpha=1 if limits is None else 0.55)
        if limits is not None:
            axes.hlines(places, *limits[:, order], color=style.BLACK, linewidth=0.9, label="95 % interval over groups")
        axes.set_title(title)
        axes.set_xlabel(unit)
        axes.grid(axis="y", visible=False)
        axes.axvline(0, color=style.GREY, linewidth=0.6)
        axes.locator_params(axis="x", nbins=4)
    panels[0].plot(areas[order], places, "|", color=style.BLACK, markersize=7, label="share of the area")
    panels[0].set_yticks(places, names)
    panels[0].set_ylim(-0.6, len(regions) - 0.4)
    marks = [*panels[0].get_legend_handles_labels()[0], *panels[-1].get_legend_handles_labels()[0]]
    figure.legend(handles=marks[: 1 + (len(panels) > 1)], loc="outside lower left", ncols=2)
    if rank is not None:
        figure.suptitle(rank_sentence(rank), x=0.01, ha="left", fontsize=7)
    return figure


def rank_sentence(rank: RankCorrelation) -> str:
    """The rank correlation in words, with n or the reason for none."""
    if rank.rho is None:
        return f"no rank correlation of relevance and fall in log-likelihood: {rank.reason} (n = {rank.n})"
    return f"Spearman's rho of relevance and fall in log-likelihood: {rank.rho:+.2f} (n = {rank.n})"


def relevance_per_class(
    regions: Sequence[Region],
    class_names: Sequence[str],
    items: np.ndarray,
    relevance: np.ndarray,
    falls: Falls | None,
) -> Figure:
    """Classes against regions, one panel per quantity: relevance [1 + K, R] and the falls by hiding [1 + K, R]."""
    shown = [k for k in range(1, len(items)) if items[k]][:SHOWN_CLASSES]
    names = style.class_labels(["all", *class_names], 18)
    labels = [f"{names[k]} ({items[k]})" for k in shown]
    panels = [("relevance, share", relevance, "Blues", False)]
    if falls:
        panels.append(("fall in log-likelihood when hidden, nats", falls.likelihood, "RdBu_r", True))
        panels.append(("fall in accuracy when hidden", falls.accuracy, "RdBu_r", True))
    height = 0.35 + max(0.2 * len(shown), 0.7)
    figure = style.new_figure(height=height * len(panels) + 1.3)
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, table, colours, signed) in zip(rows, panels, strict=True):
        values = table[shown]
        top = float(np.nanmax(np.abs(values))) or 1.0
        cells = axes.imshow(values, cmap=colours, vmin=-top if signed else 0, vmax=top, aspect="auto")
        axes.set_title(title)
        axes.set_yticks(range(len(shown)), labels, fontsize=style.label_size(height / max(1, len(shown))))
        axes.grid(visible=False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        figure.colorbar(cells, ax=axes, pad=0.01, aspect=12)
    count, titles = len(regions), [style.shorten([r.title], 34)[0] for r in regions]
    rows[-1].set_xticks(range(count), titles, rotation=90 * (count > 6), fontsize=style.label_size(5 / count))
    return figure


def _limits(multiple: np.ndarray) -> tuple[float, float]:
    """A colour scale from the first percentile to nearly the largest: single patches may stand out, not rule."""
    low, high = np.percentile(multiple, [1, 99.7])
    return float(low), float(max(high, low + 1e-6))


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _outline(axes: Axes, regions: Sequence[Region]) -> None:
    for r in regions:
        if r.name != REST:
            box = Rectangle((r.x, r.y), r.width, r.height, fill=False, edgecolor="white", linewidth=0.5, alpha=0.8)
            axes.add_patch(box)


def _name_regions(axes: Axes, regions: Sequence[Region], size: int, inches: float = 2.8) -> None:
    """The regions' titles in their upper left corners, on up to three lines, in letters that fit: each about 0.6 of
    its height wide."""
    named = [(r, in_lines(r.title)) for r in regions if r.name != REST]
    if not named:
        return
    longest = [max(4, *map(len, lines)) for _, lines in named]
    fitting = min(r.width / size * inches * 72 / (0.64 * n) for (r, _), n in zip(named, longest, strict=True))
    letters, margin = float(np.clip(fitting, 2.5, 6.5)), 0.012 * size
    for r, lines in named:
        text = axes.text(r.x + margin, r.y + margin, "\n".join(lines), va="top", color="white", fontsize=letters)
        text.set_linespacing(1.0)
        text.set_path_effects([withStroke(linewidth=1.2, foreground="black")])


def in_lines(title: str, length: int = 14) -> list[str]:
    """A title on up to three lines of about `length` letters, broken between words."""
    lines = textwrap.wrap(title, length, break_long_words=False) or [title]
    return lines[:3] if len(lines) <= 3 else [*lines[:2], lines[2] + " …"]
