"""What `cue_experiments.py` reads of recordings: band spectra of both ears over time, and numbers made of them.

In goes binaural sound, out come `band_spectra`; from these each of FEATURES makes one row of numbers per recording,
all of them tried as cues for heads never heard (docs/cue_experiments.md). Nothing is learned or written here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from spatial_swin.audio.mosaic import mosaic
from spatial_swin.audio.spectra import column_average, ear_spectra
from spatial_swin.audio.tiles import tile_map
from spatial_swin.data.pooled_tiles import pool_tile

WINDOW, HOP = 2048, 512
LOW, HIGH, BANDS = 100.0, 16_000.0, 48  # Hz; bands of 0.6 ERB
COLUMNS = 94  # of time; 32 ms each for 3 s
SIZE = 192  # of today's picture
AUDIBLE = 55.0  # dB below the loudest cell of a recording
GROUPS = 16  # of bands, for correlations between them
SIDES = 5  # ranks of a frame's side within the recording


def pooled_picture(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Today's cues of recordings [B, 2, N], as `spatial-swin baseline` pools them from pictures: float32 [B, F]."""
    pictures = mosaic(torch.from_numpy(sound), sample_rate, size=SIZE).numpy().astype(np.float32)
    tiles = tile_map("4x4", SIZE, sample_rate, sound.shape[-1] / sample_rate)
    return np.stack([np.concatenate([pool_tile(p[tile.rows, tile.columns]) for tile in tiles]) for p in pictures])


def band_spectra(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Levels of the ears in dB and the normalised cross spectrum (real, imaginary): float16 [B, 4, BANDS, COLUMNS]."""
    spectra = ear_spectra(torch.from_numpy(sound), sample_rate, WINDOW, HOP, HIGH).in_bands(LOW, HIGH, BANDS)
    left, right, real, imag = (column_average(spectra.frames, COLUMNS) @ spectra.stack).unbind(1)
    size = (left * right).sqrt().clamp(min=1e-20)
    levels = (10 * torch.log10(power + 1e-14) for power in (left, right))
    return torch.stack([*levels, real / size, imag / size], 1).mT.half().numpy()


@dataclass(frozen=True)
class Cells:
    """Band spectra as float32 [B, BANDS, COLUMNS] each: levels of the ears and their sum in dB, phase, mask."""

    left: np.ndarray
    right: np.ndarray
    real: np.ndarray
    imag: np.ndarray
    level: np.ndarray
    audible: np.ndarray

    @property
    def ild(self) -> np.ndarray:
        return np.clip(self.left - self.right, -24, 24)

    @property
    def coherence(self) -> np.ndarray:
        return np.hypot(self.real, self.imag)


def cells_of(bands: np.ndarray) -> Cells:
    left, right, real, imag = bands.astype(np.float32).transpose(1, 0, 2, 3)
    level = 10 * np.log10(10 ** (left / 10) + 10 ** (right / 10))
    return Cells(left, right, real, imag, level, level > level.max((1, 2), keepdims=True) - AUDIBLE)


def long_term(bands: np.ndarray) -> np.ndarray:
    """Coherence of the whole recording a band: that of low bands depends on directions more than on heads."""
    c = cells_of(bands)
    left, right = 10 ** (c.left / 10), 10 ** (c.right / 10)
    weight, total = np.sqrt(left * right), np.sqrt(left.sum(-1) * right.sum(-1))
    real, imag = (c.real * weight).sum(-1) / total, (c.imag * weight).sum(-1) / total
    equal = c.real.mean(-1), c.imag.mean(-1)  # every frame counts alike
    sides = np.abs(10 * np.log10(left.sum(-1) / right.sum(-1)))
    return np.concatenate([real, np.abs(imag), np.hypot(real, imag), equal[0], np.hypot(*equal), sides], -1)


def band_correlations(bands: np.ndarray) -> np.ndarray:
    """How bands move together over time, of level, ILD and phase, and how many patterns there are (eigenvalues)."""
    c = cells_of(bands)
    floor = c.level.max((1, 2), keepdims=True) - 60
    upper = np.triu_indices(GROUPS, 1)
    parts = []
    for values in (np.maximum(c.level, floor), c.ild, c.real, c.imag):
        grouped = values.reshape(len(values), GROUPS, -1, COLUMNS).mean(2)
        moved = grouped - grouped.mean(-1, keepdims=True)
        covariance = moved @ moved.swapaxes(1, 2) / COLUMNS
        spread = np.sqrt(np.einsum("nii->ni", covariance)) + 1e-6
        correlation = covariance / spread[:, :, None] / spread[:, None]
        largest = [np.linalg.eigvalsh(matrix)[:, ::-1][:, :8] for matrix in (covariance, correlation)]
        parts += [correlation[:, upper[0], upper[1]], spread, np.log(np.maximum(largest[0], 1e-6)), largest[1]]
    return np.concatenate(parts, -1)


def by_side(bands: np.ndarray) -> np.ndarray:
    """Spectra of near and far ear, ILD, coherence and phase of frames by how far to the side they lie.

    Relative to the recording's mean, both sides folded, the side by rank: colours and head sizes cancel.
    """
    c = cells_of(bands)
    parts = []
    for sign, rank, near, far in _sides(c):
        for number in range(SIDES):
            chosen = (rank == number).astype(np.float32)[:, None]
            for cue in (near, far, c.ild * sign, c.coherence, np.abs(c.imag)):
                parts.append(_paired((cue * chosen).sum(-1) / chosen.sum(-1)))
    return np.concatenate(parts, -1)


def _sides(c: Cells) -> Iterator[tuple[np.ndarray, ...]]:
    """By phase, then by ILD: sign [B, 1, T] and rank [B, T] of a frame's side, near and far ear [B, BANDS, T]."""
    weight, floor = c.audible.astype(np.float32), c.level.max((1, 2), keepdims=True) - 60
    for values, part in ((c.imag, slice(3, 14)), (c.ild, slice(24, BANDS))):
        side = (values * weight)[:, part].sum(1) / (weight[:, part].sum(1) + 1e-3)
        sign = np.sign(side)[:, None]
        ears = (np.maximum(np.where(sign > 0, *pair), floor) for pair in ((c.left, c.right), (c.right, c.left)))
        near, far = (level - level.mean(-1, keepdims=True) for level in ears)
        yield sign, np.abs(side).argsort(-1).argsort(-1) * SIDES // COLUMNS, near, far


def _paired(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), BANDS // 2, 2).mean(-1)


def front_and_back(bands: np.ndarray) -> np.ndarray:
    """Of frames equally far to the side, the duller half beside the brighter one: pinnae shadow what is behind.

    Bright: 4 to 10 kHz of the near ear over 1 to 2 kHz, relative to the recording's mean, so that colours cancel.
    """
    c = cells_of(bands)
    parts = []
    for sign, rank, near, far in _sides(c):
        bright = near[:, 30:42].mean(1) - near[:, 14:22].mean(1)
        for number in range(SIDES):
            chosen = rank == number
            middle = np.nanmedian(np.where(chosen, bright, np.nan), -1, keepdims=True)
            above = (chosen & (bright > middle)).astype(np.float32)[:, None]
            below = (chosen & (bright <= middle)).astype(np.float32)[:, None]
            for cue in (near, far, c.ild * sign, c.coherence):
                high, low = ((cue * half).sum(-1) / np.maximum(half.sum(-1), 1) for half in (above, below))
                parts.append(_paired(high - low))
    return np.concatenate(parts, -1)


def onsets(bands: np.ndarray) -> np.ndarray:
    """Histograms of phase and ILD of coherent cells whose level rises, over the recording's own spread of them."""
    c = cells_of(bands)
    rising = np.zeros_like(c.audible)
    rising[..., 1:] = np.diff(c.level) > 3
    single = c.audible & rising & (c.coherence > 0.95)
    phase = [(np.abs(np.arctan2(c.imag, c.real)), slice(k, k + 6)) for k in (4, 8, 12)]
    ild = [(np.abs(c.ild), slice(k, k + 8)) for k in (14, 20, 26, 32, 40)]
    parts = []
    for values, part in (*phase, *ild):
        chosen, value = (x[:, part].reshape(len(x), -1) for x in (single, values))
        count = chosen.sum(-1, keepdims=True) + 1
        mean = (value * chosen).sum(-1, keepdims=True) / count
        most = mean + 1.7 * np.sqrt((((value - mean) ** 2) * chosen).sum(-1, keepdims=True) / count) + 1e-3
        relative = np.where(chosen, value / most, -1.0)
        parts += [((relative >= k / 10) & (relative < (k + 1) / 10)).sum(-1, keepdims=True) / count for k in range(14)]
        parts.append(most)
    return np.concatenate(parts, -1)


FEATURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "long-term coherence": long_term,
    "correlations between bands": band_correlations,
    "spectra by side": by_side,
    "onsets": onsets,
    "front and back": front_and_back,
}
