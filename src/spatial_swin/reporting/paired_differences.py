"""What every comparison does with paired differences: Holm's correction, verdicts, the panel of intervals, the files.

Rows come in as a comparison writes them: first, second, metric, difference (second minus first), low, high, p_holm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spatial_swin import files
from spatial_swin.evaluation.significance import holm
from spatial_swin.metric_names import METRIC_TITLES
from spatial_swin.reporting import document, style
from spatial_swin.reporting.tables import HeaderAndRows, p_text, tex_table, with_interval

LEVEL = 0.05
NO_DIFFERENCE = (
    "No pair differs in accuracy at the 5 % level after Holm's correction; that is no proof that they are equal."
)


@dataclass(frozen=True)
class TexTable:
    """A table for LaTeX: header and rows, its caption and its label."""

    cells: HeaderAndRows
    caption: str
    label: str


def correct(rows: Sequence[dict[str, Any]], p: str) -> None:
    """Fill column `p`_holm from column `p`: Holm's correction over the pairs, metric by metric."""
    for metric in dict.fromkeys(row["metric"] for row in rows):
        family = [row for row in rows if row["metric"] == metric and row[p] is not None]
        for row, adjusted in zip(family, holm([row[p] for row in family]), strict=True):
            row[f"{p}_holm"] = float(adjusted)


def in_accuracy(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of accuracy, one per pair."""
    return [row for row in rows if row["metric"] == "accuracy"]


def verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each pair that differs in accuracy after Holm's correction, or the one that none does."""
    sentences = []
    for row in in_accuracy(rows):
        if row["p_holm"] is not None and row["p_holm"] < LEVEL:
            worse, better = ("first", "second") if row["difference"] > 0 else ("second", "first")
            by, p = f"{abs(row['difference']):.4f}", p_text(row["p_holm"])
            sentences.append(f"{row[better]} is more accurate than {row[worse]} by {by} (p {p} after Holm).")
    return sentences or [NO_DIFFERENCE]


def difference_cells(row: Mapping[str, Any]) -> list[str]:
    """The pair, the metric and the difference with its interval."""
    pair, entry = f"{row['second']} − {row['first']}", {"value": row["difference"]} | dict(row)
    return [pair, METRIC_TITLES[row["metric"]], with_interval(entry, 4)]


def difference_panel(axes: Axes, rows: Sequence[Mapping[str, Any]], interval: str) -> None:
    """Draw the differences in accuracy with their intervals, one line per pair, and where nothing differs."""
    pairs = in_accuracy(rows)
    for k, row in enumerate(pairs):
        style.interval_dot(axes, row["difference"], row["low"], row["high"], k, style.BLUE)
    shown = [style.shorten([row["second"], row["first"]], 20) for row in pairs]
    axes.set_yticks(range(len(pairs)), [f"{second} − {first}" for second, first in shown])
    axes.axvline(0, color=style.GREY, linestyle="--", linewidth=0.9)
    xlabel = f"difference in accuracy with {interval}"
    axes.set(title="Paired differences", xlabel=xlabel, ylim=(len(pairs) - 0.4, -0.6))


def write_comparison(
    stem: Path, rows: Sequence[Mapping[str, Any]], figure: Figure, report: document.Document, tables: list[TexTable]
) -> Path:
    """Write `stem`.csv, .png, .pdf, .tex, .md and .html; return the path of the page."""
    page = stem.with_name(f"{stem.name}.html")
    style.save(figure, stem)
    files.write_csv(page.with_suffix(".csv"), rows, list(rows[0]))
    tex = "\n".join(tex_table(*table.cells, table.caption, table.label) for table in tables)
    files.write_text(page.with_suffix(".tex"), tex)
    files.write_text(page.with_suffix(".md"), document.to_markdown(report))
    files.write_text(page, document.to_html(report, stem.parent))
    return page
