"""Every cue against the analytic check that the field asks of it; librosa is the oracle where it has the function."""

import math

import librosa
import numpy as np
import pytest
import torch

from spatial_swin.audio import cues
from spatial_swin.audio.spectra import ear_spectra, recursive_average, smoothing_factor

RATE, WINDOW, HOP = 48_000, 2048, 512


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def averaged(left: torch.Tensor, right: torch.Tensor, seconds: float = 0.1):
    """Recursively smoothed planes of two ears [N], without the first half second."""
    spectra = ear_spectra(torch.stack([left, right])[None], RATE, WINDOW, HOP, 24_000)
    smooth = recursive_average(spectra.stack, smoothing_factor(HOP, RATE, seconds))[:, :, 50:]
    return tuple(smooth.unbind(1))


def delayed(x: torch.Tensor, samples: int) -> torch.Tensor:
    return torch.cat([x.new_zeros(samples), x[: len(x) - samples]])


def test_six_decibels_more_move_every_level_by_six_decibels():
    power = averaged(noise(RATE), noise(RATE, seed=1))[0]
    torch.testing.assert_close(cues.level_db(power * 4), cues.level_db(power) + 10 * math.log10(4))


def test_pcen_equals_librosa():
    magnitude = (noise(1, 200, 40).abs() * cues.PCEN_SCALE) ** 0.8
    b = cues.pcen_smoothing(RATE, HOP)
    start = torch.ones(1, 40, dtype=torch.float64)  # librosa begins its average at 1
    ours = cues.pcen(magnitude, recursive_average(magnitude, 1 - b, start))
    oracle = librosa.pcen(
        magnitude[0].numpy().T, sr=RATE, hop_length=HOP, gain=0.98, bias=2, power=0.5, time_constant=0.4
    )
    np.testing.assert_allclose(ours[0].numpy().T, oracle, atol=1e-5)


def test_pcen_uses_the_frame_rate():
    frames = 0.4 * RATE / HOP
    assert cues.pcen_smoothing(RATE, HOP) == pytest.approx(1 / frames, rel=0.02)  # 1/T for a long time constant


def test_the_right_ear_six_decibels_down_gives_plus_six_everywhere():
    left = noise(RATE)
    power_left, power_right, *_ = averaged(left, left / 10 ** (6 / 20))
    value = cues.ild(power_left, power_right)
    torch.testing.assert_close(value, torch.full_like(value, 6), atol=1e-6, rtol=0)


def test_ild_stops_at_its_limit_and_silence_has_none():
    power = torch.tensor([[1.0, 0.0]])
    assert cues.ild(power, torch.tensor([[1e-9, 0.0]])).tolist() == [[24.0, 0.0]]


@pytest.mark.parametrize("samples", [3, 11])
def test_a_delay_of_the_right_ear_gives_its_phase(samples):
    left = noise(2 * RATE)
    *_, real, imag = averaged(left, delayed(left, samples))
    sine, cosine = cues.ipd(real, imag)
    frequency = torch.arange(sine.shape[-1]).double() * RATE / WINDOW
    expected = 2 * math.pi * frequency * samples / RATE
    inner = slice(2, -2)  # the end bins of an FFT are real
    assert float((sine - torch.sin(expected))[..., inner].abs().mean()) < 0.02
    assert float((cosine - torch.cos(expected))[..., inner].abs().mean()) < 0.02


def test_coherence_of_equal_ears_is_one():
    left = noise(RATE)
    value = cues.coherence(*averaged(left, left))
    torch.testing.assert_close(value, torch.ones_like(value))


def test_coherence_of_independent_noise_is_one_over_the_independent_averages():
    """N_eff from the weights of the smoothing and the overlap of the windows: 1/N_eff = sum w_t w_s |r(t-s)|^2."""
    value = cues.coherence(*averaged(noise(20 * RATE), noise(20 * RATE, seed=1)))[..., 5:-5].mean()
    a = smoothing_factor(HOP, RATE, 0.1)
    window = np.hanning(WINDOW + 1)[:-1]
    overlap = np.correlate(window, window, "full")[WINDOW - 1 :: HOP] / (window**2).sum()
    ages = np.arange(200)
    apart = np.abs(ages[:, None] - ages)
    r = np.where(apart < len(overlap), overlap[np.minimum(apart, len(overlap) - 1)], 0)
    weights = (1 - a) * a**ages
    expected = weights @ r**2 @ weights
    assert expected < 0.2
    assert float(value) == pytest.approx(expected, rel=0.15)


def test_mid_and_side_are_half_the_sum_and_half_the_difference():
    left, right = noise(RATE), noise(RATE, seed=1)
    mid, side = cues.mid_side(*averaged(left, right)[:3])
    expected_mid, expected_side, *_ = averaged((left + right) / 2, (left - right) / 2)
    torch.testing.assert_close(mid, expected_mid)
    torch.testing.assert_close(side, expected_side)


def test_the_side_share_of_mono_is_zero_and_of_independent_ears_a_half():
    left, right = noise(5 * RATE), noise(5 * RATE, seed=1)
    assert float(cues.side_share(*cues.mid_side(*averaged(left, left)[:3])).max()) < 1e-12
    assert float(cues.side_share(*cues.mid_side(*averaged(left, right)[:3])).mean()) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("samples", [0, 7, 20])
def test_gcc_phat_peaks_at_the_delay_positive_when_the_right_ear_is_later(samples):
    left = noise(RATE)
    *_, real, imag = averaged(left, delayed(left, samples))
    at = cues.lags(RATE)
    value = cues.gcc_phat(torch.complex(real, imag), WINDOW, RATE)
    found = at[value.mean(1).argmax(-1)] * RATE
    assert found.tolist() == [pytest.approx(samples)]
    mirrored = cues.gcc_phat(torch.complex(real, -imag), WINDOW, RATE)
    torch.testing.assert_close(mirrored, value.flip(-1), atol=1e-6, rtol=0)


def test_gcc_phat_of_equal_ears_reaches_one_and_stays_within_one():
    left = noise(RATE)
    *_, real, imag = averaged(left, left)
    value = cues.gcc_phat(torch.complex(real, imag), WINDOW, RATE)
    assert float(value.amax(-1).mean()) == pytest.approx(1, abs=1e-3)
    assert float(value.abs().max()) <= 1 + 1e-6


def band_correlation(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    spectra = ear_spectra(torch.stack([left, right])[None], RATE, WINDOW, HOP, 16_000)
    means = spectra.around_columns(20, 0.085)
    bands = (torch.arange(spectra.bins) // 34).clamp(max=19)
    return cues.band_correlation(*means.planes, bands, cues.lag_phases(spectra.bins, WINDOW, RATE))


def test_running_iacc_of_equal_ears_is_one_at_lag_zero():
    left = noise(RATE)
    correlation = band_correlation(left, left)
    value = cues.iacc(correlation)
    torch.testing.assert_close(value, torch.ones_like(value), atol=1e-5, rtol=0)
    assert float(cues.iacc_lag(correlation, cues.lags(RATE)).abs().max()) == 0


def test_running_iacc_of_a_delay_within_a_millisecond_is_still_one():
    left = noise(RATE)
    correlation = band_correlation(left, delayed(left, 20))[:, 2:-1]  # the ends hold the mirrored edge
    assert float(cues.iacc(correlation).min()) > 0.99
    lag = cues.iacc_lag(correlation, cues.lags(RATE))
    assert float(lag.median()) == pytest.approx(1e3 * 20 / RATE, abs=0.01)


def test_running_iacc_of_independent_ears_is_low():
    assert float(cues.iacc(band_correlation(noise(RATE), noise(RATE, seed=1))).mean()) < 0.6


def test_band_correlation_of_a_broad_band_is_the_correlation_in_time():
    left = noise(RATE)
    mixed = (left + noise(RATE, seed=1)) / math.sqrt(2)
    spectra = ear_spectra(torch.stack([left, mixed])[None], RATE, WINDOW, HOP, 24_000)
    means = spectra.around_columns(1, 0.9)
    one_band = torch.zeros(spectra.bins, dtype=torch.int64)
    value = cues.band_correlation(*means.planes, one_band, cues.lag_phases(spectra.bins, WINDOW, RATE))
    in_time = torch.corrcoef(torch.stack([left, mixed]))[0, 1]
    assert float(cues.iacc(value)) == pytest.approx(float(in_time), abs=0.03)


def test_the_mask_is_closed_sixty_decibels_below_the_peak_and_fades_in_over_six():
    power = torch.tensor([[1.0, 1e-5, 10**-5.7, 1e-6, 1e-9, 0.0]]) / 2
    mask = cues.audibility(power, power)
    torch.testing.assert_close(mask, torch.tensor([[1.0, 1.0, 0.5, 0.0, 0.0, 0.0]]), atol=1e-5, rtol=0)


def test_quantiles_rise_and_hold_the_median_in_the_middle():
    level = noise(1, 3, 101)
    value = cues.quantiles_over_time(level, 101)
    assert bool((value.diff(dim=-1) >= 0).all())
    torch.testing.assert_close(value[..., 50], level.median(-1).values)


def test_fluctuation_is_the_standard_deviation_in_the_window():
    x = noise(1, 2, 50)
    expected = x[0, 1, 20:27].std(correction=0)
    torch.testing.assert_close(cues.fluctuation(x, 3)[0, 1, 23], expected)
    assert float(cues.fluctuation(torch.full((1, 1, 9), 3.0), 2).max()) == 0


def test_phase_fluctuation_is_zero_for_a_steady_and_one_for_an_alternating_phase():
    one = torch.ones(1, 1, 9)
    assert float(cues.phase_fluctuation(0 * one, one, 1).max()) == 0
    turning = torch.arange(9) * 2 * math.pi / 3
    value = cues.phase_fluctuation(torch.sin(turning)[None, None], torch.cos(turning)[None, None], 1)
    assert value[0, 0, 1:-1].tolist() == pytest.approx([1] * 7, abs=1e-5)


def test_cues_take_batches_and_treat_each_clip_alone():
    pair = [averaged(noise(RATE, seed=s), noise(RATE, seed=s + 9)) for s in (0, 1)]
    together = [torch.cat(planes) for planes in zip(*pair, strict=True)]
    for index, planes in enumerate(pair):
        torch.testing.assert_close(cues.coherence(*together)[index], cues.coherence(*planes)[0])
        torch.testing.assert_close(cues.audibility(*together[:2])[index], cues.audibility(*planes[:2])[0])
