"""A scene, a layout and a listener become binaural sound.

In goes a `Scene`, out comes float32 [2, N]: stems panned to the layout's loudspeakers, each loudspeaker filtered
with the listener's responses for its direction, everything summed as spectra. What does not depend on the layout
(the stems) is made once for all layouts; what does not depend on the listener (the loudspeaker feeds) once for all
listeners. Levels are matched afterwards (`loudness`), by one gain for both ears.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import fft, signal
from threadpoolctl import ThreadpoolController

from spatial_swin.audio.hrtf import NEAREST, Listener
from spatial_swin.audio.panning import gains
from spatial_swin.layouts import Layout

LFE_CUTOFF = 120.0  # Hz, as the LFE channel is band-limited (BS.775)
KEPT_BYTES = 700e6  # of spectra in a process: 64 listeners in the usual four layouts for 3 s


@dataclass(frozen=True)
class Stem:
    """signal: float32 [N]; azimuth, elevation in degrees, [1] at rest or [K] knots evenly over time when moving.

    at: the samples [K] at which the knots stand, rising, where they do not stand evenly; gain: a factor [K] at each.
    """

    signal: np.ndarray
    azimuth: np.ndarray
    elevation: np.ndarray
    kind: str = ""
    at: np.ndarray | None = None
    gain: np.ndarray | None = None

    @property
    def moves(self) -> bool:
        return len(self.azimuth) > 1


@dataclass(frozen=True)
class Scene:
    """A programme before it meets a layout. stems share length and `sample_rate`; lfe: float32 [N] or None."""

    name: str
    sample_rate: int
    stems: tuple[Stem, ...]
    lfe: np.ndarray | None = None


@dataclass(frozen=True)
class Feeds:
    """Spectra complex64 [C, F] of the placed loudspeakers' signals, zero-padded to `size`; lfe [F] or None."""

    layout: Layout
    spectra: np.ndarray
    lfe: np.ndarray | None
    samples: int
    size: int


def loudspeaker_signals(scene: Scene, layout: Layout) -> np.ndarray:
    """Pan every stem of `scene` to the placed loudspeakers: float32 [C, N]. Resting stems by one matrix product."""
    still = [stem for stem in scene.stems if not stem.moves]
    signals = np.zeros((len(layout.placed), len(scene.stems[0].signal)), np.float32)
    if still:
        matrix = gains(layout, np.array([s.azimuth[0] for s in still]), np.array([s.elevation[0] for s in still]))
        with _blas().limit(limits=1, user_api="blas"):  # how a product is shared out among threads changes its bits
            signals += matrix.T.astype(np.float32) @ np.stack([stem.signal for stem in still])
    for stem in scene.stems:
        if stem.moves:
            _add_moving(signals, stem, layout)
    return signals


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _add_moving(signals: np.ndarray, stem: Stem, layout: Layout) -> None:
    """Add a stem to `signals` [C, N] with gains that are linear between the knots of its path."""
    knots = gains(layout, stem.azimuth, stem.elevation).T  # [C, K]
    if stem.gain is not None:
        knots = knots * stem.gain
    count, last = signals.shape[1], knots.shape[1] - 1
    samples, at = np.linspace(0, last, count), np.arange(last + 1)
    if stem.at is not None:
        samples, at = np.arange(count), stem.at
    for loudspeaker, gain in enumerate(knots):
        if gain.any():
            signals[loudspeaker] += np.interp(samples, at, gain).astype(np.float32) * stem.signal


def loudspeaker_feeds(scene: Scene, layout: Layout, longest_response: int = 2048) -> Feeds:
    """`loudspeaker_signals` as spectra, with room for `longest_response` samples more; LFE where there is one."""
    signals = loudspeaker_signals(scene, layout)
    count = signals.shape[1]
    size = fft.next_fast_len(count + longest_response, real=True)
    lfe = None
    if scene.lfe is not None and len(layout.placed) < len(layout.loudspeakers):
        low = signal.butter(4, LFE_CUTOFF, fs=scene.sample_rate, output="sos")
        lfe = fft.rfft(signal.sosfilt(low, scene.lfe).astype(np.float32), size)
    return Feeds(layout, fft.rfft(signals, size), lfe, count, size)


class _Transfers:
    """Spectra of listeners' responses by direction, zero-padded: the last used, as many as KEPT_BYTES hold."""

    def __init__(self) -> None:
        self.kept: OrderedDict[tuple[Listener, float, float, str, int], np.ndarray] = OrderedDict()

    def of(self, listener: Listener, layout: Layout, directions: str, size: int) -> list[np.ndarray]:
        """complex64 [2, F] for each placed loudspeaker of a layout."""
        keys = [(listener, speaker.azimuth, speaker.elevation, directions, size) for speaker in layout.placed]
        if not all(key in self.kept for key in keys):
            spectra = fft.rfft(listener.responses(layout, directions), size)
            self.kept.update(zip(keys, map(np.copy, spectra), strict=True))
        for key in keys:
            self.kept.move_to_end(key)
        transfers = [self.kept[key] for key in keys]
        while self.kept and len(self.kept) * transfers[0].nbytes > KEPT_BYTES:
            self.kept.popitem(last=False)
        return transfers


_TRANSFERS = _Transfers()


def binaural(feeds: Feeds, listener: Listener, directions: str = NEAREST) -> np.ndarray:
    """What the listener's ears receive: float32 [2, N]. Raises AudioError when the listener lacks a direction."""
    taps = listener.impulse_responses.shape[-1]
    assert taps <= feeds.size - feeds.samples, "loudspeaker_feeds left room for shorter responses"
    transfers = _TRANSFERS.of(listener, feeds.layout, directions, feeds.size)
    ears = np.zeros((2, feeds.spectra.shape[1]), np.complex64)
    for feed, transfer in zip(feeds.spectra, transfers, strict=True):
        ears += feed * transfer
    if feeds.lfe is not None:  # low frequencies have no direction: the centre's response, the same at both ears
        centre = min(range(len(transfers)), key=lambda k: abs(feeds.layout.placed[k].azimuth))
        ears += feeds.lfe * transfers[centre].mean(axis=0)
    return fft.irfft(ears, feeds.size)[:, : feeds.samples]


def render_layouts(
    scene: Scene, layouts: Sequence[Layout], listeners: Sequence[Listener], directions: str = NEAREST
) -> dict[tuple[str, str], np.ndarray]:
    """(layout code, listener name) -> float32 [2, N], sharing the feeds between listeners."""
    longest = max(listener.impulse_responses.shape[-1] for listener in listeners)
    result = {}
    for layout in layouts:
        feeds = loudspeaker_feeds(scene, layout, longest)
        for listener in listeners:
            result[layout.code, listener.name] = binaural(feeds, listener, directions)
    return result
