"""A scene, a layout and a listener become binaural sound.

In goes a `Scene`, out comes float32 [2, N]: stems panned to the layout's loudspeakers, each loudspeaker filtered with the
listener's responses for its direction, everything summed as spectra. What does not depend on the layout (the stems) is made
once for all layouts; what does not depend on the listener (the loudspeaker feeds) once for all listeners. Levels are matched
afterwards (`loudness`), by one gain for both ears.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft, signal

from spatial_swin.audio.hrtf import Listener
from spatial_swin.audio.layouts import Layout
from spatial_swin.audio.panning import gains
from spatial_swin.audio.synthesis import Scene, Stem
from spatial_swin.keyed_random import keyed_generator

LFE_CUTOFF = 120.0  # Hz, as the LFE channel is band-limited (BS.775)


@dataclass(frozen=True)
class Feeds:
    """Loudspeaker signals of one layout as spectra: complex64 [C, F] of the placed ones; lfe [F] or None."""

    layout: Layout
    spectra: np.ndarray
    lfe: np.ndarray | None
    samples: int
    size: int


def loudspeaker_feeds(scene: Scene, layout: Layout, longest_response: int = 2048) -> Feeds:
    """Pan every stem of `scene` to `layout`; resting stems by one matrix product, moving ones along their path."""
    count = len(scene.stems[0].signal)
    size = fft.next_fast_len(count + longest_response, real=True)
    still = [stem for stem in scene.stems if not stem.moves]
    feeds = np.zeros((len(layout.placed), count), np.float32)
    if still:
        matrix = gains(layout, np.array([s.azimuth[0] for s in still]), np.array([s.elevation[0] for s in still]))
        feeds += matrix.T.astype(np.float32) @ np.stack([stem.signal for stem in still])
    for stem in scene.stems:
        if stem.moves:
            feeds += _moving_gains(layout, stem, count) * stem.signal
    lfe = None
    if scene.lfe is not None:
        lfe = fft.rfft(_low_passed(scene.lfe, scene.sample_rate), size)
    return Feeds(layout, fft.rfft(feeds, size, workers=1), lfe, count, size)


def _moving_gains(layout: Layout, stem: Stem, count: int) -> np.ndarray:
    """Gains float32 [C, N], linear between the knots of the path."""
    knots = gains(layout, stem.azimuth, stem.elevation)  # [K, C]
    place = np.linspace(0, len(knots) - 1, count, dtype=np.float32)
    lower = np.minimum(place.astype(int), len(knots) - 2)
    share = (place - lower)[:, None]
    return ((1 - share) * knots[lower] + share * knots[lower + 1]).T.astype(np.float32)


def _low_passed(lfe: np.ndarray, sample_rate: int) -> np.ndarray:
    return signal.sosfilt(signal.butter(4, LFE_CUTOFF, fs=sample_rate, output="sos"), lfe).astype(np.float32)


def binaural(feeds: Feeds, listener: Listener) -> np.ndarray:
    """What the listener's ears receive: float32 [2, N]. Raises AudioError when the listener lacks a direction."""
    responses = listener.responses(feeds.layout)
    assert responses.shape[-1] <= feeds.size - feeds.samples, "loudspeaker_feeds was told of shorter responses"
    transfer = fft.rfft(responses.astype(np.float32), feeds.size)  # [C, 2, F]
    ears = np.einsum("cf,cef->ef", feeds.spectra, transfer)
    if feeds.lfe is not None:  # low frequencies have no direction: the same at both ears
        ears += feeds.lfe
    return fft.irfft(ears, feeds.size)[:, : feeds.samples].astype(np.float32)


def render_scene(scene: Scene, layout: Layout, listener: Listener) -> np.ndarray:
    """One scene in one layout for one listener: float32 [2, N], before loudness matching."""
    return binaural(loudspeaker_feeds(scene, layout, listener.impulse_responses.shape[-1]), listener)


def render_layouts(
    scene: Scene, layouts: Sequence[Layout], listeners: Sequence[Listener]
) -> dict[tuple[str, str], np.ndarray]:
    """(layout code, listener name) -> float32 [2, N], sharing the feeds between listeners."""
    longest = max(listener.impulse_responses.shape[-1] for listener in listeners)
    result = {}
    for layout in layouts:
        feeds = loudspeaker_feeds(scene, layout, longest)
        for listener in listeners:
            result[layout.code, listener.name] = binaural(feeds, listener)
    return result


def drawn_listeners(seed: int, number: int, listeners: Sequence[str], count: int) -> list[str]:
    """`count` of `listeners` for programme `number`, drawn by (seed, number): many heads without a rendering for each."""
    chosen = keyed_generator(seed, "listeners of a programme", number).choice(len(listeners), count, replace=False)
    return [listeners[index] for index in sorted(chosen)]
