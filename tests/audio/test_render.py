"""Rendering: convolution with the right responses, additive, the layout alone tells renderings apart."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import signal
from threadpoolctl import threadpool_limits

from spatial_swin.audio import render as rendering
from spatial_swin.audio.hrtf import Listener, load_listener
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.render import Scene, Stem, loudspeaker_signals, render_layouts
from spatial_swin.audio.synthesis import synthetic_scene
from spatial_swin.layouts import DEFAULT_LAYOUTS, LAYOUTS, Layout, all_directions, find_layouts

RATE = 48_000


def noise(seed: int, seconds: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)


def render_scene(scene: Scene, layout: Layout, listener: Listener, directions: str = "nearest") -> np.ndarray:
    """One scene in one layout for one listener: float32 [2, N]."""
    return render_layouts(scene, [layout], [listener], directions)[layout.code, listener.name]


def at(azimuth: float, elevation: float, sound: np.ndarray) -> Stem:
    return Stem(sound, np.array([azimuth]), np.array([elevation]))


def scene(*stems: Stem, lfe: np.ndarray | None = None) -> Scene:
    return Scene("made", RATE, stems, lfe)


@pytest.mark.parametrize(("code", "azimuth", "elevation"), [("514", 110, 30), ("510", -30, 0), ("100", 0, 0)])
def test_a_stem_at_a_loudspeaker_is_convolved_with_its_response(code: str, azimuth: float, elevation: float) -> None:
    listener, sound = load_listener("kemar", RATE), noise(0)
    rendered = render_scene(scene(at(azimuth, elevation, sound)), LAYOUTS[code], listener)
    expected = [signal.fftconvolve(sound, ear)[: len(sound)] for ear in listener.nearest(azimuth, elevation)]
    np.testing.assert_allclose(rendered, expected, atol=2e-5)
    assert rendered.dtype == np.float32


def test_rendering_adds_up() -> None:
    listener, layout = load_listener("parametric:1", RATE), LAYOUTS["514"]
    stems = [at(75, 20, noise(1)), at(-160, 0, noise(2))]
    together = render_scene(scene(*stems), layout, listener)
    apart = sum(render_scene(scene(stem), layout, listener) for stem in stems)
    np.testing.assert_allclose(together, apart, atol=1e-5)


def test_exchanging_left_and_right_exchanges_the_ears() -> None:
    listener = load_listener("kemar", RATE)  # its normal pinna was measured on one side and mirrored
    left, right = (render_scene(scene(at(a, 0, noise(3))), LAYOUTS["510"], listener) for a in (70, -70))
    np.testing.assert_allclose(left, right[::-1], atol=1e-4)


def test_a_moving_stem_begins_and_ends_where_it_should() -> None:
    sound = np.ones(RATE, np.float32)
    path = Stem(sound, np.linspace(30, -30, 41), np.zeros(41))
    signals = loudspeaker_signals(scene(path), LAYOUTS["200"])
    np.testing.assert_allclose(signals[:, 0], [1, 0], atol=1e-3)
    np.testing.assert_allclose(signals[:, RATE // 2], [np.sqrt(0.5)] * 2, atol=1e-3)
    np.testing.assert_allclose(signals[:, -1], [0, 1], atol=1e-3)
    np.testing.assert_allclose((signals**2).sum(axis=0), 1, atol=0.01)


def test_the_lfe_reaches_both_ears_alike_at_low_frequencies_only() -> None:
    listener = load_listener("parametric:4", RATE)
    quiet = at(0, 0, np.zeros(RATE, np.float32))
    tones = [np.sin(2 * np.pi * f * np.arange(RATE) / RATE).astype(np.float32) for f in (50, 1000)]
    low, high = (render_scene(scene(quiet, lfe=tone), LAYOUTS["510"], listener) for tone in tones)
    np.testing.assert_array_equal(low[0], low[1])
    assert np.std(low) > 0.1 > 1e-3 > np.std(high[:, RATE // 4 :])
    assert not render_scene(scene(quiet, lfe=tones[0]), LAYOUTS["200"], listener).any()  # BS.775 drops it


def test_renderings_of_a_programme_differ_by_layout_and_stand_at_one_level() -> None:
    listener = load_listener("kemar", RATE)
    for number in range(4):
        rendered = render_layouts(synthetic_scene(0, number, 1.5, RATE), find_layouts(DEFAULT_LAYOUTS), [listener])
        matched = {code: match_loudness(ears, RATE) for (code, _), ears in rendered.items()}
        assert all(level.after == pytest.approx(-23, abs=0.5) for _, level in matched.values())
        spread = {code: np.std(ears[0] - ears[1]) / np.std(ears[0] + ears[1]) for code, (ears, _) in matched.items()}
        assert spread["100"] < 0.1 < spread["200"]
        for one, other in itertools.pairwise(DEFAULT_LAYOUTS):
            difference = matched[one][0] - matched[other][0]
            assert np.std(difference) > 0.1 * np.std(matched[one][0]), (number, one, other)


def test_feeds_are_shared_but_listeners_are_not() -> None:
    listeners = [load_listener(name, RATE) for name in ("kemar", "parametric:2")]
    made = scene(at(40, 10, noise(5)))
    together = render_layouts(made, find_layouts(["510"]), listeners)
    for listener in listeners:
        np.testing.assert_allclose(
            together["510", listener.name], render_scene(made, LAYOUTS["510"], listener), atol=1e-5
        )


def test_interpolated_directions_are_used_when_asked_for() -> None:
    azimuths, elevations = np.array(all_directions()).T
    responses = load_listener("parametric:5", RATE).impulse_responses
    listener = Listener("turned", RATE, azimuths + 6, elevations, responses, "turned by 6 degrees")
    made = scene(at(110, 0, noise(6)))
    nearest, between = (render_scene(made, LAYOUTS["510"], listener, mode) for mode in ("nearest", "interpolated"))
    assert np.std(nearest - between) > 0.05 * np.std(nearest)


def test_the_spectra_of_many_listeners_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    listeners = [load_listener(f"parametric:{seed}", RATE) for seed in range(12)]
    asked: list[str] = []
    responses = Listener.responses

    def counted(self: Listener, *arguments: Any) -> np.ndarray:
        asked.append(self.name)
        return responses(self, *arguments)

    monkeypatch.setattr(Listener, "responses", counted)
    monkeypatch.setattr(rendering, "_TRANSFERS", rendering._Transfers())
    layouts = find_layouts(["514", "510", "200", "100"])
    first, second = (render_layouts(synthetic_scene(0, n, 0.5, RATE), layouts, listeners) for n in (1, 1))
    assert len(asked) == len(set(asked)) == len(listeners)  # smaller layouts find their directions among those of 514
    for key, ears in first.items():
        np.testing.assert_array_equal(ears, second[key])


def test_the_threads_of_a_process_change_no_sample() -> None:
    programme = synthetic_scene(0, 0, 0.5, 32_000)
    with threadpool_limits(1, "blas"):
        alone = loudspeaker_signals(programme, LAYOUTS["514"])
    with threadpool_limits(2, "blas"):
        assert np.array_equal(loudspeaker_signals(programme, LAYOUTS["514"]), alone)
