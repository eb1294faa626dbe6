"""The generalisation matrix: generalisation.csv, generalisation.png and .pdf, one row per scheme and model.

In go the figures of every fold by scheme and model; out come the rows with intervals and drops, files, and text. The
first scheme is the reference of the drops. Nothing is trained or predicted here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spatial_swin import files
from spatial_swin.errors import printable
from spatial_swin.evaluation.generalisation import drop_between, summarise_folds
from spatial_swin.reporting import style

DROP = {"drop": "value", "drop_low": "low", "drop_high": "high"}  # columns of the table, fields of a Drop


def write_matrix(
    output: Path,
    scores: Mapping[tuple[str, str], Sequence[dict[str, Any]]],
    impossible: Mapping[str, str],
    classes: int,
) -> list[dict[str, Any]]:
    """Write table and figure; return the rows in the order of `scores`, impossible schemes last.

    scores: (scheme, model) -> one dict per fold with accuracy, macro_f1, train_items, items, and for a single fold
    accuracy_low and accuracy_high.
    """
    rows = matrix_rows(scores)
    empty = dict.fromkeys(rows[0])
    rows += [empty | {"scheme": name, "note": f"not possible: {why}"} for name, why in impossible.items()]
    files.write_csv(output / "generalisation.csv", rows, list(empty))
    with style.thesis_style():
        style.save(matrix_figure(rows, classes), output / "generalisation")
    return rows


def matrix_rows(scores: Mapping[tuple[str, str], Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The columns of generalisation.csv by name, one row per scheme and model."""
    summaries = {
        key: summarise_folds(
            [fold["accuracy"] for fold in folds],
            [fold["train_items"] for fold in folds],
            [fold["items"] for fold in folds],
            (folds[0].get("accuracy_low"), folds[0].get("accuracy_high")),
        )
        for key, folds in scores.items()
    }
    reference = next(iter(summaries))[0]
    rows = []
    for (scheme, model), summary in summaries.items():
        folds = scores[scheme, model]
        drop = drop_between(summaries[reference, model], summary) if scheme != reference else None
        rows.append(
            {
                "scheme": scheme,
                "model": model,
                "folds": summary.folds,
                "train_items": round(float(np.mean([fold["train_items"] for fold in folds]))),
                "test_items": sum(fold["items"] for fold in folds),
                "accuracy": summary.mean,
                "deviation": summary.deviation,
                "low": summary.low,
                "high": summary.high,
                **{name: getattr(drop, key, None) for name, key in DROP.items()},
                "macro_f1": float(np.mean([fold["macro_f1"] for fold in folds])),
                "method": summary.method,
                "note": "",
            }
        )
    return rows


def matrix_text(rows: Sequence[dict[str, Any]], output: Path) -> str:
    """The matrix for the console, with where to look."""
    width = max(len(row["scheme"]) for row in rows)
    lines = ["Generalisation (accuracy, 95 % interval, drop against random chunks):"]
    for row in rows:
        if row["accuracy"] is None:
            lines.append(f"  {row['scheme']:<{width}}  {row['note']}")
            continue
        limits = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
        drop = "" if row["drop"] is None else f"  drop {_signed(row['drop'], row['drop_low'], row['drop_high'])}"
        lines.append(f"  {row['scheme']:<{width}}  {row['model']:<18} {row['accuracy']:.3f}{limits}{drop}")
    lines.append(f"open {output / 'generalisation.png'}, {output / 'generalisation.csv'}")
    return "\n".join(["", *map(printable, lines)])


def matrix_figure(rows: Sequence[dict[str, Any]], classes: int) -> Figure:
    """Accuracy with its interval by scheme left, drop against the first scheme right; one colour per model."""
    known = [row for row in rows if row["accuracy"] is not None]
    schemes = list(dict.fromkeys(row["scheme"] for row in known))
    models = list(dict.fromkeys(row["model"] for row in known))
    figure = style.new_figure(height=1.3 + 0.42 * len(schemes))
    left, right = figure.subplots(1, 2, sharey=True)
    for k, model in enumerate(models):
        mine = [row for row in known if row["model"] == model]
        places = np.array([schemes.index(row["scheme"]) for row in mine]) + 0.22 * (k - (len(models) - 1) / 2)
        look = {"fmt": "os^D"[k % 4], "color": style.colour(k), "markersize": 4, "capsize": 2.5}
        for axes, names in ((left, ("accuracy", "low", "high")), (right, ("drop", "drop_low", "drop_high"))):
            shown = [(place, *(row[n] for n in names)) for place, row in zip(places, mine, strict=True)]
            shown = [entry for entry in shown if entry[1] is not None]
            values = np.array([entry[1] for entry in shown])
            below = np.array([value if low is None else low for _, value, low, _ in shown])
            above = np.array([value if high is None else high for _, value, _, high in shown])
            at = [entry[0] for entry in shown]
            axes.errorbar(values, at, xerr=[values - below, above - values], label=model, **look)
    left.axvline(1 / classes, color=style.GREY, linestyle=":", linewidth=1, label="chance")
    right.axvline(0, color=style.GREY, linewidth=0.8)
    left.set_yticks(range(len(schemes)), schemes)
    left.invert_yaxis()
    left.set_xlabel("accuracy (95 % interval)")
    right.set_xlabel(f"drop against {schemes[0]} (95 % interval)")
    for axes in (left, right):
        axes.grid(axis="y", visible=False)
    handles, texts = left.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=len(texts))
    return figure


def _signed(value: float, low: float | None, high: float | None) -> str:
    return f"{value:+.3f}" + ("" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]")
