"""The training curves: history rows in, one figure of four panels out, the boundary of the phases marked."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from spatial_swin.reporting import style

NAMED_CLASSES = 6  # with more classes their curves become a band from the worst to the best


def training_curves(history: list[dict[str, Any]], class_names: list[str], best_epoch: int | None) -> Figure:
    """Loss, accuracy, F1 and learning rates against the epoch.

    history: rows of history.csv. Phase 1 is shaded, the best epoch dotted. One epoch gives points instead of lines.
    """
    figure = style.new_figure(height=5.3)
    panels = figure.subplots(2, 2, sharex=True)
    loss, accuracy, f1, rates = panels.ravel()
    loss.set(title="Loss", ylabel="cross-entropy (nats)")
    _draw(loss, history, "train_loss", "training objective", color=style.BLUE)
    _draw(loss, history, "validation_loss", "validation objective", color=style.VERMILLION, linestyle="--")
    if _differs(history):
        plain = {"color": style.GREEN, "linestyle": "-."}
        _draw(loss, history, "validation_cross_entropy", "validation, no smoothing", **plain)
    accuracy.set(title="Accuracy", ylabel="share right")
    _draw(accuracy, history, "train_accuracy", "training (while learning)", color=style.BLUE, linestyle="--")
    _draw(accuracy, history, "validation_accuracy", "validation", color=style.VERMILLION)
    f1.set(title="F1 on validation", ylabel="F1", xlabel="epoch")
    _draw_classes(f1, history, class_names)
    _draw(f1, history, "validation_macro_f1", "macro", color=style.BLACK, linewidth=1.6)
    rates.set(title="Learning rates", ylabel="learning rate", xlabel="epoch", yscale="log")
    rates.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
    rates.yaxis.set_minor_formatter(NullFormatter())
    _draw(rates, history, "learning_rate_head", "head", color=style.BLUE)
    _draw(rates, history, "learning_rate_backbone", "backbone", color=style.GREEN, linestyle="--")
    boundary, epochs = _boundary(history), [row["epoch"] for row in history]
    for axes in panels.ravel():
        _mark_phases(axes, epochs, boundary, best_epoch)
        if axes.get_legend_handles_labels()[0]:
            lower = axes in (f1, rates)
            style.legend_below(axes, 28 if lower else 8, ncols=2)
    marks = ["shaded: phase 1, head only (dashed line: unfreezing)"] if boundary is not None else []
    marks += [f"dotted: best epoch ({best_epoch})"] if best_epoch in epochs else []
    if marks:
        figure.supxlabel("; ".join(marks), fontsize=7, color=style.GREY)
    return figure


def _differs(history: list[dict[str, Any]]) -> bool:
    """Whether the objective has label smoothing or class weights in it, so that the plain cross-entropy is another."""
    pairs = [(row.get("validation_loss", np.nan), row.get("validation_cross_entropy", np.nan)) for row in history]
    return bool(np.nanmax([abs(one - two) for one, two in pairs] + [0.0]) > 1e-4)


def _draw(axes: Axes, history: list[dict[str, Any]], column: str, label: str, **look: Any) -> None:
    """One column against the epoch; a frozen backbone has no rate, and zero no place on a log scale."""
    values = np.array([row.get(column, np.nan) for row in history], dtype=float)
    if axes.get_yscale() == "log":
        values[values <= 0] = np.nan
    if np.isfinite(values).any():
        marker = "o" if len(history) == 1 else None
        axes.plot([row["epoch"] for row in history], values, label=label, **{"marker": marker, "markersize": 4} | look)


def _draw_classes(axes: Axes, history: list[dict[str, Any]], class_names: list[str]) -> None:
    """The F1 of every class, or the band from the worst to the best of many."""
    if len(class_names) <= NAMED_CLASSES:
        for k, (name, short) in enumerate(zip(class_names, style.class_labels(class_names, 20), strict=True)):
            dashes = style.LINES[1 + k % 3]
            _draw(axes, history, f"f1_{name}", short, color=style.colour(k), linewidth=0.7, linestyle=dashes)
        return
    table = np.array([[row.get(f"f1_{name}", np.nan) for name in class_names] for row in history], dtype=float)
    if np.isfinite(table).all():
        epochs, label = [row["epoch"] for row in history], "worst to best class"
        low, high = table.min(axis=1), table.max(axis=1)
        axes.fill_between(epochs, low, high, color=style.SKY, alpha=0.3, linewidth=0, label=label)


def _mark_phases(axes: Axes, epochs: list[int], boundary: float | None, best_epoch: int | None) -> None:
    if boundary is not None:
        axes.axvspan(epochs[0] - 0.5, boundary, color=style.PALE, alpha=0.6, linewidth=0, zorder=0)
        axes.axvline(boundary, color=style.GREY, linewidth=0.8, linestyle="--")
    if best_epoch in epochs:
        axes.axvline(best_epoch, color=style.GREY, linewidth=0.8, linestyle=":")
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    style.whole_epochs(axes, epochs[-1])


def _boundary(history: list[dict[str, Any]]) -> float | None:
    """Half an epoch after the last of phase 1; None where the run had one phase."""
    first = [row["epoch"] for row in history if row.get("phase") == 1]
    later = [row["epoch"] for row in history if row.get("phase", 2) != 1]
    return max(first) + 0.5 if first and later else None
