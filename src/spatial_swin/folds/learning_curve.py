"""The learning curve: the same recipe on more and more groups of the train part, tested on the same items.

In go a recipe, its samples with their parts, and the `Work`; out come learning_curve.csv and a figure, gradient
boosting on the same pictures beside the Swin. Every smaller point is contained in the next one, whole groups at a time
and classes in proportion; validation and test part are the same for all. The same command continues.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatial_swin import files
from spatial_swin.boosting import NAME, Features, fit_and_predict, split_identity
from spatial_swin.config import Recipe
from spatial_swin.errors import DataError, RunError, UsageError
from spatial_swin.folds.runs import FoldRun, Work, open_plan, run_folds, seed_of
from spatial_swin.keyed_random import keyed_uniforms
from spatial_swin.reporting.figures_learning_curve import curve_rows, curve_text, write_curve
from spatial_swin.runs import Predictions, RunFolder, Sample, read_predictions, write_predictions


@dataclass(frozen=True)
class Point:
    """One size of the train part: its groups and pictures, and the run that is trained on it."""

    groups: int
    pictures: int
    fold: FoldRun


def learning_curve(
    recipe: Recipe, samples: list[Sample], work: Work, count: int, features: Features | None
) -> list[dict[str, Any]]:
    """Train every point, write the curve and return its rows. features: of pictures by path, None for no baseline.

    Raises DataError when the train part has too few groups for `count` points.
    """
    points = curve_points(recipe, samples, work, count)
    plan = {"verb": "learning_curve", "points": [point.groups for point in points], "recipe": recipe.computed()}
    folds = [point.fold for point in points]
    open_plan(work.output, plan, folds, work.overwrite)
    listed = ", ".join(f"{point.groups} ({point.pictures} pictures)" for point in points)
    print(f"{count} points, groups: {listed}; the same validation and test part for all", flush=True)
    run_folds(work, folds)
    rows = []
    for point in points:
        deep = point.fold.run.read_predictions("test")
        simple = _baseline(work, point, features, deep.class_names) if features else None
        rows += curve_rows(point.groups, point.pictures, deep, simple, NAME)
    write_curve(work.output, rows)
    print(curve_text(rows, work.output))
    return rows


def curve_points(recipe: Recipe, samples: Sequence[Sample], work: Work, count: int) -> list[Point]:
    """Points of doubling size, the last with the whole train part."""
    if count < 2:
        raise UsageError(f"--points {count}: a curve has two or more")
    train = [sample for sample in samples if sample.split == "train"]
    rest = [sample for sample in samples if sample.split != "train"]
    if not any(sample.split == "test" for sample in rest):
        raise DataError("there is no test part to judge the points on; give the recipe a test_share above 0")
    order = nested_order(train, seed_of(recipe))
    classes = {sample.label for sample in train}
    members = defaultdict(list)
    for sample in train:
        members[sample.group].append(sample)
    points: list[Point] = []
    for k in range(count):
        chosen = order[: max(1, round(len(order) / 2 ** (count - 1 - k)))]
        mine = sorted((s for group in chosen for s in members[group]), key=lambda sample: sample.path)
        missing = sorted(classes - {sample.label for sample in mine})
        if missing or (points and len(chosen) == points[-1].groups):
            raise DataError(
                f"the train part has {len(order)} groups, too few for {count} points that double: the smallest has "
                f"{len(chosen)} and lacks {', '.join(missing) or 'no class'}; use fewer --points, or add recordings"
            )
        name = f"groups_{len(chosen):0{len(str(len(order)))}d}"
        whole = sorted([*mine, *rest], key=lambda sample: sample.path)
        points.append(Point(len(chosen), len(mine), FoldRun(name, work.output / name, whole)))
    return points


def nested_order(train: Sequence[Sample], seed: int) -> list[str]:
    """The groups in an order of which every beginning has the kinds of group in proportion.

    Groups are of one kind when they hold the same classes; within a kind the order is drawn, keyed by name.
    """
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for sample in train:
        labels[sample.group].add(sample.label)
    names = sorted(labels)
    drawn = keyed_uniforms(1, [(seed, "learning curve", name) for name in names])[:, 0]
    kinds = {name: tuple(sorted(labels[name])) for name in names}
    sizes, seen = Counter(kinds.values()), Counter[tuple[str, ...]]()
    place: dict[str, tuple[float, str]] = {}
    for at in np.argsort(drawn, kind="stable"):
        name = names[at]
        seen[kinds[name]] += 1
        place[name] = ((seen[kinds[name]] - 0.5) / sizes[kinds[name]], name)
    return sorted(names, key=place.__getitem__)


def _baseline(work: Work, point: Point, features: Features, class_names: list[str]) -> Predictions:
    """The simple model's answers, from an earlier command where they are of the same split."""
    folder = RunFolder(work.output / "baseline" / point.fold.name)
    file, noted = folder.predictions_file("test"), folder.path / "split.txt"
    identity = split_identity(point.fold.samples)
    if file.is_file() and noted.is_file() and noted.read_text(encoding="utf-8").strip() == identity:
        try:
            return read_predictions(file)
        except RunError:
            pass  # damaged: fitted again
    train, test = ([s for s in point.fold.samples if s.split == part] for part in ("train", "test"))
    said = fit_and_predict(features, train, test, class_names)
    write_predictions(file, said)
    files.write_text(noted, f"{identity}\n")
    return said
