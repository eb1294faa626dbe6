"""The learning curve on disk and for the console: learning_curve.csv, .png and .pdf; groups trained on in, scores out.

In go the answers of both models at every point, on the same test items; out come rows with intervals over test groups
and the paired difference. Nothing is trained or predicted here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from spatial_swin import files
from spatial_swin.errors import printable
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.evaluation.significance import matching_order, paired_bootstrap
from spatial_swin.reporting import style
from spatial_swin.reporting.beside import DEEP
from spatial_swin.reporting.tables import with_interval
from spatial_swin.runs import Predictions

RESAMPLES = 10_000
PANELS = {"accuracy": "Accuracy", "macro_f1": "Macro F1"}


def curve_rows(
    groups: int, pictures: int, deep: Predictions, simple: Predictions | None, name: str
) -> list[dict[str, Any]]:
    """One row per model: groups and pictures trained on, scores with limits, and Swin minus `name` in accuracy."""
    rows = [_row(groups, pictures, DEEP, deep)]
    if simple is None:
        return rows
    names = np.array(deep.class_names)
    order = matching_order(deep.paths, list(names[deep.labels]), simple.paths, list(names[simple.labels]))
    found = paired_bootstrap(deep.labels, simple.probabilities[order], deep.probabilities, deep.groups, RESAMPLES)[
        "accuracy"
    ]
    limits = {"low": found.interval.low, "high": found.interval.high}
    rows[0] |= {"difference": found.value} | {f"difference_{side}": value for side, value in limits.items()}
    return [*rows, _row(groups, pictures, name, simple)]


def _row(groups: int, pictures: int, model: str, said: Predictions) -> dict[str, Any]:
    summary = summarise(said.labels, said.probabilities, said.groups, said.class_names, RESAMPLES)
    row: dict[str, Any] = {"groups": groups, "pictures": pictures, "model": model, "test_items": len(said)}
    row["test_groups"] = summary["groups"]
    for name in PANELS:
        row |= {
            name: summary[name]["value"],
            f"{name}_low": summary[name]["low"],
            f"{name}_high": summary[name]["high"],
        }
    return row | dict.fromkeys(("difference", "difference_low", "difference_high"))


def write_curve(output: Path, rows: Sequence[dict[str, Any]]) -> None:
    files.write_csv(output / "learning_curve.csv", rows, list(rows[0]))
    with style.thesis_style():
        style.save(curve_figure(rows), output / "learning_curve")


def curve_figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Scores against the groups trained on, on a scale of doublings, 95 % intervals over test groups as bars."""
    figure = style.new_figure(height=3.1)
    panels = figure.subplots(1, len(PANELS), sharey=True)
    models = list(dict.fromkeys(row["model"] for row in rows))
    sizes = sorted({row["groups"] for row in rows})
    for axes, (name, title) in zip(panels, PANELS.items(), strict=True):
        for k, model in enumerate(models):
            _draw(axes, [row for row in rows if row["model"] == model], name, k, len(models))
        axes.set(title=title, xlabel="groups trained on", xscale="log")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
    items, groups = rows[0]["test_items"], rows[0]["test_groups"]
    panels[0].set_ylabel(f"score on {items} items of {groups} groups")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(models))
    return figure


def _draw(axes: Axes, mine: Sequence[dict[str, Any]], name: str, k: int, models: int) -> None:
    """One model: a line with bars, moved aside by a little so that bars of two models do not hide each other."""
    places = np.array([row["groups"] for row in mine]) * 1.06 ** (k - (models - 1) / 2)
    values = np.array([row[name] for row in mine], dtype=float)
    low = np.array([row[f"{name}_low"] if row[f"{name}_low"] is not None else row[name] for row in mine], dtype=float)
    high = np.array(
        [row[f"{name}_high"] if row[f"{name}_high"] is not None else row[name] for row in mine], dtype=float
    )
    look: dict[str, Any] = {"color": style.colour(k), "marker": "os^D"[k % 4], "markersize": 3.5, "capsize": 2}
    label = f"{mine[0]['model']} (bars: 95 % interval over test groups)" if not k else mine[0]["model"]
    axes.errorbar(
        places, values, yerr=[values - low, high - values], linestyle=style.LINES[k % 4], label=label, **look
    )


def curve_text(rows: Sequence[dict[str, Any]], output: Path) -> str:
    """The curve for the console, and what it does not say."""
    width = max(len(row["model"]) for row in rows)
    lines = [
        f"Learning curve, {rows[0]['test_items']} test items of {rows[0]['test_groups']} groups (accuracy, 95 %):"
    ]
    for row in rows:
        entry = {"value": row["accuracy"], "low": row["accuracy_low"], "high": row["accuracy_high"]}
        line = f"  {row['groups']:>5} groups  {row['pictures']:>6} pictures  {row['model']:<{width}}"
        line += f"  {with_interval(entry)}"
        if row["difference"] is not None:
            beside = {"value": row["difference"], "low": row["difference_low"], "high": row["difference_high"]}
            line += f"  difference {with_interval(beside)}"
        lines.append(line)
    lines.append("One training a point: the bars say how much other test recordings would change, not another seed.")
    lines.append(f"open {output / 'learning_curve.png'}, {output / 'learning_curve.csv'}")
    return "\n".join(["", *map(printable, lines)])
