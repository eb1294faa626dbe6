"""95 % intervals that respect what is independent: sums per group go in, limits and the name of the method come out.

Pictures cut from one recording are not independent, so whole groups are drawn with replacement (cluster bootstrap,
Davison & Hinkley 1997, section 3.8). A metric that is a function of sums over items needs no second look at the items:
the sums of every resample are one matrix product, weights [R, G] times sums [G, S]. A share of independent items gets
Wilson's interval instead. Where no interval can be had the limits are None and `reason` says why. Nothing here knows
what the metrics mean, and nothing draws a random number that is not keyed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from spatial_swin.keyed_random import keyed_generator

LEVEL = 0.95
FEW_GROUPS = 20  # below this a percentile bootstrap covers visibly less than 95 % (Cameron, Gelbach & Miller 2008)
CELLS_AT_ONCE = 4_000_000  # weights held in memory at a time: 32 MB

Statistics = dict[str, np.ndarray]


@dataclass(frozen=True)
class Interval:
    """Limits of a 95 % interval, or None for both with the reason; `note` is a caution about the limits given."""

    low: float | None
    high: float | None
    method: str
    reason: str = ""
    note: str = ""

    def around(self, value: float) -> dict[str, Any]:
        """JSON-ready: value, low, high, method, and reason or note where there is one."""
        known = value if np.isfinite(value) else None
        entry: dict[str, Any] = {"value": known, "low": self.low, "high": self.high, "method": self.method}
        return entry | {key: text for key in ("reason", "note") if (text := getattr(self, key))}


def no_interval(reason: str) -> Interval:
    return Interval(None, None, "none", reason)


def wilson(successes: float, count: float, what: str = "Wilson") -> Interval:
    """Wilson's (1927) score interval of a share of `count` independent trials, without continuity correction.

    `successes` need not be whole: a share of groups whose items are partly right counts as so many groups.
    """
    if count < 1:
        return no_interval("there is nothing to take a share of")
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    share, shrink = successes / count, 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / shrink
    half = z / shrink * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Interval(max(0.0, float(centre - half)), min(1.0, float(centre + half)), what)


def group_numbers(groups: Sequence[str] | np.ndarray | None, count: int) -> np.ndarray:
    """Groups as numbers 0..G-1, int64 [count]; without groups every item is its own."""
    if groups is None:
        return np.arange(count)
    numbers = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    assert len(numbers) == count, "one group an item"
    return numbers


def group_sums(items: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Sums over the items of each group: items [N, S], numbers [N] -> float64 [G, S]."""
    sums = np.zeros((int(numbers.max()) + 1, items.shape[1]))
    np.add.at(sums, numbers, items)
    return sums


def bootstrap_sums(
    sums: np.ndarray, statistic: Callable[[np.ndarray], Statistics], resamples: int, seed: int
) -> Statistics:
    """Draw G groups with replacement `resamples` times and evaluate `statistic` on the sums of each draw.

    sums: float64 [G, S]. statistic: sums [R, S] -> {name: [R, ...]}. Returns {name: [resamples, ...]}.
    """
    count = len(sums)
    rows = max(1, min(resamples, CELLS_AT_ONCE // count))
    generator = keyed_generator(seed, "cluster bootstrap", count)
    parts: list[Statistics] = []
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = generator.integers(0, count, size=(size, count), dtype=np.int64)
        drawn += np.arange(size)[:, None] * count
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
        parts.append(statistic(weights @ sums))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def quantiles(draws: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Quantiles along the first axis leaving out NaN: [R, ...] -> [len(shares), ...]; as np.nanquantile, but fast."""
    ordered = np.sort(draws, axis=0)  # NaN go to the end
    last = np.isfinite(ordered).sum(axis=0) - 1
    wanted = np.asarray(shares).reshape(-1, *[1] * last.ndim) * np.maximum(last, 0)
    below = np.floor(wanted).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(last, 0))
    low, high = np.take_along_axis(ordered, below, axis=0), np.take_along_axis(ordered, above, axis=0)
    return low + (high - low) * (wanted - below)


def percentile_interval(draws: np.ndarray, groups: int, method: str, bias_of: float | None = None) -> Interval:
    """The 2.5 and 97.5 percentiles of bootstrap draws [R].

    `bias_of`: the value in the whole sample, for statistics that resampling inflates (ECE is a sum of absolute
    values): the draws are shifted so that their mean is that value, and cut at 0.
    """
    low, high = (float(limit) for limit in quantiles(draws, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)))
    if not np.isfinite(low):
        return no_interval("the metric is undefined in the resamples")
    if bias_of is not None:
        shift = float(np.nanmean(draws)) - bias_of
        low, high = max(0.0, low - shift), max(0.0, high - shift)
    if high - low < 1e-12:
        return no_interval("every resample gives the same value, so a bootstrap cannot tell how sure it is")
    note = f"only {groups} groups: the interval is likely too narrow" if groups < FEW_GROUPS else ""
    return Interval(low, high, method, note=note)


def share_right(
    right: np.ndarray, groups: Sequence[str] | np.ndarray | None, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Interval of the share of right answers, bool [N], of which those of one group are not independent.

    Wilson's where every item is a group of its own, the cluster bootstrap where groups vary, and where all groups have
    the same share (so that no resample differs) Wilson's with the number of groups as evidence.
    """
    numbers = group_numbers(groups, len(right))
    sums = group_sums(np.stack([right, np.ones(len(right))], axis=1), numbers)
    if len(sums) == len(right) and len(right) > 1:
        return wilson(right.sum(), len(right))
    if len(sums) < 2:
        return no_interval("all items are of one group")
    if np.ptp(sums[:, 0] / sums[:, 1]) < 1e-12:
        return wilson(len(sums) * float(np.mean(right)), len(sums), "Wilson with the number of groups")
    draws = bootstrap_sums(sums, lambda drawn: {"share": drawn[:, 0] / drawn[:, 1]}, resamples, seed)["share"]
    return percentile_interval(draws, len(sums), "cluster bootstrap over groups")
