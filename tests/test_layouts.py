"""Layouts are data: loudspeakers where FIELD's table and BS.2051 put them."""

import pytest

from spatial_swin.errors import AudioError
from spatial_swin.layouts import DEFAULT_LAYOUTS, LAYOUTS, all_directions, find_layouts, loudspeaker


def test_the_four_classes_stand_as_in_bs_2051() -> None:
    assert DEFAULT_LAYOUTS == ("100", "200", "510", "514")
    assert [(s.azimuth, s.elevation) for s in LAYOUTS["514"].placed] == [
        (30, 0),
        (-30, 0),
        (0, 0),
        (110, 0),
        (-110, 0),
        (30, 30),
        (-30, 30),
        (110, 30),
        (-110, 30),
    ]
    assert LAYOUTS["510"].names == ("M+030", "M-030", "M+000", "LFE1", "M+110", "M-110")
    assert LAYOUTS["100"].names == ("M+000",)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=str)
def test_every_layout_is_symmetric_and_counts_what_its_code_says(layout) -> None:
    places = {(s.azimuth, s.elevation) for s in layout.placed}
    assert places == {(-azimuth, elevation) for azimuth, elevation in places}
    ear_level, lfe, upper = map(int, layout.code)
    if layout.code == "100":
        ear_level = 1
    assert sum(s.elevation == 0 for s in layout.placed) == ear_level
    assert sum(s.elevation > 0 for s in layout.placed) == upper
    assert len(layout.loudspeakers) - len(layout.placed) == lfe


def test_all_directions_hold_every_loudspeaker_once() -> None:
    directions = all_directions()
    assert len(directions) == len(set(directions))
    assert all((s.azimuth, s.elevation) in directions for layout in LAYOUTS.values() for s in layout.placed)


def test_codes_that_do_not_exist_are_all_named() -> None:
    with pytest.raises(AudioError, match=r"'513', '999'.*the layouts are 100, 200"):
        find_layouts(["510", "513", "999"])
    with pytest.raises(AudioError, match="no layout was named"):
        find_layouts([])
    assert [layout.code for layout in find_layouts(["514", "100", "514"])] == ["514", "100"]


@pytest.mark.parametrize("name", ["M30", "X+030", "M+30", "", "M0030"])
def test_a_name_that_is_no_loudspeaker_is_refused(name: str) -> None:
    with pytest.raises(AudioError, match="not the name of a loudspeaker"):
        loudspeaker(name)
