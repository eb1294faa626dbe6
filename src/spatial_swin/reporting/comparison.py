"""Several runs on the same test items: paired differences with intervals, exact McNemar, Holm over the pairs.

Run folders go in; comparison.csv, comparison_summary.csv, comparison.tex, a figure, comparison.md, comparison.html and
a text for the console come out. Runs with different test parts are refused: no paired test exists for them. No model
is loaded.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spatial_swin import files
from spatial_swin.errors import DataError, printable
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.evaluation.power import smallest_difference
from spatial_swin.evaluation.significance import exact_mcnemar, matching_order, paired_bootstrap
from spatial_swin.metric_names import METRIC_TITLES, Shown, in_words, names
from spatial_swin.reporting import style
from spatial_swin.reporting.chapters_baseline import detectable_text
from spatial_swin.reporting.document import Bullets, Document, Picture, Section, Table, Text, sentence, shown_value
from spatial_swin.reporting.evidence import split_warnings
from spatial_swin.reporting.paired_differences import (
    TexTable,
    correct,
    difference_cells,
    difference_panel,
    in_accuracy,
    verdicts,
    write_comparison,
)
from spatial_swin.reporting.tables import ENTRY, HeaderAndRows, p_text, with_interval
from spatial_swin.runs import Predictions, RunFolder

Summaries = dict[str, dict[str, Any]]  # run -> the summary of its test part
Rows = Sequence[Mapping[str, Any]]
DRAWN = names(Shown.LINE)
PLACES = {  # keys that say where things lie or how a run is followed, not how it is trained
    *("output_dir", "overwrite", "run_name", "trunk_cache_dir", "trunk_cache_max_gb", "preflight_workers"),
    *("report_to", "project", "tags", "track_split", "track_model", "hub_model_id", "push_to_hub"),
}


def compare_runs(paths: Sequence[Path], output: Path, resamples: int = 10_000, seed: int = 0) -> str:
    """Compare every pair of runs; write everything into `output` and return a text for the console.

    Raises:
        DataError: two runs were not tested on the same items, know different classes, or have the same name.
        RunError: a run without test predictions.
    """
    tested = {path.resolve().name: RunFolder(path).require().read_predictions("test") for path in paths}
    if len(tested) < len(paths):
        raise DataError(f"two of the runs have the same name ({', '.join(p.name for p in paths)}); rename one folder")
    rows: list[dict[str, Any]] = []
    for first, second in combinations(tested, 2):
        rows += _pair(first, second, tested[first], tested[second], resamples, seed)
    for p in ("p", "mcnemar_p"):
        correct(rows, p)
    summaries = {
        name: summarise(run.labels, run.probabilities, run.groups, run.class_names, resamples, seed)
        for name, run in tested.items()
    }
    entries = [
        {"run": run, "metric": metric} | {key: summary[metric][key] for key in ENTRY}
        for run, summary in summaries.items()
        for metric in METRIC_TITLES
    ]
    files.write_csv(output / "comparison_summary.csv", entries, ("run", "metric", *ENTRY))
    tables = [
        TexTable(_run_table(summaries), "Runs on the same test items; 95 % intervals in brackets.", "tab:runs"),
        TexTable(_difference_table(rows), "Paired differences, p after Holm's correction.", "tab:differences"),
        TexTable(_mcnemar_table(rows), "McNemar's exact test.", "tab:mcnemar"),
    ]
    runs = {path.resolve().name: RunFolder(path) for path in paths}
    about = [differing_keys(runs), Section("Limits", [Bullets(_limits(runs, tested, rows))])]
    with style.thesis_style():
        figure, report = comparison_figure(summaries, rows), _document(summaries, rows, about)
        page = write_comparison(output / "comparison", rows, figure, report, tables)
    return f"{_as_text(rows, summaries)}\n\nopen {printable(page)}"


def _pair(
    first: str, second: str, one: Predictions, two: Predictions, resamples: int, seed: int
) -> list[dict[str, Any]]:
    """One row per metric; the columns of comparison.csv."""
    if one.class_names != two.class_names:
        raise DataError(f"{first} and {second} know different classes; they cannot be compared")
    classes = np.array(one.class_names)
    try:
        order = matching_order(one.paths, list(classes[one.labels]), two.paths, list(classes[two.labels]))
    except DataError as error:
        raise DataError(f"{first} and {second}: {error}") from None
    probabilities = two.probabilities[order]
    paired = exact_mcnemar(one.predicted == one.labels, probabilities.argmax(axis=1) == one.labels)
    differences = paired_bootstrap(one.labels, one.probabilities, probabilities, one.groups, resamples, seed)
    return [
        {
            "first": first,
            "second": second,
            "metric": metric,
            "difference": difference.value,
            "low": difference.interval.low,
            "high": difference.interval.high,
            "p": difference.p,
            "p_holm": None,
            "only_first_right": paired.only_first,
            "only_second_right": paired.only_second,
            "mcnemar_p": paired.p,
            "mcnemar_p_holm": None,
            "items": len(one),
            "groups": len(set(one.groups)),
        }
        for metric, difference in differences.items()
    ]


def comparison_figure(summaries: Summaries, rows: Rows) -> Figure:
    """The headline metrics of each run, and the paired differences in accuracy, all with 95 % intervals."""
    heights = (len(summaries) + 1, len(in_accuracy(rows)) + 1)
    figure = style.new_figure(height=1.1 + 0.24 * sum(heights))
    upper, lower = figure.subplots(2, 1, height_ratios=heights)
    for number, metric in enumerate(DRAWN):
        look = style.colour(number)
        shift = 0.24 * (number - (len(DRAWN) - 1) / 2)
        for k, summary in enumerate(summaries.values()):
            entry = summary[metric]
            style.interval_dot(upper, entry["value"], entry["low"], entry["high"], k + shift, look)
        upper.plot([], [], "o-", color=look, markersize=3.6, label=METRIC_TITLES[metric])
    upper.set_yticks(range(len(summaries)), style.shorten(list(summaries), 26))
    upper.set(title="Each alone", xlabel="score with 95 % interval", ylim=(len(summaries) - 0.4, -0.6))
    upper.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(DRAWN), borderaxespad=0)  # beside the title
    difference_panel(lower, rows, "95 % interval")
    return figure


def _run_table(summaries: Summaries) -> HeaderAndRows:
    shown = names(Shown.SUMMARY)
    rows = [[run, *(with_interval(summary[metric]) for metric in shown)] for run, summary in summaries.items()]
    return ["Run", *(METRIC_TITLES[metric] for metric in shown)], rows


def _difference_table(rows: Rows) -> HeaderAndRows:
    header = ["Second minus first", "Metric", "Difference", "p (Holm)"]
    return header, [[*difference_cells(row), p_text(row["p_holm"])] for row in rows]


def _mcnemar_table(rows: Rows) -> HeaderAndRows:
    header = ["First", "Second", "Only first right", "Only second right", "Exact p", "p (Holm)"]
    keys = ("first", "second", "only_first_right", "only_second_right")
    return header, [
        [*(str(row[key]) for key in keys), p_text(row["mcnemar_p"]), p_text(row["mcnemar_p_holm"])]
        for row in in_accuracy(rows)
    ]


def differing_keys(runs: Mapping[str, RunFolder]) -> Section:
    """Every key of the recipes in which the runs differ, with its value in each; places and names are left out."""
    recipes = {name: run.read_recipe() for name, run in runs.items() if run.recipe_file.is_file()}
    title = "What differs in the recipes"
    keys = {(part, key) for recipe in recipes.values() for part, values in recipe.items() for key in values}
    rows = []
    for part, key in sorted(keys - {(part, key) for part, key in keys if key in PLACES}):
        found = [shown_value((recipe.get(part) or {}).get(key, "not there")) for recipe in recipes.values()]
        if len(set(found)) > 1:
            rows.append([part, key, *found])
    if not rows:
        return Section(title, [Text("No key of the recipes differs: what differs is chance, or the code.")])
    return Section(title, [Table("Keys with several values", ["Part", "Key", *recipes], rows, texts=True)])


def _limits(runs: Mapping[str, RunFolder], tested: Mapping[str, Predictions], rows: Rows) -> list[str]:
    """What the comparison does not say, and what the split itself says against it."""
    items = [
        "Each run is one training: the intervals say how much the differences would vary with other recordings, not "
        "with another seed. Train every recipe with several seeds before one is called better.",
        "The result holds for recordings like those of this test part, which all runs share.",
    ]
    for first, second in combinations(tested, 2):
        one, two = tested[first], tested[second]
        order = matching_order(one.paths, _names(one), two.paths, _names(two))
        better = (two.predicted == two.labels)[order].astype(float) - (one.predicted == one.labels)
        found = smallest_difference(better, one.groups)
        items.append(f"{second} and {first}: {detectable_text(found, one.groups)}")
    opened = {name: len(_metrics(run).get("test_openings", [])) for name, run in runs.items()}
    if often := [f"{name} ({times} times)" for name, times in opened.items() if times > 1]:
        items.append(f"The test part was predicted more than once: {', '.join(often)}; choosing by it flatters.")
    if len(tested) > 2:
        items.append(f"{len(tested)} runs were compared; Holm's correction covers these pairs, not runs left out.")
    first_run = next(iter(runs.values()))
    if first_run.split_file.is_file():
        items += [sentence(warning) for warning in split_warnings(first_run.read_split())]
    return items


def _names(said: Predictions) -> list[str]:
    return list(np.array(said.class_names)[said.labels])


def _metrics(run: RunFolder) -> dict[str, Any]:
    return run.read_metrics() if run.metrics_file.is_file() else {}


def _document(summaries: Summaries, rows: Rows, about: Sequence[Section]) -> Document:
    items, groups = rows[0]["items"], rows[0]["groups"]
    method = (
        f"All runs were tested on the same {items} items of {groups} groups. Differences are second minus first, with "
        "intervals and p from drawing whole groups for both runs at once (paired cluster bootstrap); p is corrected "
        "over the pairs, metric by metric (Holm)."
    )
    if groups < items:
        method += " McNemar's test takes items as independent, which those of one group are not: trust the bootstrap."
    drawn = " and ".join(map(in_words, DRAWN))
    picture = Picture("comparison", f"The {drawn} of each run, and the paired differences.")
    differences = Table("Paired differences", *_difference_table(rows))
    sections = [
        Section("Verdict", [Bullets(verdicts(rows)), Text(method)]),
        Section("Each run", [Table("Test part, 95 % intervals", *_run_table(summaries)), picture]),
        Section("Differences", [differences, Table("McNemar's exact test", *_mcnemar_table(rows))]),
        *about,
    ]
    return Document("Comparison of runs", ", ".join(summaries), sections)


def _as_text(rows: Rows, summaries: Summaries) -> str:
    lines = [f"{rows[0]['items']} test items of {rows[0]['groups']} groups in all runs"]
    lines += [f"  {run}: accuracy {with_interval(summary['accuracy'], 4)}" for run, summary in summaries.items()]
    lines.append("differences, second minus first (paired cluster bootstrap, Holm):")
    lines += ["  " + "  ".join(cells) for cells in _difference_table(rows)[1]]
    lines.append("McNemar's exact test:")
    for first, second, one, two, p, adjusted in _mcnemar_table(rows)[1]:
        lines.append(f"  {first} - {second}: only first right {one}, only second right {two}, p {p}, Holm {adjusted}")
    return "\n".join(map(printable, lines))
