"""Prediction sets: the labels that cannot be ruled out, so that the true one is among them 9 times out of 10.

Labels [N] and calibrated probabilities [N, K] of the validation part go in, one threshold comes out; a label is in the
set when its probability is at least that. The set is never empty: the most probable label is always in it.

The score of an item is 1 - p of its true label (least ambiguous sets: Sadinle, Lei and Wasserman 2019, JASA 114(525),
223-234), and the threshold a quantile of the scores (split conformal prediction: Vovk, Gammerman and Shafer 2005).
Items that share a programme, a listener or a laboratory are alike, so that a quantile over items would promise too
much for a *new* programme, listener or laboratory. Here groups are what is exchangeable, and each counts the same
however many items it has (Lee, Barber and Willett 2023, Distribution-free inference with hierarchical data,
arXiv:2306.06342): with K groups, of which group k has the scores s_k1 .. s_kN, the threshold is the least t with

    sum over k of  1 / (K + 1) * (share of the scores of group k that are at most t)  >=  coverage,

which no finite t fulfils with fewer than coverage / (1 - coverage) groups: 9 for 0.9. It is computed over programmes,
over listeners, over the programmes within each laboratory alone, and within each condition alone (rooms, codecs,
noise); the largest of them is taken (the worst group, as in equalised coverage: Romano, Barber, Sabatti and Candes
2020, HDSR 2(2)). A recording does not say its condition, so one threshold is for all. What has too few groups is left
out and named. It promises coverage on average over new groups of the same population, not for every one of them, and
nothing for another population: `spatial-swin bench` measures that. Numpy is all it needs; nothing is read or written.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from spatial_swin.evaluation.combining import RULES, Choice

COVERAGE = 0.9
SLACK = 1e-9  # of sums of shares, and of a probability that is the threshold itself


@dataclass(frozen=True)
class Part:
    """One way to look at the validation part: over which groups, and what it asked for.

    least: the least probability of a label in the set that it asks for, None where its groups are too few.
    coverage, mean_size: of the sets that were chosen in the end, on these very items.
    """

    factor: str
    value: str
    items: int
    groups: int
    least: float | None
    coverage: float
    mean_size: float


@dataclass(frozen=True)
class PredictionSets:
    """coverage: what is promised; least: a label is in the set when its probability is at least this.

    temperature: at which the probabilities were calibrated; parts: what was looked at, the whole first; caution: a
    sentence on whom the promise leaves out, empty without a reason; windows: how those of a recording become one
    answer.
    """

    coverage: float
    least: float
    temperature: float
    parts: tuple[Part, ...] = ()
    caution: str = ""
    windows: Choice = Choice()

    def of(self, probabilities: np.ndarray) -> np.ndarray:
        """Which labels are in the set: probabilities float [..., K] -> bool [..., K], at least one true."""
        inside = probabilities >= self.least - SLACK
        best = np.argmax(probabilities, axis=-1)
        np.put_along_axis(inside, best[..., None], True, axis=-1)
        return inside

    def names(self, probabilities: np.ndarray, class_names: Sequence[str]) -> list[str]:
        """The labels in the set of probabilities [K], the most probable first."""
        inside = self.of(probabilities)
        return [class_names[k] for k in np.argsort(-probabilities, kind="stable") if inside[k]]

    def as_record(self) -> dict[str, Any]:
        """What sets.json holds."""
        return {"fitted_on": "validation", "score": "1 - p", **asdict(self)}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "PredictionSets":
        """As `as_record` gives it. Raises KeyError, TypeError or ValueError for what it cannot be."""
        coverage, least, temperature = (float(record[name]) for name in ("coverage", "least", "temperature"))
        if not (0 < coverage < 1 and 0 <= least <= 1 and math.isfinite(temperature)):
            raise ValueError(f"a coverage of {coverage:g} and a least probability of {least:g}")
        known = [field.name for field in fields(Part)]
        parts = tuple(Part(**{name: part[name] for name in known}) for part in record.get("parts", ()))
        windows = Choice(**record.get("windows", {}))
        if windows.rule not in RULES:
            raise ValueError(f"no rule {windows.rule!r} for windows; the rules are {', '.join(RULES)}")
        return cls(coverage, least, temperature, parts, str(record.get("caution", "")), windows)


def group_threshold(scores: np.ndarray, groups: Sequence[str] | np.ndarray, coverage: float = COVERAGE) -> float:
    """The least t of the formula above for scores [N] of groups [N]; infinite with too few groups."""
    numbers = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    counts = np.bincount(numbers)
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(1 / ((len(counts) + 1) * counts[numbers[order]]))
    at = int(np.searchsorted(reached, coverage - SLACK))
    return float(scores[order[at]]) if at < len(scores) else math.inf


def fit_sets(
    labels: np.ndarray,
    probabilities: np.ndarray,
    temperature: float,
    programmes: Sequence[str],
    listeners: Sequence[str] | None = None,
    laboratories: Sequence[str] | None = None,
    conditions: Sequence[str] | None = None,
    coverage: float = COVERAGE,
) -> PredictionSets:
    """The sets of the validation part; give it probabilities after the temperature, and never the test part.

    programmes, listeners, laboratories, conditions: a name each for every item; None where nothing tells. The first
    word of a condition is what it is of: all rooms are one, and clean alone is the whole.
    """
    played = np.asarray(programmes, dtype=str)
    scores = 1 - probabilities[np.arange(len(labels)), labels]
    everything = np.ones(len(labels), bool)
    asked = [("all", "programmes", everything, played)]
    if listeners is not None:
        asked.append(("all", "listeners", everything, np.asarray(listeners, dtype=str)))
    if laboratories is not None:
        where = np.asarray(laboratories, dtype=str)
        asked += [("laboratory", str(name), where == name, played) for name in np.unique(where)]
    heard = np.asarray([name.partition(" ")[0] for name in conditions or ()], dtype=str)
    if len(kinds := np.unique(heard)) > 1:
        asked += [("condition", str(name), heard == name, played) for name in kinds]
    thresholds = [group_threshold(scores[chosen], groups[chosen], coverage) for *_, chosen, groups in asked]
    finite = [threshold for threshold in thresholds if math.isfinite(threshold)]
    least = max(0.0, 1 - max(finite)) if finite else 0.0
    sets = PredictionSets(coverage, least, temperature)
    inside = sets.of(probabilities)
    covered, sizes = inside[np.arange(len(labels)), labels], inside.sum(axis=1)
    parts = tuple(
        Part(
            factor,
            value,
            int(chosen.sum()),
            len(np.unique(groups[chosen])),
            1 - threshold if math.isfinite(threshold) else None,
            float(covered[chosen].mean()),
            float(sizes[chosen].mean()),
        )
        for (factor, value, chosen, groups), threshold in zip(asked, thresholds, strict=True)
    )
    return PredictionSets(coverage, least, temperature, parts, _caution(parts, coverage))


def coverage_and_size(sets: PredictionSets, labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """Share of the items whose true label is in their set, and the mean number of labels in a set."""
    inside = sets.of(probabilities)
    return float(inside[np.arange(len(labels)), labels].mean()), float(inside.sum(axis=1).mean())


def _caution(parts: Sequence[Part], coverage: float) -> str:
    """Whom the promise leaves out, because validation had too few of them."""
    needed = math.ceil(coverage / (1 - coverage) - SLACK)
    if all(part.least is None for part in parts):
        return (
            f"fewer than {needed} programmes in the validation part are too few for sets with a coverage of "
            f"{coverage:g}, so every label is in every set"
        )
    reasons = []
    whole = {part.value: part for part in parts if part.factor == "all"}
    if "listeners" not in whole:
        reasons.append("nothing tells its listeners")
    elif whole["listeners"].least is None:
        reasons.append(f"it has {_counted(whole['listeners'].groups, 'listener')} only (needed: {needed})")
    laboratories = [part for part in parts if part.factor == "laboratory"]
    if len(laboratories) == 1:
        reasons.append("all of it is of one laboratory")
    if not reasons:
        return ""
    but = " and ".join(reasons)
    return f"the sets promise {coverage:.0%} for programmes like those of the validation part, but {but}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
