"""The text of the report on one run, computed from its evidence: every sentence depends on what the run holds.

An `Evidence` and what was found in it go in, a `Document` comes out. Nothing is drawn, read or written here, and no
sentence claims what the run folder does not show.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

import numpy as np

from spatial_swin.evaluation.calibration import BINS
from spatial_swin.reporting.document import Block, Bullets, Document, Picture, Section, Table, Text, Warnings
from spatial_swin.reporting.evidence import Evidence
from spatial_swin.reporting.figures_calibration import coverage_curve
from spatial_swin.reporting.figures_errors import Confused, FactorRow
from spatial_swin.reporting.tables import class_table, overall_table, with_interval
from spatial_swin.runs import SPLITS

RECIPE_KEYS = {
    "Model": ("model_name_or_path", "model_revision", "image_size", "unfreeze_stages", "head_only_epochs",
              "drop_path_rate", "train_from_scratch"),
    "Data": ("data_dir", "split_by", "train_share", "validation_share", "test_share", "split_seed", "class_weights"),
    "Trainer": ("num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate",
                "backbone_learning_rate", "minimum_learning_rate", "lr_scheduler_type", "warmup_epochs", "optim",
                "weight_decay", "max_grad_norm", "label_smoothing_factor", "early_stopping_patience",
                "metric_for_best_model", "seed"),
}  # fmt: skip


@dataclass
class Findings:
    """What was worked out beside the evidence: wrong answers, factor rows, the figures made, remarks on those not."""

    confused: Sequence[Confused] = ()
    factors: Sequence[FactorRow] = ()
    figures: set[str] = field(default_factory=set)
    remarks: dict[str, str] = field(default_factory=dict)

    def figure(self, stem: str, caption: str) -> list[Block]:
        """The figure, or the sentence that says why there is none."""
        if stem in self.figures:
            return [Picture(stem, caption)]
        return [Text(self.remarks[stem])] if stem in self.remarks else []


def thesis_document(found: Evidence, findings: Findings) -> Document:
    """All chapters, in the order in which a reader asks."""
    writers = (summary_section, data_section, _training, _results, _errors, _calibration, limits_section, _repetition)
    subtitle = f"{len(found.class_names)} classes: {', '.join(found.class_names[:12])}"
    if len(found.class_names) > 12:
        subtitle += f" and {len(found.class_names) - 12} more"
    return Document(f"Results of the run {found.name}", subtitle, [writer(found, findings) for writer in writers])


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else noun + 's'}".replace(",", "\u202f")


def summary_section(found: Evidence, _: Findings) -> Section:
    blocks: list[Block] = []
    if found.metrics:
        m = found.metrics
        methods = m["accuracy"]["method"]
        if m["macro_f1"]["method"] != methods:
            methods = f"{methods} for the accuracy, {m['macro_f1']['method']} for F1"
        text = (
            f"On {counted(m['items'], 'item')} of the {found.part} part, from {counted(m['groups'], 'group')}, the "
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
    if found.problems or found.notes:
        blocks.append(Warnings([sentence(text) for text in (*found.problems, *found.notes)]))
    return Section("Summary", blocks)


def sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", ")")) else text + "."


def data_section(found: Evidence, _: Findings) -> Section:
    if not found.samples:
        return Section("Data and split", [Text("The split manifest is not there, so the data cannot be described.")])
    counts = Counter((sample.split, sample.label) for sample in found.samples)
    groups = {part: len({s.group for s in found.samples if s.split == part}) for part in SPLITS}
    names = sorted({sample.label for sample in found.samples}, key=_class_order(found))
    rows = [[name, *(str(counts[part, name]) for part in SPLITS)] for name in names]
    rows.append(["all", *(str(sum(counts[part, name] for name in names)) for part in SPLITS)])
    rows.append(["groups", *(str(groups[part]) for part in SPLITS)])
    split_by = found.key("Data", "split_by", "none")
    how = (
        f"keeping every {split_by} in one part"
        if split_by not in (None, "none")
        else "by picture, stratified by class"
    )
    shared = any("more than one part" in note for note in found.notes)
    seed = found.key("Data", "split_seed")
    seed = found.key("Trainer", "seed") if seed is None else seed
    text = (
        f"The data folder {PurePath(str(found.key('Data', 'data_dir', '?'))).name!r} holds "
        f"{counted(len(found.samples), 'picture')} of {counted(len(names), 'class').replace('classs', 'classes')}. "
        f"They were divided {how}" + (f" (seed {seed})" if seed is not None else "") + ". "
        + (f"{'Some groups are' if shared else 'No group is'} in more than one part"
           f"{'; see the notes above' if shared else ''}. ")
        + "What is recorded together (a group) is treated as one in every interval."
    )  # fmt: skip
    return Section("Data and split", [Text(text), Table("Pictures in each part", ["Class", *SPLITS], rows)])


def _class_order(found: Evidence) -> Callable[[str], tuple[int, str]]:
    places = {name: k for k, name in enumerate(found.class_names)}
    return lambda name: (places.get(name, len(places)), name)


def _training(found: Evidence, findings: Findings) -> Section:
    blocks: list[Block] = []
    rows = []
    for section, keys in RECIPE_KEYS.items():
        for key in keys:
            value = found.key(section, key)
            if value is not None:
                rows.append([section, key, shown_value(value)])
    if rows:
        blocks.append(
            Table("Recipe (the values that matter; recipe.yaml has all)", ["Part", "Key", "Value"], rows, texts=True)
        )
    if found.environment:
        blocks.append(Text(_hardware(found)))
    if found.history:
        blocks.append(Text(_course(found)))
    caption = "Training curves: losses, validation accuracy and F1, and the learning rates of head and backbone."
    return Section("Recipe, hardware and training", blocks + findings.figure("training_curves", caption))


def shown_value(value: object) -> str:
    """A recipe value for a reader; of an absolute path only its last part, which is no one else's business."""
    if isinstance(value, str) and (value.startswith(("/", "~", ".")) or "\\" in value):
        return PurePath(value.replace("\\", "/")).name
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """ "47 s", "3 min 20 s" or "7 h 46 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _hardware(found: Evidence) -> str:
    environment = found.environment
    text = f"Trained on {environment.get('device', 'an unknown device')}"
    if environment.get("precision"):
        text += f" in {environment['precision']}"
    if (environment.get("processes") or 1) > 1:
        text += f" with {environment['processes']} processes"
    if environment.get("seconds_total"):
        text += f", in {duration(environment['seconds_total'])}"
    text += "."
    speed = [row["images_per_second"] for row in found.history if np.isfinite(row.get("images_per_second", np.nan))]
    if speed:
        text += f" The median speed was {np.median(speed):.1f} pictures a second"
        memory = [row["memory_gb"] for row in found.history if np.isfinite(row.get("memory_gb", np.nan))]
        text += f", the peak memory {max(memory):.1f} GB." if memory and max(memory) > 0 else "."
    versions = environment.get("versions") or {}
    if versions:
        text += f" Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}."
    if environment.get("git_revision"):
        text += f" Revision of the code: {str(environment['git_revision'])[:12]}."
    return text


def _course(found: Evidence) -> str:
    rows = {row["epoch"]: row for row in found.history}
    head_only = sum(row.get("phase") == 1 for row in found.history)
    text = f"The history has {counted(len(rows), 'epoch')}"
    planned = found.key("Trainer", "num_train_epochs")
    if planned and len(rows) < float(planned):
        text += f" of {float(planned):g} planned"
    text += f", of which {head_only} with the head alone." if head_only else "."
    best = rows.get(found.best_epoch) if found.best_epoch else None
    if best and np.isfinite(best.get("validation_accuracy", np.nan)):
        text += (
            f" The weights kept are those of epoch {best['epoch']}, with a validation accuracy of "
            f"{best['validation_accuracy']:.4f} and losses of {best.get('train_loss', np.nan):.3f} (training) and "
            f"{best.get('validation_loss', np.nan):.3f} (validation)."
        )
        if best["epoch"] == max(rows) and len(rows) > 1:
            text += " It is the last epoch: longer training might still have helped."
    return text


def _results(found: Evidence, findings: Findings) -> Section:
    if not found.metrics:
        return Section("Results", [Text("Without predictions there is nothing to measure.")])
    m = found.metrics
    reasons = sorted({entry["reason"] for entry in _entries(m) if entry.get("reason")})
    notes = sorted({entry["note"] for entry in _entries(m) if entry.get("note")})
    blocks: list[Block] = [
        Text(
            f"All figures are of the {found.part} part. Intervals are at the 95 % level: "
            f"{m['bootstrap']['resamples']} resamples of whole groups (cluster bootstrap), Wilson's interval for "
            "shares of independent items, DeLong "
            "components summed over groups for the AUC, which is no function of sums and is not bootstrapped."
        ),
        Table(f"Performance on the {found.part} part", *overall_table(m, found.calibrated)),
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


def _entries(metrics: dict) -> list[dict]:
    entries = [value for value in metrics.values() if isinstance(value, dict) and "low" in value]
    return entries + [e for c in metrics["per_class"].values() for e in c.values() if isinstance(e, dict)]


def _errors(found: Evidence, findings: Findings) -> Section:
    shown = found.predictions
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
        if found.metrics["groups"] < len(shown):
            worst, count = wrong.most_common(1)[0]
            text += f" The errors come from {len(wrong)} of {counted(found.metrics['groups'], 'group')}"
            text += f"; the most ({count}) from {worst}." if count > 1 else ", one from each."
        rows = [[t, p, str(n), f"{n / total:.0%}"] for (t, p), n in pairs.most_common(10)]
        blocks = [Text(text), Table("Most frequent confusions", ["True", "Predicted", "Items", "Of all errors"], rows)]
        blocks += findings.figure(
            "most_confused",
            "Wrong answers of the most frequent confusions, the most certain first: probability of the predicted "
            "against that of the true class, and the file name. most_confused.csv lists all.",
        )
    blocks += findings.figure("factor_breakdown", "Accuracy by factor; factor_breakdown.csv has every value.")
    return Section("Errors", blocks + _factor_text(findings))


def _factor_text(findings: Findings) -> list[Block]:
    sentences = []
    for factor in dict.fromkeys(row.factor for row in findings.factors):
        rows = [row for row in findings.factors if row.factor == factor]
        worst = min(rows, key=lambda row: row.accuracy)
        best = max(rows, key=lambda row: row.accuracy)
        if len(rows) > 1:
            sentences.append(
                f"{factor}: from {worst.accuracy:.3f} ({worst.value}, {counted(worst.items, 'item')}) to "
                f"{best.accuracy:.3f} ({best.value}, {counted(best.items, 'item')}) over {len(rows)} values"
            )
        else:
            sentences.append(f"{factor}: one value only ({worst.value}), so nothing can be compared")
    return [Bullets(sentences)] if sentences else []


def _calibration(found: Evidence, findings: Findings) -> Section:
    shown = found.predictions
    if shown is None:
        return Section("Calibration", [Text("Without predictions there is no confidence to judge.")])
    confidence, right = shown.probabilities.max(axis=1), shown.predicted == shown.labels
    mean, accuracy = float(confidence.mean()), float(right.mean())
    lean = "is about right" if abs(mean - accuracy) < 0.01 else "too little" if mean < accuracy else "too much"
    trusting = "its confidence is about right" if lean == "is about right" else f"it trusts itself {lean}"
    text = f"The mean confidence is {mean:.3f} and the accuracy {accuracy:.3f}: on the whole {trusting}. "
    text += f"The ECE is {with_interval(found.metrics['ece'])} in {BINS} equal-width bins."
    if found.temperature:
        t = found.temperature
        text += (
            f" A temperature of {t.value:.3f}, fitted on the {counted(t.items, 'item')} of the validation part alone, "
            f"takes the ECE to {with_interval(found.calibrated['ece'])} and the NLL from "
            f"{found.metrics['nll']['value']:.4f} to {found.calibrated['nll']['value']:.4f} "
            f"on the {found.part} part. It changes no predicted class."
        )
        if t.at_limit:
            text += " The fit stopped at its limit, so the validation part says too little about confidence."
    else:
        text += " No temperature is fitted: that takes validation predictions beside those of the test part."
    blocks: list[Block] = [Text(text)]
    blocks += findings.figure(
        "reliability_diagram", "Reliability before and after the temperature, and the items in each bin."
    )
    if right.any() and not right.all():
        blocks.append(
            Text(
                f"The median confidence of right answers is {np.median(confidence[right]):.3f}, of wrong ones "
                f"{np.median(confidence[~right]):.3f}. {_abstaining(shown.labels, shown.probabilities)}"
            )
        )
    caption = "Confidence of right and wrong answers, and the accuracy when unsure answers are withheld."
    return Section("Calibration", blocks + findings.figure("confidence_distribution", caption))


def _abstaining(labels: np.ndarray, probabilities: np.ndarray) -> str:
    answered, accuracy, asked = coverage_curve(labels, probabilities)
    at = int(np.searchsorted(answered, 0.9))
    return (
        f"Withholding answers with a confidence below {asked[at]:.2f} leaves {answered[at]:.0%} answered with an "
        f"accuracy of {accuracy[at]:.3f} (a threshold chosen on these very items: take one from the validation part)."
    )


def limits_section(found: Evidence, _: Findings) -> Section:
    items = []
    if found.metrics:
        items.append(
            "This is one training run. The intervals say how much the result would vary with other recordings, not "
            "how much with another seed; for that train several seeds, or cross-validate, and report them together."
        )
        if 1 < found.metrics["groups"] < 20:
            items.append(f"Only {found.metrics['groups']} groups were tested, so the intervals are likely too narrow.")
    items += [
        sentence(note) for note in found.notes if "more than one part" in note or "alone gives the class" in note
    ]
    if found.samples and not any("more than one part" in note for note in found.notes):
        split_by = found.key("Data", "split_by", "none")
        unseen = split_by if split_by not in (None, "none") else "recording (group)"
        factors = sorted({f for s in found.samples[:1] for f in s.factors} - {"chunk", "recording", str(split_by)})
        text = f"The result holds for a new {unseen}"
        seen = [f for f in factors if _mostly_seen(found, f)]
        items.append(text + (f"; values of {', '.join(seen)} in the test part were also trained on." if seen else "."))
    if found.part == "validation":
        items.append("The results are of the validation part, which chose the best epoch: they are optimistic.")
    if len(found.openings) > 1:
        items.append(f"The test part was predicted {len(found.openings)} times; only the first time it was unseen.")
    if not items:
        items.append("There are no results, so there is nothing to qualify.")
    return Section("Limits", [Bullets(items)])


def _mostly_seen(found: Evidence, factor: str) -> bool:
    trained = {sample.factors.get(factor) for sample in found.samples if sample.split == "train"}
    tested = [sample.factors.get(factor) for sample in found.samples if sample.split == "test"]
    return bool(tested) and bool(np.mean([value in trained for value in tested]) > 0.5)


def _repetition(found: Evidence, _: Findings) -> Section:
    lines = [
        "recipe.yaml holds the recipe as resolved: `spatial-swin train --config recipe.yaml --output_dir runs/again` "
        "trains it again.",
        "split.csv holds the split with the SHA-256 of every picture.",
    ]
    if found.openings:
        when = ", ".join(f"{entry.get('when', '?')} by {entry.get('by', '?')}" for entry in found.openings)
        lines.append(f"The test part was predicted {counted(len(found.openings), 'time')}: {when}.")
    lines.append("performance_summary.csv and .tex hold the tables; every figure is also there as .pdf.")
    return Section("Doing it again", [Bullets(lines)])
