"""Conditions: one table, one thing changed at a time, the same whatever was judged before."""

import numpy as np
import pytest

from spatial_swin.audio.conditions import (
    CLEAN,
    FACTORS,
    Condition,
    conditions,
    layout_of,
    listener_of,
    seconds,
    spoil,
    unavailable,
)
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.errors import AudioError
from spatial_swin.layouts import DEFAULT_LAYOUTS, LAYOUTS, find_layouts

RATE = 48_000


@pytest.fixture(scope="module")
def ears() -> np.ndarray:
    return (0.05 * np.random.default_rng(0).standard_normal((2, RATE))).astype(np.float32)


def test_the_clean_condition_comes_first_and_every_value_of_the_table_once() -> None:
    everything = conditions()
    assert everything[0] == CLEAN
    assert len(everything) == 1 + sum(len(factor.values) for factor in FACTORS.values())
    assert len({condition.name for condition in everything}) == len(everything)
    assert len({condition.title for condition in everything}) == len(everything)


def test_factors_are_chosen_by_name() -> None:
    assert [c.name for c in conditions(["level", "noise"])] == [
        *("clean", "noise 30", "noise 20", "noise 10", "level -12", "level +6")
    ]
    with pytest.raises(AudioError, match=r"there is no factor 'nois', 'x'; the factors are .*noise"):
        conditions(["nois", "x", "level"])


LEAN = [c for c in conditions() if c.factor != "codec" or c.value in ("mp3-128", "aac-64")]  # test_codecs has them all


@pytest.mark.parametrize("condition", LEAN, ids=lambda condition: condition.name)
def test_a_condition_spoils_alike_whatever_went_before(condition: Condition, ears: np.ndarray) -> None:
    if reason := unavailable(condition):
        pytest.skip(reason)
    before = ears.copy()
    first, rate = spoil(condition, ears, RATE, (0, "song"))
    spoil(Condition("noise", "10"), ears, RATE, (0, "another"))
    second, _ = spoil(condition, ears, RATE, (0, "song"))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(ears, before)
    assert first.dtype == np.float32
    assert abs(first.shape[1] / rate - 1) < 1e-3
    of_the_sound = condition.factor in ("codec", "noise", "rate", "bits", "level", "tilt", "ears")
    assert (first.shape != ears.shape or not np.array_equal(first, ears)) == of_the_sound


def test_lengths_are_seconds_and_the_clean_one_is_the_models_own() -> None:
    assert [seconds(c) for c in conditions(["seconds"])] == [None, 1, 3, 10, 30]


def test_exchanged_ears_are_exchanged(ears: np.ndarray) -> None:
    exchanged, _ = spoil(Condition("ears", "exchanged"), ears, RATE, ())
    np.testing.assert_array_equal(exchanged, ears[::-1])


def test_without_lfe_the_other_loudspeakers_stay() -> None:
    off = Condition("lfe", "off")
    for layout in find_layouts(DEFAULT_LAYOUTS):
        heard = layout_of(off, layout)
        assert heard.code == layout.code
        assert heard.placed == layout.placed == heard.loudspeakers
    assert layout_of(CLEAN, LAYOUTS["510"]) is LAYOUTS["510"]


def test_the_clean_listener_is_the_listener() -> None:
    kemar = load_listener("kemar", RATE)
    assert listener_of(CLEAN, kemar, find_layouts(DEFAULT_LAYOUTS)) is kemar
