"""Cross-validations of several recipes on the same folds: paired differences with Nadeau and Bengio's correction.

Folders that `spatial-swin crossval` finished go in; crossval_comparison.csv, .tex, .md, .html, a figure and a text for
the console come out. Folds are paired one by one, so every folder must have divided the same pictures alike. No model
is loaded and no prediction is read: the scores of the folds are in crossval.csv.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spatial_swin import files
from spatial_swin.errors import DataError, RunError, printable
from spatial_swin.evaluation.significance import corrected_resampled_t
from spatial_swin.metric_names import Shown, names
from spatial_swin.reporting import style
from spatial_swin.reporting.document import Bullets, Document, Picture, Section, Table, Text
from spatial_swin.reporting.paired_differences import (
    TexTable,
    correct,
    difference_cells,
    difference_panel,
    in_accuracy,
    verdicts,
    write_comparison,
)
from spatial_swin.reporting.tables import HeaderAndRows, p_text
from spatial_swin.runs import read_samples

METRICS = names(Shown.FOLDS)


@dataclass(frozen=True)
class CrossValidation:
    """A finished one: scores float64 [J] by metric over J folds, n_test / n_train, and what each fold tested."""

    name: str
    scores: dict[str, np.ndarray]
    ratio: float
    tested: dict[str, frozenset[tuple[str, str]]]  # fold -> (path, sha256) of its test part


def is_crossval(path: Path) -> bool:
    """Whether `path` is a folder of `spatial-swin crossval`, finished or not."""
    return (path / "plan.json").is_file() and (path / "splits").is_dir()


def read_crossval(path: Path) -> CrossValidation:
    """Read the scores of a finished cross-validation.

    Raises:
        RunError: it is not finished, or a file in it is damaged.
    """
    table = path / "crossval.csv"
    if not table.is_file():
        raise RunError(f"{path}: this cross-validation is not finished (no crossval.csv); its command continues it")
    try:
        rows = files.read_csv(table)
        scores = {metric: np.array([float(row[metric]) for row in rows]) for metric in METRICS}
        ratio = float(np.mean([int(row["items"]) / int(row["train_items"]) for row in rows]))
        folds = [row["name"] for row in rows]
    except (KeyError, TypeError, ValueError, ZeroDivisionError, csv.Error) as error:
        raise RunError(f"{table}: damaged ({error!r}); run the crossval command again to write it anew") from None
    tested = {
        name: frozenset((s.path, s.sha256) for s in read_samples(path / "splits" / f"{name}.csv") if s.split == "test")
        for name in folds
    }
    return CrossValidation(path.resolve().name, scores, ratio, tested)


def compare_crossvals(paths: Sequence[Path], output: Path) -> str:
    """Compare every pair fold by fold; write everything into `output` and return a text for the console.

    Raises:
        DataError: two of them tested other pictures in some fold, or have the same name.
        RunError: one is unfinished or damaged.
    """
    shown = [read_crossval(path) for path in paths]
    if len({one.name for one in shown}) < len(shown):
        raise DataError(f"two of the folders have the same name ({', '.join(p.name for p in paths)}); rename one")
    rows = [row for first, second in combinations(shown, 2) for row in paired_rows(first, second)]
    correct(rows, "p")
    caption = "Paired differences over the same folds, corrected resampled t."
    table = TexTable(_table(rows), caption, "tab:crossval-differences")
    with style.thesis_style():
        figure, report = difference_figure(shown, rows), _document(shown, rows)
        page = write_comparison(output / "crossval_comparison", rows, figure, report, [table])
    lines = [f"{len(shown[0].tested)} folds, the same in all; second minus first (corrected resampled t, Holm):"]
    lines += ["  " + "  ".join(cells) for cells in _table(rows)[1]]
    return "\n".join([*map(printable, lines), "", f"open {printable(page)}"])


def paired_rows(first: CrossValidation, second: CrossValidation) -> list[dict[str, Any]]:
    """A row a metric: mean difference over folds (second minus first) with the corrected interval and p."""
    differ = [name for name in first.tested if first.tested[name] != second.tested.get(name)]
    if differ or len(first.tested) != len(second.tested):
        what = f"{differ[0]} tests other pictures" if differ else "they have not as many folds"
        raise DataError(
            f"{first.name} and {second.name}: {what}; a paired test needs the same folds: the same data, --folds, "
            "--repeats, --group and seed"
        )
    rows = []
    for metric in METRICS:
        scores = first.scores[metric], second.scores[metric]
        tested = corrected_resampled_t(scores[1] - scores[0], (first.ratio + second.ratio) / 2)
        rows.append(
            {
                "first": first.name,
                "second": second.name,
                "metric": metric,
                "folds": len(first.tested),
                "first_mean": float(scores[0].mean()),
                "second_mean": float(scores[1].mean()),
                "difference": tested.mean,
                "deviation": tested.deviation,
                "low": tested.low,
                "high": tested.high,
                "t": tested.t if np.isfinite(tested.t) else None,
                "freedom": tested.freedom,
                "p": tested.p,
                "p_holm": None,
            }
        )
    return rows


def difference_figure(shown: Sequence[CrossValidation], rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy of every fold, joined by a line so that pairs can be followed; below the differences with intervals."""
    pairs = len(in_accuracy(rows))
    figure = style.new_figure(height=2.9 + 0.24 * pairs)
    upper, lower = figure.subplots(2, 1, height_ratios=[2.0, 0.5 + 0.24 * pairs])
    table = np.array([one.scores["accuracy"] for one in shown])
    upper.plot(range(len(shown)), table, "o-", color=style.SKY, markersize=3, linewidth=0.7)
    upper.plot(range(len(shown)), table.mean(axis=1), "D", color=style.BLACK, markersize=4, label="mean")
    upper.set_xticks(range(len(shown)), style.shorten([one.name for one in shown], 26))
    upper.set(title="Each fold", ylabel="accuracy", xlim=(-0.4, len(shown) - 0.6))
    upper.legend(loc="best")
    difference_panel(lower, rows, "corrected 95 % interval")
    return figure


def _table(rows: Sequence[Mapping[str, Any]]) -> HeaderAndRows:
    header = ["Second minus first", "Metric", "Difference", "SD over folds", "p", "p (Holm)"]
    return header, [
        [*difference_cells(row), f"{row['deviation']:.4f}", p_text(row["p"]), p_text(row["p_holm"])] for row in rows
    ]


def _document(shown: Sequence[CrossValidation], rows: Sequence[Mapping[str, Any]]) -> Document:
    method = (
        f"Each of the {len(shown[0].tested)} folds was trained and tested by every recipe. The trainings of a "
        "cross-validation share most of their data, so the plain t would be too sure: the variance of the mean is "
        "taken as s² (1/J + n_test/n_train) (Nadeau and Bengio 2003); p is corrected over the pairs, metric by "
        "metric (Holm)."
    )
    picture = Picture("crossval_comparison", "Accuracy of each fold, and the paired differences.")
    differences = Table("Paired differences over folds", *_table(rows))
    sections = [
        Section("Verdict", [Bullets(verdicts(rows)), Text(method)]),
        Section("Differences", [differences, picture]),
    ]
    return Document("Comparison of cross-validations", ", ".join(one.name for one in shown), sections)
