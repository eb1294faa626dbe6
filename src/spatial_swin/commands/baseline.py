"""What a simple model already knows: gradient boosting on pooled cues, cross-validated by group.

    spatial-swin baseline data                       # groups: programmes, else recordings
    spatial-swin baseline data --split_by listener   # does it hold for a head that it never heard?

Each band of each tile of a picture becomes mean, spread and two percentiles. Prints accuracy with its spread and
interval, F1 of every class and the confusion; writes baseline.json, folds.csv, predictions.csv, confusion.csv and
cues.csv (how much each tile matters) to --output_dir. A deep model has to beat this.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatial_swin.data.factors import Factors
    from spatial_swin.evaluation.baseline import Baseline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="folder that `spatial-swin mosaic` or `render` made")
    parser.add_argument("--split_by", help="factor kept whole in the folds, or none (programme, else recording)")
    parser.add_argument("--folds", type=int, default=5, help="folds (5)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the folds and of the model")
    parser.add_argument("--factors", metavar="REGEX", help="named groups found in each path: listener, content, chunk")
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="CSV with a column path and one column a factor")
    parser.add_argument("--workers", type=int, help="threads that read pictures (default: one a core)")
    parser.add_argument("--output_dir", type=Path, help="default: baselines/<name of the folder>")


def default_factor(factors: "Factors") -> str:
    """programme (or content) when every picture has one, else recording."""
    for name in ("programme", "content"):
        if name in factors.names and all(row[name] for row in factors.values.values()):
            return name
    return "recording"


def run(arguments: argparse.Namespace) -> int:
    import numpy as np

    from spatial_swin.data.factors import WITHOUT, find_factors
    from spatial_swin.data.folder import scan_folder
    from spatial_swin.data.pooled_tiles import pooled_tiles
    from spatial_swin.data.splits import k_folds
    from spatial_swin.evaluation.baseline import cross_validate
    from spatial_swin.evaluation.metrics import summarise

    folder = scan_folder(arguments.data)
    paths = [picture.path for picture in folder.pictures]
    factors = find_factors(folder.root, paths, arguments.factors, arguments.manifest)
    split_by = arguments.split_by or default_factor(factors)
    group_of = factors.groups(split_by)
    by_group = split_by.lower() not in WITHOUT
    groups = [group_of[path] for path in paths] if by_group else paths
    names = [picture.label for picture in folder.pictures]
    fold_of = k_folds(names, groups if by_group else None, arguments.folds, (arguments.seed, "folds", 0))
    labels = np.array([folder.class_names.index(name) for name in names])
    features = pooled_tiles(folder.root, paths, arguments.workers)
    kinds = tile_columns(folder.root, features.shape[1])
    print(
        f"{len(paths)} pictures, {len(set(groups))} groups ({split_by}), {features.shape[1]} pooled cues", flush=True
    )
    found = cross_validate(
        features,
        labels,
        groups,
        fold_of,
        folder.class_names,
        arguments.seed,
        kinds,
        lambda row: print(f"  fold {row['fold']}: accuracy {row['accuracy']:.4f} on {row['test_items']}", flush=True),
    )
    summary = summarise(labels, found.probabilities, groups, folder.class_names)
    output = arguments.output_dir or Path("baselines") / arguments.data.resolve().name
    write(output, summary, found, paths, groups, names, split_by)
    print(summary_text(summary, found))
    print(f"open {output / 'baseline.json'}")
    return 0


def tile_columns(root: Path, features: int) -> dict[str, slice]:
    """Tile -> its columns of the pooled features, which come tile by tile; nothing without a tile map."""
    from spatial_swin.audio.manifest import TILES
    from spatial_swin.audio.tiles import TileMap

    if not (root / TILES).is_file():
        return {}
    names = [tile.name for tile in TileMap.read(root)]
    each = features // len(names)
    return {name: slice(index * each, (index + 1) * each) for index, name in enumerate(names)}


def summary_text(summary: dict[str, Any], found: "Baseline") -> str:
    """The figures for the console: accuracy, classes, confusion, the tiles that matter most."""
    import statistics

    accuracy, names = summary["accuracy"], list(summary["per_class"])
    spread = statistics.stdev(row["accuracy"] for row in found.folds)
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
    if found.importance:
        most = sorted(found.importance.items(), key=lambda pair: -pair[1])[:5]
        lines.append("accuracy lost when a tile is shuffled: " + ", ".join(f"{k} {v:.3f}" for k, v in most))
    return "\n".join(lines)


def write(
    output: Path,
    summary: dict[str, Any],
    found: "Baseline",
    paths: list[str],
    groups: list[str],
    labels: list[str],
    split_by: str,
) -> None:
    from spatial_swin import files

    names = list(summary["per_class"])
    content = {
        "class_names": names,
        "split_by": split_by,
        **summary,
        "folds": found.folds,
        "importance": found.importance,
    }
    files.write_json(output / "baseline.json", content)
    files.write_csv(output / "folds.csv", found.folds, list(found.folds[0]))
    chosen = found.probabilities.argmax(axis=1)
    rows = (
        {"path": path, "group": group, "fold": int(fold), "label": label, "prediction": names[best]}
        | {f"p_{name}": float(p) for name, p in zip(names, probabilities, strict=True)}
        for path, group, fold, label, best, probabilities in zip(
            paths, groups, found.fold_of, labels, chosen, found.probabilities, strict=True
        )
    )
    columns = ["path", "group", "fold", "label", "prediction", *(f"p_{name}" for name in names)]
    files.write_csv(output / "predictions.csv", rows, columns)
    confusion = zip(names, summary["confusion"], strict=True)
    table = ({"label": name, **dict(zip(names, counts, strict=True))} for name, counts in confusion)
    files.write_csv(output / "confusion.csv", table, ["label", *names])
    if found.importance:
        lost = ({"cue": name, "accuracy_lost": value} for name, value in found.importance.items())
        files.write_csv(output / "cues.csv", lost, ["cue", "accuracy_lost"])
