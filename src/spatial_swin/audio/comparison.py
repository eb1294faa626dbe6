"""A delivered binaural file against a rendering of its master: the same programme, in time, as loud, as bright?

In go a `Programme`, a layout, a listener and a path, out comes a `Comparison`, measured piece by piece. The delivery
is aligned by cross-correlation; then per ear and band its level, and the share of its energy that a linear filter of
the rendering explains (coherence). Another listener or renderer is such a filter for a single source, not for many.
It changes neither of the two.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import fft

from spatial_swin.audio import bw64
from spatial_swin.audio.hrtf import Listener
from spatial_swin.audio.programme import Programme, read_piece
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.spectra import erb_average, erb_centres
from spatial_swin.layouts import Layout, title_of

PIECE = 10.0  # s rendered at a time
PREROLL = 1.0  # s rendered before a piece and dropped: what rings on, and the state of filters
STRETCHES, STRETCH = 6, 8.0  # pieces for the alignment, and their length in s
FARTHEST = 2.0  # s that a delivery may be early or late
WINDOW, HOP = 4096, 2048  # samples of spectra
BANDS, LOWEST, HIGHEST = 24, 100.0, 16_000.0  # equal cells on the ERB scale, from and to Hz

LEAST_COHERENCE = 0.9
OTHER_PROGRAMME = 0.1  # coherence below which nothing of the master is heard
OTHER_LAYOUT = 0.01  # by which another layout's coherence has to be higher
EXCHANGED = 0.2  # by which the coherence of exchanged ears has to be higher
SURE_OF_POLARITY = -3.0  # dB; with more of a residual a sign says nothing
INVERTED = 1.2  # by which a negative correlation has to be stronger than the positive one
MOST_BALANCE = 1.0  # dB between the differences of the two ears
MOST_SPECTRUM = 2.0  # dB rms over ears and bands
MOST_LENGTH = 0.5  # s
FLOOR = 1e-12  # of energies, so that silence has a level


@dataclass(frozen=True)
class Comparison:
    """A delivery beside the rendering of the declared layout for `listener`.

    lag: s that the delivery is late; length_difference: s that it is longer than the master; gain: factor from
    rendering to delivery; residual: dB of what is left of the delivery without the rendering at that gain;
    level_difference: dB [ear], delivery less rendering; bands: centres in Hz [B]; band_difference: dB [ear, B], less
    its mean; coherence: [ear, B], share of the delivery's energy; exchanged: mean coherence with left and right
    exchanged; fits: mean coherence by layout, the declared one first.
    """

    listener: str
    lag: float
    length_difference: float
    gain: float
    residual: float
    level_difference: np.ndarray
    bands: np.ndarray
    band_difference: np.ndarray
    coherence: np.ndarray
    exchanged: float
    fits: Mapping[str, float]

    @property
    def mean_coherence(self) -> float:
        return float(self.coherence.mean())

    @property
    def spectrum(self) -> float:
        """dB rms of the differences over ears and bands."""
        return float(np.sqrt(np.mean(self.band_difference**2)))

    @property
    def balance(self) -> float:
        """dB by which the left ear is louder than it should be beside the right one."""
        return float(self.level_difference[0] - self.level_difference[1])

    @property
    def best_fit(self) -> str:
        """The layout whose rendering fits best; the declared one unless another is clearly better.

        Only what fits well counts: among renderings for another listener than the delivery's, a poorer layout can fit
        a little better.
        """
        declared, best = next(iter(self.fits)), max(self.fits, key=self.fits.__getitem__)
        clearly = self.fits[best] > max(self.fits[declared] + OTHER_LAYOUT, LEAST_COHERENCE)
        return best if clearly else declared

    @property
    def differs_in(self) -> list[str]:
        """What does not fit, in words; empty when the delivery is consistent with the rendering.

        Another programme and exchanged ears come alone: all else would follow from them.
        """
        found, coherence = [], self.mean_coherence
        if max(coherence, self.exchanged) < OTHER_PROGRAMME:
            return [f"programme (coherence {coherence:.2f}: nothing of the master is heard)"]
        if self.exchanged > coherence + EXCHANGED:
            return ["ears (left and right are exchanged)"]
        if coherence < LEAST_COHERENCE:
            found.append(f"rendering (coherence {coherence:.2f}: another listener, renderer or layout)")
        if self.best_fit != next(iter(self.fits)):
            found.append(f"layout ({title_of(self.best_fit)} fits better)")
        if self.gain < 0 and self.residual < SURE_OF_POLARITY:
            found.append("polarity (inverted)")
        if abs(self.balance) > MOST_BALANCE:
            found.append(f"balance (left ear {self.balance:+.1f} dB)")
        if self.spectrum > MOST_SPECTRUM:
            found.append(f"spectrum ({self.spectrum:.1f} dB rms over bands)")
        if abs(self.length_difference) > MOST_LENGTH:
            found.append(f"length ({self.length_difference:+.2f} s)")
        return found


@dataclass(frozen=True)
class _Pair:
    """What is compared: a rendering of a programme, and the file that was delivered, `rate` Hz and `frames` long."""

    programme: Programme
    listener: Listener
    path: Path
    rate: int
    frames: int

    @property
    def length(self) -> int:
        """Samples of the programme at the rate of the delivery."""
        return self.programme.length(self.rate)

    def rendered(self, start: int, count: int, layouts: Sequence[Layout]) -> list[np.ndarray]:
        """float32 [2, count] of the rendering in each layout, from sample `start` on."""
        before = min(start, round(PREROLL * self.rate))
        scene = self.programme.scene(start - before, before + count, self.rate)
        ears = render_layouts(scene, layouts, [self.listener])
        return [ears[layout.code, self.listener.name][:, before:] for layout in layouts]

    def delivered(self, start: int, count: int) -> np.ndarray:
        """float32 [2, count] of the delivery, zeros before its beginning and after its end."""
        early = min(count, max(0, -start))
        piece = np.zeros((2, count), np.float32)
        if early < count:
            piece[:, early:] = read_piece(self.path, start + early, count - early, self.rate)
        return piece


def compare(programme: Programme, layouts: Sequence[Layout], listener: Listener, path: Path) -> Comparison:
    """Compare the binaural file at `path` with the programme for `listener`: in the declared layout, the first, and
    in others that it could have been rendered in instead.

    The listener has to be at the rate of the file, which has two channels. Raises AudioError for a listener without a
    direction that is needed, and what reading raises.
    """
    with bw64.opened(path) as file:
        rate, frames = file.samplerate, file.frames
    assert rate == listener.sample_rate
    pair = _Pair(programme, listener, path, rate, frames)
    lag = _lag(pair, layouts[0])
    sums = [_Sums(rate) for _ in layouts]
    count = round(PIECE * rate)
    for start in range(0, pair.length, count):
        size = min(count, pair.length - start)
        delivered = pair.delivered(start + lag, size)
        for one, rendered in zip(sums, pair.rendered(start, size, layouts), strict=True):
            one.add(rendered, delivered)
    fits = {layout.code: float(one.coherence().mean()) for layout, one in zip(layouts, sums, strict=True)}
    return sums[0].compared(listener.name, lag / rate, (frames - pair.length) / rate, fits)


def _stretches(pair: _Pair) -> Iterator[tuple[int, int]]:
    """(first sample, count) of pieces spread over what both last."""
    common = min(pair.length, pair.frames)
    count = min(common, round(STRETCH * pair.rate))
    for start in np.linspace(0, common - count, min(STRETCHES, -(-common // count))).astype(int):
        yield int(start), count


def _lag(pair: _Pair, layout: Layout) -> int:
    """Samples by which the delivery is late: the highest cross-correlation, of both ears, over all stretches."""
    most = round(FARTHEST * pair.rate)
    total = np.zeros(1, complex)
    for start, count in _stretches(pair):
        size = fft.next_fast_len(count + 2 * most, real=True)
        (ears,) = pair.rendered(start, count, [layout])
        delivered = fft.rfft(pair.delivered(start - most, count + 2 * most), size)
        total = total + (fft.rfft(ears, size).conj() * delivered).sum(axis=0)
    correlation = fft.irfft(total, size)[: 2 * most + 1]
    inverted = -correlation.min() > INVERTED * correlation.max()
    return int(correlation.argmin() if inverted else correlation.argmax()) - most


class _Sums:
    """Energies and products of a rendering and a delivery, piece by piece, whole and in spectra."""

    def __init__(self, rate: int) -> None:
        bins = WINDOW // 2 + 1
        self.bands = erb_average(WINDOW, rate, LOWEST, HIGHEST, BANDS, bins).double().numpy()
        self.rendered = np.zeros((2, bins))
        self.delivered = np.zeros((2, bins))
        self.cross = np.zeros((2, 2, bins), complex)  # [as it is or exchanged, ear of the delivery, bin]
        self.products = np.zeros((2, 2, 2))  # [ear, of rendering or delivery, the same]

    def add(self, rendered: np.ndarray, delivered: np.ndarray) -> None:
        """Ears [2, N] of both, aligned."""
        both = np.stack([rendered, delivered], axis=1).astype(float)
        self.products += both @ both.transpose(0, 2, 1)
        missing = max(0, WINDOW - both.shape[2])
        both = np.pad(both, ((0, 0), (0, 0), (0, missing)))
        frames = np.lib.stride_tricks.sliding_window_view(both, WINDOW, axis=2)[:, :, ::HOP]
        ours, theirs = np.moveaxis(fft.rfft(frames * np.hanning(WINDOW), axis=3), 1, 0)
        self.rendered += np.sum(np.abs(ours) ** 2, axis=1)
        self.delivered += np.sum(np.abs(theirs) ** 2, axis=1)
        for way, ears in enumerate((ours, ours[::-1])):
            self.cross[way] += np.sum(ears.conj() * theirs, axis=1)

    def coherence(self, *, exchanged: bool = False) -> np.ndarray:
        """[ear, B]: the share of the delivery's energy in a band that the rendering explains, bin by bin."""
        rendered = self.rendered[::-1] if exchanged else self.rendered
        explained = np.abs(self.cross[int(exchanged)]) ** 2 / (rendered + self.floor)
        return np.clip(explained @ self.bands / (self.delivered @ self.bands + self.floor), 0, 1)

    @property
    def floor(self) -> float:
        """An energy that silence has, so that it has a level."""
        return FLOOR * max(FLOOR, float(self.rendered.max()), float(self.delivered.max()))

    def compared(self, listener: str, lag: float, length_difference: float, fits: Mapping[str, float]) -> Comparison:
        rendered, delivered = (self.products[:, k, k] + FLOOR for k in (0, 1))
        gain = self.products[:, 0, 1].sum() / rendered.sum()
        left = delivered.sum() - gain * self.products[:, 0, 1].sum()
        bands = 10 * np.log10((self.delivered @ self.bands + self.floor) / (self.rendered @ self.bands + self.floor))
        return Comparison(
            listener,
            lag,
            length_difference,
            float(gain),
            10 * math.log10(max(left, FLOOR) / delivered.sum()),
            10 * np.log10(delivered / rendered),
            erb_centres(LOWEST, HIGHEST, BANDS).numpy(),
            bands - bands.mean(),
            self.coherence(),
            float(self.coherence(exchanged=True).mean()),
            fits,
        )
