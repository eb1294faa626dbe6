"""Judgements as people and machines read them: a table, CSV or JSON. Text comes out; nothing is judged or written.

Names of files and classes come from others: what a terminal would obey is shown as escapes, also in CSV; JSON escapes
everything that is not ASCII itself.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatial_swin import files
from spatial_swin.errors import Problem, printable
from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.domain import Domain
from spatial_swin.evaluation.domain_words import as_json as domain_as_json
from spatial_swin.evaluation.steps import Step, families, in_words, steps_of
from spatial_swin.prediction.asking import Asked
from spatial_swin.prediction.judging import Judgement
from spatial_swin.prediction.outside import in_lines
from spatial_swin.prediction.predictor import Timeline, verdict_of

if TYPE_CHECKING:  # it brings the renderer, and few ask for it
    from spatial_swin.prediction.quality import Quality

ABSTAINED = "unsure"
SILENT = "silent"
DIGITS = 6  # of probabilities in CSV and JSON
LONGEST = 60  # characters of a path in the table


@dataclass(frozen=True)
class Outcome:
    """All that was judged, and how. temperature: None when the probabilities are not calibrated.

    expect: the declared label of a quality control, or None; passed_by: files that are neither sound nor picture.
    quality: of the files that were checked beside being judged. domain: what the model learnt from.
    """

    model: str
    class_names: list[str]
    temperature: float | None
    judgements: list[Judgement]
    problems: list[Problem]
    minimum_confidence: float = 0.0
    expect: str | None = None
    passed_by: int = 0
    caution: str = ""  # why not to trust the temperature
    quality: dict[Path, "Quality"] = field(default_factory=dict)
    sets: PredictionSets | None = None
    has_domain_score: bool = False
    domain: Domain | None = None

    @property
    def failing(self) -> list[Path]:
        """The files that did not pass their checks."""
        return [path for path, quality in self.quality.items() if quality.failed]

    @property
    def outside(self) -> list[Judgement]:
        """What should not have been asked of the model."""
        return [judgement for judgement in self.judgements if judgement.asked.inside is False]

    @property
    def differing(self) -> list[Judgement]:
        """What does not agree with `expect`; a file without a verdict does not agree."""
        return [j for j in self.judgements if self.expect is not None and j.verdict != self.expect]

    def best(self, judgement: Judgement) -> str:
        """The most probable label, whether or not it is a verdict."""
        return self.class_names[judgement.probabilities.argmax()]

    def steps(self, judgement: Judgement) -> list[Step]:
        """The verdict in two steps, none where the classes have no families or there was nothing to hear."""
        if judgement.timeline is not None and not judgement.timeline.heard.any():
            return []
        return steps_of(judgement.probabilities, self.class_names, self.minimum_confidence)

    def set_of(self, probabilities: np.ndarray) -> list[str] | None:
        """The labels that cannot be ruled out, None where the model has no sets."""
        return None if self.sets is None else self.sets.names(probabilities, self.class_names)

    def verdicts(self, timeline: Timeline) -> list[str | None]:
        """Of each window the label, None where it abstains."""
        return [
            verdict_of(row, self.class_names, self.minimum_confidence) if heard else None
            for row, heard in zip(timeline.windows, timeline.heard, strict=True)
        ]


def as_text(outcome: Outcome, kind: str, top_k: int, timeline: bool) -> str:
    """The outcome as `kind`: table, csv or json. top_k: labels shown for each file; timeline: show the windows."""
    if kind == "csv":
        return as_csv(outcome, timeline)
    return as_table(outcome, top_k, timeline) if kind == "table" else as_json(outcome, top_k, timeline)


def clock(seconds: float) -> str:
    """12.5 -> 0:00:12.5; a whole second has no decimals."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    tail = f"{tenths // 10:02d}" + (f".{tenths % 10}" if tenths % 10 else "")
    return f"{minutes // 60}:{minutes % 60:02d}:{tail}"


def ranked(probabilities: np.ndarray, class_names: Sequence[str]) -> list[tuple[str, float]]:
    """(label, probability), the most probable first."""
    return [(class_names[k], float(probabilities[k])) for k in np.argsort(-probabilities, kind="stable")]


def as_table(outcome: Outcome, top_k: int, timeline: bool) -> str:
    """One line per file, and with `timeline` one below it for each stretch of windows with the same verdict."""
    if not outcome.judgements:
        return ""
    promised = f"{outcome.sets.coverage:.0%} set" if outcome.sets else ""
    header = ["file", "verdict", "probability", "also", "in steps", promised, "windows", "notes"]
    table = [header, *(_table_row(judgement, outcome, top_k) for judgement in outcome.judgements)]
    used = [column for column in range(len(header)) if column < 3 or any(row[column] for row in table[1:])]
    widths = {column: max(len(row[column]) for row in table) for column in used}
    lines = []
    for row, judgement in zip(table, [None, *outcome.judgements], strict=True):
        lines.append("  ".join(row[column].ljust(widths[column]) for column in used).rstrip())
        if timeline and judgement is not None and judgement.timeline is not None:
            lines += [f"    {line}" for line in _stretches(judgement.timeline, outcome)]
        if judgement is not None and judgement.asked.sentence:
            lines.append(f"    NOTE: {printable(judgement.asked.sentence)}")
        if judgement is not None and judgement.path in outcome.quality:
            lines += [f"    {line}" for line in outcome.quality[judgement.path].as_lines()]
    return "\n".join(lines) + "\n"


def _table_row(judgement: Judgement, outcome: Outcome, top_k: int) -> list[str]:
    (best, probability), *others = ranked(judgement.probabilities, outcome.class_names)[:top_k]
    verdict = judgement.verdict or ABSTAINED
    if outcome.expect is not None:
        verdict += " = declared" if judgement.verdict == outcome.expect else f" ≠ {outcome.expect}"
    also = "  ".join(f"{label} {p:.3f}" for label, p in others)
    windows = ""
    if judgement.timeline is not None:
        agree = f", {judgement.timeline.shares[best]:.0%} {best}" if judgement.windows > 1 else ""
        windows = f"{judgement.windows}{agree}"
    steps, labels = in_words(outcome.steps(judgement)), " ".join(outcome.set_of(judgement.probabilities) or ())
    cells = [verdict, f"{best} {probability:.3f}", also, steps, labels, windows, ", ".join(judgement.flags)]
    return [_short(judgement.path), *map(printable, cells)]


def _short(path: Path) -> str:
    text = printable(path)
    return text if len(text) <= LONGEST else "…" + text[1 - LONGEST :]


def _stretches(timeline: Timeline, outcome: Outcome) -> list[str]:
    """`0:00:00 - 0:01:23  514  0.912  (27 windows)`: neighbouring windows with the same verdict, mean probability."""
    windows = zip(outcome.verdicts(timeline), timeline.heard, strict=True)
    texts = [verdict or (ABSTAINED if heard else SILENT) for verdict, heard in windows]
    lines = []
    for text, members in groupby(range(len(texts)), key=texts.__getitem__):
        group = list(members)
        start, end = timeline.starts[group[0]], timeline.starts[group[-1]] + timeline.seconds
        probability = "     " if text == SILENT else f"{timeline.windows[group].max(axis=1).mean():.3f}"
        count = f"({len(group)} window{'s' * (len(group) != 1)})"
        lines.append(f"{clock(start)} - {clock(end)}  {printable(text):<6}  {probability}  {count}")
    return lines


def as_csv(outcome: Outcome, timeline: bool) -> str:
    """One row per file, of kind picture or sound; with `timeline` rows of kind window follow that of their file.

    An empty verdict: abstained. share: of the windows with a say, those whose best label is the file's best. family,
    family_probability: the first step of the verdict, where the classes have families; set: labels that cannot be
    ruled out, with spaces between.
    """
    columns = ["file", "kind", "start", "end", "verdict", "best", "probability", "windows", "share", "flags"]
    columns += ["family", "family_probability"] if families(outcome.class_names) else []
    columns += ["set"] if outcome.sets else []
    columns += ["in_domain", "domain_score", "domain_reason"] if outcome.has_domain_score else []
    if outcome.expect is not None:
        columns.insert(5, "agrees")
    columns += ["quality"] if outcome.quality else []
    rows = []
    for judgement in outcome.judgements:
        rows.append(_csv_row(judgement, outcome))
        if timeline and judgement.timeline is not None:
            rows += _csv_windows(judgement, judgement.timeline, outcome)
    shown = [{name: printable(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows]
    return files.as_csv(shown, [*columns, *(f"p_{printable(name)}" for name in outcome.class_names)])


def _csv_row(judgement: Judgement, outcome: Outcome) -> dict[str, Any]:
    row = _cells(judgement.probabilities, outcome)
    row |= {"file": str(judgement.path), "kind": "picture", "verdict": judgement.verdict}
    row["flags"] = "; ".join(judgement.flags)
    row |= _json_asked(judgement.asked) if outcome.has_domain_score else {}
    if outcome.expect is not None:
        row["agrees"] = str(judgement.verdict == outcome.expect).lower()
    if (quality := outcome.quality.get(judgement.path)) is not None:
        row["quality"] = "; ".join([quality.verdict, *quality.failed])
    if (sound := judgement.timeline) is not None:
        row |= {"kind": "sound", "start": 0, "end": round(float(sound.starts[-1]) + sound.seconds, 3)}
        row |= {"windows": judgement.windows, "share": round(sound.shares[outcome.best(judgement)], DIGITS)}
    return row


def _csv_windows(judgement: Judgement, sound: Timeline, outcome: Outcome) -> list[dict[str, Any]]:
    parts = zip(sound.starts.tolist(), outcome.verdicts(sound), sound.flags, sound.windows, strict=True)
    return [
        {"file": str(judgement.path), "kind": "window", "verdict": verdict, "flags": flags}
        | {"start": round(start, 3), "end": round(start + sound.seconds, 3), **_cells(row, outcome)}
        for start, verdict, flags, row in parts
    ]


def _cells(probabilities: np.ndarray, outcome: Outcome) -> dict[str, Any]:
    names = outcome.class_names
    cells: dict[str, Any] = {f"p_{printable(name)}": value for name, value in _named(probabilities, names).items()}
    best, probability = ranked(probabilities, names)[0]
    cells |= {"best": best, "probability": round(probability, DIGITS)}
    if steps := steps_of(probabilities, names, outcome.minimum_confidence):
        cells |= {"family": steps[0].answer, "family_probability": round(steps[0].probability, DIGITS)}
    if (labels := outcome.set_of(probabilities)) is not None:
        cells["set"] = " ".join(labels)
    return cells


def _named(values: np.ndarray, class_names: Sequence[str]) -> dict[str, float]:
    return {name: round(float(value), DIGITS) for name, value in zip(class_names, values, strict=True)}


def as_json(outcome: Outcome, top_k: int, timeline: bool) -> str:
    """Everything as one object; `agrees` only with a declared label, null verdicts are abstentions."""
    answer: dict[str, Any] = {
        "model": outcome.model,
        "class_names": outcome.class_names,
        "temperature": outcome.temperature,
        "calibrated": outcome.temperature is not None,
        "caution": outcome.caution or None,
        "domain": domain_as_json(outcome.domain),
        "minimum_confidence": outcome.minimum_confidence,
        "sets": None if outcome.sets is None else _json_sets(outcome.sets),
        "files": [_json_file(judgement, outcome, top_k, timeline) for judgement in outcome.judgements],
        "problems": [{"file": p.where, "what": p.what, "do": p.do} for p in outcome.problems],
    }
    if outcome.expect is not None:
        answer["expect"] = outcome.expect
        answer["agrees"] = not outcome.differing and not outcome.problems
        answer["differing"] = [str(judgement.path) for judgement in outcome.differing]
    if outcome.quality:
        answer["quality_passed"] = not outcome.failing
    return json.dumps(answer, indent=2, allow_nan=False) + "\n"


def _json_file(judgement: Judgement, outcome: Outcome, top_k: int, timeline: bool) -> dict[str, Any]:
    names, sound = outcome.class_names, judgement.timeline
    best = ranked(judgement.probabilities, names)[:top_k]
    row: dict[str, Any] = {
        "file": str(judgement.path),
        "kind": "picture" if sound is None else "sound",
        "verdict": judgement.verdict,
        "top": [{"label": label, "probability": round(p, DIGITS)} for label, p in best],
        "probabilities": _named(judgement.probabilities, names),
        "steps": [_json_step(step) for step in outcome.steps(judgement)],
        "set": outcome.set_of(judgement.probabilities),
        "flags": judgement.flags,
        **_json_asked(judgement.asked),
    }
    if outcome.expect is not None:
        row["agrees"] = judgement.verdict == outcome.expect
    if judgement.path in outcome.quality:
        row["quality"] = outcome.quality[judgement.path].as_json()
    if sound is not None:
        row |= {"windows": judgement.windows, "window_seconds": sound.seconds}
        row |= {"silent_windows": int((~sound.heard).sum())}
        row["warnings"] = [thing.one for thing in judgement.outside]
        row["shares"] = {name: round(share, DIGITS) for name, share in sound.shares.items()}
        if timeline:
            row["timeline"] = _json_windows(sound, outcome)
    return row


def _json_sets(sets: PredictionSets) -> dict[str, Any]:
    return {
        "coverage": sets.coverage,
        "least": round(sets.least, DIGITS),
        "caution": sets.caution or None,
        "windows": sets.windows.rule,
    }


def _json_asked(asked: Asked) -> dict[str, Any]:
    """Nulls where the model has no domain score, or nothing can be told."""
    score = None if asked.score is None else round(asked.score, DIGITS)
    return {"in_domain": asked.inside, "domain_score": score, "domain_reason": asked.reason or None}


def _json_step(step: Step) -> dict[str, Any]:
    """A null answer is an abstention; the second step's probabilities are shares within the family."""
    shares = {name: round(value, DIGITS) for name, value in step.probabilities.items()}
    return {"answer": step.answer, "probability": round(step.probability, DIGITS), "probabilities": shares}


def _json_windows(sound: Timeline, outcome: Outcome) -> list[dict[str, Any]]:
    parts = zip(sound.starts.tolist(), outcome.verdicts(sound), sound.windows, sound.flags, strict=True)
    return [
        {
            "start": round(start, 3),
            "end": round(start + sound.seconds, 3),
            "verdict": verdict,
            "probabilities": _named(row, outcome.class_names),
            "set": outcome.set_of(row),
            "flags": [flag for flag in flags.split("+") if flag],
        }
        for start, verdict, row, flags in parts
    ]


def warnings(outcome: Outcome) -> list[str]:
    """Where the files lie outside of what the model learnt from: one line a thing, however many files."""
    return in_lines({judgement.path: judgement.outside for judgement in outcome.judgements})


def summary(outcome: Outcome) -> str:
    """What a person wants to know at the end; what could not be judged, each with what to do."""
    count = len(outcome.judgements)
    unsure = sum(judgement.verdict is None for judgement in outcome.judgements)
    parts = [f"{count} file{'s' * (count != 1)} judged"]
    parts += [f"{unsure} without a verdict"] if unsure else []
    parts += [f"{len(outcome.outside)} that should not be asked"] if outcome.outside else []
    parts += [f"{outcome.passed_by} neither sound nor picture passed by"] if outcome.passed_by else []
    if outcome.expect is not None:
        differing = len(outcome.differing)
        parts.append(f"{differing} of {count} not {outcome.expect}" if differing else f"all {outcome.expect}")
    if outcome.quality:
        passed = len(outcome.quality) - len(outcome.failing)
        parts.append(f"quality: {passed} of {len(outcome.quality)} passed")
    how = (
        "probabilities NOT calibrated: run `spatial-swin evaluate` on the run first"
        if outcome.temperature is None
        else f"probabilities calibrated (temperature {outcome.temperature:.3f})"
    )
    how += f"\nWARNING: {outcome.caution}" if outcome.caution else ""
    how += f"\nWARNING: {outcome.sets.caution}" if outcome.sets and outcome.sets.caution else ""
    lines = [f"\n{printable(', '.join(parts))}; {how}"]
    if outcome.problems:
        lines.append(f"could not be judged ({len(outcome.problems)}):")
        lines += [f"  - {problem}" for problem in outcome.problems]
    return "\n".join(lines)
