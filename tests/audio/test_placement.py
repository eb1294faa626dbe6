"""Moved loudspeakers: inside the ranges of BS.2051, the same in every layout, heard from where they stand."""

import numpy as np
import pytest

from spatial_swin.audio.hrtf import Listener, load_listener
from spatial_swin.audio.placement import NEAR, RANGES, moved, place_of
from spatial_swin.layouts import DEFAULT_LAYOUTS, LAYOUTS, find_layouts, loudspeaker

RATE = 48_000


@pytest.fixture(scope="module")
def dense() -> Listener:
    """A direction every 3 degrees; the response says which."""
    grid = np.array([(a, e) for a in range(-180, 180, 3) for e in range(0, 60, 3)], float)
    responses = np.repeat(grid[:, :, None], 4, axis=2).astype(np.float32)
    return Listener("dense", RATE, *grid.T, responses, "made")


def test_places_lie_inside_the_ranges_and_fill_them(dense: Listener) -> None:
    assert set(RANGES) == {"M110", "U030", "U110"}
    for name in ("M+110", "U-030", "U+110"):
        allowed, sign = RANGES[name.replace("+", "").replace("-", "")], int(name[1] + "1")
        places = np.array([place_of(loudspeaker(name), dense, seed) for seed in range(60)])
        for drawn, (low, high) in zip(
            (sign * places[:, 0], places[:, 1]), (allowed.azimuth, allowed.elevation), strict=True
        ):
            assert low <= drawn.min() <= low + 0.2 * (high - low)
            assert high - 0.2 * (high - low) <= drawn.max() <= high


def test_front_loudspeakers_stay_and_others_are_heard_from_their_places(dense: Listener) -> None:
    heard = moved(dense, find_layouts(DEFAULT_LAYOUTS), seed=3)
    for speaker in LAYOUTS["514"].placed:
        place = place_of(speaker, dense, 3)
        response = heard.nearest(speaker.azimuth, speaker.elevation)
        np.testing.assert_array_equal(response, dense.nearest(*place))
        assert (place == (speaker.azimuth, speaker.elevation)) == (speaker.name in ("M+000", "M+030", "M-030"))


def test_left_and_right_listeners_and_seeds_are_drawn_apart(dense: Listener) -> None:
    places = [place_of(loudspeaker("U+110"), dense, seed) for seed in (0, 0, 1)]
    assert places[0] == places[1] != places[2]
    right = place_of(loudspeaker("U-110"), dense, 0)
    assert abs(right[0]) != abs(places[0][0])
    other = Listener("other", RATE, dense.azimuths, dense.elevations, dense.impulse_responses, "made")
    assert place_of(loudspeaker("U+110"), other, 0) != places[0]


def test_a_loudspeaker_moves_only_to_where_the_listener_was_measured() -> None:
    kemar = load_listener("kemar", RATE)  # ships with the directions of the layouts only
    for seed in range(10):
        for speaker in LAYOUTS["514"].placed:
            assert kemar.angles_to(*place_of(speaker, kemar, seed)).min() <= NEAR
