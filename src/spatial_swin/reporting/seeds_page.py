"""The report of a folder of seeds: one page, one figure, two tables, from what `seeds` read and pooled.

Written are seeds.csv (a row per metric: every seed, mean, SD, interval), items.csv (how many seeds are right about an
item, and what each says), seeds.png, .pdf, report.md and report.html. No model is loaded.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spatial_swin import files
from spatial_swin.evaluation.seeds import METRICS
from spatial_swin.metric_names import METRIC_TITLES, in_words
from spatial_swin.reporting import chapters_baseline, style
from spatial_swin.reporting.document import (
    Bullets,
    Document,
    Picture,
    Section,
    Table,
    Text,
    Warnings,
    counted,
    to_html,
    to_markdown,
)
from spatial_swin.reporting.figures_crossval import dots
from spatial_swin.reporting.seeds import SeedsReport, pool_seeds
from spatial_swin.reporting.tables import HeaderAndRows, with_interval

METHOD = (
    "All seeds were trained with the same recipe on the same split; the order of the pictures, augmentation, the new "
    "head and stochastic depth differ. The SD says how much the seed alone moves the score. The interval is for the "
    "mean of these seeds: whole groups of items are drawn with replacement, the same for every seed (paired cluster "
    "bootstrap). Neither says what another split, other listeners or other programmes would give."
)


def report_seeds(
    path: Path, output: Path | None = None, resamples: int = 10_000, seed: int = 0, no_baseline: str = ""
) -> SeedsReport:
    """Pool the finished seeds of `path`, and write the report into `output` (path/thesis_results when None).

    no_baseline: why no simple model was fitted. Raises as `pool_seeds`.
    """
    report = pool_seeds(path, resamples, seed, no_baseline)
    with files.staged_folder(output or path / "thesis_results") as folder, style.thesis_style():
        style.save(seeds_figure(report), folder / "seeds")
        files.write_csv(folder / "seeds.csv", rows := _metric_rows(report), list(rows[0]))
        files.write_csv(folder / "items.csv", rows := _item_rows(report), list(rows[0]))
        page = seeds_document(report)
        files.write_text(folder / "report.md", to_markdown(page))
        files.write_text(folder / "report.html", to_html(page, folder))
    return report


def _metric_rows(report: SeedsReport) -> list[dict[str, Any]]:
    return [
        {"metric": name, "mean": one.mean, "sd": one.deviation, "low": one.low, "high": one.high}
        | {f"seed_{number}": float(value) for number, value in zip(report.seeds, one.values, strict=True)}
        | {"method": one.interval.method, "remark": one.interval.reason or one.interval.note}
        for name, one in report.pooled.items()
    ]


def _item_rows(report: SeedsReport) -> list[dict[str, Any]]:
    items = report.items
    said = [[one.class_names[k] for k in one.predicted] for one in report.predictions]
    return [
        {"path": path, "group": group, "label": items.class_names[label], "seeds_right": int(right)}
        | {f"seed_{number}": answers[k] for number, answers in zip(report.seeds, said, strict=True)}
        for k, (path, group, label, right) in enumerate(
            zip(items.paths, items.groups, items.labels, report.right, strict=True)
        )
    ]


def seeds_figure(report: SeedsReport) -> Figure:
    """Every seed as a dot, mean and interval beside them: headline figures left, F1 by class right."""
    classes = [name for name in report.pooled if name.startswith("f1_")]
    rows = [
        {name: float(one.values[k]) for name, one in report.pooled.items()} for k in range(len(report.predictions))
    ]
    legend = "a seed", "mean of the seeds, 95 % interval over groups of items"
    figure = style.new_figure(height=2.8)
    left, right = figure.subplots(1, 2, width_ratios=[len(METRICS) + 1, len(classes) + 1], sharey=True)
    dots(left, rows, [(in_words(name).replace(" ", "\n", 1), name) for name in METRICS], report.pooled, legend)
    dots(right, rows, [(name[3:], name) for name in classes], report.pooled, legend)
    left.set(title=report.named_seeds if len(report.seeds) < 5 else f"{len(report.seeds)} seeds", ylabel="score")
    right.set(title="F1 by class", xlabel="class")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def seeds_document(report: SeedsReport) -> Document:
    """The page: what the mean is worth, every seed, the classes, and the items on which seeds disagree."""
    accuracy = report.pooled["accuracy"]
    warnings = [sentence for sentence in (*report.problems, accuracy.interval.note) if sentence]
    if report.part != "test":
        warnings.append("The split has no test part: these are figures of the part that chose the best epochs.")
    sections = [
        Section("Verdict", [*([Warnings(warnings)] if warnings else []), Bullets(_verdict(report)), Text(METHOD)]),
        Section(
            "Every seed",
            [
                Table("Metrics of each seed, their mean, SD, and 95 % interval of the mean", *_table(report)),
                Picture("seeds", "Every seed, and the mean with its interval."),
            ],
        ),
        _baseline_section(report),
        Section("Items", [Text(_agreement(report)), Table("Items by the number of seeds right", *_counts(report))]),
    ]
    return Document("Several seeds of one recipe", f"{report.path.name}: {report.named_seeds}", sections)


def _verdict(report: SeedsReport) -> list[str]:
    accuracy, count = report.pooled["accuracy"], len(report.seeds)
    entry = {"value": accuracy.mean, "low": accuracy.low, "high": accuracy.high}
    if accuracy.deviation is None:
        return [
            f"Accuracy {with_interval(entry, 4)} on the {report.part} part ({report.size}), of one seed: how much "
            "the seed moves it is unknown. Train more of them with the same command and more --seeds."
        ]
    low, high = float(accuracy.values.min()), float(accuracy.values.max())
    sentences = [
        f"Mean accuracy of {count} seeds {with_interval(entry, 4)} on the {report.part} part ({report.size}); SD "
        f"over the seeds {accuracy.deviation:.4f}, from {low:.4f} to {high:.4f}."
    ]
    if count < 5:
        sentences.append(f"An SD of {count} values is itself known roughly only.")
    return sentences


def _table(report: SeedsReport) -> HeaderAndRows:
    header = ["Metric", *(f"Seed {number}" for number in report.seeds), "Mean [95 %]", "SD"]
    rows = []
    for name, one in report.pooled.items():
        title = METRIC_TITLES.get(name) or f"F1 of {name[3:]}"
        entry = {"value": one.mean, "low": one.low, "high": one.high}
        deviation = "–" if one.deviation is None else f"{one.deviation:.4f}"
        rows.append([title, *(f"{value:.4f}" for value in one.values), with_interval(entry, 4), deviation])
    return header, rows


def _baseline_section(report: SeedsReport) -> Section:
    """Gradient boosting on the same items, and what the seeds are better by."""
    if not report.difference:
        why = report.no_baseline or "`spatial-swin report` fits it when the pictures are there"
        return Section(chapters_baseline.TITLE, [Text(f"No simple model stands beside these seeds: {why}.")])
    rows = []
    for name, found in report.difference.items():
        title = METRIC_TITLES.get(name) or f"F1 of {name[3:]}"
        columns = (report.pooled[name], report.simple[name], found)
        entries = [{"value": one.mean, "low": one.low, "high": one.high} for one in columns]
        rows.append([title, *(with_interval(entry, 4) for entry in entries)])
    accuracy = report.difference["accuracy"]
    said = chapters_baseline.better_or_not(accuracy.low, accuracy.high)
    text = (
        f"Gradient boosting was fitted on the same train part and tested on the same items. The mean accuracy of the "
        f"seeds minus that of the simple model is {rows[0][3]} (paired, groups kept whole){said}."
    )
    header = ["Metric", "Mean of the seeds", "Gradient boosting", "Difference"]
    table = Table("The seeds and a simple model on the same items", header, rows)
    return Section(chapters_baseline.TITLE, [Text(text), table])


def _agreement(report: SeedsReport) -> str:
    right, count = report.right, len(report.seeds)
    wrong = int((right == 0).sum())
    never = f"{counted(wrong, 'item')} {'is' if wrong == 1 else 'are'} wrong"
    if count == 1:
        return f"{never}. items.csv lists every item."
    said = np.stack([one.predicted for one in report.predictions])
    same = float((said == said[0]).all(axis=0).mean())
    why = ": not chance of a training, but of these items or of what training has" if wrong else ""
    seeds = "Both seeds" if count == 2 else f"All {count} seeds"
    return (
        f"{seeds} give the same answer for {same:.1%} of the items. {never} in every seed{why}. items.csv lists every "
        "item."
    )


def _counts(report: SeedsReport) -> HeaderAndRows:
    right, labels, names = report.right, report.items.labels, report.items.class_names
    rows: list[list[str]] = []
    for count in range(len(report.seeds), -1, -1):
        mine = [int(((right == count) & (labels == k)).sum()) for k in range(len(names))]
        rows.append([f"{count} of {len(report.seeds)}", *map(str, mine), str(sum(mine))])
    return ["Seeds right", *names, "all"], rows
