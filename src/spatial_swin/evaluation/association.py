"""How much of the class is known without looking at the picture: association with a factor, and a tiny classifier.

Arrays go in (class labels, factor values, statistics, group numbers, folds), numbers with intervals come out. Nothing
here decides what is alarming (`alarms` does), nothing reads a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from spatial_swin.evaluation.intervals import bootstrap_sums, group_numbers, group_sums, percentile_interval

RESAMPLES = 2000


@dataclass(frozen=True)
class FactorTable:
    """Units (recordings) by factor value and class: int64 counts [R, K] with the names of rows and columns."""

    values: list[str]
    classes: list[str]
    counts: np.ndarray

    @property
    def exclusive_share(self) -> float:
        """Share of the units whose factor value occurs in one class only: for them the factor is the answer."""
        return float(self.counts[(self.counts > 0).sum(axis=1) == 1].sum() / self.counts.sum())


@dataclass(frozen=True)
class Association:
    """Cramer's V corrected for bias, as counted, the p of the chi-squared test, and the number of units."""

    corrected: float
    raw: float
    p: float
    units: int


@dataclass(frozen=True)
class Guess:
    """Balanced accuracy of a classifier that never saw the picture, with a 95 % interval over groups, and chance.

    low and high are None where no interval can be had.
    """

    accuracy: float
    low: float | None
    high: float | None
    chance: float
    groups: int

    @property
    def lower_skill(self) -> float:
        """Of the lower limit, else of the accuracy: 0 at chance, 1 at certainty."""
        return ((self.accuracy if self.low is None else self.low) - self.chance) / (1 - self.chance)


def factor_by_class(values: Sequence[str], labels: Sequence[str], units: Sequence[str]) -> FactorTable:
    """Count units, not pictures: the chunks of one recording are one observation. All three are N long."""
    rows = np.unique(np.stack([np.asarray(values, str), np.asarray(labels, str), np.asarray(units, str)]), axis=1)
    value_names, value_codes = np.unique(rows[0], return_inverse=True)
    classes, codes = np.unique(rows[1], return_inverse=True)
    counts = np.zeros((len(value_names), len(classes)), dtype=np.int64)
    np.add.at(counts, (value_codes, codes), 1)
    return FactorTable([str(v) for v in value_names], [str(c) for c in classes], counts)


def cramers_v(counts: np.ndarray) -> Association:
    """Cramer's V of a table of counts [R, K], corrected for bias (Bergsma 2013): 0 is none, 1 is determined.

    A table with one row or one column says nothing: V is 0 and p is 1.
    """
    table = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    total = int(table.sum())
    rows, columns = table.shape
    if min(rows, columns) < 2 or total < 2:
        return Association(0.0, 0.0, 1.0, total)
    chi_squared, p = stats.chi2_contingency(table, correction=False)[:2]
    phi = chi_squared / total
    corrected_phi = max(0.0, phi - (rows - 1) * (columns - 1) / (total - 1))
    smaller = min(rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1)) - 1
    corrected = float(np.sqrt(corrected_phi / smaller)) if smaller > 0 else 0.0
    return Association(min(1.0, corrected), float(np.sqrt(phi / (min(rows, columns) - 1))), float(p), total)


def guess_from_statistics(
    features: np.ndarray, labels: Sequence[str], groups: Sequence[str], folds: np.ndarray
) -> Guess:
    """A shallow tree on features [N, F] (NaN for what is not known), tested on the folds [N] it did not see."""
    from sklearn.tree import DecisionTreeClassifier

    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    predicted = np.empty(len(codes), dtype=np.int64)
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        smallest = max(3, int(train.sum()) // 100)
        tree = DecisionTreeClassifier(max_depth=4, min_samples_leaf=smallest, class_weight="balanced", random_state=0)
        predicted[test] = tree.fit(features[train], codes[train]).predict(features[test])
    return _scored(codes, predicted, groups)


def guess_in_every_part(parts: np.ndarray, labels: Sequence[str], groups: Sequence[str], folds: np.ndarray) -> Guess:
    """What *every* part [N, P] of a picture shows alone: the lower quartile of the guesses from each of P numbers.

    A level that depends on the class lifts all of a picture; a cue that depends on the layout lifts its own tile.
    """
    guesses = [guess_from_statistics(parts[:, [part]], labels, groups, folds) for part in range(parts.shape[1])]
    return sorted(guesses, key=lambda guess: guess.accuracy)[len(guesses) // 4]


def guess_from_names(
    columns: Sequence[Sequence[str]], labels: Sequence[str], groups: Sequence[str], folds: np.ndarray
) -> Guess:
    """Naive Bayes on the factors' values alone (columns: F sequences of N values), tested on unseen folds [N]."""
    from sklearn.naive_bayes import CategoricalNB

    codes = np.unique(np.asarray(labels), return_inverse=True)[1]
    table = np.stack([np.unique(np.asarray(column, str), return_inverse=True)[1] for column in columns], axis=1)
    predicted = np.empty(len(codes), dtype=np.int64)
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        model = CategoricalNB(alpha=0.5, fit_prior=False, min_categories=table.max(axis=0) + 1)
        predicted[test] = model.fit(table[train], codes[train]).predict(table[test])
    return _scored(codes, predicted, groups)


def _scored(codes: np.ndarray, predicted: np.ndarray, groups: Sequence[str]) -> Guess:
    classes = int(codes.max()) + 1
    items = np.zeros((len(codes), 2 * classes))
    items[np.arange(len(codes)), codes] = predicted == codes
    items[np.arange(len(codes)), classes + codes] = 1
    sums = group_sums(items, group_numbers(groups, len(codes)))

    def balanced_accuracy(drawn: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"accuracy": np.nanmean(drawn[:, :classes] / drawn[:, classes:], axis=1)}

    accuracy = float(balanced_accuracy(sums.sum(axis=0)[None])["accuracy"][0])
    draws = bootstrap_sums(sums, balanced_accuracy, RESAMPLES, seed=0)["accuracy"]
    interval = percentile_interval(draws, len(sums), "cluster bootstrap")
    return Guess(accuracy, interval.low, interval.high, 1 / classes, len(sums))
