"""The domain score: false alarms on new heads, outliers it was fitted to and others, and a record read back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spatial_swin.evaluation.domain_fitting import FALSE_ALARMS, fit_domain_score, with_own_threshold
from spatial_swin.evaluation.domain_score import DomainScore, auroc

WIDTH = 70
MIXING = np.random.default_rng(0).normal(size=(8, WIDTH))


def genuine(generator: np.random.Generator, heads: int, items: int) -> tuple[np.ndarray, list[str]]:
    """Eight things vary together in all features; a head shifts all of its items a little."""
    names = np.repeat(np.arange(heads), items)
    shifts = 0.5 * generator.normal(size=(heads, WIDTH))[names]
    features = 30 * (
        generator.normal(size=(len(names), 8)) @ MIXING + shifts + generator.normal(size=(len(names), WIDTH))
    )
    return 128 + features, [f"h{name}" for name in names]


@pytest.fixture(scope="module")
def score() -> DomainScore:
    generator = np.random.default_rng(1)
    features, heads = genuine(generator, 24, 40)
    outliers = genuine(generator, 10, 20)[0] + np.where(np.arange(WIDTH) < 20, 90, 0)
    laboratories = ["A" if int(name[1:]) < 12 else "B" for name in heads]
    return fit_domain_score(features, heads, laboratories, outliers, {"kinds": ["shifted"]})


def test_genuine_items_of_new_heads_are_hardly_ever_flagged(score: DomainScore) -> None:
    fresh, _ = genuine(np.random.default_rng(2), 50, 40)
    assert (score.of(fresh) > 0).mean() <= 2 * FALSE_ALARMS
    assert score.about["false_alarms"] <= FALSE_ALARMS
    assert (score.about["heads"], score.about["laboratories"], score.about["caution"]) == (24, ["A", "B"], "")


def test_what_it_was_fitted_to_and_what_it_never_saw_score_higher(score: DomainScore) -> None:
    generator = np.random.default_rng(3)
    inside = score.of(genuine(generator, 20, 20)[0])
    like_fitted = genuine(generator, 5, 20)[0] + np.where(np.arange(WIDTH) < 20, 90, 0)
    less_so = genuine(generator, 5, 20)[0] + np.where(np.arange(WIDTH) < 30, 60, 0)
    assert auroc(inside, score.of(like_fitted)) > 0.97
    assert auroc(inside, score.of(less_so)) > 0.9


def test_one_head_is_said_to_be_few() -> None:
    features, _ = genuine(np.random.default_rng(4), 1, 80)
    few = fit_domain_score(features, ["kemar"] * 80, ["MIT"] * 80, features[:20] + 100, {})
    assert few.about["caution"] == "1 head only: another may be taken for no head"


def test_a_head_unlike_all_fitted_gets_the_threshold_that_its_own_items_ask_for(score: DomainScore) -> None:
    features = genuine(np.random.default_rng(7), 1, 400)[0] + 25 * np.sign(score.weights)
    ours, others = features[:200], features[200:]
    assert (score.of(others) > 0).mean() > 0.1
    own = with_own_threshold(score, ours, ["renderer"] * 200, ["A"] * 200)
    assert (own.of(others) > 0).mean() <= 2 * FALSE_ALARMS
    assert np.array_equal(own.logits(others), score.logits(others))
    assert own.about["false_alarms"] <= FALSE_ALARMS
    assert (own.about["genuine"], own.about["heads"], own.about["regression_of_heads"]) == (200, 1, 24)
    assert own.about["outliers"] == score.about["outliers"]
    assert own.about["caution"].startswith("1 head only")


def test_a_record_is_read_as_it_was_written(score: DomainScore) -> None:
    record = json.loads(json.dumps(score.as_record()))
    again, features = DomainScore.of_record(record), genuine(np.random.default_rng(5), 3, 10)[0]
    assert again.of(features) == pytest.approx(score.of(features), abs=1e-3)
    for change in ({"scale": [0.0] * WIDTH}, {"weights": [1.0]}, {"bias": float("nan")}):
        with pytest.raises(ValueError, match=r"not finite, or a spread|70 means, 70 scales and 1 weights"):
            DomainScore.of_record({**record, **change})


@pytest.fixture(scope="module")
def with_same(score: DomainScore) -> DomainScore:
    """A score that for equal channels sees the last features alone."""
    generator = np.random.default_rng(11)
    features, heads = genuine(generator, 12, 20)
    outliers = genuine(generator, 6, 20)[0] + np.where(np.arange(WIDTH) >= 60, 90, 0)
    return replace(score, of_same=fit_domain_score(features, heads, ["A"] * len(heads), outliers, {}, strength=0.3))


def test_equal_channels_have_the_higher_of_two_scores_and_no_other_picture_has(with_same: DomainScore) -> None:
    features = genuine(np.random.default_rng(12), 4, 25)[0]
    features[50:] += np.where(np.arange(WIDTH) >= 60, 90, 0)
    same = np.arange(100) % 2 == 0
    plain, scores = with_same.of(features), with_same.of(features, same)
    assert with_same.of_same is not None
    own = with_same.of_same.of(features)
    assert np.array_equal(scores[~same], plain[~same])
    assert scores[same] == pytest.approx(np.maximum(plain, own)[same])
    assert auroc(scores[:50][same[:50]], scores[50:][same[50:]]) > 0.97
    assert np.array_equal(with_same.of(features, np.zeros(100, bool)), plain)


def test_the_score_for_equal_channels_is_read_as_it_was_written(with_same: DomainScore) -> None:
    record = json.loads(json.dumps(with_same.as_record()))
    features, same = genuine(np.random.default_rng(13), 3, 10)[0], np.ones(30, bool)
    assert DomainScore.of_record(record).of(features, same) == pytest.approx(with_same.of(features, same), abs=1e-3)
    narrow = {name: record["same_channels"][name][:5] for name in ("mean", "scale", "weights")}
    with pytest.raises(ValueError, match="70 means, 5 for equal channels"):
        DomainScore.of_record({**record, "same_channels": {**record["same_channels"], **narrow}})


def test_a_symmetric_head_raises_the_threshold_for_equal_channels(with_same: DomainScore) -> None:
    assert with_same.of_same is not None
    features = genuine(np.random.default_rng(14), 1, 300)[0] + 40 * np.sign(with_same.of_same.weights)
    same = np.ones(300, bool)
    own = with_own_threshold(with_same, features, ["kemar"] * 300, ["MIT"] * 300, same)
    assert own.of_same is not None
    assert (with_same.of_same.of(features) > 0).mean() > 0.1
    assert (own.of_same.of(features) > 0).mean() <= FALSE_ALARMS / 2
    others = with_own_threshold(with_same, features, ["kemar"] * 300, ["MIT"] * 300, ~same)
    assert others.of_same is with_same.of_same


def test_auroc_by_hand() -> None:
    assert auroc(np.array([0, 1, 2]), np.array([1, 3])) == pytest.approx((1.5 + 3) / 6)
