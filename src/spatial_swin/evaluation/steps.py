"""A verdict in two steps: first the family of layouts (mono, stereo, surround), then the layout within it.

Class names and probabilities go in, answers come out. The family of a layout follows from its loudspeakers, so that
every model whose classes are layouts has it: one loudspeaker is mono, front loudspeakers at ear level are stereo, any
loudspeaker around or above is surround. The probability of a family is the sum over its layouts; within the family it
is the layout's share of that sum. Both are calibrated as far as the probabilities are. Numpy is all it needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatial_swin.layouts import LAYOUTS, Layout, title_of

MONO, STEREO, SURROUND = "mono", "stereo", "surround"


@dataclass(frozen=True)
class Step:
    """One question and its answer.

    probabilities: of every choice, in the order of the class names; answer: the most probable choice, None below the
    confidence that was asked for; probability: of the most probable choice.
    """

    probabilities: dict[str, float]
    answer: str | None

    @property
    def best(self) -> str:
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def probability(self) -> float:
        return self.probabilities[self.best]


def family_of(layout: Layout) -> str:
    """mono, stereo or surround."""
    if len(layout.placed) == 1:
        return MONO
    return SURROUND if layout.has_surrounds or layout.has_heights else STEREO


def families(class_names: Sequence[str]) -> dict[str, list[str]]:
    """family -> its class names, in their order; empty where a class is no layout, or all are of one family."""
    if not all(name in LAYOUTS for name in class_names):
        return {}
    found: dict[str, list[str]] = {}
    for name in class_names:
        found.setdefault(family_of(LAYOUTS[name]), []).append(name)
    return found if 1 < len(found) < len(class_names) else {}


def steps_of(probabilities: np.ndarray, class_names: Sequence[str], minimum_confidence: float = 0.0) -> list[Step]:
    """The steps of probabilities float [K]: none without families, one where the likeliest family is a single layout.

    minimum_confidence: below it a family, and a layout by its whole probability, is no answer.
    """
    said = dict(zip(class_names, np.asarray(probabilities, float).tolist(), strict=True))
    grouped = families(class_names)
    if not grouped:
        return []
    sums = {family: sum(said[name] for name in names) for family, names in grouped.items()}
    likeliest = max(sums, key=sums.__getitem__)
    first = Step(sums, likeliest if sums[likeliest] >= minimum_confidence else None)
    members = grouped[likeliest]
    if len(members) == 1:
        return [first]
    shares = {name: said[name] / sums[likeliest] for name in members}
    best = max(members, key=said.__getitem__)
    sure = first.answer is not None and said[best] >= minimum_confidence
    return [first, Step(shares, best if sure else None)]


def in_words(steps: Sequence[Step]) -> str:
    """ "surround 0.98, of it 5.1.4 0.61": choices with their probabilities; `?` marks what is no answer."""
    parts = [f"{_title(step.best)}{'?' if step.answer is None else ''} {step.probability:.2f}" for step in steps]
    return ", of it ".join(parts)


def _title(choice: str) -> str:
    return title_of(choice).removesuffix(".0")
