"""The answers of a benchmark on disk: one CSV a task below OUTPUT/items, and bench.csv of all of them.

Probabilities keep every digit, so that a table read is the table written. A file that is damaged, or of other rows
than its task has, counts as not there. The settings that a folder was begun with are kept beside; others are refused.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatial_swin import files
from spatial_swin.bench.answering import Answer
from spatial_swin.bench.judges import BASELINE, MODEL, Judges
from spatial_swin.bench.plan import Plan, Task
from spatial_swin.errors import AudioError

SETTINGS = "settings.json"
ITEMS = "items"
PREFIX = {MODEL: "p_", BASELINE: "baseline_p_"}  # of a judge's columns of probabilities
SAYS = {MODEL: "prediction", BASELINE: "baseline_prediction"}
ABOUT = ("programme", "kind", "listener", "laboratory", "condition", "label", "windows", "flags")
Row = dict[str, Any]


def columns_of(judges: Sequence[str], class_names: Sequence[str]) -> list[str]:
    said = [name for judge in judges for name in (SAYS[judge], *(f"{PREFIX[judge]}{k}" for k in class_names))]
    return [*ABOUT, *said]


def row_of(answer: Answer, judges: Judges) -> Row:
    """An answer as a row; boosting answers here."""
    row: Row = {name: getattr(answer, name) for name in ABOUT}
    tables = {MODEL: answer.probabilities}
    if judges.boosting is not None and answer.features is not None:
        tables[BASELINE] = judges.boosting.probabilities(answer.features)
    for judge in judges.names:
        table = tables[judge]
        assert table is not None, judge
        row[SAYS[judge]] = judges.class_names[int(table.argmax())]
        row |= {f"{PREFIX[judge]}{name}": float(p) for name, p in zip(judges.class_names, table, strict=True)}
    return row


def write_rows(path: Path, rows: Sequence[Row], judges: Judges) -> None:
    files.write_csv(path, rows, columns_of(judges.names, judges.class_names))


def read_rows(path: Path, judges: Judges, count: int) -> list[Row] | None:
    """The rows of a task, its numbers read; None when the file is not there, damaged, or not of `count` rows."""
    columns = columns_of(judges.names, judges.class_names)
    try:
        rows: list[Row] = list(files.read_csv(path))
        if len(rows) != count or any(set(row) != set(columns) or None in row.values() for row in rows):
            return None
        for row in rows:
            row["windows"] = int(row["windows"])
            for name in columns:
                if name.startswith(tuple(PREFIX.values())):
                    row[name] = float(row[name])
    except (OSError, ValueError, csv.Error):
        return None
    return rows


def probabilities(rows: Sequence[Row], judge: str, class_names: Sequence[str]) -> np.ndarray:
    """float64 [N, K] of one judge."""
    return np.array([[row[f"{PREFIX[judge]}{name}"] for name in class_names] for row in rows], dtype=np.float64)


def missing(tasks: Sequence[Task], plan: Plan, judges: Judges, output: Path) -> list[Task]:
    return [t for t in tasks if read_rows(output / ITEMS / t.file, judges, plan.items(t)) is None]


def settings_of(plan: Plan, judges: Judges) -> dict[str, Any]:
    """All that decides a number of the benchmark, JSON-ready."""
    cut = plan.settings.cut
    return {
        **judges.identity,
        "class_names": judges.class_names,
        "seconds": cut.seconds,
        "sample_rate": cut.sample_rate,
        "arrangement": plan.settings.arrangement,
        "size": plan.settings.size,
        "seed": plan.seed,
        "layouts": [layout.code for layout in plan.layouts],
        "conditions": [condition.name for condition in plan.conditions],
        "listeners": [listener.name for listener in plan.listeners],
        "programmes": [programme.name for programme in plan.programmes],
    }


def begin(output: Path, settings: Mapping[str, Any]) -> None:
    """Keep the settings. Conditions may be added to those that a folder was begun with.

    Raises AudioError for any other difference, naming all of them.
    """
    path = output / SETTINGS
    if path.is_file():
        try:
            begun = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise AudioError(f"{path}: is damaged; remove it and {ITEMS}/ beside it to begin again") from None
        names = dict.fromkeys([*begun, *settings])
        if set(begun.get("conditions") or ()) <= set(settings["conditions"]):
            names.pop("conditions", None)
        other = [difference(name, begun.get(name), settings.get(name)) for name in names]
        if said := [text for text in other if text]:
            raise AudioError(
                f"{output} holds another benchmark: {'; '.join(said)}; use the same options or another --output_dir"
            )
    files.write_json(path, settings)


def difference(name: str, begun: Any, now: Any, shown: int = 5) -> str:
    """How a setting differs, empty when it does not; of lists what came and what went."""
    if begun == now:
        return ""
    if not (isinstance(begun, list) and isinstance(now, list)) or set(begun) == set(now):
        return f"{name} was {begun if begun is not None else 'not judged'}, now {now if now is not None else 'none'}"
    parts = []
    for word, some, others in (("without", begun, now), ("with", now, begun)):
        apart = [str(value) for value in some if value not in others]
        if apart:
            more = f" and {len(apart) - shown} more" if len(apart) > shown else ""
            parts.append(f"{word} {', '.join(apart[:shown])}{more}")
    return f"{name} now {' and '.join(parts)}"
