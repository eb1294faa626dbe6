"""Figures of an explanation: pictures under their relevance, mean maps by class, regions by relevance and occlusion.

Arrays, names and regions go in, matplotlib figures come out (`reporting.style.save` writes them). Relevance is drawn
as a multiple of the even share 1/patches, so that 1 means neither more nor less than any other patch. Nothing here
loads a model.
"""

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
    true, predicted = style.shorten([sample.true, sample.predicted], 24)
    said = f"{sample.kind}: predicted {predicted} ({sample.confidence:.2f})"
    truth = f"true {true}" if sample.true == sample.predicted else f"true {true} ({sample.true_probability:.2f})"
    figure.suptitle(f"{said}, {truth}\n{style.shorten([sample.path], 88)[0]}", x=0.01, ha="left", fontsize=8)
    return figure


def mean_maps(
    maps: np.ndarray, class_names: Sequence[str], items: np.ndarray, picture: np.ndarray, regions: Sequence[Region]
) -> Figure:
    """Mean relevance over all pictures and of each class, one scale for all: maps [1 + K, h, w], items [1 + K].

    picture: uint8 [S, S], the data set's mean, drawn once for orientation with the names of the regions.
    """
    shown = [k for k in range(len(maps)) if items[k]][: SHOWN_CLASSES + 1]
    rows = -(-(len(shown) + 1) // MAPS_A_ROW)
    figure = style.new_figure(height=0.15 + 1.5 * rows)
    panels = figure.subplots(rows, MAPS_A_ROW, squeeze=False).ravel()
    size = picture.shape[0]
    panels[0].imshow(picture, cmap="gray", vmin=0, vmax=255, extent=(0, size, size, 0))
    panels[0].set_title("mean picture")
    _name_regions(panels[0], regions, size, inches=1.3)
    multiples = maps * maps[0].size
    low, high = _limits(multiples[shown])
    names = style.shorten(["all", *class_names], 18)
    for axes, k in zip(panels[1:], shown, strict=False):
        heat = axes.imshow(multiples[k], cmap=HEAT, vmin=low, vmax=high, extent=(0, size, size, 0))
        axes.set_title(f"{names[k]} ({items[k]})")
    for number, axes in enumerate(panels):
        _bare(axes)
        if number > len(shown):
            axes.set_axis_off()
        else:
            _outline(axes, regions)
    figure.colorbar(heat, ax=list(panels), shrink=0.8, aspect=30).set_label("relevance, times the even share")
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
    columns = [("relevance", "share", relevance, style.BLUE)]
    if falls:
        columns.append(("hidden: log-likelihood", "fall (nats)", falls.likelihood[0], style.VERMILLION))
        columns.append(("hidden: accuracy", "fall", falls.accuracy[0], style.GREEN))
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    places = np.arange(len(regions))
    for axes, (title, unit, values, colour) in zip(panels, columns, strict=True):
        axes.barh(places, values[order], height=0.7, color=colour)
        axes.set_title(title)
        axes.set_xlabel(unit)
        axes.grid(axis="y", visible=False)
        axes.axvline(0, color=style.GREY, linewidth=0.6)
        axes.locator_params(axis="x", nbins=4)
    panels[0].plot(areas[order], places, "|", color=style.BLACK, markersize=7, label="share of the area")
    panels[0].set_yticks(places, names)
    panels[0].set_ylim(-0.6, len(regions) - 0.4)
    figure.legend(loc="outside lower left")
    if rank is not None:
        figure.text(0.99, 0.008, rank_sentence(rank), ha="right", va="bottom", fontsize=7)
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
    names = style.shorten(["all", *class_names], 18)
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
    """The regions' names in their upper left corners, in letters that fit: each about 0.6 of its height wide."""
    named = [r for r in regions if r.name != REST]
    if not named:
        return
    fitting = min(r.width / size * inches * 72 / (0.64 * max(4, len(_short(r.name)))) for r in named)
    letters, margin = float(np.clip(fitting, 2.5, 6.5)), 0.012 * size
    for r in named:
        text = axes.text(r.x + margin, r.y + margin, _short(r.name), va="top", color="white", fontsize=letters)
        text.set_path_effects([withStroke(linewidth=1.2, foreground="black")])


def _short(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "…"
