"""Figures of a benchmark: what bench.json holds in, matplotlib figures out.

A dot is a share with its 95 % interval, a colour a judge (or, of listeners, a laboratory); an open dot has no
interval. The dotted line is chance, the grey one the clean condition.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spatial_swin.reporting import style

Entry = dict[str, Any]
ROW = 0.17  # inches a line of a dot plot
JUDGES = {"model": "model", "baseline": "gradient boosting"}


def entries_of(results: dict[str, Any], factor: str) -> list[Entry]:
    """The figures of one factor, in the order of the results."""
    return [entry for entry in results["figures"] if entry["factor"] == factor]


def _title(entry: Entry) -> str:
    return str(entry.get("title", entry["value"]))


def conditions_figure(results: dict[str, Any]) -> Figure:
    """Accuracy of all layouts and of 510 against 514 by condition."""
    entries = entries_of(results, "condition")
    return _dots(results, [(_title(e), e) for e in entries], ("accuracy", "pair"), entries[0])


def groups_figure(results: dict[str, Any]) -> Figure:
    """The three questions by laboratory and by kind of programme, clean."""
    rows = [(f"{f} {e['value']}", e) for f in ("laboratory", "kind") for e in entries_of(results, f)]
    whole = entries_of(results, "all")[0]
    return _dots(results, [("all", whole), *rows], ("accuracy", "merged", "pair"), whole)


def models_figure(models: dict[str, dict[str, Any]]) -> Figure:
    """{model: its figures}: the three questions, a colour a model, on the same items."""
    titles = {"accuracy": "four layouts", "merged": "510 and 514 as one", "pair": "510 against 514"}
    chances = {"accuracy": 1 / 4, "merged": 1 / 3, "pair": 1 / 2}
    figure = style.new_figure(height=1.1 + 0.3 * len(models))
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for axes, (question, title) in zip(panels, titles.items(), strict=True):
        axes.axvline(chances[question], color=style.GREY, linestyle=":", linewidth=1)
        for row, figures in enumerate(models.values()):
            said = figures[question]
            style.interval_dot(axes, said["value"], said["low"], said["high"], row, style.colour(row))
        axes.set_title(title)
        axes.set_xlabel("share right")
        _lines(axes, list(models))
        axes.set_xlim(left=0)
    return figure


def _dots(
    results: dict[str, Any], rows: Sequence[tuple[str, Entry]], wanted: Sequence[str], reference: Entry
) -> Figure:
    """One panel a question, one line an entry, judges side by side."""
    questions = [name for name in wanted if name in results["questions"]]
    judges = results["judges"]
    names = style.shorten([name for name, _ in rows], 34)
    figure = style.new_figure(height=1.0 + ROW * len(rows) * max(1.0, 0.75 * len(judges)))
    for axes, question in zip(
        figure.subplots(1, len(questions), sharey=True, squeeze=False)[0], questions, strict=True
    ):
        if (chance := chance_of(results, question)) is not None:
            axes.axvline(chance, color=style.GREY, linestyle=":", linewidth=1)
        clean = reference[judges[0]][question]["value"]
        if clean is not None:
            axes.axvline(clean, color=style.GREY, linewidth=0.8)
        for k, judge in enumerate(judges):
            offset = 0.24 * (k - (len(judges) - 1) / 2)
            for row, (_, entry) in enumerate(rows):
                said = entry[judge][question]
                if said["value"] is not None:
                    style.interval_dot(axes, said["value"], said["low"], said["high"], row + offset, style.colour(k))
        axes.set_title(results["questions"][question])
        axes.set_xlabel("share right")
        _lines(axes, names)
    _legend(figure, [(JUDGES.get(judge, judge), style.colour(k)) for k, judge in enumerate(judges)])
    return figure


def chance_of(results: dict[str, Any], question: str) -> float | None:
    """The share that guessing gets right when all layouts are equally frequent."""
    count = len(results["settings"]["layouts"])
    return {"accuracy": 1 / count, "merged": None, "pair": 0.5}[question] if count else None


def _lines(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=style.label_size(ROW))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(right=1.02)
    axes.grid(axis="y", visible=False)


def _legend(figure: Figure, named: Sequence[tuple[str, str]]) -> None:
    if len(named) < 2:
        return
    handles = [Line2D([], [], marker="o", color=colour, markersize=3.6, label=name) for name, colour in named]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))


def listeners_figure(results: dict[str, Any]) -> Figure:
    """Accuracy of the first judge by listener, clean, the best first; a square was met in training."""
    judge, question = results["judges"][0], "accuracy"
    entries = sorted(entries_of(results, "listener"), key=lambda e: -e[judge][question]["value"])
    laboratories = list(dict.fromkeys(entry["laboratory"] for entry in entries))
    colours = {name: style.colour(k) for k, name in enumerate(sorted(laboratories))}
    figure = style.new_figure(height=1.1 + ROW * len(entries))
    axes = figure.subplots()
    if (chance := chance_of(results, question)) is not None:
        axes.axvline(chance, color=style.GREY, linestyle=":", linewidth=1)
    for row, entry in enumerate(entries):
        said, colour = entry[judge][question], colours[entry["laboratory"]]
        style.interval_dot(axes, said["value"], said["low"], said["high"], row, colour)
        if entry["seen"]:
            axes.plot(said["value"], row, "s", markersize=6, color=colour, markerfacecolor="none", clip_on=False)
    _lines(axes, style.shorten([entry["value"] for entry in entries], 34))
    axes.set_xlabel(f"share right, {results['questions'][question]} ({JUDGES.get(judge, judge)})")
    named = [(name, colour) for name, colour in colours.items()]
    _legend(figure, named)
    return figure


def calibration_figure(results: dict[str, Any]) -> Figure:
    """ECE and Brier score by condition."""
    entries, judges = entries_of(results, "condition"), results["judges"]
    figure = style.new_figure(height=1.0 + ROW * len(entries) * max(1.0, 0.75 * len(judges)))
    titles = {"ece": "ECE (15 bins)", "brier": "Brier score (0 to 2)"}
    for axes, name in zip(figure.subplots(1, 2, sharey=True), titles, strict=True):
        for k, judge in enumerate(judges):
            offset = 0.24 * (k - (len(judges) - 1) / 2)
            for row, entry in enumerate(entries):
                said = entry[judge][name]
                style.interval_dot(axes, said["value"], said["low"], said["high"], row + offset, style.colour(k))
        axes.set_title(titles[name])
        axes.set_xlabel("less is better")
        _lines(axes, style.shorten([_title(e) for e in entries], 34))
        axes.set_xlim(left=0, right=None)
        axes.autoscale(axis="x")
        axes.set_xlim(left=0)
    _legend(figure, [(JUDGES.get(judge, judge), style.colour(k)) for k, judge in enumerate(judges)])
    return figure
