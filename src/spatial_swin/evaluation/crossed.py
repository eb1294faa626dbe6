"""95 % intervals of items that cross two factors: programmes and listeners are both drawn anew.

Items that share a programme are alike, and so are items that share a listener, so that neither factor alone is the
unit of an interval that should hold for other programmes heard by other listeners. Both are drawn with replacement,
independently, and an item counts the product of how often its programme and its listener were drawn: the pigeonhole
bootstrap (Owen 2007, The pigeonhole bootstrap, Annals of Applied Statistics 1(2), 386-411; earlier McCullagh 2000,
Resampling and exchangeable arrays, Bernoulli 6(2), 285-301). It is mildly conservative (Owen & Eckles 2012,
Bootstrapping data arrays of arbitrary order, Annals of Applied Statistics 6(3)), but with few programmes or few
listeners a percentile interval is still likely too narrow, which is noted. Sums per cell go in, draws and intervals
come out; nothing here knows what is summed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from spatial_swin.evaluation.intervals import (
    CELLS_AT_ONCE,
    FEW_GROUPS,
    Interval,
    Statistics,
    group_numbers,
    no_interval,
    percentile_interval,
    wilson,
)
from spatial_swin.keyed_random import keyed_generator

METHOD = "crossed bootstrap over {rows} and {columns}"
Names = Sequence[str] | np.ndarray


def cell_sums(items: np.ndarray, rows: Names, columns: Names) -> np.ndarray:
    """Sums over the items of each cell: items [N, S], names [N] each -> float64 [R, C, S]; 0 where there is none.

    Rows and columns are in the order of their sorted names.
    """
    row, column = (group_numbers(names, len(items)) for names in (rows, columns))
    shape = int(row.max()) + 1, int(column.max()) + 1
    sums = np.zeros((shape[0] * shape[1], items.shape[1]))
    np.add.at(sums, row * shape[1] + column, items)
    return sums.reshape(*shape, -1)


def crossed_bootstrap(
    sums: np.ndarray, statistic: Callable[[np.ndarray], Statistics], resamples: int, seed: int
) -> Statistics:
    """Draw rows and columns with replacement `resamples` times and evaluate `statistic` on the sums of each draw.

    sums: float64 [R, C, S]. statistic: sums [D, S] -> {name: [D, ...]}. Returns {name: [resamples, ...]}.
    """
    rows, columns, width = sums.shape
    generator = keyed_generator(seed, "crossed bootstrap", rows, columns)
    by_row = sums.reshape(rows, columns * width)
    at_once = max(1, min(resamples, CELLS_AT_ONCE // (columns * width)))
    parts: list[Statistics] = []
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        drawn_rows = generator.multinomial(rows, np.full(rows, 1 / rows), size).astype(np.float64)
        drawn_columns = generator.multinomial(columns, np.full(columns, 1 / columns), size).astype(np.float64)
        weighted = (drawn_rows @ by_row).reshape(size, columns, width)
        parts.append(statistic((drawn_columns[:, None, :] @ weighted)[:, 0]))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def crossed_interval(
    draws: np.ndarray,
    shape: tuple[int, int],
    names: tuple[str, str] = ("programmes", "listeners"),
    bias_of: float | None = None,
) -> Interval:
    """The percentile interval of draws [resamples] from `shape` rows and columns, which are called `names`."""
    if max(shape) < 2:
        return no_interval(f"one of the {names[0]} and one of the {names[1]}, so how much they differ cannot be known")
    interval = percentile_interval(draws, min(shape), METHOD.format(rows=names[0], columns=names[1]), bias_of)
    cautions = [
        f"a single one of the {name}, so it says nothing of others" if count == 1 else f"only {count} {name}"
        for count, name in zip(shape, names, strict=True)
        if count < FEW_GROUPS
    ]
    return replace(interval, note="; ".join(cautions)) if interval.low is not None else interval


def share_interval(
    draws: np.ndarray, share: float, shape: tuple[int, int], names: tuple[str, str] = ("programmes", "listeners")
) -> Interval:
    """`crossed_interval` of a share; where all or none are right, so that nothing varies, Wilson's with the smaller
    number of rows or columns (of those that are more than one) as evidence.

    That is the widest case, in which a listener (or programme) is heard rightly throughout or not at all: four
    listeners, all right, give 0.51 to 1. How alike the items of one are cannot be seen where nothing is wrong, so the
    number of items must not narrow it; the note says so.
    """
    interval = crossed_interval(draws, shape, names)
    if interval.low is None and share in (0.0, 1.0) and max(shape) > 1:
        count = min(number for number in shape if number > 1)
        what = names[shape.index(count)]
        found = wilson(round(share) * count, count, f"Wilson with the number of {what}")
        return replace(found, note=f"nothing varies, so the {count} {what} count as {count} trials: the widest case")
    return interval
