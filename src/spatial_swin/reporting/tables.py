"""Numbers as tables: the summary of `evaluation.metrics` in, CSV rows and booktabs LaTeX out."""

from collections.abc import Iterable, Sequence
from typing import Any

METRIC_NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
    "macro_f1": "Macro F1",
    "weighted_precision": "Weighted precision",
    "weighted_recall": "Weighted recall",
    "weighted_f1": "Weighted F1",
    "macro_auc": "Macro AUC (one against rest)",
    "nll": "NLL (nats)",
    "brier": "Brier score (0 to 2)",
    "ece": "ECE (15 equal-width bins)",
    "ece_equal_mass": "ECE (15 equal-mass bins)",
}
CLASS_METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
SUMMARY_COLUMNS = ("part", "scope", "metric", "value", "low", "high", "support", "method", "remark")
_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def with_interval(entry: dict[str, Any], digits: int = 3) -> str:
    """ "0.956 [0.940, 0.970]"; without limits the value alone; a dash where there is no value."""
    if entry.get("value") is None:
        return "–"
    text = f"{entry['value']:.{digits}f}"
    if entry.get("low") is None:
        return text
    return f"{text} [{entry['low']:.{digits}f}, {entry['high']:.{digits}f}]"


def summary_rows(part: str, metrics: dict[str, Any], calibrated: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of performance_summary.csv: every metric of the part, every class, and calibration after temperature."""
    rows = []

    def add(scope: str, name: str, entry: dict[str, Any], support: int) -> None:
        remark = entry.get("reason") or entry.get("note") or ""
        rows.append(
            {
                "part": part,
                "scope": scope,
                "metric": name,
                "support": support,
                "remark": remark,
                **{key: entry[key] for key in ("value", "low", "high", "method")},
            }
        )

    for name in METRIC_NAMES:
        add("all classes", name, metrics[name], metrics["items"])
    for name in ("nll", "brier", "ece", "ece_equal_mass"):
        if calibrated:
            add("after temperature", name, calibrated[name], metrics["items"])
    for label, entries in metrics["per_class"].items():
        for name in CLASS_METRICS:
            add(f"class {label}", name, entries[name], entries["support"])
    return rows


def tex_escape(text: str) -> str:
    return "".join(_TEX.get(letter, letter) for letter in text).replace("–", "--").replace("±", r"$\pm$")


def tex_table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str, label: str) -> str:
    """One booktabs table, the first column to the left and the others to the right; needs \\usepackage{booktabs}."""
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{tex_escape(caption)}}}",
        rf"  \label{{{label}}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"    \toprule",
    ]
    lines.append("    " + " & ".join(map(tex_escape, header)) + r" \\")
    lines.append(r"    \midrule")
    lines += ["    " + " & ".join(map(tex_escape, row)) + r" \\" for row in rows]
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def overall_table(metrics: dict[str, Any], calibrated: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: metric and value with interval; a column after temperature where one was fitted."""
    header = ["Metric", "Value [95 % interval]"] + (["After temperature"] if calibrated else [])
    rows = []
    for name, title in METRIC_NAMES.items():
        row = [title, with_interval(metrics[name])]
        if calibrated:
            row.append(
                with_interval(calibrated[name]) if name in ("nll", "brier", "ece", "ece_equal_mass") else "same"
            )
        rows.append(row)
    if calibrated:  # one-against-rest ranks of several classes do change a little with the temperature
        rows[list(METRIC_NAMES).index("macro_auc")][2] = with_interval(calibrated["macro_auc"])
    return header, rows


def class_table(metrics: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: each class with precision, recall, F1 with intervals, and its number of items."""
    rows = [
        [label, *(with_interval(entries[name]) for name in CLASS_METRICS), str(entries["support"])]
        for label, entries in metrics["per_class"].items()
    ]
    return ["Class", *CLASS_METRICS.values(), "Items"], rows


def p_text(value: float | None) -> str:
    """A p-value for a table: four places, a power of ten where they would all be 0, a dash where there is none."""
    return "–" if value is None else f"{value:.4f}" if value >= 1e-4 else f"{value:.1e}"
