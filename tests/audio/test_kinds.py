"""Kinds of synthetic programmes: seeded, various, never without surround and height, each as its name says."""

from functools import cache

import numpy as np
import pytest

from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.kinds import KINDS, MIXES, programme, programme_name
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.render import Scene, render_layouts
from spatial_swin.audio.synthesis import GROUPS, energy_shares, synthetic_scene
from spatial_swin.errors import AudioError
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts

RATE, SECONDS = 32_000, 1.5


@cache
def made(kind: str) -> list[Scene]:
    return [programme(kind, 0, number, SECONDS, RATE) for number in range(6)]


@pytest.mark.parametrize("kind", MIXES)
def test_every_programme_has_front_surround_and_height(kind: str) -> None:
    for scene in made(kind):
        shares = energy_shares(scene.stems)
        assert min(shares[group] for group in GROUPS) > 0.125
        assert {len(stem.signal) for stem in scene.stems} == {round(SECONDS * RATE)}
        assert all(stem.signal.dtype == np.float32 and np.isfinite(stem.signal).all() for stem in scene.stems)


@pytest.mark.parametrize("kind", MIXES)
def test_programmes_are_seeded_by_kind_seed_and_number(kind: str) -> None:
    again = programme(kind, 0, 2, SECONDS, RATE)
    for stem, twin in zip(made(kind)[2].stems, again.stems, strict=True):
        np.testing.assert_array_equal(stem.signal, twin.signal)
        np.testing.assert_array_equal(stem.azimuth, twin.azimuth)
    for other in (programme(kind, 1, 2, SECONDS, RATE), made(kind)[3]):
        assert not np.array_equal(other.stems[0].signal, again.stems[0].signal)


@pytest.mark.parametrize("kind", MIXES)
def test_no_two_layouts_sound_alike_and_nothing_clips(kind: str) -> None:
    listener = load_listener("kemar", RATE)
    for scene in made(kind)[:2]:
        heard = render_layouts(scene, find_layouts(DEFAULT_LAYOUTS), [listener])
        ears = {code: match_loudness(heard[code, "kemar"], RATE) for code in DEFAULT_LAYOUTS}
        assert all("clipped" not in level.flags for _, level in ears.values())
        sounds = [sound for sound, _ in ears.values()]
        for first in range(4):
            for second in range(first):
                difference = np.sum((sounds[first] - sounds[second]) ** 2) / np.sum(sounds[first] ** 2)
                assert difference > 0.05, (first, second)


def test_names_carry_kind_and_number_and_scenes_keep_theirs() -> None:
    assert programme_name("scene", 3, 12) == "synthetic3-000012" == synthetic_scene(3, 12, 0.3, RATE).name
    assert programme_name("speech", 3, 12) == "speech3-000012"
    assert {scene.name for kind in MIXES for scene in made(kind)} == {
        f"{kind}0-{number:06d}" for kind in MIXES for number in range(6)
    }
    assert KINDS == ("scene", "instruments", "speech", "stems", "upmix")


def test_a_scene_is_what_it_was_before_there_were_kinds() -> None:
    made, before = programme("scene", 1, 7, 0.5, RATE), synthetic_scene(1, 7, 0.5, RATE)
    for stem, twin in zip(made.stems, before.stems, strict=True):
        np.testing.assert_array_equal(stem.signal, twin.signal)


def test_each_kind_is_mixed_as_its_name_says() -> None:
    for scene in made("speech"):
        first = scene.stems[0]
        assert first.kind == "talker"
        assert abs(first.azimuth[0]) <= 10
        assert {stem.kind for stem in scene.stems} >= {"talker", "bed", "room"}
    on_loudspeakers = {(s.azimuth, s.elevation) for s in find_layouts(["514"])[0].placed}
    for kind in ("stems", "upmix"):
        places = {(s.azimuth[0], s.elevation[0]) for scene in made(kind) for s in scene.stems}
        assert places <= on_loudspeakers
    roles = {stem.kind for scene in made("instruments") for stem in scene.stems}
    assert roles >= {"melody", "bass", "chords", "kick", "snare", "cymbal", "room"}
    free = {(s.azimuth[0], s.elevation[0]) for scene in made("instruments") for s in scene.stems if s.kind == "chords"}
    assert not free & on_loudspeakers


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(AudioError, match="there is no kind 'jazz'; the kinds are scene, instruments"):
        programme("jazz", 0, 0, 1.0, RATE)
