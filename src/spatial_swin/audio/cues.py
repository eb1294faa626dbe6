"""The cues of two ears, each a pure function on batched tensors: powers and cross spectra in, physical values out.

Signs: left is positive. A source on the left is louder in the left ear (ILD > 0) and reaches the right ear later (IPD
and lag > 0). Powers are averages (over frames, bins or both) made by `spectra`; the cross spectrum is X_L X_R*. Every
function works on any leading shape, on the CPU or a GPU; none knows a picture or its scales.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

TINY = 1e-20  # power 200 dB below a sine of full scale: far below 24-bit sound, keeps logarithms and ratios finite
PCEN_SCALE = 2.0**31  # PCEN's constants are meant for sound as 32-bit integers, not for -1..1


def level_db(power: Tensor) -> Tensor:
    """Level in dB of a power, relative to a sine of full scale (one reference for both ears)."""
    return 10 * torch.log10(power.clamp(min=TINY))


def audibility(power_left: Tensor, power_right: Tensor, floor: float = 60.0, fade: float = 6.0) -> Tensor:
    """Mask in 0..1 [B, ...]: 0 where both ears together lie `floor` dB or more below the clip's peak, 1 from `fade` dB
    above that. Below the mask a cue is quantisation noise; the fade keeps a rounding error from switching a pixel."""
    level = level_db(power_left + power_right)
    peak = level.flatten(1).amax(1).reshape(-1, *[1] * (level.ndim - 1))
    return ((level - peak + floor) / fade).clamp(0, 1)


def ild(power_left: Tensor, power_right: Tensor, limit: float = 24.0) -> Tensor:
    """Interaural level difference in dB, 10 log10(P_LL / P_RR), clipped to +-limit: right ear 6 dB down, +6."""
    return (level_db(power_left) - level_db(power_right)).clamp(-limit, limit)


def ipd(cross_real: Tensor, cross_imag: Tensor) -> tuple[Tensor, Tensor]:
    """Sine and cosine of the interaural phase difference, the angle of P_LR; 0 and 0 where there is no power.

    The right ear later by d samples gives the angle 2 pi f d / fs.
    """
    size = torch.hypot(cross_real, cross_imag).clamp(min=TINY)
    return cross_imag / size, cross_real / size


def coherence(power_left: Tensor, power_right: Tensor, cross_real: Tensor, cross_imag: Tensor) -> Tensor:
    """Magnitude-squared coherence |P_LR|^2 / (P_LL P_RR) in 0..1 of powers that are averages over frames.

    Without averaging it is 1 whatever the sound. Averages of N_eff independent frames give about 1/N_eff for
    independent noise.
    """
    together = power_left * power_right
    return ((cross_real**2 + cross_imag**2) / together.clamp(min=TINY**1.5)).clamp(0, 1)


def mid_side(power_left: Tensor, power_right: Tensor, cross_real: Tensor) -> tuple[Tensor, Tensor]:
    """Powers of mid (L+R)/2 and side (L-R)/2, from the powers of the ears and Re P_LR."""
    both = power_left + power_right
    return (both + 2 * cross_real).clamp(min=0) / 4, (both - 2 * cross_real).clamp(min=0) / 4


def side_share(power_mid: Tensor, power_side: Tensor) -> Tensor:
    """Laterality P_SS / (P_MM + P_SS) in 0..1: 0 for equal ears, 1/2 for independent or one-sided ones."""
    return power_side / (power_mid + power_side).clamp(min=TINY)


def pcen_smoothing(sample_rate: int, hop: int, time_constant: float = 0.4) -> float:
    """b of PCEN's average M(t) = (1-b) M(t-1) + b S(t): T = tc fs/hop frames, b = (sqrt(1+4T^2)-1)/(2T^2)."""
    frames = time_constant * sample_rate / hop
    return (math.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)


def pcen(magnitude: Tensor, average: Tensor, gain: float = 0.98, bias: float = 2.0, eps: float = 1e-6) -> Tensor:
    """Per-channel energy normalisation (Wang et al. 2017) of magnitudes given their running average M:
    (S / (eps + M)^gain + bias)^0.5 - bias^0.5, written so that small values keep their digits."""
    smooth = torch.exp(-gain * (math.log(eps) + torch.log1p(average / eps)))
    return math.sqrt(bias) * torch.expm1(0.5 * torch.log1p(magnitude * smooth / bias))


def lags(sample_rate: int, longest: float = 1e-3, upsampling: int = 4) -> Tensor:
    """Lags in seconds, float64 [2 n + 1], -longest..longest in steps of 1 / (upsampling fs); + = right ear later."""
    count = round(longest * sample_rate * upsampling)
    return torch.arange(-count, count + 1, dtype=torch.float64) / (sample_rate * upsampling)


def gcc_phat(cross: Tensor, window: int, sample_rate: int, longest: float = 1e-3, upsampling: int = 4) -> Tensor:
    """GCC-PHAT irfft(P_LR / (|P_LR| + eps), 4N) at `lags`: [..., F] complex -> [..., lags], in -1..1.

    Divided by the number of bins given, so a pure delay peaks at 1 whatever the band. eps is 60 dB below each
    spectrum's peak: bins that hold only quantisation noise do not vote. The lag is positive when the right ear is
    later (irfft has it negative: it is turned round here).
    """
    size = cross.abs()
    whitened = cross / (size + 1e-6 * size.amax(-1, keepdim=True) + TINY)
    whitened[..., 0] = whitened[..., 0] / 2  # irfft counts every bin but the first twice
    points = upsampling * window
    correlation = torch.fft.irfft(whitened, n=points) * (points / (2 * cross.shape[-1] - 1))
    count = round(longest * sample_rate * upsampling)
    return torch.cat((correlation[..., -count:], correlation[..., : count + 1]), dim=-1).flip(-1)


@lru_cache(maxsize=8)
def lag_phases(bins: int, window: int, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of 2 pi f lag for the bins of an FFT and the `lags`, float32 [bins, lags] each."""
    phase = 2 * math.pi * sample_rate / window * torch.arange(bins, dtype=torch.float64)[:, None] * lags(sample_rate)
    return torch.cos(phase).float(), torch.sin(phase).float()


def band_correlation(
    power_left: Tensor,
    power_right: Tensor,
    cross_real: Tensor,
    cross_imag: Tensor,
    bin_bands: Tensor,
    phases: tuple[Tensor, Tensor],
) -> Tensor:
    """Normalised cross-correlation of every band at the lags of `phases`: spectra [..., F] -> [..., bands, lags].

    Re sum_k P_LR(k) exp(-j 2 pi f_k lag) / sqrt(sum_k P_LL sum_k P_RR) over the bins k of each band; bin_bands int64
    [F] numbers the band of each bin in rising order, -1 where it belongs to none; phases: see `lag_phases`.
    """
    bands = int(bin_bands.max()) + 1
    known = [torch.nonzero(bin_bands == band).flatten() for band in range(bands)]
    cosine, sine = (table.to(cross_real) for table in phases)
    result = cross_real.new_empty(*cross_real.shape[:-1], bands, cosine.shape[-1])
    for band, bins in enumerate(known):  # a matrix product a band: bins of the band x lags
        part = slice(int(bins[0]), int(bins[-1]) + 1)
        scale = (power_left[..., part].sum(-1) * power_right[..., part].sum(-1)).sqrt().clamp(min=TINY)
        together = cross_real[..., part] @ cosine[part]
        together += cross_imag[..., part] @ sine[part]
        torch.div(together, scale[..., None], out=result[..., band, :])
    return result.clamp_(-1, 1)


def iacc(correlation: Tensor) -> Tensor:
    """Interaural cross-correlation coefficient: the maximum over the lags of `band_correlation`, 1 for equal ears and
    for a pure delay within the lags; below 0 counts as 0."""
    return correlation.amax(-1).clamp(min=0)


def iacc_lag(correlation: Tensor, at: Tensor) -> Tensor:
    """Lag in ms where `band_correlation` is largest; the one nearest to 0 when several are equal, as silence has."""
    nearest_first = torch.argsort(at.abs(), stable=True).to(correlation.device)
    best = correlation.index_select(-1, nearest_first).argmax(-1)
    return (1e3 * at).to(correlation)[nearest_first[best]]


def quantiles_over_time(level: Tensor, points: int) -> Tensor:
    """The level of each band in rising order: [..., bands, time] -> [..., bands, points], lowest first.

    The long-term spectrum with its spread: the middle point is the median, the ends the quietest and loudest moment.
    """
    ordered = level.sort(dim=-1).values
    at = ((torch.arange(points, dtype=torch.float64) + 0.5) * level.shape[-1] / points).long()
    return ordered[..., at.to(level.device)]


def _moving_mean(x: Tensor, reach: int) -> Tensor:
    flat = torch.nn.functional.pad(x.reshape(-1, 1, x.shape[-1]), (reach, reach), mode="replicate")
    return torch.nn.functional.avg_pool1d(flat, 2 * reach + 1, stride=1).reshape(x.shape)


def fluctuation(x: Tensor, reach: int) -> Tensor:
    """Standard deviation over 2 reach + 1 neighbours in time [..., time], in the unit of x."""
    mean = _moving_mean(x, reach)
    return (_moving_mean(x * x, reach) - mean * mean).clamp(min=0).sqrt()


def phase_fluctuation(sine: Tensor, cosine: Tensor, reach: int) -> Tensor:
    """Circular variance 1 - |mean of exp(j phase)| over 2 reach + 1 neighbours in time, 0 steady .. 1 anywhere."""
    return (1 - torch.hypot(_moving_mean(sine, reach), _moving_mean(cosine, reach))).clamp(0, 1)
