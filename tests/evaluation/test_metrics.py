"""Metrics against scikit-learn, and what the summary says where a metric or an interval cannot be had."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk
from transformers import EvalPrediction

from spatial_swin.errors import DataError
from spatial_swin.evaluation.calibration import expected_calibration_error
from spatial_swin.evaluation.metrics import macro_auc, ranks, summarise
from spatial_swin.metric_names import CLASS_METRICS, METRIC_TITLES, Shown, names
from spatial_swin.modeling.metrics import LayoutMetrics


def made_up(classes: int, items: int, seed: int = 0, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, items)
    logits = generator.normal(size=(items, classes))
    logits[np.arange(items), labels] += skill
    raised = np.exp(logits)
    return labels, raised / raised.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 4, 100])
def test_every_metric_agrees_with_scikit_learn(classes: int) -> None:
    labels, probabilities = made_up(classes, 900)
    said = probabilities.argmax(axis=1)
    found = summarise(labels, probabilities, None, [str(k) for k in range(classes)], resamples=50)
    expected = {
        "accuracy": sk.accuracy_score(labels, said),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, said),
        "nll": sk.log_loss(labels, probabilities, labels=range(classes)),
        "brier": np.mean(((probabilities - np.eye(classes)[labels]) ** 2).sum(axis=1)),
        "macro_auc": np.mean([sk.roc_auc_score(labels == k, probabilities[:, k]) for k in range(classes)]),
        "ece": expected_calibration_error(labels, probabilities),
    }
    for average in ("macro", "weighted"):
        expected |= {
            f"{average}_precision": sk.precision_score(labels, said, average=average, zero_division=0),
            f"{average}_recall": sk.recall_score(labels, said, average=average, zero_division=0),
            f"{average}_f1": sk.f1_score(labels, said, average=average, zero_division=0),
        }
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-12), name
    f1 = sk.f1_score(labels, said, average=None, zero_division=0)
    assert [found["per_class"][str(k)]["f1"]["value"] for k in range(classes)] == pytest.approx(f1)
    assert found["confusion"] == sk.confusion_matrix(labels, said, labels=range(classes)).tolist()
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_equal_scores_share_their_mean_rank() -> None:
    scores = np.random.default_rng(0).integers(0, 9, 50) / 9
    assert ranks(scores).tolist() == stats.rankdata(scores).tolist()


def test_independent_items_get_wilson_and_shared_groups_a_wider_bootstrap() -> None:
    labels, probabilities = made_up(4, 400)
    alone = summarise(labels, probabilities, [f"r{i}" for i in range(400)], "abcd", resamples=2000)
    copies = summarise(
        np.repeat(labels, 5),
        np.repeat(probabilities, 5, axis=0),
        np.repeat(np.arange(400), 5).astype(str),
        "abcd",
        2000,
    )
    assert alone["accuracy"]["method"] == "Wilson"
    assert "cluster bootstrap" in copies["accuracy"]["method"]
    width = {
        name: found["accuracy"]["high"] - found["accuracy"]["low"]
        for name, found in (("alone", alone), ("copies", copies))
    }
    assert width["copies"] == pytest.approx(width["alone"], rel=0.1), "five copies of an item are no new evidence"
    assert copies["groups"] == 400
    assert copies["items"] == 2000


def test_interval_limits_hold_the_value_and_are_repeatable() -> None:
    labels, probabilities = made_up(4, 300)
    groups = (np.arange(300) // 6).astype(str)
    first, again = (summarise(labels, probabilities, groups, "abcd", resamples=1000) for _ in range(2))
    assert first == again
    for name in ("accuracy", "macro_f1", "macro_auc", "nll", "brier", "ece", "ece_equal_mass"):
        assert first[name]["low"] < first[name]["value"] < first[name]["high"], name


def test_one_group_has_no_interval_and_says_why() -> None:
    labels, probabilities = made_up(3, 30)
    found = summarise(labels, probabilities, ["same"] * 30, "abc", resamples=100)
    for name in ("accuracy", "macro_f1", "macro_auc", "ece"):
        assert found[name]["low"] is None
        assert "one group" in found[name]["reason"]
    assert "one group" in found["per_class"]["a"]["recall"]["reason"]


def test_absent_class_is_named_and_left_out_of_the_macro_means() -> None:
    labels, probabilities = made_up(3, 60, skill=9.0)
    labels = np.where(labels == 2, 1, labels)
    probabilities = np.where(
        probabilities.argmax(axis=1, keepdims=True) == 2, probabilities[:, [0, 2, 1]], probabilities
    )
    found = summarise(labels, probabilities, None, ["a", "b", "never"], resamples=100)
    assert found["absent_classes"] == ["never"]
    assert found["per_class"]["never"] == {
        metric: {"value": None, "low": None, "high": None, "method": "none", "reason": "the class does not occur"}
        for metric in ("precision", "recall", "f1")
    } | {"support": 0}
    seen = [found["per_class"][name]["f1"]["value"] for name in "ab"]
    assert found["macro_f1"]["value"] == pytest.approx(np.mean(seen))


def test_all_right_still_gets_an_honest_lower_limit() -> None:
    labels = np.arange(40) % 2
    probabilities = np.where(np.eye(2)[labels] == 1, 0.9, 0.1)
    found = summarise(labels, probabilities, (np.arange(40) // 4).astype(str), "ab", resamples=200)
    assert found["accuracy"]["value"] == 1
    assert found["accuracy"]["low"] == pytest.approx(10 / (10 + 1.959964**2), abs=1e-5), "Wilson of 10 groups of 10"
    assert found["macro_f1"]["low"] is None
    assert "every resample" in found["macro_f1"]["reason"]


def test_auc_variance_is_delongs_for_independent_items() -> None:
    labels, probabilities = made_up(2, 120, skill=1.0)
    value, interval = macro_auc(labels, probabilities, np.arange(120))
    positive, negative = probabilities[labels == 1, 1], probabilities[labels == 0, 1]
    wins = (positive[:, None] > negative[None, :]).astype(float)
    variance = wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative)
    logit = np.log(value / (1 - value))
    width = np.sqrt(variance) / (value * (1 - value)) * 1.959964
    assert value == pytest.approx(wins.mean())
    assert np.log(interval.low / (1 - interval.low)) == pytest.approx(logit - width, abs=0.01)
    assert np.log(interval.high / (1 - interval.high)) == pytest.approx(logit + width, abs=0.01)


def test_only_one_class_present_has_no_auc() -> None:
    found = summarise(np.zeros(5, int), np.full((5, 2), 0.5), None, "ab", resamples=50)
    assert found["macro_auc"]["value"] is None
    assert "only one class" in found["macro_auc"]["reason"]


def test_nothing_to_evaluate_is_refused() -> None:
    with pytest.raises(DataError, match="0 labels"):
        summarise(np.zeros(0, int), np.zeros((0, 2)), None, "ab")
    with pytest.raises(DataError, match="3 classes"):
        summarise(np.zeros(2, int), np.full((2, 2), 0.5), None, "abc")


def test_macro_means_leave_out_a_class_that_is_only_predicted_in_training_as_in_the_report(tmp_path: Path) -> None:
    labels, logits = np.array([0, 0, 1, 1]), np.eye(3)[[0, 2, 1, 1]]
    summary = summarise(labels, logits, None, "abc", resamples=50)
    epoch = LayoutMetrics("abc", tmp_path)(EvalPrediction(predictions=logits, label_ids=labels))
    assert summary["macro_f1"]["value"] == pytest.approx((2 / 3 + 1) / 2)
    assert epoch["macro_f1"] == summary["macro_f1"]["value"]
    assert epoch["f1_c"] == 0


def test_every_listed_metric_is_computed_and_every_computed_one_is_listed(tmp_path: Path) -> None:
    labels, probabilities = made_up(4, 60)
    summary = summarise(labels, probabilities, None, "abcd", resamples=50)
    assert {name for name, entry in summary.items() if isinstance(entry, dict) and "value" in entry} == set(
        METRIC_TITLES
    )
    assert set(summary["per_class"]["a"]) == {*CLASS_METRICS, "support"}
    epoch = LayoutMetrics("abcd", tmp_path)(EvalPrediction(predictions=probabilities, label_ids=labels))
    for name in names(Shown.EPOCH):
        assert epoch[name] == pytest.approx(summary[name]["value"]), name
