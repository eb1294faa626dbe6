"""Judgements as people and machines read them: a table, CSV or JSON. Text comes out; nothing is judged or written."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from spatial_swin.errors import Problem
from spatial_swin.layouts import LAYOUTS
from spatial_swin.prediction.predictor import verdict_of
from spatial_swin.prediction.sources import Judgement

ABSTAINED = "unsure"
DIGITS = 6  # of probabilities in CSV and JSON


@dataclass(frozen=True)
class Outcome:
    """All that was judged, and how. expect: the declared label of a quality control, or None."""

    model: str
    class_names: list[str]
    temperature: float | None
    judgements: list[Judgement]
    problems: list[Problem]
    minimum_confidence: float = 0.0
    expect: str | None = None

    @property
    def differing(self) -> list[Judgement]:
        """What does not agree with `expect`; a file without a verdict does not agree."""
        return [j for j in self.judgements if self.expect is not None and j.verdict != self.expect]


def clock(seconds: float) -> str:
    """12.5 -> 0:00:12.5; a whole second has no decimals."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02d}:{tail}"


def title(label: str) -> str:
    """`514 (5.1.4)`; just the label when it is no layout of ours."""
    return f"{label} ({LAYOUTS[label].title})" if label in LAYOUTS else label


def as_table(outcome: Outcome, top_k: int, timeline: bool) -> str:
    """One line a file (and, when asked for, one for every stretch of windows with the same verdict below it)."""
    rows = [["file", "verdict", "probability", *(["also"] if top_k > 1 else []), "windows", "notes"]]
    stretches: dict[int, list[str]] = {}
    for judgement in outcome.judgements:
        best, *others = ranked(judgement.probabilities, outcome.class_names)[:top_k]
        share = ""
        if judgement.timeline is not None:
            agree = judgement.timeline.shares[best[0]]
            count = judgement.windows
            share = f"{count}, {agree:.0%} {best[0]}" if count > 1 else "1"
        verdict = judgement.verdict or ABSTAINED
        if outcome.expect is not None:
            verdict += " = declared" if judgement.verdict == outcome.expect else f" ≠ {outcome.expect}"
        cells = [_short(judgement.path), verdict, f"{best[0]} {best[1]:.3f}"]
        if top_k > 1:
            cells.append("  ".join(f"{label} {p:.3f}" for label, p in others))
        stretches[len(rows)] = _stretches(judgement, outcome) if timeline else []
        rows.append([*cells, share, ", ".join(judgement.flags)])
    if all(not row[-2] for row in rows[1:]):
        rows = [[*row[:-2], row[-1]] for row in rows]
    if all(not row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        lines += [f"    {line}" for line in stretches.get(number, [])]
    return "\n".join(lines)


def _short(path: Path, longest: int = 60) -> str:
    text = str(path)
    return text if len(text) <= longest else "…" + text[-(longest - 1) :]


def ranked(probabilities: np.ndarray, class_names: Sequence[str]) -> list[tuple[str, float]]:
    """(label, probability), the most probable first."""
    return [(class_names[k], float(probabilities[k])) for k in np.argsort(-probabilities, kind="stable")]


def _window_verdict(judgement: Judgement, index: int, outcome: Outcome) -> str | None:
    assert judgement.timeline is not None
    if not judgement.timeline.heard[index]:
        return None
    return verdict_of(judgement.timeline.windows[index], outcome.class_names, outcome.minimum_confidence)


def _stretches(judgement: Judgement, outcome: Outcome) -> list[str]:
    """`0:00:00 - 0:01:23  514  0.912  (27 windows)`: neighbouring windows with the same verdict, mean probability."""
    timeline = judgement.timeline
    if timeline is None:
        return []
    heard = timeline.heard

    def said(index: int) -> str:
        return (_window_verdict(judgement, index, outcome) or ABSTAINED) if heard[index] else "silent"

    lines = []
    for verdict, members in groupby(range(len(timeline.starts)), key=said):
        group = list(members)
        start, end = timeline.starts[group[0]], timeline.starts[group[-1]] + timeline.seconds
        mean = timeline.windows[group].max(axis=1).mean()
        probability = "     " if verdict == "silent" else f"{mean:.3f}"
        count = f"({len(group)} window{'s' * (len(group) != 1)})"
        lines.append(f"{clock(start)} - {clock(end)}  {verdict:<6}  {probability}  {count}")
    return lines


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(v), DIGITS) for v in values]


def as_csv(outcome: Outcome, timeline: bool) -> str:
    """A row a file, of kind picture or sound; with `timeline` the rows of kind window follow that of their file.

    An empty verdict: abstained. share: of the windows with a say, those whose best label is the file's best.
    """
    columns = [
        "file",
        "kind",
        "start",
        "end",
        "verdict",
        "best",
        "probability",
        "windows",
        "share",
        "flags",
        *(f"p_{name}" for name in outcome.class_names),
    ]
    if outcome.expect is not None:
        columns.insert(5, "agrees")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for judgement in outcome.judgements:
        best = outcome.class_names[judgement.best]
        sound = judgement.timeline
        row: dict[str, Any] = {
            "file": judgement.path,
            "kind": "picture" if sound is None else "sound",
            "verdict": judgement.verdict or "",
            "flags": "; ".join(judgement.flags),
            **_cells(judgement.probabilities, outcome.class_names),
        }
        if outcome.expect is not None:
            row["agrees"] = str(judgement.verdict == outcome.expect).lower()
        if sound is not None:
            row |= {"start": 0, "end": round(float(sound.starts[-1]) + sound.seconds, 3)}
            row |= {"windows": judgement.windows, "share": round(sound.shares[best], DIGITS)}
        writer.writerow(row)
        if sound is not None and timeline:
            for index, start in enumerate(sound.starts.tolist()):
                writer.writerow(
                    {
                        "file": judgement.path,
                        "kind": "window",
                        "start": round(start, 3),
                        "end": round(start + sound.seconds, 3),
                        "flags": sound.flags[index],
                        "verdict": _window_verdict(judgement, index, outcome) or "",
                        **_cells(sound.windows[index], outcome.class_names),
                    }
                )
    return text.getvalue()


def _cells(probabilities: np.ndarray, class_names: Sequence[str]) -> Mapping[str, Any]:
    values = _rounded(probabilities)
    best = int(probabilities.argmax())
    cells: dict[str, Any] = {f"p_{name}": value for name, value in zip(class_names, values, strict=True)}
    return {"best": class_names[best], "probability": values[best], **cells}


def as_json(outcome: Outcome, top_k: int, timeline: bool) -> str:
    """Everything as one object; `agrees` only with a declared label, null verdicts are abstentions."""
    found: dict[str, Any] = {
        "model": outcome.model,
        "class_names": outcome.class_names,
        "temperature": outcome.temperature,
        "calibrated": outcome.temperature is not None,
        "minimum_confidence": outcome.minimum_confidence,
        "files": [_file(judgement, outcome, top_k, timeline) for judgement in outcome.judgements],
        "problems": [{"file": p.where, "what": p.what, "do": p.do} for p in outcome.problems],
    }
    if outcome.expect is not None:
        found |= {
            "expect": outcome.expect,
            "agrees": not outcome.differing and not outcome.problems,
            "differing": [str(j.path) for j in outcome.differing],
        }
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _file(judgement: Judgement, outcome: Outcome, top_k: int, timeline: bool) -> dict[str, Any]:
    names, sound = outcome.class_names, judgement.timeline
    row: dict[str, Any] = {
        "file": str(judgement.path),
        "kind": "picture" if sound is None else "sound",
        "verdict": judgement.verdict,
        "top": [
            {"label": label, "probability": round(p, DIGITS)}
            for label, p in ranked(judgement.probabilities, names)[:top_k]
        ],
        "probabilities": dict(zip(names, _rounded(judgement.probabilities), strict=True)),
        "flags": judgement.flags,
    }
    if outcome.expect is not None:
        row["agrees"] = judgement.verdict == outcome.expect
    if sound is not None:
        row |= {
            "windows": judgement.windows,
            "window_seconds": sound.seconds,
            "silent_windows": int((~sound.heard).sum()),
            "shares": {name: round(share, DIGITS) for name, share in sound.shares.items()},
        }
        if timeline:
            row["timeline"] = [
                {
                    "start": round(start, 3),
                    "end": round(start + sound.seconds, 3),
                    "verdict": _window_verdict(judgement, index, outcome),
                    "probabilities": dict(zip(names, _rounded(sound.windows[index]), strict=True)),
                    "flags": [flag for flag in sound.flags[index].split("+") if flag],
                }
                for index, start in enumerate(sound.starts.tolist())
            ]
    return row
