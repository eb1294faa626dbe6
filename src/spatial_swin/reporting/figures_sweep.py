"""The trials of a sweep in one figure: in their order, and against the values of each key that was varied.

In go points and panels, out comes a figure. Nothing is chosen here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from spatial_swin.reporting import style

ACROSS, MOST = 3, 9  # panels of keys in a row, and in all
MARKS = {"completed": ("o", style.BLUE, style.BLUE), "given up": ("o", style.GREY, "white")}


@dataclass(frozen=True)
class Point:
    """One trial: its state, its figure (None when it failed), and where it stands on the axis of every key."""

    number: int
    state: str
    figure: float | None
    places: Mapping[str, float]


@dataclass(frozen=True)
class Panel:
    """One key: with `choices` its places are their numbers."""

    key: str
    choices: list[str] = field(default_factory=list)
    log: bool = False


def sweep_figure(points: Sequence[Point], panels: Sequence[Panel], title: str, *, greater: bool) -> Figure:
    """Above all trials with the best so far; below one panel a key, of at most MOST."""
    shown = list(panels)[:MOST]
    rows = -(-len(shown) // ACROSS)
    figure = style.new_figure(height=2.2 + 1.7 * rows)
    above, below = np.ravel(figure.subfigures(2, 1, squeeze=False, height_ratios=[2.2, max(0.1, 1.7 * rows)]))
    order = above.subplots()
    _order(order, points, greater=greater)
    order.set_ylabel(title)
    grid = below.subplots(rows, min(ACROSS, len(shown)), sharey=True, squeeze=False)
    for axes, panel in zip(grid.ravel(), shown, strict=False):
        _against(axes, points, panel)
    for axes in grid.ravel()[len(shown) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(title)
    return figure


def _order(axes: Axes, points: Sequence[Point], *, greater: bool) -> None:
    for state, (marker, edge, face) in MARKS.items():
        of_state = _known(points, state)
        if of_state:
            places, figures = zip(*((point.number, figure) for point, figure in of_state), strict=True)
            axes.plot(places, figures, marker, color=edge, markerfacecolor=face, markersize=4, label=state, zorder=3)
    if completed := _known(points, "completed"):
        best = (np.maximum if greater else np.minimum).accumulate([figure for _, figure in completed])
        numbers = [point.number for point, _ in completed]
        axes.step(numbers, best, where="post", color=style.VERMILLION, label="best so far")
    failed = [point.number for point in points if point.figure is None]
    if failed:
        at = axes.get_xaxis_transform()
        axes.plot(failed, [0.03] * len(failed), "x", color=style.BLACK, markersize=4, transform=at, label="failed")
    axes.set_xlabel("trial")
    axes.set_xlim(-0.5, max((point.number for point in points), default=0) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)


def _known(points: Sequence[Point], state: str) -> list[tuple[Point, float]]:
    """The trials that ended so, each with its figure."""
    return [(point, point.figure) for point in points if point.state == state and point.figure is not None]


def _against(axes: Axes, points: Sequence[Point], panel: Panel) -> None:
    for state, (marker, edge, face) in MARKS.items():
        of_state = _known(points, state)
        places, figures = [point.places[panel.key] for point, _ in of_state], [figure for _, figure in of_state]
        axes.plot(places, figures, marker, color=edge, markerfacecolor=face, markersize=3.6, alpha=0.8)
    axes.set_xlabel(panel.key)
    if panel.choices:
        axes.set_xticks(range(len(panel.choices)), style.shorten(panel.choices, 14))
        axes.set_xlim(-0.5, len(panel.choices) - 0.5)
    elif panel.log:
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if high > 30 * low else (1, 2, 5), numticks=12))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif all(float(point.places[panel.key]).is_integer() for point in points):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
