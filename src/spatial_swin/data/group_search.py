"""Which part each group goes to, so that every class has the share of every part that was asked for.

Groups with the same number of pictures of every class are interchangeable, so the search runs on *types* of group, not
on groups: shares of every type first, what is left over greedily, then moves and exchanges while they help. This is
what lets 100,000 rows be divided in a fraction of a second, at unequal shares (scikit-learn's StratifiedGroupKFold
knows only equal folds and walks group by group). Counts go in, counts come out; names are not known here.
"""

import numpy as np

MAX_MOVES = 500
EXCHANGE_TYPES = 150  # exchanges are looked at in pairs of types: no more than so many squared
ABSENT = 1e4  # cost of a class that a part does not have at all; more than all distances together
FINEST = 1e-9  # costs closer than this are equal: many groups are alike, and rounding must not choose between them


class TypeSearch:
    """Places n_t groups of every type t into parts so that class shares come out as asked.

    types: int [T, K] pictures per class of a group of this type; placed: int [T, P] how many groups of it are in each
    part. Cost: squared distance of each class's share from what is asked for, relative to the part's share (so that
    the small test part counts), plus ABSENT for every class that a part does not have.
    """

    def __init__(
        self, types: np.ndarray, multiplicity: np.ndarray, weights: np.ndarray, generator: np.random.Generator
    ) -> None:
        self.types, self.weights = types, weights
        self.totals = multiplicity @ types  # pictures per class
        self.placed = np.floor(multiplicity[:, None] * weights).astype(np.int64)
        self.has = self.placed.T @ types  # int [P, K] pictures per class in each part
        left = np.repeat(np.arange(len(types)), multiplicity - self.placed.sum(axis=1))
        left = generator.permutation(left)
        for kind in left[np.argsort(-types[left].sum(axis=1), kind="stable")]:
            change = self._part_cost(self.has + types[kind]) - self._part_cost(self.has)
            self._place(int(kind), _first_least(change)[0], 1)

    @property
    def cost(self) -> float:
        return float(self._part_cost(self.has).sum())

    def largest_deviation(self) -> float:
        return float(np.abs(self.has / self.totals - self.weights[:, None]).max())

    def improve(self) -> None:
        """Move single groups, then exchange pairs, as long as the cost falls."""
        for _ in range(MAX_MOVES):
            if not (self._move() or self._exchange()):
                return

    def _part_cost(self, has: np.ndarray) -> np.ndarray:
        """Cost of parts [..., P] that have so many pictures of every class [..., P, K]."""
        distance = ((has / self.totals - self.weights[:, None]) ** 2).sum(axis=-1) / self.weights
        return distance + ABSENT * (has == 0).sum(axis=-1)

    def _place(self, kind: int, part: int, sign: int) -> None:
        self.placed[kind, part] += sign
        self.has[part] += sign * self.types[kind]

    def _move(self) -> bool:
        now, types = self._part_cost(self.has), self.types[:, None]
        without = self._part_cost(self.has - types) - now  # [T, P] change when a part gives one
        given = self._part_cost(self.has + types) - now  # [T, P] change when a part gets one
        change = np.where(self.placed > 0, without, np.inf)[:, :, None] + given[:, None, :]
        change[:, np.arange(len(now)), np.arange(len(now))] = np.inf
        kind, source, target = _first_least(change)
        if change[kind, source, target] >= -FINEST:
            return False
        self._place(kind, source, -1)
        self._place(kind, target, 1)
        return True

    def _exchange(self) -> bool:
        if len(self.types) > EXCHANGE_TYPES:
            return False
        types = self.types[None, :] - self.types[:, None]  # [T, T', K] what a part gains giving T and getting T'
        gain = self._part_cost(self.has + types[:, :, None]) - self._part_cost(self.has)  # [T, T', P]
        best, chosen = -FINEST, None
        for source in range(len(self.has)):
            for target in range(source + 1, len(self.has)):
                change = gain[:, :, source] + gain[:, :, target].T
                change[self.placed[:, source] == 0] = np.inf
                change[:, self.placed[:, target] == 0] = np.inf
                a, b = _first_least(change)
                if change[a, b] < best - FINEST:
                    best, chosen = float(change[a, b]), (a, b, source, target)
        if chosen is None:
            return False
        a, b, source, target = chosen
        for kind, leave, enter in ((a, source, target), (b, target, source)):
            self._place(kind, leave, -1)
            self._place(kind, enter, 1)
        return True


def _first_least(change: np.ndarray) -> tuple[int, ...]:
    """Where `change` is least; of equals the first. Costs that differ by rounding are equal, on every machine."""
    return tuple(int(k) for k in np.unravel_index(np.round(change / FINEST).argmin(), change.shape))
