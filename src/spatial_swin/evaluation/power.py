"""How small a difference a test part can show: paired differences by group in, the smallest detectable one out.

Bloom's (1995) minimum detectable effect: (t(1 - 0.05/2) + t(power)) times the standard error, t with one degree of
freedom less than there are groups. The standard error of a mean over items that come in groups is that of a ratio of
sums over groups (Cochran 1977, section 6.3). Nothing here knows a model or reads a file.

Bloom, H. S. (1995). Minimum detectable effects: a simple way to report the statistical power of experimental designs.
Evaluation Review 19(5), 547-556. Cochran, W. G. (1977). Sampling techniques, third edition. Wiley.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from spatial_swin.evaluation.intervals import LEVEL, group_numbers, group_sums

POWER = 0.8


@dataclass(frozen=True)
class Detectable:
    """The smallest difference that a two-sided test at the 5 % level shows with probability POWER, or the reason for
    none; error: the standard error behind it."""

    value: float | None
    error: float | None
    groups: int
    reason: str = ""


def smallest_difference(differences: np.ndarray, groups: Sequence[str] | None) -> Detectable:
    """From paired differences of items [N] (second minus first: -1, 0 or 1 for right answers) and their groups."""
    sums = group_sums(np.stack([differences, np.ones(len(differences))], 1), group_numbers(groups, len(differences)))
    count = len(sums)
    if count < 2:
        return Detectable(None, None, count, "all items are of one group")
    residuals = sums[:, 0] - sums[:, 1] * float(np.mean(differences))
    error = float(np.sqrt(count / (count - 1) * np.sum(residuals**2))) / len(differences)
    if error < 1e-12:
        return Detectable(None, None, count, "the two differ in no group, so how much they can differ is unknown")
    factor = special.stdtrit(count - 1, (1 + LEVEL) / 2) + special.stdtrit(count - 1, POWER)
    return Detectable(float(factor * error), error, count)
