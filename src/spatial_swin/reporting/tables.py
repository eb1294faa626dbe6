"""Numbers as tables: the summary of `evaluation.metrics` in, CSV rows and booktabs LaTeX out."""

from collections.abc import Iterable, Sequence
from typing import Any

from spatial_swin.errors import printable
from spatial_swin.layouts import spelled
from spatial_swin.metric_names import CLASS_METRICS, METRIC_TITLES, Shown, names

HeaderAndRows = tuple[list[str], list[list[str]]]
ENTRY = ("value", "low", "high", "method")  # what the summary knows of every metric
SUMMARY_COLUMNS = ("part", "scope", "metric", "value", "low", "high", "support", "method", "remark")
TEX = str.maketrans(
    {letter: rf"\{letter}" for letter in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"–": "--", "−": "$-$", "±": r"$\pm$", "<": r"\textless{}", ">": r"\textgreater{}", '"': r"\textquotedbl{}"}
)


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
    items = metrics["items"]
    entries = [("all classes", name, metrics[name], items) for name in METRIC_TITLES]
    entries += [
        ("after temperature", name, calibrated[name], items) for name in names(Shown.TEMPERATURE) if calibrated
    ]
    entries += [
        (f"class {label}", name, scores[name], scores["support"])
        for label, scores in metrics["per_class"].items()
        for name in CLASS_METRICS
    ]
    return [
        {"part": part, "scope": scope, "metric": name, "support": support}
        | {key: entry[key] for key in ENTRY}
        | {"remark": entry.get("reason") or entry.get("note") or ""}
        for scope, name, entry, support in entries
    ]


def overall_table(metrics: dict[str, Any], calibrated: dict[str, Any]) -> HeaderAndRows:
    """Header and rows: metric and value with interval; a column after temperature where one was fitted."""
    rows = [[title, with_interval(metrics[name])] for name, title in METRIC_TITLES.items()]
    if not calibrated:
        return ["Metric", "Value [95 % interval]"], rows
    changing = names(Shown.TEMPERATURE)
    after = [with_interval(calibrated[name]) if name in changing else "same" for name in METRIC_TITLES]
    return (
        ["Metric", "Value [95 % interval]", "After temperature"],
        [[*row, value] for row, value in zip(rows, after, strict=True)],
    )


def class_table(metrics: dict[str, Any]) -> HeaderAndRows:
    """Header and rows: each class with precision, recall, F1 with intervals, and its number of items."""
    rows = [
        [spelled(label), *(with_interval(scores[name]) for name in CLASS_METRICS), str(scores["support"])]
        for label, scores in metrics["per_class"].items()
    ]
    return ["Class", *CLASS_METRICS.values(), "Items"], rows


def p_text(value: float | None) -> str:
    """A p-value for a table: four places, a power of ten where they would all be 0, a dash where there is none."""
    return "–" if value is None else f"{value:.4f}" if value >= 1e-4 else f"{value:.1e}"


def tex_escape(text: str) -> str:
    """Text as LaTeX sets it, on one line, without commands."""
    return printable(text).translate(TEX)


def tex_table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str, label: str) -> str:
    """One booktabs table, the first column to the left and the others to the right; needs \\usepackage{booktabs}."""

    def line(cells: Sequence[str]) -> str:
        return "    " + " & ".join(map(tex_escape, cells)) + r" \\"

    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{tex_escape(caption)}}}",
        rf"  \label{{{label}}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"    \toprule",
        line(header),
        r"    \midrule",
        *map(line, rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
