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
    epochs = np.array([row["epoch"] for row in history])
    figure = style.new_figure(height=4.7)
    panels = figure.subplots(2, 2, sharex=True)
    loss, accuracy, f1, rates = panels.ravel()
    marker = "o" if len(history) == 1 else None

    def draw(axes: Axes, column: str, label: str, **look: Any) -> None:
        values = np.array([row.get(column, np.nan) for row in history], dtype=float)
        if axes is rates:
            values[values <= 0] = np.nan  # a frozen backbone has no rate, and zero no place on a log scale
        if np.isfinite(values).any():
            axes.plot(epochs, values, label=label, **{"marker": marker, "markersize": 4} | look)

    draw(loss, "train_loss", "training", color=style.BLUE)
    draw(loss, "validation_loss", "validation", color=style.VERMILLION, linestyle="--")
    loss.set(title="Loss", ylabel="cross-entropy (nats)")
    draw(accuracy, "validation_accuracy", "validation", color=style.VERMILLION)
    accuracy.set(title="Accuracy", ylabel="share right")
    if len(class_names) <= NAMED_CLASSES:
        for k, name in enumerate(class_names):
            short = style.shorten(class_names, 12)[k]
            draw(f1, f"f1_{name}", short, color=style.colour(k), linewidth=0.7, linestyle=style.LINES[1 + k % 3])
    else:
        table = np.array([[row.get(f"f1_{name}", np.nan) for name in class_names] for row in history], dtype=float)
        if np.isfinite(table).all():
            f1.fill_between(
                epochs,
                table.min(axis=1),
                table.max(axis=1),
                color=style.SKY,
                alpha=0.3,
                linewidth=0,
                label="worst to best class",
            )
    draw(f1, "validation_macro_f1", "macro", color=style.BLACK, linewidth=1.6)
    f1.set(title="F1 on validation", ylabel="F1", xlabel="epoch")
    draw(rates, "learning_rate_head", "head", color=style.BLUE)
    draw(rates, "learning_rate_backbone", "backbone", color=style.GREEN, linestyle="--")
    rates.set(title="Learning rates", ylabel="learning rate", xlabel="epoch", yscale="log")
    rates.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
    rates.yaxis.set_minor_formatter(NullFormatter())
    boundary = _boundary(history)
    for axes in panels.ravel():
        if boundary is not None:
            axes.axvspan(epochs[0] - 0.5, boundary, color=style.PALE, alpha=0.6, linewidth=0, zorder=0)
            axes.axvline(boundary, color=style.GREY, linewidth=0.8, linestyle="--")
        if best_epoch in epochs:
            axes.axvline(best_epoch, color=style.GREY, linewidth=0.8, linestyle=":")
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        style.whole_epochs(axes, int(epochs[-1]))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(
                loc="best" if len(history) > 1 else "upper right",
                ncols=2 if axes is f1 else 1,
                columnspacing=1.0,
                handlelength=1.8,
            )
    marks = ["shaded: phase 1, head only (dashed line: unfreezing)"] if boundary is not None else []
    marks += [f"dotted: best epoch ({best_epoch})"] if best_epoch in epochs else []
    if marks:
        figure.supxlabel("; ".join(marks), fontsize=7, color=style.GREY)
    return figure


def _boundary(history: list[dict[str, Any]]) -> float | None:
    """Half an epoch after the last of phase 1; None where the run had one phase."""
    first = [row["epoch"] for row in history if row.get("phase") == 1]
    later = [row["epoch"] for row in history if row.get("phase", 2) != 1]
    return max(first) + 0.5 if first and later else None
