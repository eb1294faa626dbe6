"""What every comparison shows of paired differences in accuracy: the verdict in words, and the panel of intervals.

Rows come in as a comparison writes them: first, second, metric, difference (second minus first), low, high, p_holm.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from spatial_swin.reporting import style
from spatial_swin.reporting.tables import p_text

LEVEL = 0.05


def in_accuracy(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of accuracy, one a pair."""
    return [row for row in rows if row["metric"] == "accuracy"]


def verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each pair that differs in accuracy after Holm's correction, or the one that none does."""
    sentences = []
    for row in in_accuracy(rows):
        if row["p_holm"] is not None and row["p_holm"] < LEVEL:
            worse, better = ("first", "second") if row["difference"] > 0 else ("second", "first")
            sentences.append(
                f"{row[better]} is more accurate than {row[worse]} by {abs(row['difference']):.4f} "
                f"(p {p_text(row['p_holm'])} after Holm)."
            )
    none = (
        "No pair differs in accuracy at the 5 % level after Holm's correction; that is no proof that they are equal."
    )
    return sentences or [none]


def difference_panel(axes: Axes, rows: Sequence[Mapping[str, Any]], interval: str) -> None:
    """Draw the differences in accuracy with their intervals, a line a pair, and where nothing differs."""
    pairs = in_accuracy(rows)
    for k, row in enumerate(pairs):
        style.interval_dot(axes, row["difference"], row["low"], row["high"], k, style.BLUE)
    names = [style.shorten([row["second"], row["first"]], 20) for row in pairs]
    axes.set_yticks(range(len(pairs)), [f"{second} − {first}" for second, first in names])
    axes.axvline(0, color=style.GREY, linestyle="--", linewidth=0.9)
    axes.set(
        title="Paired differences", xlabel=f"difference in accuracy with {interval}", ylim=(len(pairs) - 0.4, -0.6)
    )
