"""Where the errors are: the pairs of classes most often confused, with their pictures, and accuracy factor by factor.

Predictions and factors go in; rows for tables and matplotlib figures come out. Pictures are read from the data folder
where it is there and only when their content is still what the model saw; without it the rows remain.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, UnidentifiedImageError

from spatial_swin import files
from spatial_swin.evaluation.intervals import FEW_GROUPS, share_right
from spatial_swin.reporting import style
from spatial_swin.runs import Predictions, Sample

PAIRS, PER_PAIR = 3, 4
SHOWN_VALUES = 12  # of a factor in the figure; the table has all


@dataclass(frozen=True)
class Confused:
    """One wrong answer: file, true class, predicted class, probability of each, and how often the pair occurs."""

    path: str
    true: str
    predicted: str
    confidence: float
    true_probability: float
    pair_count: int


@dataclass(frozen=True)
class FactorRow:
    """Accuracy for one value of one factor, with its interval; `remark` is the reason for none, or a caution."""

    factor: str
    value: str
    items: int
    groups: int
    accuracy: float
    low: float | None
    high: float | None
    remark: str


def confused_items(predictions: Predictions) -> list[Confused]:
    """All wrong answers, the most frequent pair of classes first, within a pair the most certain first."""
    said, names = predictions.predicted, predictions.class_names
    wrong = np.flatnonzero(said != predictions.labels)
    pairs = Counter((int(predictions.labels[i]), int(said[i])) for i in wrong)
    rows = []
    for i in wrong:
        true, answer = int(predictions.labels[i]), int(said[i])
        confidence, truth = float(predictions.probabilities[i, answer]), float(predictions.probabilities[i, true])
        rows.append(Confused(predictions.paths[i], names[true], names[answer], confidence, truth, pairs[true, answer]))
    return sorted(rows, key=lambda row: (-row.pair_count, row.true, row.predicted, -row.confidence))


def find_pictures(data_dir: Path, samples: Sequence[Sample], wanted: Sequence[str]) -> tuple[dict[str, Path], str]:
    """Files of `wanted` in the data folder whose content is that of the split, and a sentence on what is missing."""
    hashes = {sample.path: sample.sha256 for sample in samples}
    pictures, changed = {}, 0
    for path in wanted:
        file = next((at for root in (data_dir, data_dir / "pictures") if (at := root / path).is_file()), None)
        if file is None:
            continue
        if not hashes.get(path) or files.sha256_of(file) == hashes[path]:
            pictures[path] = file
        else:
            changed += 1
    missing = len(wanted) - len(pictures)
    if missing and not pictures and not changed:
        return pictures, f"the pictures are not in the data folder {data_dir.name!r} (give it with --data_dir)"
    remark = f"{missing} of {len(wanted)} pictures are missing or have changed since training" if missing else ""
    return pictures, remark


def gallery_choice(rows: Sequence[Confused]) -> list[list[Confused]]:
    """Up to PAIRS lists, one per pair of classes, of up to PER_PAIR wrong answers: what the gallery shows."""
    pairs = list(dict.fromkeys((row.true, row.predicted) for row in rows))[:PAIRS]
    return [[row for row in rows if (row.true, row.predicted) == pair][:PER_PAIR] for pair in pairs]


def most_confused(chosen: Sequence[Sequence[Confused]], pictures: dict[str, Path]) -> Figure:
    """One row of pictures per pair of classes, each with its file name and the probabilities."""
    side, title, caption = 1.46, 0.3, 0.62  # inches; laid out by hand, for captions belong to no axes
    row_height = title + side + caption
    width, height = style.PAGE_WIDTH, row_height * len(chosen)
    figure = style.new_figure(height=height)
    figure.set_layout_engine("none")
    for row, items in enumerate(chosen):
        top = height - row * row_height
        true, said = style.class_labels([items[0].true, items[0].predicted], 30)
        noun = "item" if items[0].pair_count == 1 else "items"
        text = f"true {true}, predicted {said}: {items[0].pair_count} {noun}"
        figure.text(0.01, (top - 0.2) / height, text, fontsize=8.5, fontweight="bold")
        for column, item in enumerate(items):
            left = 0.06 + column * width / PER_PAIR
            axes = figure.add_axes((left / width, (top - title - side) / height, side / width, side / height))
            axes.set_axis_off()
            _show_picture(axes, pictures.get(item.path))
            name = "\n".join(_in_lines(Path(item.path).name))
            said, true = style.shorten([item.predicted, item.true], 12)
            text = f"p({said}) = {item.confidence:.2f}, p({true}) = {item.true_probability:.2f}\n{name}"
            axes.text(0.5, -0.03, text, transform=axes.transAxes, ha="center", va="top", fontsize=6, linespacing=1.2)
    return figure


def _in_lines(name: str, length: int = 29) -> list[str]:
    """A file name in lines of at most `length` letters, cut after an underscore, hyphen or dot where it has one."""
    lines = [""]
    for piece in re.findall(rf"[^_\-.]{{0,{length - 1}}}[_\-.]|[^_\-.]{{1,{length}}}", name):
        if len(lines[-1]) + len(piece) > length:
            lines.append("")
        lines[-1] += piece
    return lines


def _show_picture(axes: Any, file: Path | None) -> None:
    try:
        if file is not None:
            with Image.open(file) as picture:
                mode = "L" if picture.mode in ("L", "I;16", "1") else "RGB"
                axes.imshow(np.asarray(picture.convert(mode)), cmap="gray")
            return
    except (OSError, UnidentifiedImageError):
        pass
    axes.imshow(np.full((8, 8), 235), cmap="gray", vmin=0, vmax=255)
    axes.text(0.5, 0.5, "picture\nnot there", transform=axes.transAxes, ha="center", va="center", color=style.GREY)


def factor_table(
    predictions: Predictions, samples: Sequence[Sample], factors: Sequence[str], resamples: int, seed: int
) -> list[FactorRow]:
    """Accuracy for every value of every factor; values in alphabetical order."""
    known = {sample.path: sample.factors for sample in samples}
    right = predictions.predicted == predictions.labels
    groups = np.asarray(predictions.groups, dtype=str)
    rows = []
    for factor in factors:
        values = np.array([known.get(path, {}).get(factor, "") for path in predictions.paths])
        for value in sorted(set(values) - {""}):
            mine = values == value
            interval = share_right(right[mine], groups[mine], resamples, seed)
            counts = int(mine.sum()), len(set(groups[mine]))
            remark = interval.reason or interval.note
            share = float(right[mine].mean())
            rows.append(FactorRow(factor, str(value), *counts, share, interval.low, interval.high, remark))
    return rows


def comparable(rows: Sequence[FactorRow]) -> list[str]:
    """Factors with more than one value that has an interval, and not all of them tied for the worst: there is
    something to compare."""
    return [name for name in dict.fromkeys(row.factor for row in rows) if len(worst(_judged(rows, name))) > 1]


def factor_breakdown(rows: Sequence[FactorRow], overall: float) -> Figure:
    """Accuracy by value, one panel per factor; long factors show their worst values only and say so.

    Only values with an interval are drawn; at least one factor must have two of them (`comparable`).
    """
    factors = comparable(rows)
    shown = {factor: worst(_judged(rows, factor)) for factor in factors}
    lengths = [len(shown[factor]) + 1.6 for factor in factors]
    figure = style.new_figure(height=0.5 + 0.2 * sum(lengths))
    panels = figure.subplots(len(factors), 1, sharex=True, height_ratios=lengths, squeeze=False)[:, 0]
    lowest = min(row.low if row.low is not None else row.accuracy for part in shown.values() for row in part)
    for axes, factor in zip(panels, factors, strict=True):
        part = shown[factor]
        total = len(_judged(rows, factor))
        for k, row in enumerate(part):
            few = row.groups < FEW_GROUPS
            style.interval_dot(axes, row.accuracy, row.low, row.high, k, style.BLUE, "white" if few else None)
        names = style.shorten([row.value for row in part], 26)
        labels = [f"{name} ({row.items} in {row.groups})" for name, row in zip(names, part, strict=True)]
        axes.set_yticks(range(len(part)), labels, fontsize=7)
        axes.set_ylim(len(part) - 0.4, -0.6)
        axes.set_title(factor if len(part) == total else f"{factor} (the {len(part)} worst of {total})")
        axes.axvline(overall, color=style.VERMILLION, linestyle="--", linewidth=0.9)
    panels[-1].set_xlim(max(0.0, lowest - 0.03), 1.01)
    few = any(row.groups < FEW_GROUPS for part in shown.values() for row in part)
    caution = f"\nopen: fewer than {FEW_GROUPS} groups, so that the interval is likely too narrow" if few else ""
    panels[-1].set_xlabel(
        f"accuracy with 95 % interval (dashed: all items, {overall:.3f}; in brackets: items in groups){caution}"
    )
    return figure


def _judged(rows: Sequence[FactorRow], factor: str) -> list[FactorRow]:
    """The values of a factor that have an interval: without one, a value says nothing of its like."""
    return [row for row in rows if row.factor == factor and row.low is not None]


def worst(rows: list[FactorRow], most: int = SHOWN_VALUES) -> list[FactorRow]:
    """All values, or the least accurate of more than `most`; values that tie with the first left out are left out."""
    if len(rows) <= most:
        return rows
    ordered = sorted(rows, key=lambda row: (row.accuracy, row.value))
    return [row for row in ordered if row.accuracy < ordered[most].accuracy]
