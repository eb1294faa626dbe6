"""The chapter on confidence: how far probabilities can be believed, as `predict` and the app give them.

An `Evidence` and its `Findings` go in, a section comes out; no sentence claims what the run folder does not show.
"""

import math

import numpy as np

from spatial_swin.calibrating import factor_of
from spatial_swin.evaluation.calibration import BINS, apply_temperature
from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.intervals import share_right
from spatial_swin.reporting.document import Block, Section, Table, Text, counted, sentence
from spatial_swin.reporting.evidence import Evidence, Findings
from spatial_swin.reporting.figures_calibration import coverage_curve
from spatial_swin.reporting.tables import with_interval

SHOWN_LISTENERS = 12  # more would be a page of their own


def calibration_section(evidence: Evidence, findings: Findings) -> Section:
    shown = evidence.predictions
    if shown is None:
        return Section("Calibration", [Text("Without predictions there is no confidence to judge.")])
    right, confidence = shown.predicted == shown.labels, shown.probabilities.max(axis=1)
    mean, accuracy = float(confidence.mean()), float(right.mean())
    lean = "is about right" if abs(mean - accuracy) < 0.01 else "too little" if mean < accuracy else "too much"
    trusting = "its confidence is about right" if lean == "is about right" else f"it trusts itself {lean}"
    text = f"The mean confidence is {mean:.3f} and the accuracy {accuracy:.3f}: on the whole {trusting}. "
    text += f"The ECE is {with_interval(evidence.metrics['ece'])} in {BINS} equal-width bins."
    if evidence.temperature:
        t = evidence.temperature
        limits = "" if t.low is None else f" [{t.low:.3f}, {t.high:.3f}]"
        text += (
            f" A temperature of {t.value:.3f}{limits}, fitted on the {counted(t.items, 'item')} of the validation "
            "part alone (interval: its groups drawn with replacement), "
            f"takes the ECE to {with_interval(evidence.calibrated['ece'])} and the NLL from "
            f"{evidence.metrics['nll']['value']:.4f} to {evidence.calibrated['nll']['value']:.4f} "
            f"on the {evidence.part} part. It changes no predicted class."
        )
        if t.caution:
            text += f" {sentence(t.caution)}"
    else:
        text += " No temperature is fitted: that takes validation predictions beside those of the test part."
    blocks: list[Block] = [Text(text)]
    blocks += findings.figure(
        "reliability_diagram", "Reliability before and after the temperature, and the items in each bin."
    )
    if right.any() and not right.all():
        said = evidence.probabilities.max(axis=1)
        calibrated = "calibrated " if evidence.temperature else ""
        blocks.append(
            Text(
                f"The median {calibrated}confidence of right answers is {np.median(said[right]):.3f}, of wrong ones "
                f"{np.median(said[~right]):.3f}. {_abstaining(evidence)}"
            )
        )
    caption = "Confidence of right and wrong answers, and the accuracy when unsure answers are withheld" + (
        " (calibrated, as `predict` and the app give it)." if evidence.temperature else "."
    )
    blocks += findings.figure("confidence_distribution", caption)
    return Section("Calibration", blocks + (_set_blocks(evidence, evidence.sets) if evidence.sets else []))


def _set_blocks(evidence: Evidence, sets: PredictionSets) -> list[Block]:
    """What the prediction sets of the validation part come to on the shown part, by laboratory, condition and head."""
    shown = evidence.predictions
    assert shown is not None
    inside = sets.of(evidence.probabilities)
    covered, sizes = inside[np.arange(len(shown)), shown.labels], inside.sum(axis=1)
    text = (
        f"A label is in the {sets.coverage:.0%} set of an item when its calibrated probability is at least "
        f"{sets.least:.3f}, a threshold from the validation part alone that holds for new groups of it (conformal). "
        f"On the {evidence.part} part the sets hold the true label of {covered.mean():.3f} of the items, with "
        f"{sizes.mean():.2f} labels a set; {(sizes == 1).mean():.0%} hold one label."
    )
    if sets.caution:
        text += f" {sentence(sets.caution)}"
    where = {"all": np.full(len(shown), evidence.part)}
    for factor in ("laboratory", "condition", "listener"):
        known = factor_of(shown, evidence.samples, factor)
        if known and (factor != "condition" or len(set(known)) > 1):
            where[factor] = np.array(known)
    rows = []
    for factor, values in where.items():
        for value in np.unique(values):
            chosen = values == value
            interval = share_right(covered[chosen], np.array(shown.groups)[chosen]).around(
                float(covered[chosen].mean())
            )
            name = {"all": f"the {value} part", "condition": str(value)}.get(factor, f"{factor} {value}")
            rows.append((factor, [name, with_interval(interval), f"{sizes[chosen].mean():.2f}", str(chosen.sum())]))
    heads = [row for factor, row in rows if factor == "listener"]
    lines = [row for factor, row in rows if factor != "listener"] + (heads if len(heads) <= SHOWN_LISTENERS else [])
    header = ["Of", f"Coverage of the {sets.coverage:.0%} sets", "Mean size", "Items"]
    return [Text(text), Table(f"Prediction sets on the {evidence.part} part", header, lines, texts=True)]


def _abstaining(evidence: Evidence) -> str:
    """What withholding unsure answers buys, at a threshold that keeps 0.9 of the validation answers."""
    shown, held, temperature = evidence.predictions, evidence.validation, evidence.temperature
    assert shown is not None
    if temperature is None or held is None:
        answered, accuracy, asked = coverage_curve(shown.labels, evidence.probabilities)
        at = int(np.searchsorted(answered, 0.9))
        return (
            f"Withholding answers with a confidence below {asked[at]:.2f} leaves {answered[at]:.0%} answered with an "
            f"accuracy of {accuracy[at]:.3f} (a threshold chosen on these very items, which flatters it)."
        )
    sure = apply_temperature(held.probabilities, temperature.value).max(axis=1)
    threshold = math.floor(1000 * float(np.quantile(sure, 0.1, method="lower"))) / 1000
    kept = evidence.probabilities.max(axis=1) >= threshold
    if not kept.any():
        return f"No answer of the {evidence.part} part is as sure as the least sure tenth of the validation part."
    right = float((shown.predicted == shown.labels)[kept].mean())
    return (
        f"`--minimum_confidence {threshold:.3f}`, which answers 90% of the validation part, answers {kept.mean():.0%} "
        f"of the {evidence.part} part with an accuracy of {right:.3f}."
    )
