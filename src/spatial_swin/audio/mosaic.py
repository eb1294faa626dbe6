"""Binaural sound to pictures: `mosaic` turns [B, 2, N] into 8-bit grey pictures of cue tiles with fixed scales.

Low frequency is at the bottom, time runs to the right, a value means the same grey in every picture. The names, places
and scales of the tiles are in `tiles`; the cues in `cues`. It reads no file and changes no level: sound comes in
loudness-matched.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from spatial_swin.audio import cues
from spatial_swin.audio.spectra import EarSpectra, column_average, ear_spectra, erb_edges, recursive_average
from spatial_swin.audio.tiles import (
    CUES,
    DEFAULT_ARRANGEMENT,
    HIGHEST,
    LOWEST,
    PHASE_HIGH,
    PINNA_HIGH,
    PINNA_LOW,
    Arrangement,
    TileMap,
    arrangement_named,
    tile_map,
)
from spatial_swin.errors import AudioError

__all__ = ["Arrangement", "TileMap", "cue_maps", "mosaic", "tile_map"]

SHORT, LONG = (2048, 512), (4096, 2048)  # window and hop in samples
TIME_CONSTANT = 0.1  # s, of the recursive smoothing of powers and cross spectra
IACC_SECONDS = 0.085
IACC_BANDS = 24  # 1.6 ERB each: wide enough for a lag, narrow enough for two sources; divides a tile of 48 or 96 rows
LOW_LAG_HIGHEST = 1_500.0  # Hz; up to where the ear follows the fine structure
FLUCTUATION_SECONDS = 1.0
LOWEST_SAMPLE_RATE = 2 * HIGHEST
SHORTEST_SECONDS = 0.25


@dataclass(frozen=True)
class _Clip:
    """What several cues of a batch of clips share, computed when first asked for. rows, columns: of a tile."""

    sound: Tensor
    sample_rate: int
    rows: int
    columns: int

    @cached_property
    def short(self) -> EarSpectra:
        return ear_spectra(self.sound, self.sample_rate, *SHORT, HIGHEST)

    @cached_property
    def short_columns(self) -> EarSpectra:
        return self.short.in_columns(self.columns, TIME_CONSTANT)

    @cached_property
    def long_columns(self) -> EarSpectra:
        spectra = ear_spectra(self.sound, self.sample_rate, *LONG, HIGHEST)
        return spectra.in_columns(self.columns, TIME_CONSTANT)

    @cached_property
    def bands(self) -> EarSpectra:
        return self.short_columns.in_bands(LOWEST, HIGHEST, self.rows)

    @cached_property
    def phase_bands(self) -> EarSpectra:
        return self.short_columns.in_bands(LOWEST, PHASE_HIGH, self.rows)

    @cached_property
    def pinna_bands(self) -> EarSpectra:
        return self.short_columns.in_bands(PINNA_LOW, PINNA_HIGH, self.rows)

    @cached_property
    def magnitudes(self) -> Tensor:
        """ERB power of left and right at the frame rate, [B, 2, T, rows]."""
        ears = EarSpectra(self.short.stack[:, :2], *SHORT, self.sample_rate)
        return ears.in_bands(LOWEST, HIGHEST, self.rows).stack

    @cached_property
    def correlation(self) -> Tensor:
        """Normalised cross-correlation [B, columns, IACC_BANDS, lags] of one window of at most 85 ms a column."""
        spectra = self.short.around_columns(self.columns, IACC_SECONDS)
        bands = _bin_bands(spectra.bins, self.sample_rate / SHORT[0])
        phases = cues.lag_phases(spectra.bins, SHORT[0], self.sample_rate)
        correlation = cues.band_correlation(*spectra.planes, bands, phases)
        mask = cues.audibility(_band_means(spectra.left, bands), _band_means(spectra.right, bands))
        return correlation.mul_(mask[..., None])

    @cached_property
    def lags(self) -> Tensor:
        return cues.lags(self.sample_rate)

    @cached_property
    def phase(self) -> tuple[Tensor, Tensor]:
        sine, cosine = cues.ipd(*self.phase_bands.planes[2:])
        mask = _mask(self.phase_bands)
        return sine * mask, cosine * mask

    @property
    def fluctuation_reach(self) -> int:
        column_seconds = self.sound.shape[-1] / self.sample_rate / self.columns
        return max(1, round(FLUCTUATION_SECONDS / column_seconds / 2))


@lru_cache(maxsize=8)
def _bin_bands(bins: int, spacing: float) -> Tensor:
    """The IACC band of every bin, int64 [bins], -1 outside; the lowest bands are at least two bins wide."""
    edges = erb_edges(LOWEST, HIGHEST, IACC_BANDS) / spacing
    starts = [round(float(edges[0]))]
    for edge in edges[1:]:
        starts.append(max(starts[-1] + 2, round(float(edge))))
    bands = torch.bucketize(torch.arange(bins), torch.tensor(starts), right=True) - 1
    return torch.where(bands >= IACC_BANDS, -1, bands)


def _band_means(power: Tensor, bands: Tensor) -> Tensor:
    """Mean power of the bins of each band: [..., F] -> [..., bands]."""
    weights = torch.nn.functional.one_hot(bands.clamp(min=0), IACC_BANDS).to(power) * (bands >= 0).to(power)[:, None]
    return power @ (weights / weights.sum(0))


def _mask(bands: EarSpectra) -> Tensor:
    return cues.audibility(bands.left, bands.right)


def _columns_of(frames: Tensor, clip: _Clip) -> Tensor:
    return column_average(frames.shape[-2], clip.columns).to(frames) @ frames


def _magnitude(clip: _Clip, ear: int) -> Tensor:
    return cues.level_db(_columns_of(clip.magnitudes[:, ear], clip)).mT


def _pcen(clip: _Clip, power: Tensor) -> Tensor:
    magnitude = power.sqrt() * cues.PCEN_SCALE
    average = recursive_average(magnitude, 1 - cues.pcen_smoothing(clip.sample_rate, SHORT[1]))
    return _columns_of(cues.pcen(magnitude, average), clip).mT


def _coherence(columns: EarSpectra, rows: int) -> Tensor:
    """Coherence a bin, then averaged over ERB cells: the phase may turn within a cell without lowering it."""
    value = cues.coherence(*columns.planes)[:, None]
    bands = EarSpectra(value, columns.window, columns.hop, columns.sample_rate).in_bands(LOWEST, HIGHEST, rows)
    return (bands.stack[:, 0] * _mask(columns.in_bands(LOWEST, HIGHEST, rows))).mT


def _mid_side(clip: _Clip) -> tuple[Tensor, Tensor]:
    return cues.mid_side(clip.bands.left, clip.bands.right, clip.bands.stack[:, 2])


def _rows_of_bands(values: Tensor, rows: int) -> Tensor:
    """[B, IACC_BANDS, time] -> [B, rows, time] by repeating."""
    return values[:, (torch.arange(rows, device=values.device) * IACC_BANDS) // rows]


def _lag_rows(values: Tensor, rows: int) -> Tensor:
    """The largest value of the lags of each row: [..., lags] -> [..., rows]; symmetric about lag 0."""
    return torch.nn.functional.adaptive_max_pool1d(values, rows)


def _gcc_phat(clip: _Clip, highest: float) -> Tensor:
    bins = min(clip.short.bins, math.ceil(highest * SHORT[0] / clip.sample_rate))
    cross = clip.short_columns.cross[..., :bins]
    return _lag_rows(cues.gcc_phat(cross, SHORT[0], clip.sample_rate), clip.rows).mT


def _correlogram(clip: _Clip) -> Tensor:
    mean = _lag_rows(clip.correlation.mean(1), clip.rows)  # [B, bands, lag rows]
    return mean[:, (torch.arange(clip.columns, device=mean.device) * IACC_BANDS) // clip.columns].mT


def _long_term(clip: _Clip, ear: int) -> Tensor:
    return cues.quantiles_over_time(cues.level_db(clip.pinna_bands.stack[:, ear]).mT, clip.columns)


def _ild(bands: EarSpectra) -> Tensor:
    return (cues.ild(bands.left, bands.right) * _mask(bands)).mT


# Each gives [B, rows, columns] in the unit of its tile, the lowest frequency or lag first.
_MAPS: dict[str, Callable[[_Clip], Tensor]] = {
    "magnitude_left": lambda clip: _magnitude(clip, 0),
    "magnitude_right": lambda clip: _magnitude(clip, 1),
    "pcen": lambda clip: _pcen(clip, clip.magnitudes.sum(1) / 2),
    "pcen_left": lambda clip: _pcen(clip, clip.magnitudes[:, 0]),
    "pcen_right": lambda clip: _pcen(clip, clip.magnitudes[:, 1]),
    "ild": lambda clip: _ild(clip.bands),
    "ipd_sine": lambda clip: clip.phase[0].mT,
    "ipd_cosine": lambda clip: clip.phase[1].mT,
    "msc_2048": lambda clip: _coherence(clip.short_columns, clip.rows),
    "msc_4096": lambda clip: _coherence(clip.long_columns, clip.rows),
    "iacc": lambda clip: _rows_of_bands(cues.iacc(clip.correlation).mT, clip.rows),
    "iacc_lag": lambda clip: _rows_of_bands(cues.iacc_lag(clip.correlation, clip.lags).mT, clip.rows),
    "gcc_phat": lambda clip: _gcc_phat(clip, HIGHEST),
    "gcc_phat_low": lambda clip: _gcc_phat(clip, LOW_LAG_HIGHEST),
    "correlogram": _correlogram,
    "laterality": lambda clip: (cues.side_share(*_mid_side(clip)) * _mask(clip.bands)).mT,
    "mid": lambda clip: cues.level_db(_mid_side(clip)[0]).mT,
    "side": lambda clip: cues.level_db(_mid_side(clip)[1]).mT,
    "long_term_left": lambda clip: _long_term(clip, 0),
    "long_term_right": lambda clip: _long_term(clip, 1),
    "pinna_left": lambda clip: cues.level_db(clip.pinna_bands.left).mT,
    "pinna_right": lambda clip: cues.level_db(clip.pinna_bands.right).mT,
    "pinna_ild": lambda clip: _ild(clip.pinna_bands),
    "ild_fluctuation": lambda clip: cues.fluctuation(_ild(clip.bands), clip.fluctuation_reach),
    "ipd_fluctuation": lambda clip: (
        cues.phase_fluctuation(clip.phase[0].mT, clip.phase[1].mT, clip.fluctuation_reach) * _mask(clip.phase_bands).mT
    ),
}
assert _MAPS.keys() == CUES.keys()


def _check(sound: Tensor, sample_rate: int) -> None:
    if sound.ndim != 3 or sound.shape[1] != 2:
        raise AudioError(f"cues need two ears, sound [B, 2, N], but the shape is {list(sound.shape)}")
    if sample_rate < LOWEST_SAMPLE_RATE:
        raise AudioError(
            f"a sample rate of {sample_rate} Hz carries nothing up to {HIGHEST:.0f} Hz, where elevation is heard; "
            "use recordings of 32 kHz or more"
        )
    if sound.shape[2] < SHORTEST_SECONDS * sample_rate:
        raise AudioError(f"{sound.shape[2] / sample_rate:.3f} s of sound; cues need at least {SHORTEST_SECONDS} s")
    if not bool(torch.isfinite(sound).all()):
        raise AudioError("the sound holds NaN or infinite samples; repair or leave out that recording")


@torch.no_grad()
def cue_maps(
    sound: Tensor, sample_rate: int, names: tuple[str, ...], rows: int = 96, columns: int = 96
) -> dict[str, Tensor]:
    """The named cues (see `tiles.CUES`) of binaural sound [B, 2, N]: float32 [B, rows, columns] each, in their units.

    Row 0 is the lowest frequency or lag. Raises AudioError for a wrong shape, rate or length, or samples that are not
    finite.
    """
    _check(sound, sample_rate)
    clip = _Clip(sound.float(), sample_rate, rows, columns)
    return {name: _MAPS[name](clip) for name in names}


def to_grey(values: Tensor, low: float, high: float) -> Tensor:
    """Values [..., rows, columns] on a fixed scale as uint8, row 0 at the bottom."""
    return (((values - low) * (255 / (high - low))).round().clamp(0, 255)).to(torch.uint8).flip(-2)


@torch.no_grad()
def mosaic(
    sound: Tensor, sample_rate: int, arrangement: Arrangement | str = DEFAULT_ARRANGEMENT, size: int = 384
) -> Tensor:
    """Pictures uint8 [B, size, size] of binaural sound [B, 2, N] (full scale is 1) at `sample_rate` Hz.

    Raises AudioError when the grid does not fit the size, and for what `cue_maps` refuses.
    """
    grid = arrangement_named(arrangement)
    tiles = tile_map(grid, size, sample_rate, sound.shape[-1] / sample_rate)
    rows, columns = grid.tile_size(size)
    picture = torch.empty(sound.shape[0], size, size, dtype=torch.uint8, device=sound.device)
    maps = cue_maps(sound, sample_rate, grid.cues, rows, columns)
    for tile in tiles:
        picture[:, tile.rows, tile.columns] = to_grey(maps[tile.name], tile.low, tile.high)
    return picture
