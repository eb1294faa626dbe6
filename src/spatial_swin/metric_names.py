"""The metrics of a run, in one list: every table, history column, console line and tracker takes its names from here.

To add a metric, add a row here and its formula to `evaluation.metrics` (`metrics_of_counts` when the confusion matrix
decides it, else `metrics_of_sums`); no other file changes. A leaf: every room may import it, it imports none of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, auto


class Shown(Flag):
    """Where a metric is shown, beside the full table of the report and metrics.json, which hold them all."""

    LINE = auto()  # the console's line per epoch and `monitor`; needs EPOCH
    EPOCH = auto()  # history.csv and the trackers, for the validation part; the confusion matrix must decide it
    FOLDS = auto()  # figures and tables of cross-validation
    SUMMARY = auto()  # tables that compare runs, the console of `evaluate`, final figures of the trackers
    PAIRED = auto()  # tested between two runs on the same items; a function of sums over items
    TEMPERATURE = auto()  # changes when probabilities are calibrated


@dataclass(frozen=True)
class Metric:
    """One metric: its key in files, its title in tables, and where it is shown."""

    name: str
    title: str
    shown: Shown = Shown(0)
    hub_type: str = ""  # the name of the metric on the Hub, for the model card


_EVERYWHERE = Shown.LINE | Shown.EPOCH | Shown.FOLDS | Shown.SUMMARY | Shown.PAIRED
METRICS = (
    Metric("accuracy", "Accuracy", _EVERYWHERE, "accuracy"),
    Metric("balanced_accuracy", "Balanced accuracy", Shown.FOLDS | Shown.SUMMARY | Shown.PAIRED),
    Metric("macro_precision", "Macro precision", Shown.EPOCH, "precision"),
    Metric("macro_recall", "Macro recall", Shown.EPOCH, "recall"),
    Metric("macro_f1", "Macro F1", _EVERYWHERE, "f1"),
    Metric("weighted_precision", "Weighted precision"),
    Metric("weighted_recall", "Weighted recall"),
    Metric("weighted_f1", "Weighted F1", Shown.EPOCH),
    Metric("macro_auc", "Macro AUC (one against rest)", Shown.SUMMARY | Shown.TEMPERATURE, "roc_auc"),
    Metric("nll", "NLL (nats)", Shown.SUMMARY | Shown.PAIRED | Shown.TEMPERATURE),
    Metric("brier", "Brier score (0 to 2)", Shown.SUMMARY | Shown.PAIRED | Shown.TEMPERATURE),
    Metric("ece", "ECE (15 equal-width bins)", Shown.SUMMARY | Shown.TEMPERATURE),
    Metric("ece_equal_mass", "ECE (15 equal-mass bins)", Shown.TEMPERATURE),
)
METRIC_TITLES = {metric.name: metric.title for metric in METRICS}
CLASS_METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1"}  # of each class; all in history.csv too


def names(shown: Shown) -> tuple[str, ...]:
    """The names of the metrics shown there, in the order of the list."""
    return tuple(metric.name for metric in METRICS if shown in metric.shown)


def in_words(name: str) -> str:
    """The title within a sentence: `accuracy`, `macro F1`."""
    title = METRIC_TITLES[name]
    return title[0].lower() + title[1:] if title[1].islower() else title


def epoch_figures(row: Mapping[str, float], separator: str = ", ") -> str:
    """What a line of text says of a row of history.csv: `accuracy 0.9700, macro F1 0.9698`."""
    return separator.join(f"{in_words(name)} {row['validation_' + name]:.4f}" for name in names(Shown.LINE))
