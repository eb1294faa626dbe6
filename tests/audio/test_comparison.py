"""A delivery beside its master: what is the same is found to be, and what differs is named, whatever its level."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from tiny_masters import RATE, write_bw64

from spatial_swin.audio.comparison import Comparison, compare
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.programme import Programme, programme_at
from spatial_swin.audio.render import render_layouts
from spatial_swin.layouts import LAYOUTS

KEMAR = load_listener("kemar", RATE)
SECONDS = 1.5


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Programme:
    """A 5.1.4 master, every channel loud in its own time and all at once; equal ears need unequal sides."""
    samples = 0.05 * np.random.default_rng(0).standard_normal((round(SECONDS * RATE), 10))
    samples *= np.linspace(1.0, 0.4, 10)
    return programme_at(write_bw64(tmp_path_factory.mktemp("master") / "master.wav", samples), 0)


@pytest.fixture(scope="module")
def rendered(master: Programme) -> dict[str, np.ndarray]:
    scene = master.scene(0, master.frames, RATE)
    ears = render_layouts(scene, [LAYOUTS["514"], LAYOUTS["510"]], [KEMAR])
    return {code: sound for (code, _), sound in ears.items()}


def compared(master: Programme, path: Path, ears: np.ndarray, rate: int = RATE) -> Comparison:
    soundfile.write(path, 0.5 * ears.T, rate, subtype="FLOAT")
    return compare(master, [LAYOUTS["514"], LAYOUTS["510"]], load_listener("kemar", rate), path)


def test_its_own_rendering_is_consistent_at_any_level_and_time(master, rendered, tmp_path: Path) -> None:
    for early in (0, 777):
        found = compared(master, tmp_path / "a.wav", np.pad(rendered["514"][:, early:], ((0, 0), (0, 300))))
        assert found.differs_in == []
        assert (found.lag, found.listener) == (pytest.approx(-early / RATE), "kemar")
        assert found.gain == pytest.approx(0.5, abs=0.01)
        assert found.level_difference == pytest.approx([-6.02, -6.02], abs=0.15)
        assert found.coherence.min() > 0.9
    late = compared(master, tmp_path / "a.wav", np.pad(rendered["514"], ((0, 0), (1_234, 0))))
    assert (late.lag, late.differs_in) == (pytest.approx(1_234 / RATE), [])
    assert late.residual < -60
    assert late.length_difference == pytest.approx(1_234 / RATE)


def test_a_rendering_of_another_layout_is_recognised(master, rendered, tmp_path: Path) -> None:
    found = compared(master, tmp_path / "a.wav", rendered["510"])
    assert found.best_fit == "510"
    assert "layout (5.1.0 fits better)" in found.differs_in


def test_exchanged_ears_inverted_polarity_and_balance_are_named(master, rendered, tmp_path: Path) -> None:
    ears = rendered["514"]
    exchanged = compared(master, tmp_path / "a.wav", ears[::-1])
    assert exchanged.differs_in == ["ears (left and right are exchanged)"]
    assert compared(master, tmp_path / "a.wav", -ears).differs_in == ["polarity (inverted)"]
    louder = compared(master, tmp_path / "a.wav", ears * np.array([[1.3], [1.0]]))
    assert louder.differs_in == ["balance (left ear +2.3 dB)"]


def test_another_programme_is_nothing_of_the_master(master, tmp_path: Path) -> None:
    other = np.random.default_rng(9).standard_normal((2, master.frames)) * 0.05
    (said,) = compared(master, tmp_path / "a.wav", other).differs_in
    assert said.startswith("programme (coherence 0.")


def test_another_listener_is_another_rendering(master, tmp_path: Path) -> None:
    scene = master.scene(0, master.frames, RATE)
    other = load_listener("parametric:3", RATE)
    ears = render_layouts(scene, [LAYOUTS["514"]], [other])["514", other.name]
    differs = compared(master, tmp_path / "a.wav", ears).differs_in
    assert any(text.startswith("rendering (coherence 0.") for text in differs)
    assert any(text.startswith("spectrum (") for text in differs)
    assert not any(text.startswith("layout") for text in differs)  # who does not know the listener cannot tell


def test_a_delivery_that_ends_early_differs_in_length(master, rendered, tmp_path: Path) -> None:
    found = compared(master, tmp_path / "a.wav", rendered["514"][:, : RATE // 2])
    assert any(text == "length (-1.00 s)" for text in found.differs_in)


def test_a_silent_delivery_is_compared_without_complaint(master, tmp_path: Path) -> None:
    found = compared(master, tmp_path / "a.wav", np.zeros((2, master.frames)))
    assert found.differs_in[0].startswith("programme")
    assert np.isfinite(found.band_difference).all()


def test_the_rate_of_the_delivery_may_be_another(master, rendered, tmp_path: Path) -> None:
    at_44 = soxr.resample(rendered["514"].T, RATE, 44_100, quality="VHQ").T
    found = compared(master, tmp_path / "a.wav", at_44, 44_100)
    assert found.differs_in == []
    assert found.lag == pytest.approx(0, abs=1e-3)  # resampled responses begin a little later
