"""Rooms: the wanted reverberation time, the direct sound as it was, reflections where image sources are, own ears."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from spatial_swin.audio.hrtf import Listener, load_listener
from spatial_swin.audio.panning import all_around, unit_vectors
from spatial_swin.audio.parametric import SPEED_OF_SOUND
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.rooms import AROUND, EARLY, Room, draw_room, early, in_room, late
from spatial_swin.audio.synthesis import synthetic_scene
from spatial_swin.errors import AudioError
from spatial_swin.layouts import DEFAULT_LAYOUTS, all_directions, find_layouts, loudspeaker

RATE = 48_000
CODES = find_layouts(DEFAULT_LAYOUTS)
ROOM = Room((6.3, 5.1, 2.8), (2.9, 2.4, 1.2), 0.3)


@pytest.fixture(scope="module")
def kemar() -> Listener:
    return load_listener("kemar", RATE)


def pulse_listener() -> Listener:
    """Hears a pulse from anywhere, in both ears."""
    responses = np.zeros((1, 2, 8), np.float32)
    responses[..., 0] = 1
    return Listener("pulse", RATE, np.zeros(1), np.zeros(1), responses, "made")


def decay_time(response: np.ndarray) -> float:
    """RT60 in s by Schroeder's integral, from -5 to -25 dB (T20)."""
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    used = np.flatnonzero((level <= -5) & (level >= -25))
    return -60 / float(np.polyfit(used / RATE, level[used], 1)[0])


@pytest.mark.parametrize("reverberation", [0.15, 0.3, 0.6])
def test_a_room_has_the_reverberation_time_asked_for(kemar: Listener, reverberation: float) -> None:
    room = draw_room(reverberation, (0, "kemar"))
    heard = in_room(kemar, room, find_layouts(["200"]), (0, "kemar"))
    times = [decay_time(ear) for response in heard.impulse_responses for ear in response]
    np.testing.assert_allclose(times, reverberation, rtol=0.2)


def test_the_direct_sound_is_that_of_no_room(kemar: Listener) -> None:
    heard, first = in_room(kemar, ROOM, CODES, ()), round(0.002 * RATE)  # the nearest wall is farther than 2 ms
    for layout in CODES:
        np.testing.assert_allclose(
            heard.responses(layout)[..., :first], kemar.responses(layout)[..., :first], atol=1e-6
        )
        assert heard.check(layout) < 1e-6


def test_reflections_come_when_and_as_loud_as_image_sources_say() -> None:
    found = early(pulse_listener(), ROOM, loudspeaker("M+000"))[0]
    below = np.hypot(2, 2 * 1.2)  # m, the image under the floor
    behind = 2 * 2.9 + 2  # m, the image behind the wall at the back
    for away in (below, behind):
        at = round((away - 2) / SPEED_OF_SOUND * RATE)
        assert found[at] == pytest.approx(ROOM.reflection * 2 / away, rel=1e-6)
    first = round((below - 2) / SPEED_OF_SOUND * RATE)
    assert not found[:first].any()


def test_absorption_is_eyrings() -> None:
    absorbed = 1 - ROOM.reflection**2
    sabine = 0.161 * ROOM.volume / (-ROOM.surface * np.log(1 - absorbed))
    assert sabine == pytest.approx(ROOM.reverberation, rel=0.01)


def test_the_tail_goes_on_where_the_image_sources_end() -> None:
    room = replace(ROOM, reverberation=0.6)
    pulse, speaker = pulse_listener(), loudspeaker("M+030")
    before = (early(pulse, room, speaker)[0, round((EARLY - 0.02) * RATE) : round(EARLY * RATE)] ** 2).sum()
    after = (late(pulse, room, [speaker], ())[0, 0, round((EARLY + 0.01) * RATE) :][: round(0.02 * RATE)] ** 2).sum()
    assert 10 * np.log10(after / before) == pytest.approx(-60 * 0.03 / 0.6, abs=2.5)


def test_the_tail_is_as_coherent_as_the_listeners_own_diffuse_field(kemar: Listener) -> None:
    tail = late(kemar, replace(ROOM, reverberation=3.0), [loudspeaker("M+030")], ())[0]
    tail *= np.exp(6.9 / 3.0 * np.arange(tail.shape[1]) / RATE)  # as if it did not decay
    frequency, found = signal.coherence(*tail[:, round(0.1 * RATE) : 3 * RATE], RATE, nperseg=1024)
    x, y, z = all_around(AROUND).T
    places = zip(np.degrees(np.arctan2(y, x)), np.degrees(np.arcsin(z)), strict=True)
    heard = np.stack([kemar.nearest(*place) for place in places])
    left, right = np.fft.rfft(heard, 1024).transpose(1, 0, 2)
    cross = np.abs((left * right.conj()).sum(axis=0)) ** 2
    expected = cross / ((np.abs(left) ** 2).sum(axis=0) * (np.abs(right) ** 2).sum(axis=0))
    used = (frequency > 60) & (frequency < 12_000)
    np.testing.assert_allclose(found[used], expected[used], atol=0.2)
    assert found[used][:3].min() > 0.5 > 0.2 > found[frequency > 3_000].mean()


def test_mirroring_room_and_listener_exchanges_the_ears(kemar: Listener) -> None:
    generator = np.random.default_rng(0)
    uneven = replace(kemar, impulse_responses=kemar.impulse_responses * generator.uniform(0.5, 1, (59, 2, 1)))
    uneven = replace(uneven, azimuths=uneven.azimuths + generator.uniform(-2, 2, 59))  # no two are equally near
    mirrored = replace(uneven, azimuths=-uneven.azimuths, impulse_responses=uneven.impulse_responses[:, ::-1])
    x, y, z = ROOM.ears
    other = replace(ROOM, ears=(x, ROOM.size[1] - y, z))
    for name, twin in (("M+110", "M-110"), ("U-030", "U+030"), ("M+000", "M+000")):
        here, there = early(uneven, ROOM, loudspeaker(name)), early(mirrored, other, loudspeaker(twin))
        np.testing.assert_allclose(here, there[::-1], atol=1e-6)
        assert np.abs(here - there).max() > 0.01


def test_a_room_is_drawn_by_its_key_and_only_its_walls_change_with_the_time(kemar: Listener) -> None:
    room, same, longer, other = (
        draw_room(*arguments) for arguments in ((0.3, (1, "a")), (0.3, (1, "a")), (0.6, (1, "a")), (0.3, (1, "b")))
    )
    assert room == same
    assert (room.size, room.ears) == (longer.size, longer.ears)
    assert room.size != other.size
    one, again = (in_room(kemar, room, find_layouts(["200"]), (1, "a")) for _ in range(2))
    np.testing.assert_array_equal(one.impulse_responses, again.impulse_responses)


def test_every_loudspeaker_of_every_layout_stands_inside_every_room() -> None:
    towards = unit_vectors(*np.array(all_directions()).T)
    for seed in range(300):
        room = draw_room(0.3, (seed,))
        places = room.ears + room.distance * towards
        assert (places > 0.1).all(), seed
        assert (places < np.array(room.size) - 0.1).all(), seed


def test_the_ears_of_a_room_are_rendered_as_any_others(kemar: Listener) -> None:
    scene = synthetic_scene(0, 1, 0.5, RATE)
    heard = in_room(kemar, ROOM, CODES, ())
    dry, wet = (render_layouts(scene, CODES, [listener]) for listener in (kemar, heard))
    for code in DEFAULT_LAYOUTS:
        assert wet[code, "kemar"].shape == dry[code, "kemar"].shape
        assert 0.5 < np.std(wet[code, "kemar"]) / np.std(dry[code, "kemar"]) < 5
        assert np.corrcoef(wet[code, "kemar"][0], wet[code, "kemar"][1])[0, 1] < 0.95


def test_a_listener_without_a_direction_is_refused_before_a_room_is_made(kemar: Listener) -> None:
    flat = replace(
        kemar,
        azimuths=kemar.azimuths[kemar.elevations < 1],
        elevations=np.zeros(int((kemar.elevations < 1).sum())),
        impulse_responses=kemar.impulse_responses[kemar.elevations < 1],
    )
    with pytest.raises(AudioError, match=r"no direction for U\+030"):
        in_room(flat, ROOM, find_layouts(["514"]), ())
