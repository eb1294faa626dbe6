"""Which classes are distinguished: confusion matrix, per-class metrics with intervals, ROC and PR curves.

Predictions and the summary of `evaluation.metrics` go in, matplotlib figures come out. 2 to 100 classes.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spatial_swin.evaluation.curves import curves
from spatial_swin.reporting import style
from spatial_swin.runs import Predictions

SIDE_BY_SIDE = 8  # up to so many classes both matrices fit beside one another
WITH_NUMBERS = 30  # above, a cell is too small for a readable number
NAMED_CURVES = 7
WIDEST = 17  # letters of a name that two columns of a legend have room for; `200, 2.0.0 stereo` has them


def confusion_matrix(confusion: np.ndarray, class_names: list[str]) -> Figure:
    """Counts, and shares of each true class in percent. confusion: int [K, K], one row per true class."""
    count = len(class_names)
    beside = count <= SIDE_BY_SIDE
    names = style.class_ticks(class_names)
    upright = max(len(word) for name in names for word in name.split()) > 7 or count > 8
    figure = style.new_figure(height=(3.45 if upright else 3.0) if beside else style.PAGE_HEIGHT)
    left, right = figure.subplots(1, 2) if beside else figure.subplots(2, 1)
    totals = confusion.sum(axis=1, keepdims=True)
    shares = 100 * confusion / np.maximum(totals, 1)
    size = style.label_size(
        (2.2 if beside else 3.6) / count / (1 if beside else max(n.count("\n") + 1 for n in names))
    )
    size = min(size, 6.5) if any("\n" in name for name in names) else size
    for axes, values, title in ((left, confusion, "Counts"), (right, shares, "% of the true class")):
        image = axes.imshow(values, cmap="Blues", vmin=0, vmax=max(1, values.max()) if axes is left else 100)
        axes.set(title=title, xlabel="predicted class", ylabel="true class")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        stride = 1 if size > 4.0 or count < 60 else 2
        ticks = range(0, count, stride)
        axes.set_xticks(
            ticks, [names[k].replace(" ", "\n") for k in ticks], rotation=90 if upright else 0, fontsize=size
        )
        axes.set_yticks(ticks, [names[k] for k in ticks], fontsize=size)
        bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02, ticks=MaxNLocator(5, integer=True))
        bar.outline.set_visible(False)
        if count <= WITH_NUMBERS:
            _number_cells(axes, values, (2.2 if beside else 3.2) / count, darkest=image.get_clim()[1])
    return figure


def _number_cells(axes: Axes, values: np.ndarray, pitch: float, darkest: float) -> None:
    """Write the numbers so large that the longest fits into a cell of `pitch` inches; a digit is 0.64 letters wide.

    White stands on cells near `darkest`, the value of the darkest colour, black on all others.
    """
    top = max(1.0, float(values.max()))
    many = len(values) > 12
    longest = len(f"{top:.0f}") if many or values.dtype.kind == "i" else len(f"{top:.1f}")
    size = min(7.5, 0.85 * pitch * 72 / (0.64 * longest))
    for (row, column), value in np.ndenumerate(values):
        if many and value == 0:
            continue
        text = f"{value:.0f}" if many or values.dtype.kind == "i" else f"{value:.1f}"
        ink = "white" if value > 0.55 * darkest else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)


def classification_metrics(metrics: dict[str, Any], class_names: list[str]) -> Figure:
    """Precision, recall and F1 of each class with 95 % intervals, macro means dashed.

    Classes without an interval have an open marker; absent classes have none.
    """
    count = len(class_names)
    height = min(style.PAGE_HEIGHT, 1.15 + 0.24 * count)
    figure = style.new_figure(height=max(1.9, height))
    panels = figure.subplots(1, 3, sharey=True, sharex=True)
    rows = np.arange(count)
    lowest = 1.0
    for axes, metric, title in zip(panels, ("precision", "recall", "f1"), ("Precision", "Recall", "F1"), strict=True):
        for k, name in enumerate(class_names):
            entry = metrics["per_class"][name][metric]
            lowest = min(lowest, _dot(axes, entry, k, style.BLUE))
        mean = metrics[f"macro_{metric}"]["value"]
        axes.axvline(mean, color=style.VERMILLION, linestyle="--", linewidth=0.9)
        axes.set_title(f"{title}\nmacro {mean:.3f}")
    size = style.label_size((height - 1.0) / count)
    panels[0].set_yticks(rows, style.class_labels(class_names, 24), fontsize=size)
    panels[0].set_ylim(count - 0.4, -0.6)
    panels[0].set_xlim(max(0.0, np.floor((lowest - 0.02) * 20) / 20), 1.01)
    panels[0].xaxis.set_major_locator(MaxNLocator(4))
    figure.supxlabel("score with 95 % interval (open marker: no interval possible)", fontsize=8)
    return figure


def _dot(axes: Axes, entry: dict[str, Any], row: float, colour: str) -> float:
    """Draw one value with its interval; return the lowest number drawn."""
    value, low = entry["value"], entry["low"]
    if value is None:
        return 1.0
    style.interval_dot(axes, value, low, entry["high"], row, colour)
    return min(value, low if low is not None else value)


def roc_pr_curves(predictions: Predictions, metrics: dict[str, Any]) -> Figure:
    """ROC and precision-recall curves, each class against the rest; with many classes the three worst are named."""
    labels, table, names = predictions.labels, predictions.probabilities, predictions.class_names
    known = [k for k in range(len(names)) if 0 < (labels == k).sum() < len(labels)]
    found = {k: curves(labels == k, table[:, k]) for k in known}
    named = known if len(known) <= NAMED_CURVES else sorted(known, key=lambda k: found[k].area)[:3]
    short = style.class_labels(names, 22)
    columns = 1 if max(map(len, short)) > WIDEST else 2  # of the legends, which must not be wider than the axes
    figure = style.new_figure(height=3.0 + 0.14 * (1 + -(-len(named) // columns)))
    roc, pr = figure.subplots(1, 2)
    roc.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.7, linestyle=":")
    for k in sorted(known, key=lambda k: k in named):
        look: dict[str, Any] = {"color": style.PALE, "linewidth": 0.7}
        if k in named:
            place = named.index(k)
            look = {"color": style.colour(place), "linestyle": style.LINES[place % 4]}
        curve = found[k]
        area, average = (f"{short[k]}: {value:.3f}" for value in (curve.area, curve.average_precision))
        roc.plot(curve.false_positives, curve.recall, label=area if k in named else None, **look)
        pr.plot(curve.recall[::-1], curve.precision[::-1], label=average if k in named else None, **look)
    mean = metrics["macro_auc"]["value"]
    others = "" if named is known else f"; three worst of {len(known)} named"
    roc.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    pr.set(title="Precision-recall", xlabel="recall", ylabel="precision")
    for axes, legend in (
        (roc, f"area (macro {mean:.3f}{others})" if mean is not None else "area"),
        (pr, "average precision"),
    ):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        style.legend_below(axes, title=legend, title_fontsize=7, ncols=columns)
    return figure
