"""A benchmark for people: figures, bench.md and bench.html, from what bench.json holds.

The dict of `bench.json` goes in, files come out, all of them whole or none. Nothing is judged or counted here; what a
sentence says is read off the figures.
"""

from pathlib import Path
from typing import Any

import numpy as np

from spatial_swin import files
from spatial_swin.errors import printable
from spatial_swin.reporting import document, style
from spatial_swin.reporting.bench_sections import (
    calibration_blocks,
    conditions_blocks,
    heads_blocks,
    how_blocks,
    result_blocks,
    seen_blocks,
)
from spatial_swin.reporting.bench_sets import set_blocks, set_lines
from spatial_swin.reporting.chapters_bench import MADE, warnings
from spatial_swin.reporting.document import Document, Section
from spatial_swin.reporting.figures_bench import (
    calibration_figure,
    conditions_figure,
    entries_of,
    groups_figure,
    listeners_figure,
)
from spatial_swin.reporting.figures_classes import confusion_matrix
from spatial_swin.reporting.tables import with_interval

NAME_WIDTH, CELL_WIDTH = 30, 23  # letters of the terminal's columns


def write(results: dict[str, Any], output: Path) -> None:
    """Write the figures (.png and .pdf), bench.md and bench.html; figures of an earlier benchmark are removed."""
    with files.staged_folder(output) as folder, style.thesis_style():
        confusion = np.array(results["confusion"][results["judges"][0]])
        style.save(confusion_matrix(confusion, results["class_names"]), folder / "bench_confusion")
        style.save(groups_figure(results), folder / "bench_groups")
        style.save(listeners_figure(results), folder / "bench_listeners")
        if len(entries_of(results, "condition")) > 1:
            style.save(conditions_figure(results), folder / "bench_conditions")
            style.save(calibration_figure(results), folder / "bench_calibration")
        made = {path.stem for path in folder.iterdir()}
        page = bench_document(results, made)
        files.write_text(folder / "bench.md", document.to_markdown(page))
        files.write_text(folder / "bench.html", document.to_html(page, folder))
    for stem in set(MADE) - made:
        for suffix in (".png", ".pdf"):
            (output / f"{stem}{suffix}").unlink(missing_ok=True)


def bench_document(results: dict[str, Any], made: set[str]) -> Document:
    """The page; made: stems of the figures that lie beside it."""
    sections = [
        Section("Result", result_blocks(results, made)),
        Section("Listeners, laboratories and kinds of programmes", heads_blocks(results, made)),
        Section("Conditions", conditions_blocks(results, made)),
        Section("Calibration", calibration_blocks(results, made)),
        Section("Prediction sets", set_blocks(results)),
        Section("What training had", seen_blocks(results)),
        Section("How this was judged", how_blocks(results)),
    ]
    settings = results["settings"]
    subtitle = (
        f"{len(settings['programmes'])} programmes, {len(settings['listeners'])} listeners, "
        f"{len(settings['layouts'])} layouts, {len(settings['conditions'])} conditions"
    )
    return Document("Where it holds", subtitle, [section for section in sections if section.blocks])


def console_text(results: dict[str, Any]) -> str:
    """The summary for the terminal: one line an entry and judge, without the single listeners."""
    judges, questions = results["judges"], results["questions"]
    beside = 10 if len(judges) > 1 else 0
    lines = [" " * (NAME_WIDTH + beside) + "".join(f"{text:<{CELL_WIDTH}}" for text in questions.values()).rstrip()]
    for entry in results["figures"]:
        if entry["factor"] == "listener":
            continue
        name = entry.get("title", entry["value"])
        name = name if entry["factor"] in ("all", "condition") else f"{entry['factor']} {name}"
        name = name if len(name) < NAME_WIDTH else f"{name[: NAME_WIDTH - 4]}..."
        for judge in judges:
            cells = "".join(f"{with_interval(entry[judge][question]):<{CELL_WIDTH}}" for question in questions)
            lines.append(f"{name:<{NAME_WIDTH}}{judge[:beside]:<{beside}}{cells}".rstrip())
            name = ""
    lines += [
        "share right with 95 % intervals (programmes and listeners drawn anew)",
        *set_lines(results),
        *warnings(results),
    ]
    return "\n".join(map(printable, lines))
