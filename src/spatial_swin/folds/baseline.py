"""Gradient boosting on pooled cues: what a simple model makes of the folds that a deep model is judged on.

`baseline` is the verb's work: a folder of pictures in, cross-validated by group in the folds of `crossval`, out come
baseline.json and tables. `boosting` fits it on folds that are given, one row of figures per fold as `runs.fold_row`
gives, kept in baseline/<fold>.json so that a continued matrix does not fit it again.
"""

import contextlib
import hashlib
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_swin import files
from spatial_swin.audio.manifest import pictures_folder
from spatial_swin.audio.tiles import CUES, TileMap
from spatial_swin.boosting import fit_and_predict, pooled_below
from spatial_swin.data.factors import WITHOUT, Factors, find_factors
from spatial_swin.data.folder import scan_folder
from spatial_swin.data.pooled_tiles import pooled_tiles
from spatial_swin.data.preflight import preflight
from spatial_swin.data.splits import sample_folds
from spatial_swin.evaluation import baseline as simple
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.folds.runs import FIGURES, FoldRun
from spatial_swin.runs import Sample


@dataclass(frozen=True)
class Outcome:
    """What the verb gives: figures as `summarise` gives them, the fitted folds, and the items in their order."""

    summary: dict[str, Any]
    fitted: simple.Baseline
    paths: list[str]
    labels: list[str]
    groups: list[str]
    split_by: str


def baseline(
    data: Path,
    split_by: str | None,
    folds: int,
    seed: int,
    factors: str | None = None,
    manifest: Path | None = None,
    workers: int | None = None,
) -> Outcome:
    """Cross-validate on the pictures of `data`, values of `split_by` kept whole, in the folds that `crossval` makes.

    split_by: programme (else recording) when None. Raises DataError when a class has fewer groups than folds.
    """
    folder = scan_folder(data)
    pictures = sorted(folder.pictures, key=lambda picture: picture.path)
    paths, labels = [picture.path for picture in pictures], [picture.label for picture in pictures]
    known = find_factors(folder.root, paths, factors, manifest)
    split_by = split_by or default_factor(known)
    whole = split_by.lower() not in WITHOUT
    group_of, sha256 = known.groups(split_by), preflight(folder, workers)
    groups = [group_of[path] for path in paths] if whole else paths
    samples = [
        Sample(path, label, group_of[path], "", sha256[path]) for path, label in zip(paths, labels, strict=True)
    ]
    fold_of = sample_folds(samples, folds, seed, by_group=whole)
    features = pooled_tiles(folder.root, paths, workers)
    print(
        f"{len(paths)} pictures, {len(set(groups))} groups ({split_by}), {features.shape[1]} pooled cues", flush=True
    )
    numbers = np.array([folder.class_names.index(label) for label in labels])
    kinds = tile_columns(folder.root, features.shape[1])
    fitted = simple.cross_validate(features, numbers, groups, fold_of, folder.class_names, seed, kinds, _say)
    return Outcome(
        summarise(numbers, fitted.probabilities, groups, folder.class_names), fitted, paths, labels, groups, split_by
    )


def _say(row: dict[str, Any]) -> None:
    print(f"  fold {row['fold']}: accuracy {row['accuracy']:.4f} on {row['test_items']}", flush=True)


def default_factor(factors: Factors) -> str:
    """programme (or content) when every picture has one, else recording."""
    for name in ("programme", "content"):
        if name in factors.names and all(row[name] for row in factors.values.values()):
            return name
    return "recording"


def tile_columns(root: Path, features: int) -> dict[str, slice]:
    """Tile -> its columns of the pooled features, which come tile by tile; nothing without a tile map."""
    tiles = TileMap.beside(root)
    if tiles is None:
        return {}
    names = [tile.name for tile in tiles]
    each = features // len(names)
    return {name: slice(index * each, (index + 1) * each) for index, name in enumerate(names)}


def summary_text(outcome: Outcome) -> str:
    """The figures for the console: accuracy, classes, confusion, the tiles that matter most."""
    summary, importance = outcome.summary, outcome.fitted.importance
    accuracy, names = summary["accuracy"], list(summary["per_class"])
    spread = statistics.stdev(row["accuracy"] for row in outcome.fitted.folds)
    limits = "" if accuracy["low"] is None else f", 95 % interval {accuracy['low']:.4f} to {accuracy['high']:.4f}"
    width = max(map(len, names), default=5) + 2
    lines = [
        f"accuracy {accuracy['value']:.4f} (chance {1 / len(names):.2f}; SD over folds {spread:.4f}{limits})",
        f"macro F1 {summary['macro_f1']['value']:.4f}",
        f"{'class':<{width}}   F1    recall  " + "".join(f"{name:>{width}}" for name in names) + "   <- predicted",
    ]
    for name, counts in zip(names, summary["confusion"], strict=True):
        scores = summary["per_class"][name]
        figures = f"{scores['f1']['value']:6.3f}  {scores['recall']['value']:6.3f}  "
        lines.append(f"{name:<{width}} {figures}" + "".join(f"{count:>{width}}" for count in counts))
    if importance:
        most = sorted(importance.items(), key=lambda pair: -pair[1])[:5]
        listed = "; ".join(f"{title_of_cue(name)} {value:.3f}" for name, value in most)
        lines.append(f"accuracy lost when a tile is shuffled: {listed}")
    return "\n".join(lines)


def title_of_cue(name: str) -> str:
    """What a cue is called in pictures and reports; one that is not known here keeps its name."""
    return CUES[name].title if name in CUES else name


def write(outcome: Outcome, output: Path) -> None:
    """baseline.json, folds.csv, predictions.csv, confusion.csv, and cues.csv where tiles are known."""
    summary, fitted = outcome.summary, outcome.fitted
    names = list(summary["per_class"])
    about = {"class_names": names, "split_by": outcome.split_by}
    files.write_json(
        output / "baseline.json", about | summary | {"folds": fitted.folds, "importance": fitted.importance}
    )
    files.write_csv(output / "folds.csv", fitted.folds, list(fitted.folds[0]))
    items = zip(outcome.paths, outcome.groups, fitted.fold_of, outcome.labels, fitted.probabilities, strict=True)
    rows = (
        {"path": path, "group": group, "fold": int(fold), "label": label, "prediction": names[likely.argmax()]}
        | {f"p_{name}": float(p) for name, p in zip(names, likely, strict=True)}
        for path, group, fold, label, likely in items
    )
    columns = ["path", "group", "fold", "label", "prediction", *(f"p_{name}" for name in names)]
    files.write_csv(output / "predictions.csv", rows, columns)
    confusion = zip(names, summary["confusion"], strict=True)
    table = ({"label": name, **dict(zip(names, counts, strict=True))} for name, counts in confusion)
    files.write_csv(output / "confusion.csv", table, ["label", *names])
    if fitted.importance:
        lost = ({"cue": name, "accuracy_lost": value} for name, value in fitted.importance.items())
        files.write_csv(output / "cues.csv", lost, ["cue", "accuracy_lost"])


def boosting(data_dir: str | Path, output: Path, seed: int = 0) -> Callable[[FoldRun], dict[str, Any]]:
    """A function that fits gradient boosting on a fold's train part and scores its test part."""
    features = pooled_below(pictures_folder(Path(data_dir)))

    def score(fold: FoldRun) -> dict[str, Any]:
        file = output / "baseline" / f"{fold.name}.json"
        identity = hashlib.sha256("\n".join(f"{s.sha256} {s.split}" for s in fold.samples).encode()).hexdigest()
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # not there, or damaged: fitted again
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["split"] == identity and kept.keys() >= {"items", "train_items", *FIGURES}:
                return kept
        train = [sample for sample in fold.samples if sample.split == "train"]
        test = [sample for sample in fold.samples if sample.split == "test"]
        names = sorted({sample.label for sample in fold.samples})
        said = fit_and_predict(features, train, test, names, seed)
        summary = summarise(said.labels, said.probabilities, said.groups, names)
        row = {"split": identity, "name": fold.name, "items": len(test), "train_items": len(train)}
        row |= {name: summary[name]["value"] for name in FIGURES}
        row |= {"accuracy_low": summary["accuracy"]["low"], "accuracy_high": summary["accuracy"]["high"]}
        files.write_json(file, row)
        return row

    return score
