"""Virtual heads: what each change does to responses whose answer is known; the same number is the same head."""

from dataclasses import replace

import numpy as np
import pytest

from spatial_swin.audio.hrtf import Listener, load_listener, with_virtual_heads
from spatial_swin.audio.virtual_heads import KNOTS, UNCHANGED, changed_head, draw_change, measured_name, virtual_head
from spatial_swin.errors import AudioError
from spatial_swin.layouts import DEFAULT_LAYOUTS, all_directions, find_layouts

RATE = 48_000


@pytest.fixture(scope="module")
def kemar() -> Listener:
    return load_listener("kemar", RATE)


def level_db(responses: np.ndarray) -> np.ndarray:
    return 10 * np.log10((responses.astype(float) ** 2).sum(axis=-1))


def lag(responses: np.ndarray) -> float:
    """Delay of the right ear over the left one in samples, with the fraction that 16 times the rate gives."""
    size = 16 * 2 * responses.shape[-1]
    left, right = np.fft.rfft(responses, 2 * responses.shape[-1])
    correlation = np.fft.irfft(right * left.conj() * (np.arange(len(left)) < 0.07 * len(left)), size)
    return (int(correlation.argmax()) + size // 2) % size / 16 - size / 32


def test_no_change_changes_nothing(kemar: Listener) -> None:
    same = changed_head(kemar, UNCHANGED)
    for place in all_directions():
        before, after = kemar.interpolated(*place), same.nearest(*place)
        assert np.abs(after[:, : before.shape[-1]] - before).max() < 1e-4 * np.abs(before).max()


def test_a_mirrored_head_hears_the_left_as_the_other_heard_the_right(kemar: Listener) -> None:
    lopsided = replace(kemar, impulse_responses=kemar.impulse_responses * np.array([[1.0], [0.5]], np.float32))
    mirrored = changed_head(lopsided, replace(UNCHANGED, mirrored=True))
    expected = level_db(lopsided.interpolated(-110, 0))[::-1]
    assert level_db(mirrored.nearest(110, 0)) == pytest.approx(expected, abs=0.01)


def test_a_head_turned_to_the_right_has_the_front_on_its_left(kemar: Listener) -> None:
    turned = changed_head(kemar, replace(UNCHANGED, turn=np.array([30.0, 0, 0])))
    assert level_db(turned.nearest(0, 0)) == pytest.approx(level_db(kemar.interpolated(30, 0)), abs=0.01)


@pytest.mark.parametrize("size", [0.9, 1.1])
def test_a_larger_head_has_longer_delays_and_a_lower_spectrum(kemar: Listener, size: float) -> None:
    sized = changed_head(kemar, replace(UNCHANGED, size=size))
    assert lag(sized.nearest(110, 0)) == pytest.approx(size * lag(kemar.interpolated(110, 0)), rel=0.02)
    before = np.abs(np.fft.rfft(kemar.interpolated(30, 0)[0], RATE))
    after = np.abs(np.fft.rfft(sized.nearest(30, 0)[0], RATE))
    for frequency in (1_000, 4_000, 9_000):
        assert after[round(frequency / size)] == pytest.approx(before[frequency], rel=0.03)


def test_gain_and_colour_are_as_given_in_every_direction(kemar: Listener) -> None:
    louder = changed_head(kemar, replace(UNCHANGED, gain_db=4.0, colour=np.full(len(KNOTS), 3.0)))
    before = np.stack([level_db(kemar.interpolated(*place)) for place in all_directions()])
    gained = level_db(louder.impulse_responses) - before
    assert gained == pytest.approx(np.tile([5.0, 1.0], (len(before), 1)), abs=0.02)


def test_a_colour_of_one_band_stays_in_it_and_causal(kemar: Listener) -> None:
    bump = np.where(np.abs(KNOTS - 6_000) < 1_500, 6.0, 0.0)
    before, after = (changed_head(kemar, c).nearest(0, 0)[0] for c in (UNCHANGED, replace(UNCHANGED, colour=bump)))
    difference = 20 * np.log10(np.abs(np.fft.rfft(after, RATE)) / np.abs(np.fft.rfft(before, RATE)))
    assert np.abs(difference[300:3_000]).max() < 0.3
    assert difference[6_000] > 4
    onset = int((np.abs(before) > 0.1 * np.abs(before).max()).argmax())
    assert np.abs(after[: onset - 3]).max() < 0.02 * np.abs(after).max()


def test_the_same_number_is_the_same_head_and_another_is_not(kemar: Listener) -> None:
    first, again, other = virtual_head(kemar, 1), virtual_head(kemar, 1), virtual_head(kemar, 2)
    assert np.array_equal(first.impulse_responses, again.impulse_responses)
    assert not np.allclose(first.impulse_responses, other.impulse_responses, atol=1e-2)
    assert first.name == "kemar-v1"
    assert draw_change("kemar", 1) != draw_change("another", 1)


def test_drawn_heads_serve_the_layouts_and_stay_within_what_heads_do(kemar: Listener) -> None:
    for number in range(6):
        head = virtual_head(kemar, number)
        for layout in find_layouts(DEFAULT_LAYOUTS):
            responses = head.responses(layout)
            assert np.isfinite(responses).all()
            levels = level_db(responses)
            assert np.abs(levels - level_db(kemar.responses(layout))).max() < 15
        sides = level_db(head.nearest(110, 0)), level_db(head.nearest(-110, 0))
        assert sides[0][0] > sides[0][1]
        assert sides[1][0] < sides[1][1]


def test_a_listener_is_loaded_as_a_virtual_head_by_its_number() -> None:
    head = load_listener("kemar~3", RATE)
    assert (head.name, head.source) == ("kemar-v3", "kemar_layouts.sofa~3")
    assert with_virtual_heads(["kemar", "parametric:1"], 2) == ["kemar", "kemar~1", "kemar~2", "parametric:1"]
    with pytest.raises(AudioError, match="there is no listener 'nobody'"):
        load_listener("nobody~2", RATE)
    with pytest.raises(AudioError, match="there is no listener 'kemar~x'"):
        load_listener("kemar~x", RATE)


@pytest.mark.parametrize("name", ["kemar", "P12", "IRC-1002-v", "v2", "P-v2x"])
def test_the_name_of_a_virtual_head_leads_back_to_who_was_measured(name: str, kemar: Listener) -> None:
    assert measured_name(name) == name
    assert measured_name(virtual_head(replace(kemar, name=name), 12).name) == name


def test_a_listener_without_the_directions_of_a_layout_has_no_virtual_heads(kemar: Listener) -> None:
    below = replace(kemar, azimuths=np.zeros(1), elevations=np.full(1, -60.0), impulse_responses=np.ones((1, 2, 8)))
    with pytest.raises(AudioError, match="no direction of any layout"):
        virtual_head(below, 1)
