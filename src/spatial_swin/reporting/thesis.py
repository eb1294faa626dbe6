"""The report on one run, computed from its evidence: its chapters in order, and what they come to.

An `Evidence` and its `Findings` go in, a `Document` comes out. Nothing is drawn, read or written here, and no
sentence claims what the run folder does not show.
"""

import numpy as np

from spatial_swin.evaluation.domain_words import in_short, in_words
from spatial_swin.layouts import LAYOUTS, title_of
from spatial_swin.reporting.chapters_baseline import baseline_section
from spatial_swin.reporting.chapters_bench import where_it_holds
from spatial_swin.reporting.chapters_calibration import calibration_section
from spatial_swin.reporting.chapters_explanation import explanations_section
from spatial_swin.reporting.chapters_results import errors_section, results_section
from spatial_swin.reporting.chapters_training import data_section, training_section
from spatial_swin.reporting.document import Block, Bullets, Document, Section, Text, Warnings, counted, sentence
from spatial_swin.reporting.evidence import Evidence, Findings
from spatial_swin.reporting.sources import cited
from spatial_swin.reporting.tables import with_interval


def thesis_document(evidence: Evidence, findings: Findings) -> Document:
    """All chapters, in the order in which a reader asks."""
    writers = (
        summary_section,
        domain_section,
        data_section,
        training_section,
        results_section,
        baseline_section,
        errors_section,
        calibration_section,
        explanations_section,
        where_it_holds,
        limits_section,
        _repetition,
        _literature,
    )
    named = [f"{name} ({title})" if (title := title_of(name)) != name else name for name in evidence.class_names]
    subtitle = f"{len(named)} classes: {', '.join(named[:12])}"
    if len(evidence.class_names) > 12:
        subtitle += f" and {len(evidence.class_names) - 12} more"
    return Document(
        title_of_run(evidence.name),
        subtitle,
        [section for writer in writers if (section := writer(evidence, findings)).blocks],
    )


def title_of_run(name: str) -> str:
    """What the report is headed by; a folder that is called `run` says nothing of its own."""
    return "Results of this run" if name.lower() in ("run", "runs", "") else f"Results of the run {name}"


def summary_section(evidence: Evidence, _: Findings) -> Section:
    blocks: list[Block] = []
    if evidence.metrics:
        m = evidence.metrics
        methods = m["accuracy"]["method"]
        if m["macro_f1"]["method"] != methods:
            methods = f"{methods} for the accuracy, {m['macro_f1']['method']} for F1"
        text = (
            f"On {counted(m['items'], 'item')} of the {evidence.part} part, from {counted(m['groups'], 'group')}, the "
            f"model reaches an accuracy of {with_interval(m['accuracy'])} and a "
            f"macro F1 of {with_interval(m['macro_f1'])} (95 % intervals: {methods})."
        )
        present = {name: c["f1"]["value"] for name, c in m["per_class"].items() if c["f1"]["value"] is not None}
        best, worst = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
        if len(present) > 1:
            text += f" Class {best} has the highest F1 ({present[best]:.3f})"
            text += f", class {worst} the lowest ({present[worst]:.3f})."
        blocks.append(Text(text))
    else:
        blocks.append(Text("There are no predictions in this run, so there are no results to report."))
    if evidence.problems or evidence.notes:
        blocks.append(Warnings([sentence(text) for text in (*evidence.problems, *evidence.notes)]))
    return Section("Summary", blocks)


def domain_section(evidence: Evidence, _: Findings) -> Section:
    """What the model learnt from: the statement that goes wherever the model goes."""
    return Section("What the model learnt from", [Text(in_words(evidence.domain))])


def limits_section(evidence: Evidence, _: Findings) -> Section:
    items = []
    if evidence.metrics:
        items.append(
            "This is one training run. The intervals say how much the result would vary with other recordings, not "
            "how much with another seed; for that train several seeds, or cross-validate, and report them together."
        )
        if 1 < evidence.metrics["groups"] < 20:
            items.append(
                f"Only {evidence.metrics['groups']} groups were tested, so the intervals are likely too narrow."
            )
    items += [
        sentence(note) for note in evidence.notes if "more than one part" in note or "alone gives the class" in note
    ]
    if evidence.samples and not any("more than one part" in note for note in evidence.notes):
        split_by = evidence.key("Data", "split_by", "none")
        unseen = split_by if split_by not in (None, "none") else "recording (group)"
        factors = sorted({f for s in evidence.samples[:1] for f in s.factors} - {"chunk", "recording", str(split_by)})
        text = f"The result is of a new {unseen} within what the model learnt from, and speaks for nothing beyond it"
        seen = [f for f in factors if _mostly_seen(evidence, f)]
        text += f"; values of {', '.join(seen)} in the test part were also trained on. " if seen else ". "
        items.append(text + in_short(evidence.domain))
    if evidence.part == "validation":
        items.append("The results are of the validation part, which chose the best epoch: they are optimistic.")
    if len(evidence.openings) > 1:
        items.append(f"The test part was predicted {len(evidence.openings)} times; only the first time it was unseen.")
    if not items:
        items.append("There are no results, so there is nothing to qualify.")
    return Section("Limits", [Bullets(items)])


def _mostly_seen(evidence: Evidence, factor: str) -> bool:
    trained = {sample.factors.get(factor) for sample in evidence.samples if sample.split == "train"}
    tested = [sample.factors.get(factor) for sample in evidence.samples if sample.split == "test"]
    return bool(tested) and bool(np.mean([value in trained for value in tested]) > 0.5)


def _literature(evidence: Evidence, _: Findings) -> Section:
    layouts = bool(set(evidence.class_names) & LAYOUTS.keys())
    return Section("Literature", [Bullets(cited(layouts, evidence.temperature is not None))])


def _repetition(evidence: Evidence, _: Findings) -> Section:
    lines = [
        "recipe.yaml holds the recipe as resolved: `spatial-swin train --config recipe.yaml --output_dir runs/again` "
        "trains it again.",
        "split.csv holds the split with the SHA-256 of every picture.",
    ]
    if evidence.openings:
        when = ", ".join(f"{entry.get('when', '?')} by {entry.get('by', '?')}" for entry in evidence.openings)
        lines.append(f"The test part was predicted {counted(len(evidence.openings), 'time')}: {when}.")
    lines.append("performance_summary.csv and .tex hold the tables; every figure is also there as .pdf.")
    return Section("Doing it again", [Bullets(lines)])
