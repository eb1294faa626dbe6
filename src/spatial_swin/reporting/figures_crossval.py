"""The summary of a cross-validation: crossval.csv (one row per fold), summary.json, crossval.png and .pdf.

In go the figures of every fold; out come files and a few lines of text. Nothing is trained or predicted here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spatial_swin import files
from spatial_swin.errors import printable
from spatial_swin.evaluation.generalisation import FoldScores, summarise_folds
from spatial_swin.metric_names import Shown, in_words, names
from spatial_swin.reporting import style

HEADLINE = names(Shown.FOLDS)
TABLE = ("name", "repeat", "fold", "train_items", "items", "groups", *HEADLINE)


def write_crossval(output: Path, rows: Sequence[dict[str, Any]], group: str, held_out: int) -> dict[str, Any]:
    """Write table, summary and figure of a cross-validation; return the summary (JSON-ready)."""
    labels = list(rows[0]["class_names"])
    columns = [*TABLE, *(f"f1_{label}" for label in labels), "best_epoch", "seconds"]
    files.write_csv(output / "crossval.csv", [{name: row[name] for name in columns} for row in rows], columns)
    scores = {name: _summarised(rows, name) for name in (*HEADLINE, *(f"f1_{label}" for label in labels))}
    summary = {
        "folds": len({row["fold"] for row in rows}),
        "repeats": len({row["repeat"] for row in rows}),
        "group": group,
        "held_out_test": held_out,
        "class_names": labels,
        "scores": {name: _plain(summary) for name, summary in scores.items()},
        "confusion": np.sum([row["confusion"] for row in rows], axis=0).tolist(),
        "seconds": sum(row["seconds"] or 0 for row in rows) or None,
    }
    files.write_json(output / "summary.json", summary)
    with style.thesis_style():
        style.save(crossval_figure(rows, scores, labels), output / "crossval")
    return summary


def summary_text(summary: dict[str, Any], output: Path) -> str:
    """The result in a few lines, with where to look."""
    divided = f"by {summary['group']}" if summary["group"].lower() != "none" else "by picture"
    lines = [f"{summary['folds']}-fold cross-validation x {summary['repeats']}, {divided}:"]
    for name in HEADLINE:
        entry = summary["scores"][name]
        deviation = f" ± {entry['deviation']:.4f} SD" if entry["deviation"] is not None else ""
        limits = f", 95 % [{entry['low']:.4f}, {entry['high']:.4f}]" if entry["low"] is not None else ""
        lines.append(f"  {in_words(name):<18} {entry['mean']:.4f}{deviation}{limits}")
    lines.append(f"  interval: {summary['scores']['accuracy']['method']}")
    lines.append(f"open {output / 'crossval.png'}, {output / 'crossval.csv'}")
    return "\n".join(["", *map(printable, lines)])


def crossval_figure(rows: Sequence[dict[str, Any]], scores: dict[str, FoldScores], labels: Sequence[str]) -> Figure:
    """Every fold as a dot, mean and corrected interval beside them: headline figures left, F1 by class right."""
    figure = style.new_figure(height=2.8)
    left, right = figure.subplots(1, 2, width_ratios=[len(HEADLINE) + 1, len(labels) + 1], sharey=True)
    legend = "a fold", "mean, corrected 95 % interval"
    dots(left, rows, [(in_words(name).replace(" ", "\n", 1), name) for name in HEADLINE], scores, legend)
    ticks = style.class_ticks(labels)
    dots(right, rows, [(tick, f"f1_{label}") for tick, label in zip(ticks, labels, strict=True)], scores, legend)
    left.set_ylabel("score of a fold")
    left.set_title(f"{len(rows)} folds")
    right.set_title("F1 by class")
    right.set_xlabel("class")
    handles, texts = left.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=2)
    return figure


class Summary(Protocol):
    """What `dots` draws beside the single scores: their mean, and its limits where they are known."""

    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def dots(
    axes: Axes,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[tuple[str, str]],
    scores: Mapping[str, Summary],
    legend: tuple[str, str],
) -> None:
    """The scores of `rows` as dots, mean and interval beside them, one column for each (title, key)."""
    for place, (_, key) in enumerate(columns):
        values = [row[key] for row in rows if row[key] is not None]
        spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(len(values))
        single, mean = legend if not place else (None, None)
        axes.plot(place - 0.12 + spread, values, "o", color=style.SKY, markersize=3, label=single)
        summary = scores[key]
        known = summary.low is not None and summary.high is not None
        error = [[summary.mean - summary.low], [summary.high - summary.mean]] if known else None  # type: ignore[operator]
        axes.errorbar(
            place + 0.25, summary.mean, yerr=error, fmt="D", color=style.BLACK, markersize=3.5, capsize=2.5, label=mean
        )
    axes.set_xticks(range(len(columns)), [name for name, _ in columns])
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.grid(axis="x", visible=False)


def _summarised(rows: Sequence[dict[str, Any]], name: str) -> FoldScores:
    known = [row for row in rows if row[name] is not None]
    return summarise_folds(
        [row[name] for row in known], [row["train_items"] for row in known], [row["items"] for row in known]
    )


def _plain(scores: FoldScores) -> dict[str, Any]:
    """JSON has no infinity."""
    return {name: (None if value == np.inf else value) for name, value in asdict(scores).items()}
