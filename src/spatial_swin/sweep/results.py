"""What a sweep leaves: sweep.csv with every trial, best.yaml to train with, a figure, and a summary for the console.

In go the trials as the study knows them; out come files and text. The figures are of the validation part, on which the
trials were compared, so the best of them is optimistic, and every summary says so.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from spatial_swin import files
from spatial_swin.errors import printable
from spatial_swin.metric_names import METRIC_TITLES, in_words
from spatial_swin.recipe_keys import written
from spatial_swin.reporting import style
from spatial_swin.reporting.figures_sweep import Panel, Point, sweep_figure
from spatial_swin.sweep.space import Axis, Choice
from spatial_swin.sweep.study import Told
from spatial_swin.sweep.trial import Figure

SHOWN = 5  # trials in the summary
COLUMNS = ("trial", "state", "validation_figure", "best_epoch", "epochs", "why")


def figure_in_words(figure: Figure) -> str:
    return in_words(figure.name) if figure.name in METRIC_TITLES else figure.name.replace("_", " ")


def ranked(trials: Sequence[Told], figure: Figure) -> list[Told]:
    """The completed trials, the best first, the earlier of equal ones before the later."""
    completed = [trial for trial in trials if trial.state == "completed" and trial.outcome]
    sign = -1 if figure.greater else 1
    return sorted(completed, key=lambda trial: sign * trial.outcome.figure if trial.outcome else 0.0)


def best_of(trials: Sequence[Told], figure: Figure) -> Told | None:
    return next(iter(ranked(trials, figure)), None)


def write_table(folder: Path, trials: Sequence[Told], axes: Sequence[Axis], figure: Figure) -> None:
    """sweep.csv, sweep.png and sweep.pdf."""
    rows = []
    for trial in trials:
        known = trial.outcome
        row = {"trial": trial.number, "state": trial.state, "why": trial.why}
        if known:
            row |= {"validation_figure": known.figure, "best_epoch": known.best_epoch, "epochs": known.epochs}
        values = {key: written(v) if isinstance(v, (list, bool)) else v for key, v in trial.values.items()}
        rows.append({**dict.fromkeys(COLUMNS), **row, **values})
    keys = [axis.key for axis in axes]
    files.write_csv(folder / "sweep.csv", rows, [*COLUMNS[:-1], *keys, COLUMNS[-1]])
    panels = [
        Panel(axis.key, [written(value) for value in axis.values])
        if isinstance(axis, Choice)
        else Panel(axis.key, log=axis.log)
        for axis in axes
    ]
    points = [
        Point(t.number, t.state, t.outcome.figure if t.outcome else None, {p.key: _place(p, t.values) for p in panels})
        for t in trials
        if t.state != "begun"
    ]
    with style.thesis_style():
        title = f"validation {figure_in_words(figure)}"
        style.save(sweep_figure(points, panels, title, greater=figure.greater), folder / "sweep")


def _place(panel: Panel, values: Mapping[str, Any]) -> float:
    """Where a value stands on its axis: a choice by its number."""
    return panel.choices.index(written(values[panel.key])) if panel.choices else float(values[panel.key])


def write_best(folder: Path, recipe: Mapping[str, Any], best: Told, trials: Sequence[Told], figure: Figure) -> None:
    """best.yaml: a complete recipe, with what it is worth above it."""
    assert best.outcome is not None
    heading = [
        f"Trial {best.number} of a sweep, by {figure_in_words(figure)} on validation the best of {len(trials)}:",
        f"{best.outcome.figure:.4f} at epoch {best.outcome.best_epoch}.",
        _warning(trials),
        "",
        f"  spatial-swin train --config {folder / 'best.yaml'} --output_dir runs/best",
    ]
    text = "\n".join(f"# {printable(line)}".rstrip() for line in heading)
    body = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
    files.write_text(folder / "best.yaml", f"{text}\n\n{body}")


def summary_text(folder: Path, trials: Sequence[Told], best: Told, figure: Figure) -> str:
    """The best trials with their values, how all ended, what the figure is worth, and what to do next."""
    count = {state: sum(trial.state == state for trial in trials) for state in ("completed", "given up", "failed")}
    ended = ", ".join(f"{number} {state}" for state, number in count.items() if number)
    lines = [f"{len(trials)} trials: {ended}", f"the best by {figure_in_words(figure)} on validation:"]
    for trial in ranked(trials, figure)[:SHOWN]:
        assert trial.outcome is not None
        values = ", ".join(f"{key} {written(value)}" for key, value in trial.values.items())
        lines.append(
            f"  trial {trial.number:>3}  {trial.outcome.figure:.4f} at epoch {trial.outcome.best_epoch:>3}  {values}"
        )
    lines.append(f"WARNING: {_warning(trials)}")
    lines.append(f"next: spatial-swin train --config {folder / 'best.yaml'} --output_dir runs/best")
    lines.append(f"open {folder / 'sweep.png'}, {folder / 'sweep.csv'}")
    return "\n".join(["", *map(printable, lines)])


def _warning(trials: Sequence[Told]) -> str:
    return (
        f"The best of {len(trials)} on the part that chose it is optimistic; the test part has not been opened: train "
        "best.yaml and judge it there once."
    )
