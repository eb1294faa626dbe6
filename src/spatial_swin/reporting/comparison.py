"""Several runs on the same test items: paired differences with intervals, exact McNemar, Holm over the pairs.

Run folders go in; comparison.csv, comparison_summary.csv, comparison.tex, a figure, comparison.md, comparison.html and
a text for the console come out. Runs with different test parts are refused: no paired test exists for them. No model
is loaded.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spatial_swin import files
from spatial_swin.errors import DataError
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.evaluation.significance import COMPARED, exact_mcnemar, holm, matching_order, paired_bootstrap
from spatial_swin.reporting import document, style
from spatial_swin.reporting.paired_differences import difference_panel, in_accuracy, verdicts
from spatial_swin.reporting.tables import METRIC_NAMES, p_text, tex_table, with_interval
from spatial_swin.runs import Predictions, RunFolder

COLUMNS = (
    "first",
    "second",
    "metric",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "only_first_right",
    "only_second_right",
    "mcnemar_p",
    "mcnemar_p_holm",
    "items",
    "groups",
)
SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "nll", "ece")


def compare_runs(paths: Sequence[Path], output: Path, resamples: int = 10_000, seed: int = 0) -> str:
    """Compare every pair of runs; write everything into `output` and return a text for the console.

    Raises:
        DataError: two runs were not tested on the same items, know different classes, or have the same name.
        RunError: a run without test predictions.
    """
    shown = {path.resolve().name: RunFolder(path).require().read_predictions("test") for path in paths}
    if len(shown) < len(paths):
        raise DataError(f"two of the runs have the same name ({', '.join(p.name for p in paths)}); rename one folder")
    rows: list[dict[str, Any]] = []
    for first, second in combinations(shown, 2):
        rows += _pair(first, second, shown[first], shown[second], resamples, seed)
    for source, target in (("p", "p_holm"), ("mcnemar_p", "mcnemar_p_holm")):
        for metric in COMPARED:
            family = [row for row in rows if row["metric"] == metric and row[source] is not None]
            for row, adjusted in zip(family, holm([row[source] for row in family]) if family else [], strict=True):
                row[target] = float(adjusted)
    summaries = {
        name: summarise(run.labels, run.probabilities, run.groups, run.class_names, resamples, seed)
        for name, run in shown.items()
    }
    with style.thesis_style():
        style.save(comparison_figure(summaries, rows), output / "comparison")
    files.write_csv(output / "comparison.csv", rows, COLUMNS)
    _write_summary(output / "comparison_summary.csv", summaries)
    report = _document(summaries, rows)
    files.write_text(output / "comparison.tex", _tex(summaries, rows))
    files.write_text(output / "comparison.md", document.to_markdown(report))
    files.write_text(output / "comparison.html", document.to_html(report, output))
    return f"{_as_text(rows, summaries)}\n\nopen {output / 'comparison.html'}"


def _pair(
    first: str, second: str, one: Predictions, two: Predictions, resamples: int, seed: int
) -> list[dict[str, Any]]:
    if one.class_names != two.class_names:
        raise DataError(f"{first} and {second} know different classes; they cannot be compared")
    names = np.array(one.class_names)
    try:
        order = matching_order(one.paths, list(names[one.labels]), two.paths, list(names[two.labels]))
    except DataError as error:
        raise DataError(f"{first} and {second}: {error}") from None
    probabilities = two.probabilities[order]
    right = one.predicted == one.labels, probabilities.argmax(axis=1) == one.labels
    paired = exact_mcnemar(*right)
    differences = paired_bootstrap(one.labels, one.probabilities, probabilities, one.groups, resamples, seed)
    return [
        {
            "first": first,
            "second": second,
            "metric": metric,
            "difference": found.value,
            "low": found.interval.low,
            "high": found.interval.high,
            "p": found.p,
            "p_holm": None,
            "only_first_right": paired.only_first,
            "only_second_right": paired.only_second,
            "mcnemar_p": paired.p,
            "mcnemar_p_holm": None,
            "items": len(one),
            "groups": len(set(one.groups)),
        }
        for metric, found in differences.items()
    ]


def comparison_figure(summaries: dict[str, dict[str, Any]], rows: Sequence[dict[str, Any]]) -> Figure:
    """Accuracy and macro F1 of each run, and the paired differences in accuracy, all with 95 % intervals."""
    heights = (len(summaries) + 1, len(in_accuracy(rows)) + 1)
    figure = style.new_figure(height=1.1 + 0.24 * sum(heights))
    upper, lower = figure.subplots(2, 1, height_ratios=heights)
    for shift, metric, look in ((-0.12, "accuracy", style.BLUE), (0.12, "macro_f1", style.VERMILLION)):
        for k, summary in enumerate(summaries.values()):
            entry = summary[metric]
            style.interval_dot(upper, entry["value"], entry["low"], entry["high"], k + shift, look)
        upper.plot([], [], "o-", color=look, markersize=3.6, label=METRIC_NAMES[metric])
    upper.set_yticks(range(len(summaries)), style.shorten(list(summaries), 26))
    upper.set(title="Each run", xlabel="score with 95 % interval", ylim=(len(summaries) - 0.4, -0.6))
    upper.legend(loc="best")
    difference_panel(lower, rows, "95 % interval")
    return figure


def _write_summary(path: Path, summaries: dict[str, dict[str, Any]]) -> None:
    rows = [
        {"run": run, "metric": metric, **{key: summary[metric][key] for key in ("value", "low", "high", "method")}}
        for run, summary in summaries.items()
        for metric in METRIC_NAMES
    ]
    files.write_csv(path, rows, ("run", "metric", "value", "low", "high", "method"))


def _run_table(summaries: dict[str, dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    rows = [[run, *(with_interval(summary[metric]) for metric in SHOWN)] for run, summary in summaries.items()]
    return ["Run", *(METRIC_NAMES[metric] for metric in SHOWN)], rows


def _difference_table(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    header = ["Second minus first", "Metric", "Difference", "p (Holm)"]
    cells = []
    for row in rows:
        difference = with_interval({"value": row["difference"], "low": row["low"], "high": row["high"]}, 4)
        cells.append(
            [f"{row['second']} − {row['first']}", METRIC_NAMES[row["metric"]], difference, p_text(row["p_holm"])]
        )
    return header, cells


def _mcnemar_table(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    header = ["First", "Second", "Only first right", "Only second right", "Exact p", "p (Holm)"]
    keys = ("first", "second", "only_first_right", "only_second_right")
    return header, [
        [*(str(row[key]) for key in keys), p_text(row["mcnemar_p"]), p_text(row["mcnemar_p_holm"])]
        for row in in_accuracy(rows)
    ]


def _document(summaries: dict[str, dict[str, Any]], rows: Sequence[dict[str, Any]]) -> document.Document:
    items, groups = rows[0]["items"], rows[0]["groups"]
    method = (
        f"All runs were tested on the same {items} items of {groups} groups. Differences are second minus first, with "
        "intervals and p from drawing whole groups for both runs at once (paired cluster bootstrap); p is corrected "
        "over the pairs, metric by metric (Holm)."
    )
    if groups < items:
        method += " McNemar's test takes items as independent, which those of one group are not: trust the bootstrap."
    picture = document.Picture("comparison", "Accuracy and macro F1 of each run, and the paired differences.")
    return document.Document(
        "Comparison of runs",
        ", ".join(summaries),
        [
            document.Section("Verdict", [document.Bullets(verdicts(rows)), document.Text(method)]),
            document.Section(
                "Each run", [document.Table("Test part, 95 % intervals", *_run_table(summaries)), picture]
            ),
            document.Section(
                "Differences",
                [
                    document.Table("Paired differences", *_difference_table(rows)),
                    document.Table("McNemar's exact test", *_mcnemar_table(rows)),
                ],
            ),
        ],
    )


def _tex(summaries: dict[str, dict[str, Any]], rows: Sequence[dict[str, Any]]) -> str:
    return "\n".join(
        [
            tex_table(*_run_table(summaries), "Runs on the same test items; 95 % intervals in brackets.", "tab:runs"),
            tex_table(*_difference_table(rows), "Paired differences, p after Holm's correction.", "tab:differences"),
            tex_table(*_mcnemar_table(rows), "McNemar's exact test.", "tab:mcnemar"),
        ]
    )


def _as_text(rows: Sequence[dict[str, Any]], summaries: dict[str, dict[str, Any]]) -> str:
    lines = [f"{rows[0]['items']} test items of {rows[0]['groups']} groups in all runs"]
    lines += [f"  {run}: accuracy {with_interval(summary['accuracy'], 4)}" for run, summary in summaries.items()]
    lines.append("differences, second minus first (paired cluster bootstrap, Holm):")
    lines += ["  " + "  ".join(cells) for cells in _difference_table(rows)[1]]
    lines.append("McNemar's exact test:")
    for first, second, one, two, p, adjusted in _mcnemar_table(rows)[1]:
        lines.append(f"  {first} - {second}: only first right {one}, only second right {two}, p {p}, Holm {adjusted}")
    return "\n".join(lines)
