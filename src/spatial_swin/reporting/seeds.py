"""A folder of seeds, as `spatial-swin train --seeds` makes it: its finished runs in, one pooled result out.

The runs share a split and differ by their seed. A seed that is not finished is named and left out. Nothing is written
here (`seeds_page` does), and no model is loaded.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spatial_swin.errors import DataError, RunError, printable
from spatial_swin.evaluation.seeds import METRICS, Pooled, pool, seeds_right
from spatial_swin.evaluation.significance import matching_order
from spatial_swin.metric_names import in_words
from spatial_swin.reporting.document import counted
from spatial_swin.runs import BASELINE, Predictions, RunFolder

VERB = "seeds"  # in plan.json


@dataclass
class SeedsReport:
    """What was found: seeds and their predictions of the same items in one order, metrics pooled, problems."""

    path: Path
    part: str = "test"
    seeds: list[int] = field(default_factory=list)
    predictions: list[Predictions] = field(default_factory=list)
    pooled: dict[str, Pooled] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    simple: dict[str, Pooled] = field(default_factory=dict)  # metrics of the simple model on the same items
    difference: dict[str, Pooled] = field(default_factory=dict)  # of every seed minus the simple model, paired
    no_baseline: str = ""  # why there is no simple model

    @property
    def items(self) -> Predictions:
        """The items, as the first seed has them."""
        return self.predictions[0]

    @property
    def named_seeds(self) -> str:
        listed = ", ".join(map(str, self.seeds))
        return f"one seed ({listed})" if len(self.seeds) == 1 else f"{len(self.seeds)} seeds ({listed})"

    @property
    def size(self) -> str:
        return f"{counted(len(self.items), 'item')} of {counted(len(set(self.items.groups)), 'group')}"

    @property
    def right(self) -> np.ndarray:
        return seeds_right(self.items.labels, [one.probabilities for one in self.predictions])


def is_seeds(path: Path) -> bool:
    """Whether `path` is a folder of `spatial-swin train --seeds`, finished or not."""
    try:
        plan = json.loads((path / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(plan, dict) and plan.get("verb") == VERB


def pool_seeds(path: Path, resamples: int = 10_000, seed: int = 0, no_baseline: str = "") -> SeedsReport:
    """Read the finished seeds of `path` and pool them, beside the simple model that one of them has.

    no_baseline: why none was fitted. Raises RunError when no seed is finished, DataError when two were tested on
    different items.
    """
    report = read_seeds(path)
    items, tables = report.items, [one.probabilities for one in report.predictions]
    report.pooled = pool(items.labels, tables, items.groups, items.class_names, resamples, seed)
    report.no_baseline = no_baseline
    with_one = [run for run in finished_seeds(path).values() if run.has_baseline()]
    if with_one and report.part == "test":
        try:
            said = _in_order_of(items, with_one[0].read_predictions(BASELINE), with_one[0])
        except (RunError, DataError) as error:
            report.problems.append(f"the simple model is left out: {error}")
            return report
        simple, of = said.probabilities, (items.groups, items.class_names, resamples, seed)
        report.simple = pool(items.labels, [simple], *of)
        report.difference = pool(items.labels, tables, *of, minus=simple)
    return report


def finished_seeds(path: Path) -> dict[int, RunFolder]:
    """The runs of `path` that are finished, by their seed."""
    return {number: run for number, run in _runs_of(path).items() if run.state() == "finished"}


def _runs_of(path: Path) -> dict[int, RunFolder]:
    named = {int(folder.name[5:]): folder for folder in path.glob("seed_*") if folder.name[5:].isdigit()}
    return {number: RunFolder(folder) for number, folder in sorted(named.items())}


def read_seeds(path: Path) -> SeedsReport:
    """The predictions of every finished seed, in the order of the seeds, for the items in the order of the first."""
    report = SeedsReport(path)
    runs, finished = _runs_of(path), finished_seeds(path)
    for number in sorted(runs.keys() - finished.keys()):
        state = runs[number].state() or "not begun"
        report.problems.append(f"seed {number} is {state} and left out; the same command continues it")
    if not finished:
        raise RunError(f"{path}: no seed is finished yet; `spatial-swin train --seeds` continues them")
    if not all(run.predictions_file("test").is_file() for run in finished.values()):
        report.part = "validation"
    for number, run in finished.items():
        said = run.read_predictions(report.part)
        report.seeds.append(number)
        report.predictions.append(said if not report.predictions else _in_order_of(report.items, said, run))
    return report


def _in_order_of(first: Predictions, other: Predictions, run: RunFolder) -> Predictions:
    if first.class_names != other.class_names:
        raise DataError(f"{run.path}: knows other classes than the first seed; train it again with --overwrite true")
    labels = [[one.class_names[k] for k in one.labels] for one in (first, other)]
    try:
        order = matching_order(first.paths, labels[0], other.paths, labels[1])
    except DataError as error:
        raise DataError(f"{run.path}: {error}") from None
    return Predictions(first.paths, first.groups, first.class_names, first.labels, other.probabilities[order])


def in_short(report: SeedsReport) -> str:
    """The result in a few lines for the console."""
    lines = [f"{report.named_seeds}, {report.part} part, {report.size}:"]
    for name in METRICS:
        one = report.pooled[name]
        deviation = "" if one.deviation is None else f" ± {one.deviation:.4f} SD"
        limits = "" if one.low is None else f", 95 % [{one.low:.4f}, {one.high:.4f}]"
        each = ", ".join(f"{value:.4f}" for value in one.values)
        lines.append(f"  {in_words(name):<18} {one.mean:.4f}{deviation}{limits}   each: {each}")
    if report.difference:
        simple, beside = report.simple["accuracy"], report.difference["accuracy"]
        limits = "" if beside.low is None else f", 95 % [{beside.low:+.4f}, {beside.high:+.4f}]"
        lines.append(
            f"  gradient boosting  {simple.mean:.4f} on the same items; seeds minus it {beside.mean:+.4f}{limits}"
        )
    return "\n".join(map(printable, lines))
