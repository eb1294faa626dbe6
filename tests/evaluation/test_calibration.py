"""Temperature and reliability with known answers."""

import numpy as np
import pytest
from scipy import special

from spatial_swin.evaluation import calibration


def drawn_from(temperature: float, items: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from softmax(logits / temperature) and the probabilities softmax(logits)."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, size=(items, 4))
    truth = special.softmax(logits / temperature, axis=1)
    labels = (truth.cumsum(axis=1) < generator.random((items, 1))).sum(axis=1)
    return labels, special.softmax(logits, axis=1)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    labels, probabilities = drawn_from(temperature)
    found = calibration.fit_temperature(labels, probabilities)
    assert found.value == pytest.approx(temperature, rel=0.03)
    assert found.nll_after <= found.nll_before
    assert not found.at_limit
    calibrated = calibration.apply_temperature(probabilities, found.value)
    assert calibration.expected_calibration_error(labels, calibrated) < 0.01


def test_the_interval_holds_the_temperature_and_is_wider_when_items_come_in_groups() -> None:
    labels, probabilities = drawn_from(1.5, 400)
    alone = calibration.fit_temperature(labels, probabilities, None)
    assert alone.low < alone.value < alone.high
    assert (alone.low, alone.high) == pytest.approx((1.5, 1.5), rel=0.35)
    tied, twice = np.repeat(labels, 8), np.repeat(probabilities, 8, axis=0)
    groups = [str(k // 8) for k in range(len(tied))]
    grouped = calibration.fit_temperature(tied, twice, groups)
    assert grouped.groups == 400
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high), rel=0.1)
    blind = calibration.fit_temperature(tied, twice, None)
    assert blind.high - blind.low < 0.6 * (grouped.high - grouped.low)


@pytest.mark.parametrize(
    ("items", "groups", "value", "said"),
    [
        (99, 99, 1.2, "fitted on 99 validation items only; 95 % interval 0.90 to 1.60"),
        (400, 19, 1.2, "fitted on 400 validation items of 19 groups only"),
        (400, 100, calibration.LOWEST, "stopped at the limit"),
        (100, 20, 1.2, ""),
        (100, None, 1.2, ""),
    ],
)
def test_a_poor_temperature_carries_a_caution(items: int, groups: int | None, value: float, said: str) -> None:
    found = calibration.caution(value, items, groups, 0.9, 1.6)
    assert said in found
    assert bool(found) == bool(said)


def test_temperature_keeps_the_predicted_class_and_one_changes_nothing() -> None:
    _, probabilities = drawn_from(1.0, 200)
    np.testing.assert_allclose(calibration.apply_temperature(probabilities, 1.0), probabilities, atol=1e-9)
    assert (calibration.apply_temperature(probabilities, 3.0).argmax(1) == probabilities.argmax(1)).all()


def test_perfect_separation_stops_at_the_limit() -> None:
    labels = np.arange(20) % 2
    found = calibration.fit_temperature(labels, np.where(np.eye(2)[labels] == 1, 0.8, 0.2))
    assert found.at_limit
    assert found.value == pytest.approx(calibration.LOWEST, rel=0.01)


def test_ece_of_a_hand_made_case() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = np.array([0, 0, 0, 1, 0, 1])  # 3 of 4 right at 0.95, 1 of 2 at 0.55
    expected = (4 * abs(0.95 - 0.75) + 2 * abs(0.55 - 0.5)) / 6
    assert calibration.expected_calibration_error(labels, probabilities) == pytest.approx(expected)


def test_certain_and_wrong_has_a_finite_nll() -> None:
    assert calibration.item_nll(np.array([1]), np.array([[1.0, 0.0]]))[0] == pytest.approx(-np.log(1e-12))


def test_bins_hold_every_item_and_equal_mass_shares_them_out() -> None:
    labels, probabilities = drawn_from(1.0, 1500)
    edges = calibration.equal_mass_edges(probabilities.max(axis=1))
    bins = calibration.reliability(labels, probabilities, edges)
    assert bins.count.sum() == 1500
    assert bins.count.min() >= 99
    assert bins.count.max() <= 101
    assert calibration.bin_numbers(np.array([1.0, 1e-9]), calibration.equal_width_edges()).tolist() == [14, 0]
