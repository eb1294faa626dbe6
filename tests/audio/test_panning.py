"""Panning: loudspeakers reach themselves, power is kept, and what a layout lacks is folded as FIELD's downmix says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial_swin.audio.panning import gains, unit_vectors
from spatial_swin.layouts import LAYOUTS

HALF = 1 / np.sqrt(2)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=str)
def test_a_direction_of_a_loudspeaker_reaches_it_alone(layout) -> None:
    if layout.code == "100":
        return
    found = gains(layout, *np.array([(s.azimuth, s.elevation) for s in layout.placed]).T)
    np.testing.assert_allclose(found, np.eye(len(layout.placed)), atol=1e-6)


@given(azimuth=st.floats(-180, 180), elevation=st.floats(0, 90), code=st.sampled_from(["404", "512", "514", "714"]))
def test_layouts_with_heights_and_surrounds_keep_the_power(azimuth: float, elevation: float, code: str) -> None:
    found = gains(LAYOUTS[code], azimuth, elevation)
    assert (found >= 0).all()
    # the zenith is spread over four loudspeakers that a triangle may share with it: up to 3 dB more there, never less
    assert 1 - 1e-6 <= np.sum(found**2) <= 2 + 1e-6


@given(azimuth=st.floats(-180, 180), code=st.sampled_from(["400", "510", "710", "514", "714"]))
def test_at_ear_level_the_panned_source_stands_where_it_should(azimuth: float, code: str) -> None:
    layout = LAYOUTS[code]
    found = gains(layout, azimuth, 0.0)[0]
    places = unit_vectors(*np.array([(s.azimuth, s.elevation) for s in layout.placed]).T)
    towards = found @ places / np.linalg.norm(found @ places)
    np.testing.assert_allclose(towards, unit_vectors(np.array(azimuth), np.array(0.0)), atol=1e-5)
    assert np.sum(found > 1e-9) <= 2
    np.testing.assert_allclose(np.sum(found**2), 1, atol=1e-6)


def downmix(code: str, **channels: tuple[float, float]) -> dict[str, np.ndarray]:
    return {name: gains(LAYOUTS[code], *place)[0] for name, place in channels.items()}


def test_stereo_is_left_plus_0_707_centre_plus_0_707_surround() -> None:
    found = downmix("200", L=(30, 0), C=(0, 0), Ls=(110, 0), Rs=(-110, 0), Ltf=(30, 30), Ltr=(110, 30))
    np.testing.assert_allclose(found["L"], [1, 0], atol=1e-6)
    np.testing.assert_allclose(found["C"], [HALF, HALF], atol=1e-4)
    np.testing.assert_allclose(found["Ls"], [HALF, 0], atol=1e-4)
    np.testing.assert_allclose(found["Rs"], [0, HALF], atol=1e-4)
    np.testing.assert_allclose(found["Ltf"], [HALF, 0], atol=1e-4)  # heights first at -3 dB into their neighbours
    np.testing.assert_allclose(found["Ltr"], [0.5, 0], atol=1e-4)


def test_heights_fold_to_their_ear_level_neighbours_at_minus_3_db() -> None:
    names = LAYOUTS["510"].placed
    for azimuth in (30, -30, 110, -110):
        found = gains(LAYOUTS["510"], azimuth, 30)[0]
        expected = [HALF if speaker.azimuth == azimuth else 0 for speaker in names]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_mono_keeps_the_balance_of_the_stereo_downmix() -> None:
    found = downmix("100", L=(30, 0), C=(0, 0), Ls=(110, 0))
    np.testing.assert_allclose([found["L"][0], found["C"][0], found["Ls"][0]], [HALF, 1, 0.5], atol=1e-4)


def test_elevation_fades_smoothly_where_there_are_no_heights() -> None:
    power = [np.sum(gains(LAYOUTS["510"], 70.0, elevation) ** 2) for elevation in np.linspace(0, 90, 91)]
    assert power[0] == pytest.approx(1)
    assert power[30] == pytest.approx(0.5, rel=1e-3) == power[90]
    assert (np.diff(power) <= 1e-9).all()


@pytest.mark.parametrize("code", sorted(LAYOUTS))
def test_left_and_right_are_mirrored(code: str) -> None:
    layout = LAYOUTS[code]
    places = [(speaker.azimuth, speaker.elevation) for speaker in layout.placed]
    mirrored = [places.index((-azimuth, elevation)) for azimuth, elevation in places]
    for azimuth in (-150.0, -75.0, -12.0, 20.0, 100.0):
        here, there = gains(layout, azimuth, 0.0)[0], gains(layout, -azimuth, 0.0)[0]
        np.testing.assert_allclose(there, here[mirrored], atol=1e-6)
