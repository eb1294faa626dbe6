"""The chapters on what came out of a run: results, errors.

An `Evidence` and its `Findings` go in, sections come out; no sentence claims what the run folder does not show.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from spatial_swin.layouts import spelled
from spatial_swin.reporting.document import Block, Bullets, Section, Table, Text, counted, sentence
from spatial_swin.reporting.evidence import Evidence, Findings
from spatial_swin.reporting.figures_errors import FactorRow, comparable
from spatial_swin.reporting.tables import class_table, overall_table


def results_section(evidence: Evidence, findings: Findings) -> Section:
    if not evidence.metrics:
        return Section("Results", [Text("Without predictions there is nothing to measure.")])
    m = evidence.metrics
    reasons = sorted({entry["reason"] for entry in _entries(m) if entry.get("reason")})
    notes = sorted({entry["note"] for entry in _entries(m) if entry.get("note")})
    blocks: list[Block] = [
        Text(
            f"All figures are of the {evidence.part} part. Intervals are at the 95 % level: "
            f"{m['bootstrap']['resamples']} resamples of whole groups (cluster bootstrap), Wilson's interval for "
            "shares of independent items, DeLong "
            "components summed over groups for the AUC, which is no function of sums and is not bootstrapped."
        ),
        Table(f"Performance on the {evidence.part} part", *overall_table(m, evidence.calibrated)),
        Table("Each class", *class_table(m)),
    ]
    if reasons:
        blocks.append(Text("Where no interval is given: " + "; ".join(reasons) + "."))
    if notes:
        blocks.append(Text("Cautions: " + "; ".join(notes) + "."))
    blocks += findings.figure("classification_metrics", "Precision, recall and F1 of each class with 95 % intervals.")
    blocks += findings.figure("confusion_matrix", "Confusion matrix: counts, and percent of each true class.")
    return Section(
        "Results",
        blocks + findings.figure("roc_pr_curves", "ROC and precision-recall curves, each class against the rest."),
    )


def _entries(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    entries = [value for value in metrics.values() if isinstance(value, dict) and "low" in value]
    return entries + [e for c in metrics["per_class"].values() for e in c.values() if isinstance(e, dict)]


def errors_section(evidence: Evidence, findings: Findings) -> Section:
    shown = evidence.predictions
    if shown is None:
        return Section("Errors", [Text("Without predictions there are no errors to look at.")])
    if not findings.confused:
        blocks: list[Block] = [Text(f"Every one of the {counted(len(shown), 'item')} was classified rightly.")]
    else:
        pairs = Counter((row.true, row.predicted) for row in findings.confused)
        (true, said), most = pairs.most_common(1)[0]
        total = len(findings.confused)
        text = f"{counted(total, 'item')} of {len(shown)} were classified wrongly. "
        back = pairs.get((said, true), 0)
        text += f"Most often {true} was taken for {said} ({most} of {total}"
        text += f"; the other way round {back})." if back else ")."
        wrong = Counter(np.asarray(shown.groups)[shown.predicted != shown.labels])
        if evidence.metrics["groups"] < len(shown):
            worst, count = wrong.most_common(1)[0]
            text += f" The errors come from {len(wrong)} of {counted(evidence.metrics['groups'], 'group')}"
            text += f"; the most ({count}) from {worst}." if count > 1 else ", one from each."
        rows = [[spelled(t), spelled(p), str(n), f"{n / total:.0%}"] for (t, p), n in _most(pairs, 10)]
        blocks = [Text(text), Table("Most frequent confusions", ["True", "Predicted", "Items", "Of all errors"], rows)]
        blocks += findings.figure(
            "most_confused",
            "Wrong answers of the most frequent confusions, the most certain first: p is the "
            f"{'calibrated ' if evidence.temperature else ''}probability of the predicted and of the true class; "
            "below it the file name. most_confused.csv lists all.",
        )
    blocks += findings.figure(
        "factor_breakdown", "Accuracy by factor, groups kept whole; factor_breakdown.csv has every value."
    )
    return Section("Errors", blocks + _factor_text(findings))


def _most(pairs: Counter[tuple[str, str]], most: int) -> list[tuple[tuple[str, str], int]]:
    """The most frequent pairs, at most `most`; pairs that tie with the first left out are left out too."""
    ordered = pairs.most_common()
    if len(ordered) <= most:
        return ordered
    return [entry for entry in ordered if entry[1] > ordered[most][1]] or ordered[:most]


def _factor_text(findings: Findings) -> list[Block]:
    """A sentence for each factor: its lowest and highest accuracy, or why there is nothing to compare."""
    sentences = []
    drawn = comparable(findings.factors)
    for factor in dict.fromkeys(row.factor for row in findings.factors):
        rows = [row for row in findings.factors if row.factor == factor]
        judged = [row for row in rows if row.low is not None]
        if len(rows) == 1:
            sentences.append(f"{factor}: one value only ({rows[0].value}), so nothing can be compared")
            continue
        if len(judged) < 2:
            sentences.append(
                f"{factor}: {len(rows)} values, each of one group, so that no interval can be given and none is drawn"
            )
            continue
        low, high = (f(row.accuracy for row in judged) for f in (min, max))
        if low == high:
            sentences.append(f"{factor}: {low:.3f} for all {len(judged)} values")
            continue
        text = f"{factor}: from {low:.3f} ({_who(judged, low)}) to {high:.3f} ({_who(judged, high)})"
        text += f" over {len(judged)} values"
        if factor not in drawn:
            text += "; too many of them tie for the lowest to be drawn"
        sentences.append(text)
    return [Bullets([sentence(text) for text in sentences])] if sentences else []


def _who(rows: Sequence[FactorRow], accuracy: float) -> str:
    """The value of that accuracy with its items, or how many values share it."""
    tied = [row for row in rows if row.accuracy == accuracy]
    if len(tied) > 1:
        return f"{len(tied)} values"
    return f"{tied[0].value}, {counted(tied[0].items, 'item')} in {counted(tied[0].groups, 'group')}"
