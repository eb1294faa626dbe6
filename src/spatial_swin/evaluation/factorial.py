"""Figures of a factorial set: what judges said of programmes crossed with listeners in, a JSON-ready dict out.

Three questions are asked of every answer: which of all layouts it is (`accuracy`); the same with 5.1 and 5.1.4 as
one (`merged`); and, of what is 5.1 or 5.1.4, which of the two (`pair`, the more probable one whatever the others
have). All figures are functions of sums over items, so that one crossed bootstrap (`crossed`) gives the interval of
each, of the difference of two judges on the same items, and of the change from one condition to another. It reads
nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spatial_swin.evaluation.calibration import BINS, bin_numbers, equal_width_edges
from spatial_swin.evaluation.crossed import cell_sums, crossed_bootstrap, crossed_interval, share_interval
from spatial_swin.evaluation.intervals import Statistics, no_interval

PAIR = ("510", "514")
QUESTIONS = {"accuracy": "all layouts", "merged": "510 and 514 as one", "pair": "510 against 514"}
SUMS = 7 + BINS  # of a judge: right in the three questions, Brier, items of the pair, set right, its size, gaps
SET_FIGURES = {"coverage": "coverage of the sets", "set_size": "mean labels a set"}


@dataclass(frozen=True)
class Answers:
    """What judges said of N items.

    class_names: K labels; labels: int [N] into them; programmes, listeners: names [N]; judges: name -> probabilities
    float64 [N, K], of the same items in the same order; sets: of the judges that have any, which labels are in the
    set, bool [N, K].
    """

    class_names: Sequence[str]
    labels: np.ndarray
    programmes: np.ndarray
    listeners: np.ndarray
    judges: Mapping[str, np.ndarray]
    sets: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, chosen: np.ndarray) -> "Answers":
        """The items of a mask or of indices, in their order."""
        judges = {name: table[chosen] for name, table in self.judges.items()}
        sets = {name: table[chosen] for name, table in self.sets.items()}
        programmes, listeners = self.programmes[chosen], self.listeners[chosen]
        return Answers(self.class_names, self.labels[chosen], programmes, listeners, judges, sets)

    @property
    def questions(self) -> list[str]:
        """Which of QUESTIONS can be asked: the last two need both labels of PAIR."""
        return list(QUESTIONS) if set(PAIR) <= set(self.class_names) else ["accuracy"]


def figures(answers: Answers, resamples: int, seed: int) -> dict[str, Any]:
    """Counts, and for each judge every question, Brier score (0..2) and ECE with 95 % intervals.

    Of judges with prediction sets also their `coverage` and `set_size`, the mean number of labels.
    A judge after the first has `difference` too: itself minus the first one on the same items, by question.
    """
    columns = np.concatenate([_item_sums(answers, name) for name in answers.judges] + [_ones(answers)], axis=1)
    sums = cell_sums(columns, answers.programmes, answers.listeners)
    shape = sums.shape[:2]
    judges = list(answers.judges)

    def statistic(drawn: np.ndarray) -> Statistics:
        return _statistics(drawn, judges)

    point = {name: float(value[0]) for name, value in statistic(sums.sum(axis=(0, 1))[None]).items()}
    draws = crossed_bootstrap(sums, statistic, resamples, seed)
    result: dict[str, Any] = {"items": len(answers), "programmes": shape[0], "listeners": shape[1]}
    for judge in judges:
        result[judge] = {
            question: _share(draws[f"{judge} {question}"], point[f"{judge} {question}"], shape)
            for question in answers.questions
        }
        for name in ("brier", "ece"):
            value = point[f"{judge} {name}"]
            interval = crossed_interval(draws[f"{judge} {name}"], shape, bias_of=value if name == "ece" else None)
            result[judge][name] = interval.around(value)
        if judge in answers.sets:
            covered, size = (f"{judge} {name}" for name in SET_FIGURES)
            result[judge]["coverage"] = _share(draws[covered], point[covered], shape)
            result[judge]["set_size"] = crossed_interval(draws[size], shape).around(point[size])
        if judge != judges[0]:
            result[judge]["difference"] = {
                question: _difference(draws, point, f"{judge} {question}", f"{judges[0]} {question}", shape)
                for question in answers.questions
            }
    return result


def change(answers: Answers, reference: Answers, resamples: int, seed: int) -> dict[str, Any]:
    """By judge and question, `answers` minus `reference` (another condition) on the programmes and listeners of both.

    Where they share none (a room that is its own listener), the entries have no value and say why.
    """
    here, there = _cells(answers), _cells(reference)
    shared = sorted(set(here) & set(there))
    if not shared:
        why = no_interval("no programme was heard by the same listener in both").around(float("nan"))
        return {judge: dict.fromkeys(answers.questions, why) for judge in answers.judges}
    one = answers.of(np.isin(here, shared))
    other = reference.of(np.isin(there, shared))
    columns = [
        cell_sums(
            np.concatenate([_item_sums(of, name) for name in of.judges] + [_ones(of)], axis=1),
            of.programmes,
            of.listeners,
        )
        for of in (one, other)
    ]
    width, judges = columns[0].shape[2], list(answers.judges)

    def statistic(drawn: np.ndarray) -> Statistics:
        first, second = _statistics(drawn[:, :width], judges), _statistics(drawn[:, width:], judges)
        return {f"{side} {name}": value for side, of in (("a", first), ("b", second)) for name, value in of.items()}

    sums = np.concatenate(columns, axis=2)
    point = {name: float(value[0]) for name, value in statistic(sums.sum(axis=(0, 1))[None]).items()}
    draws = crossed_bootstrap(sums, statistic, resamples, seed)
    return {
        judge: {
            question: _difference(draws, point, f"a {judge} {question}", f"b {judge} {question}", sums.shape[:2])
            for question in answers.questions
        }
        for judge in judges
    }


def _cells(answers: Answers) -> np.ndarray:
    """Programme and listener of every item as one name."""
    return np.array([f"{p}\x1f{listener}" for p, listener in zip(answers.programmes, answers.listeners, strict=True)])


def _ones(answers: Answers) -> np.ndarray:
    return np.ones((len(answers), 1))


def _item_sums(answers: Answers, judge: str) -> np.ndarray:
    """What has to be added up over items to know every figure of one judge: float64 [N, SUMS]."""
    labels, table = answers.labels, answers.judges[judge]
    predicted, confidence = table.argmax(axis=1), table.max(axis=1)
    right = predicted == labels
    sums = np.zeros((len(labels), SUMS))
    sums[:, 0] = right
    if len(answers.questions) > 1:
        pair = [list(answers.class_names).index(label) for label in PAIR]
        in_pair, other = np.isin(labels, pair), [k for k in range(table.shape[1]) if k not in pair]
        as_one = table[:, pair].sum(axis=1)
        if other:
            best_other = np.array(other)[table[:, other].argmax(axis=1)]
            says_pair = as_one > table[:, other].max(axis=1)
            sums[:, 1] = np.where(says_pair, in_pair, best_other == labels)
        else:
            sums[:, 1] = in_pair
        sums[:, 2] = in_pair & (np.array(pair)[table[:, pair].argmax(axis=1)] == labels)
        sums[:, 4] = in_pair
    true = np.eye(table.shape[1])[labels]
    sums[:, 3] = ((table - true) ** 2).sum(axis=1)
    if judge in answers.sets:
        inside = answers.sets[judge]
        sums[:, 5] = inside[np.arange(len(labels)), labels]
        sums[:, 6] = inside.sum(axis=1)
    sums[np.arange(len(labels)), 7 + bin_numbers(confidence, equal_width_edges())] = confidence - right
    return sums


def _statistics(sums: np.ndarray, judges: Sequence[str]) -> Statistics:
    """Every figure of every judge from sums [D, judges * SUMS + 1]: {"judge figure": [D]}."""
    count = np.maximum(sums[:, -1], 1)
    result: Statistics = {}
    for k, judge in enumerate(judges):
        mine = sums[:, k * SUMS : (k + 1) * SUMS]
        result[f"{judge} accuracy"] = mine[:, 0] / count
        result[f"{judge} merged"] = mine[:, 1] / count
        result[f"{judge} pair"] = np.where(mine[:, 4] > 0, mine[:, 2] / np.maximum(mine[:, 4], 1), np.nan)
        result[f"{judge} brier"] = mine[:, 3] / count
        result[f"{judge} ece"] = np.abs(mine[:, 7:]).sum(axis=1) / count
        result[f"{judge} coverage"] = mine[:, 5] / count
        result[f"{judge} set_size"] = mine[:, 6] / count
    return result


def _share(draws: np.ndarray, value: float, shape: tuple[int, int]) -> dict[str, Any]:
    if not np.isfinite(value):
        return no_interval("no item is of these layouts").around(value)
    return share_interval(draws, value, shape).around(value)


def _difference(
    draws: Statistics, point: Mapping[str, float], first: str, second: str, shape: tuple[int, int]
) -> dict[str, Any]:
    value = point[first] - point[second]
    if not np.isfinite(value):
        return no_interval("no item is of these layouts").around(value)
    return crossed_interval(draws[first] - draws[second], shape).around(value)
