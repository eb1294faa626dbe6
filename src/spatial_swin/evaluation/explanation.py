"""What relevance and occlusion say, region by region: maps, masks and log-probabilities in, numbers out.

A region is a cue tile, or a cell of a plain grid where the data set has no tile map. Relevance is added up over a
region; occlusion is the fall in accuracy and in the mean log-likelihood of the true class when the region is hidden;
the rank correlation of the two says how far relevance may be believed. Nothing here knows a model or draws a figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatial_swin.evaluation.intervals import LEVEL, bootstrap_sums, group_numbers, group_sums, quantiles
from spatial_swin.keyed_random import keyed_uniforms

GRID = 4  # rows and columns of the cells that stand in for tiles
REST = "outside"
KINDS = ("confident right", "confident wrong", "uncertain")


@dataclass(frozen=True)
class Region:
    """A named rectangle of the picture in pixels, (x, y) its upper left corner; REST has no rectangle (width 0)."""

    name: str
    title: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho over n regions; None with the reason where it does not exist."""

    rho: float | None
    n: int
    reason: str = ""


@dataclass(frozen=True)
class Falls:
    """What hiding each of R regions costs, for all items (row 0) and for each class: accuracy, nats of log-likelihood.

    accuracy, likelihood: float64 [1 + K, R], NaN for a class without items; items: int64 [1 + K]. accuracy_limits,
    likelihood_limits: 95 % limits for all items, float64 [2, R] (low, high), None for one group, or when groups were
    not given.
    """

    accuracy: np.ndarray
    likelihood: np.ndarray
    items: np.ndarray
    accuracy_limits: np.ndarray | None = None
    likelihood_limits: np.ndarray | None = None


def grid_regions(size: int, cells: int = GRID) -> list[Region]:
    """`cells` x `cells` equal cells of a square picture, named by row and column from the upper left."""
    side = size / cells
    return [
        Region(f"r{y + 1}c{x + 1}", f"row {y + 1}, column {x + 1}", x * side, y * side, side, side)
        for y in range(cells)
        for x in range(cells)
    ]


def scaled(regions: Sequence[Region], width: float, height: float, size: int) -> list[Region]:
    """Regions of a picture of `width` x `height` on the `size` x `size` picture the model sees."""
    x, y = size / width, size / height
    return [Region(r.name, r.title, r.x * x, r.y * y, r.width * x, r.height * y) for r in regions]


def region_masks(regions: Sequence[Region], size: int) -> tuple[list[Region], np.ndarray]:
    """Masks bool [R, size, size] that share out the picture; what no region covers becomes a last region, REST.

    A pixel belongs to the region that its centre is in, and to the first where two overlap.
    """
    centres = np.arange(size) + 0.5
    free = np.ones((size, size), dtype=bool)
    masks = []
    for r in regions:
        down = (centres >= r.y) & (centres < r.y + r.height)
        across = (centres >= r.x) & (centres < r.x + r.width)
        mask = down[:, None] & across[None, :] & free
        free &= ~mask
        masks.append(mask)
    named = list(regions)
    if free.any():
        named.append(Region(REST, "outside the tiles", 0, 0, 0, 0))
        masks.append(free)
    return named, np.stack(masks)


def region_relevance(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Relevance of each region, float64 [N, R], rows sum to 1: maps [N, h, w] added up over masks bool [R, S, S].

    A patch that a border cuts is shared by area; patches of a tile that holds whole patches are not cut.
    """
    count, height, width = maps.shape
    regions, size, _ = masks.shape
    assert (size % height, size % width) == (0, 0), "the picture is a whole number of patches"
    parts = masks.reshape(regions, height, size // height, width, size // width).mean(axis=(2, 4))
    return maps.reshape(count, -1) @ parts.reshape(regions, -1).T


def falls(
    labels: np.ndarray,
    log_probabilities: np.ndarray,
    names: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Falls:
    """Falls by hiding: labels int64 [N], log_probabilities [1 + R, N, K], row 0 with nothing hidden.

    names: the group of each item; the limits are those of a cluster bootstrap over them.
    """
    classes = log_probabilities.shape[2]
    right = log_probabilities.argmax(axis=2) == labels
    likelihood = likelihoods(labels, log_probabilities)
    groups = [np.ones(len(labels), dtype=bool), *(labels == k for k in range(classes))]
    items = np.array([mine.sum() for mine in groups])

    def fall(values: np.ndarray) -> np.ndarray:
        lost = values[0] - values[1:]
        return np.stack([lost[:, m].mean(axis=1) if m.any() else np.full(len(lost), np.nan) for m in groups])

    def limits(values: np.ndarray) -> np.ndarray | None:
        return None if names is None else mean_limits((values[0] - values[1:]).T, names, resamples, seed)

    hits = right.astype(np.float64)
    return Falls(fall(hits), fall(likelihood), items, limits(hits), limits(likelihood))


def mean_limits(values: np.ndarray, names: Sequence[str], resamples: int, seed: int) -> np.ndarray | None:
    """95 % limits of the means of values [N, R] over items, whole groups drawn: [2, R]; None for a single group."""
    numbers = group_numbers(names, len(values))
    sums = group_sums(np.column_stack([values, np.ones(len(values))]), numbers)
    if len(sums) < 2:
        return None
    draws = bootstrap_sums(sums, lambda drawn: {"mean": drawn[:, :-1] / drawn[:, -1:]}, resamples, seed)["mean"]
    return quantiles(draws, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))


def likelihoods(labels: np.ndarray, log_probabilities: np.ndarray) -> np.ndarray:
    """Log-likelihood of the true class, float64 [1 + R, N]."""
    return log_probabilities[:, np.arange(len(labels)), labels]


def class_means(labels: np.ndarray, values: np.ndarray, classes: int) -> np.ndarray:
    """Mean of values [N, ...] over all items (row 0) and each class: [1 + K, ...], NaN for a class without items."""
    empty = np.full(values.shape[1:], np.nan)
    means = [values[labels == k].mean(axis=0) if (labels == k).any() else empty for k in range(classes)]
    return np.stack([values.mean(axis=0), *means])


def rank_correlation(first: np.ndarray, second: np.ndarray) -> RankCorrelation:
    """Spearman's rho of two values per region (scipy's, ties share their mean rank), with the number of regions."""
    known = np.isfinite(first) & np.isfinite(second)
    n = int(known.sum())
    if n < 3:
        return RankCorrelation(None, n, "fewer than three regions have both values")
    if np.ptp(first[known]) == 0 or np.ptp(second[known]) == 0:
        return RankCorrelation(None, n, "one of the two is the same in every region")
    from scipy import stats  # a second of imports that explaining without occlusion can do without

    return RankCorrelation(float(stats.spearmanr(first[known], second[known]).statistic), n)


def draw_items(paths: Sequence[str], labels: np.ndarray, limit: int | None, seed: int) -> np.ndarray:
    """Positions of at most `limit` items (None: all), classes in turn, by a draw keyed by path; in the given order."""
    if limit is None or limit >= len(paths):
        return np.arange(len(paths))
    draw = keyed_uniforms(1, [(seed, "explain", path) for path in paths])[:, 0]
    return np.sort(_classes_in_turn(np.argsort(draw), labels)[:limit])


def choose_samples(labels: np.ndarray, probabilities: np.ndarray, count: int) -> list[tuple[int, str]]:
    """Up to `count` items worth looking at, (position, kind), kinds in turn and classes in turn within a kind.

    Confident right and wrong: the largest probability of the predicted class first. Uncertain: the smallest difference
    between the two largest probabilities first. An item is chosen once.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    ranked = np.sort(probabilities, axis=1)
    margin = ranked[:, -1] - ranked[:, -2]
    surest = np.argsort(-confidence, kind="stable")
    right = predicted[surest] == labels[surest]
    queues = {
        KINDS[0]: list(_classes_in_turn(surest[right], labels)),
        KINDS[1]: list(_classes_in_turn(surest[~right], labels)),
        KINDS[2]: list(_classes_in_turn(np.argsort(margin, kind="stable")[: max(1, len(labels) // 4)], labels)),
    }
    chosen: dict[int, str] = {}
    while len(chosen) < count and any(queues.values()):
        for kind, queue in queues.items():
            while queue and int(queue[0]) in chosen:
                queue.pop(0)
            if queue and len(chosen) < count:
                chosen[int(queue.pop(0))] = kind
    return [(item, kind) for kind in KINDS for item, its in chosen.items() if its == kind]


def _classes_in_turn(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`order` rearranged so that the classes take turns, each keeping its own order."""
    seen: dict[int, int] = {}
    turn = []
    for item in order:
        label = int(labels[item])
        seen[label] = turn_of = seen.get(label, -1) + 1
        turn.append(turn_of)
    return np.asarray(order)[np.argsort(turn, kind="stable")] if len(order) else np.asarray(order, dtype=int)
