"""Several runs against one another, on the same test items: differences with intervals, exact McNemar, Holm over the
pairs.

Run folders in, comparison.csv, comparison.md and a text for the console out. Runs with different test parts are
refused: no paired test exists for them. No model is loaded.
"""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from spatial_swin import files
from spatial_swin.errors import DataError
from spatial_swin.evaluation.significance import exact_mcnemar, holm, matching_order, paired_bootstrap
from spatial_swin.runs import Predictions, RunFolder

COLUMNS = ("first", "second", "metric", "difference", "low", "high", "p", "p_holm", "only_first_right",
           "only_second_right", "mcnemar_p", "mcnemar_p_holm", "items", "groups")  # fmt: skip


def compare_runs(paths: Sequence[Path], output: Path, resamples: int = 10_000, seed: int = 0) -> str:
    """Compare every pair of runs; write the tables into `output` and return them as text.

    Raises:
        DataError: two runs were not tested on the same items.
        RunError: a run without test predictions.
    """
    shown = {path.name: RunFolder(path).require().read_predictions("test") for path in paths}
    if len(shown) < len(paths):
        raise DataError(f"two of the runs have the same name ({', '.join(p.name for p in paths)}); rename one folder")
    rows: list[dict[str, Any]] = []
    for first, second in combinations(shown, 2):
        rows += _pair(first, second, shown[first], shown[second], resamples, seed)
    for source, target in (("p", "p_holm"), ("mcnemar_p", "mcnemar_p_holm")):
        for metric in dict.fromkeys(row["metric"] for row in rows):
            family = [row for row in rows if row["metric"] == metric and row[source] is not None]
            for row, adjusted in zip(family, holm([row[source] for row in family]) if family else [], strict=True):
                row[target] = float(adjusted)
    files.write_csv(output / "comparison.csv", rows, COLUMNS)
    text = _as_text(rows, len(next(iter(shown.values()))))
    files.write_text(output / "comparison.md", f"# Comparison\n\n```\n{text}\n```\n")
    return f"{text}\n\nopen {output / 'comparison.csv'}"


def _pair(
    first: str, second: str, one: Predictions, two: Predictions, resamples: int, seed: int
) -> list[dict[str, Any]]:
    if one.class_names != two.class_names:
        raise DataError(f"{first} and {second} know different classes; they cannot be compared")
    names = np.array(one.class_names)
    order = matching_order(one.paths, list(names[one.labels]), two.paths, list(names[two.labels]))
    probabilities = two.probabilities[order]
    right = one.predicted == one.labels, probabilities.argmax(axis=1) == one.labels
    paired = exact_mcnemar(*right)
    differences = paired_bootstrap(one.labels, one.probabilities, probabilities, one.groups, resamples, seed)
    return [
        {
            "first": first, "second": second, "metric": metric, "difference": found.value,
            "low": found.interval.low, "high": found.interval.high, "p": found.p, "p_holm": None,
            "only_first_right": paired.only_first, "only_second_right": paired.only_second, "mcnemar_p": paired.p,
            "mcnemar_p_holm": None, "items": len(one), "groups": len(set(one.groups)),
        }
        for metric, found in differences.items()
    ]  # fmt: skip


def _as_text(rows: Sequence[dict[str, Any]], items: int) -> str:
    lines = [
        f"{items} test items in all runs; differences are second minus first, paired cluster bootstrap over groups"
    ]
    for row in rows:
        interval = "no interval" if row["low"] is None else f"[{row['low']:+.4f}, {row['high']:+.4f}]"
        p = "" if row["p_holm"] is None else f"  p {row['p_holm']:.4g} (Holm)"
        lines.append(
            f"  {row['first']} -> {row['second']}  {row['metric']:<18} {row['difference']:+.4f}  {interval}{p}"
        )
    for first, second in dict.fromkeys((row["first"], row["second"]) for row in rows):
        row = next(r for r in rows if (r["first"], r["second"]) == (first, second))
        lines.append(
            f"  {first} -> {second}  McNemar: only first right {row['only_first_right']}, only second right "
            f"{row['only_second_right']}, exact p {row['mcnemar_p']:.4g}, Holm {row['mcnemar_p_holm']:.4g}"
        )
    return "\n".join(lines)
