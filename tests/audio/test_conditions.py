"""Conditions: one table, one thing changed at a time, the same whatever was judged before."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import sofar

from spatial_swin.audio.conditions import (
    CLEAN,
    FACTORS,
    Condition,
    conditions,
    layout_of,
    listener_of,
    seconds,
    spoil,
    spoil_each,
    unavailable,
)
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.errors import AudioError
from spatial_swin.layouts import DEFAULT_LAYOUTS, LAYOUTS, all_directions, find_layouts

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


def test_many_sounds_are_spoilt_in_order_each_as_alone(ears: np.ndarray) -> None:
    sounds = [(ears, (0, "song")), (ears[:, 4_800:], (0, "other")), (ears, (1, "song"))]
    for condition in (CLEAN, Condition("noise", "10"), Condition("rate", "44100"), Condition("codec", "vorbis-64")):
        made = list(spoil_each(condition, iter(sounds), RATE))
        for (one, key), (spoilt, rate) in zip(sounds, made, strict=True):
            alone, own_rate = spoil(condition, one, RATE, key)
            np.testing.assert_array_equal(spoilt, alone)
            assert rate == own_rate


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


def test_the_listener_is_replaced_by_rooms_and_moved_loudspeakers_alone() -> None:
    kemar, layouts = load_listener("kemar", RATE), find_layouts(["200"])
    for condition in conditions():
        heard = listener_of(condition, kemar, layouts)
        assert (heard is not kemar) == (condition.factor in ("room", "moved"))
        assert heard is listener_of(condition, kemar, layouts)
        assert heard.name == kemar.name
        heard.check(layouts[0])
        assert not condition.has_own_listener


@pytest.fixture
def brir(tmp_path: Path) -> Path:
    """A measured room at 44.1 kHz: pulses at ear level, and one reflection."""
    places = np.array([(a, e) for a, e in all_directions() if e == 0])
    sofa = sofar.Sofa("SimpleFreeFieldHRIR")
    sofa.Data_IR = np.zeros((len(places), 2, 1_000))
    sofa.Data_IR[..., 30], sofa.Data_IR[..., 900] = 1, 0.1
    sofa.Data_SamplingRate = 44_100.0
    sofa.SourcePosition = np.column_stack([places % 360, np.full(len(places), 1.5)])
    (tmp_path / "rooms").mkdir()
    sofar.write_sofa(str(tmp_path / "rooms" / "studio.sofa"), sofa)
    return tmp_path / "rooms" / "studio.sofa"


def test_a_measured_room_is_heard_by_its_own_head_at_the_rate_of_the_listener(brir: Path) -> None:
    _, condition = conditions([], [str(brir.parent)])
    assert (condition.name, condition.value, condition.has_own_listener) == ("brir studio", str(brir), True)
    for name in ("kemar", "parametric:1"):
        heard = listener_of(condition, load_listener(name, RATE), find_layouts(["510"]))
        assert heard.name == "studio"
        assert heard.sample_rate == RATE
        peak, echo = np.sort(np.argsort(np.abs(heard.nearest(0, 0)[0]))[-1:]), 870 * RATE / 44_100
        assert abs(heard.nearest(0, 0)[0, round(peak[0] + echo)]) > 0.05


def test_a_measured_room_without_a_direction_is_refused(brir: Path) -> None:
    with pytest.raises(AudioError, match=r"studio\.sofa: no direction for U\+030"):
        listener_of(Condition("brir", str(brir)), load_listener("kemar", RATE), find_layouts(["514"]))


def test_two_measured_rooms_of_one_name_are_refused(brir: Path) -> None:
    (brir.parent / "b").mkdir()
    twin = shutil.copy(brir, brir.parent / "b" / "studio.sofa")
    with pytest.raises(AudioError, match="would be called 'brir studio', as"):
        conditions([], [str(brir), str(twin)])


def test_the_page_has_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text(encoding="utf-8")
    for factor in FACTORS.values():
        assert f"| `{factor.name}` | {', '.join(factor.values)} | {factor.what} |" in page
