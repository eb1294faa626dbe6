"""The chapter that sets a run beside a simple model on the same test items, and says what the test part can show.

An `Evidence` with its baseline goes in, a section comes out. Both models were trained on the same pictures; what is
compared is the paired difference, groups kept whole.
"""

from typing import Any

from spatial_swin.evaluation.power import POWER, Detectable
from spatial_swin.reporting.document import Section, Table, Text, counted, sentence
from spatial_swin.reporting.evidence import Evidence, Findings
from spatial_swin.reporting.paired_differences import difference_cells
from spatial_swin.reporting.tables import p_text, with_interval

TITLE = "Beside a simple model"
SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "nll")


def baseline_section(evidence: Evidence, findings: Findings) -> Section:
    """What gradient boosting makes of the same items, the paired difference, the smallest difference to be seen."""
    section, found = Section(TITLE), evidence.baseline
    if evidence.test is None:
        return section
    if found is None:
        why = evidence.no_baseline or "`spatial-swin report` fits it when the pictures are there"
        section.blocks.append(Text(f"No simple model stands beside this run: {why}."))
        return section
    section.blocks.append(Text(_verdict(found.difference["accuracy"], found.about)))
    table = Table("Both models on the same test items", *_rows(evidence))
    section.blocks += [table, *findings.figure("baseline", "Both models, and the paired difference in accuracy.")]
    return Section(TITLE, [*section.blocks, Text(detectable_text(found.detectable, evidence.test.groups))])


def _verdict(accuracy: dict[str, Any], about: dict[str, Any]) -> str:
    said = difference_cells(accuracy)[2]
    text = (
        f"Gradient boosting on {about.get('features', 'pooled tiles')}, fitted on the "
        f"{counted(int(about.get('train_items', 0)), 'picture')} of the train part, was tested on the same items. "
        f"The Swin's accuracy minus that of the simple model is {said} (paired, groups kept whole)"
    )
    return f"{text}{better_or_not(accuracy['low'], accuracy['high'])}."


def better_or_not(low: float | None, high: float | None) -> str:
    """What the limits of deep minus simple say, as the end of a sentence; nothing where there are none."""
    if low is None or high is None:
        return ""
    if low > 0:
        return ": it is better than the simple model"
    if high < 0:
        return ": the simple model is better"
    return ": no difference is shown, so nothing here says that a deep model is needed"


def _rows(evidence: Evidence) -> tuple[list[str], list[list[str]]]:
    found, titles = evidence.baseline, {"accuracy": "Accuracy", "macro_f1": "Macro F1", "nll": "NLL (nats)"}
    titles["balanced_accuracy"] = "Balanced accuracy"
    assert found is not None
    rows = []
    for name in SHOWN:
        row = found.difference[name]
        mine, simple = with_interval(evidence.metrics[name]), with_interval(found.metrics[name])
        rows.append([titles[name], mine, simple, difference_cells(row)[2], p_text(row["p"])])
    return ["Metric", "Swin", "Gradient boosting", "Difference", "p"], rows


def detectable_text(found: Detectable, groups: list[str]) -> str:
    """What this test part can show at all, for a second model that differs from the first as often as this one."""
    of = f"{counted(len(groups), 'item')} in {counted(found.groups, 'group')}"
    if found.value is None:
        return sentence(f"how small a difference {of} can show is unknown: {found.reason}")
    return (
        f"The smallest difference in accuracy between two models that {of} show with a probability of {POWER:.0%} "
        f"(at the 5 % level, two-sided, paired) is {found.value:.3f}; a smaller one needs more test groups. It is the "
        f"sum of the quantiles t(0.975) and t({POWER:g}) times the standard error of the paired difference, here "
        f"{found.error:.4f} (Bloom 1995), and holds for models that differ from one another as often as these two."
    )
