"""Whether confidence can be believed: reliability before and after temperature, confidence of right and wrong.

Labels and probabilities go in, matplotlib figures come out.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spatial_swin.evaluation.calibration import BINS, bin_numbers, expected_calibration_error, reliability
from spatial_swin.evaluation.intervals import share_right
from spatial_swin.reporting import style

BIN_RESAMPLES = 2_000  # of the groups in one bin: enough for an error bar


def reliability_diagram(
    labels: np.ndarray,
    before: np.ndarray,
    after: np.ndarray | None,
    temperature: float,
    groups: Sequence[str] | None = None,
) -> Figure:
    """Accuracy against confidence in 15 equal-width bins with 95 % intervals, and how many items each bin has.

    before, after: probabilities [N, K] as predicted and after the temperature fitted on validation (None: not fitted).
    groups: N names of what is not independent; None when every item is.
    """
    columns = [("As predicted", before)]
    if after is not None:
        columns.append((f"After temperature {temperature:.2f}", after))
    figure = style.new_figure(width=style.PAGE_WIDTH if after is not None else 3.4, height=4.0)
    grid = figure.subplots(2, len(columns), height_ratios=(3, 1), sharex=True, squeeze=False, sharey="row")
    for (upper, lower), (title, probabilities) in zip(grid.T, columns, strict=True):
        _one_diagram(upper, lower, labels, probabilities, title, groups)
    handles, texts = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=3 if after is not None else 1, markerscale=0.6)
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set_ylabel("items")
    return figure


def _one_diagram(
    upper: Axes, lower: Axes, labels: np.ndarray, probabilities: np.ndarray, title: str, groups: Sequence[str] | None
) -> None:
    bins = reliability(labels, probabilities)
    error = expected_calibration_error(labels, probabilities)
    upper.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8, linestyle="--", label="perfect")
    limits = bin_limits(labels, probabilities, groups)
    sizes = 6 + 40 * bins.count / bins.count.max()
    upper.scatter(
        bins.confidence, bins.accuracy, s=sizes, color=style.BLUE, zorder=3, label="accuracy of a bin (size: items)"
    )
    known = [(place, *both) for place, both in zip(bins.confidence, limits, strict=True) if both]
    if known:
        places, low, high = np.array(known).T
        upper.vlines(places, low, high, color=style.BLUE, linewidth=1, label="its 95 % interval")
    upper.set(title=f"{title}\nECE {error:.3f} ({BINS} equal-width bins)", xlim=(0, 1.03), ylim=(-0.03, 1.06))
    lower.hist(probabilities.max(axis=1), bins=list(bins.edges), color=style.SKY, edgecolor="white", linewidth=0.3)
    lower.set_xlabel("confidence (probability of the predicted class)")


def bin_limits(
    labels: np.ndarray, probabilities: np.ndarray, groups: Sequence[str] | None
) -> list[tuple[float, float] | None]:
    """95 % limits of the accuracy of every bin with items, groups kept whole; None for a bin of one group."""
    bins = reliability(labels, probabilities)
    numbers = bin_numbers(probabilities.max(axis=1), bins.edges)
    right = probabilities.argmax(axis=1) == labels
    names = np.arange(len(labels)).astype(str) if groups is None else np.asarray(groups, dtype=str)
    limits: list[tuple[float, float] | None] = []
    for number in np.unique(numbers):
        mine = numbers == number
        interval = share_right(right[mine], names[mine], BIN_RESAMPLES)
        known = interval.low is not None and interval.high is not None
        limits.append((interval.low, interval.high) if known else None)  # type: ignore[arg-type]
    return limits


def confidence_distribution(labels: np.ndarray, probabilities: np.ndarray, calibrated: bool) -> Figure:
    """How sure the model is when right and when wrong, and what abstaining below a threshold would buy.

    calibrated: whether the probabilities [N, K] are those after the temperature.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    figure = style.new_figure(height=3.0)
    shares, coverage = figure.subplots(1, 2)
    edges = np.linspace(0, 1, 21)
    for chosen, name, look in ((right, "right", style.BLUE), (~right, "wrong", style.VERMILLION)):
        if chosen.any():
            weights = np.full(int(chosen.sum()), 100 / chosen.sum())
            label = f"{name} (n = {chosen.sum()}, median {np.median(confidence[chosen]):.2f})"
            draw = partial(shares.hist, confidence[chosen], bins=edges, weights=weights, color=look)
            draw(alpha=0.35, linewidth=0)
            draw(histtype="step", label=label, linestyle="-" if name == "right" else "--")
    shares.set(
        title="Confidence of right and wrong",
        xlabel="calibrated confidence" if calibrated else "confidence",
        ylabel="percent of the answers",
        xlim=(0, 1),
    )
    style.legend_below(shares, ncols=1)
    answered, accuracy, _ = coverage_curve(labels, probabilities)
    coverage.plot([0, *(100 * answered)], [accuracy[0], *accuracy], color=style.GREEN, drawstyle="steps-post")
    coverage.set(
        title="When unsure answers are withheld",
        xlabel="answered, most certain first (%)",
        ylabel="accuracy of the answered",
        xlim=(0, 101),
    )
    lowest = min(0.95, float(accuracy.min()))
    coverage.set_ylim(lowest - 0.06 * (1.001 - lowest), 1 + 0.06 * (1.001 - lowest))
    coverage.yaxis.set_major_locator(MaxNLocator(5))
    return figure


def coverage_curve(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share answered, accuracy of the answered, and the confidence asked for, most certain items first: [N] each.

    Items of equal confidence are answered together, so fewer than N points may come back.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = (probabilities.argmax(axis=1) == labels)[order]
    ordered = confidence[order]
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    return (last + 1) / len(ordered), right.cumsum()[last] / (last + 1), ordered[last]
