"""Frames, ERB averages, recursive smoothing and columns, each against what it must be by arithmetic."""

import numpy as np
import pytest
import scipy.signal
import torch

from spatial_swin.audio.spectra import (
    column_average,
    ear_spectra,
    erb_average,
    erb_centres,
    erb_frequency,
    erb_rate,
    recursive_average,
    smoothed_columns,
    smoothing_factor,
)

RATE = 48_000


def test_the_erb_scale_is_that_of_glasberg_and_moore():
    frequency = torch.tensor([100.0, 1_000.0, 16_000.0], dtype=torch.float64)
    bandwidth = torch.tensor([35.4939, 132.639, 1751.724], dtype=torch.float64)  # 24.7 (4.37 f/1000 + 1)
    torch.testing.assert_close(erb_frequency(erb_rate(frequency)), frequency)
    step = (erb_rate(frequency + 0.5) - erb_rate(frequency - 0.5)) * bandwidth
    assert torch.allclose(step, torch.ones(3, dtype=torch.float64), rtol=0.01)  # one ERB a bandwidth


def test_erb_averages_keep_a_flat_spectrum_and_peak_at_their_centre():
    weights = erb_average(2048, RATE, 50, 16_000, 96, 685)
    assert torch.allclose(weights.sum(0), torch.ones(96), atol=1e-6)
    centres = erb_centres(50, 16_000, 96)
    found = weights.argmax(0) * RATE / 2048
    assert bool(((found - centres).abs() <= RATE / 2048).all())


@pytest.mark.parametrize("frames", [1, 31, 32, 33, 200])
def test_recursive_average_equals_the_recursion(frames):
    x = torch.rand(2, frames, 3, dtype=torch.float64)
    a = 0.9
    expected = scipy.signal.lfilter([1 - a], [1, -a], x.numpy(), axis=1, zi=a * x.numpy()[:, :1])[0]
    np.testing.assert_allclose(recursive_average(x, a), expected, atol=1e-7)


def test_recursive_average_starts_where_it_is_told():
    result = recursive_average(torch.zeros(1, 3, 1), 0.5, start=torch.ones(1, 1))
    assert result.flatten().tolist() == pytest.approx([0.5, 0.25, 0.125])


def test_smoothing_factor_decays_to_one_over_e_in_the_time_constant():
    assert smoothing_factor(480, RATE, 0.1) ** 10 == pytest.approx(np.exp(-1))


@pytest.mark.parametrize(("frames", "columns"), [(938, 96), (96, 96), (20, 48)])
def test_columns_cover_every_frame_equally(frames, columns):
    weights = column_average(frames, columns)
    assert torch.allclose(weights.sum(1), torch.ones(columns), atol=1e-6)
    assert torch.allclose(weights.sum(0), torch.full((frames,), columns / frames), atol=1e-5)


def test_smoothed_columns_are_the_smoothing_and_then_the_average():
    x = torch.rand(938, 5, dtype=torch.float64)
    expected = column_average(938, 96).double() @ recursive_average(x, 0.9, x[:19].mean(0))
    torch.testing.assert_close(smoothed_columns(938, 96, 0.9).double() @ x, expected, atol=1e-6, rtol=1e-5)


def test_a_sine_of_full_scale_has_power_one_in_its_bin():
    time = torch.arange(RATE) / RATE
    frequency = 64 * RATE / 2048
    sound = torch.cos(2 * torch.pi * frequency * time).expand(1, 2, -1)
    spectra = ear_spectra(sound, RATE, 2048, 512, 16_000)
    assert float(spectra.left[0, 20, 64]) == pytest.approx(1, abs=1e-3)
    assert spectra.bins * RATE / 2048 < 16_100  # nothing above what is used


def test_powers_and_cross_spectrum_are_those_of_the_stft():
    sound = torch.randn(2, 2, 9_000, generator=torch.Generator().manual_seed(1))
    spectra = ear_spectra(sound, RATE, 1024, 256, 24_000)
    window = torch.hann_window(1024)
    stft = torch.stft(sound.flatten(0, 1), 1024, 256, window=window, center=True, return_complex=True)
    left, right = (stft.mT * 2 / window.sum()).reshape(2, 2, -1, 513).unbind(1)
    torch.testing.assert_close(spectra.left, left.abs() ** 2)
    torch.testing.assert_close(spectra.right, right.abs() ** 2)
    torch.testing.assert_close(spectra.cross, left * right.conj())


def test_around_columns_takes_whole_frames_within_the_window():
    sound = torch.randn(1, 2, 10 * RATE)
    spectra = ear_spectra(sound, RATE, 2048, 512, 16_000)
    first = spectra.around_columns(96, 0.085).left[0, 48]
    middle = round(48.5 * spectra.frames / 96)
    starts = range(middle - 4, middle + 2)
    assert any(torch.allclose(first, spectra.left[0, s : s + 4].mean(0)) for s in starts)
