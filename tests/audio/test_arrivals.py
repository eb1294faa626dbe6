"""From where sound comes, given the head: places that are known, sound that has none, and what is noted of it."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import fftconvolve

from spatial_swin.audio.arrivals import (
    BANDS,
    BETWEEN,
    HIGHEST,
    LAYOUT,
    LOWEST,
    PLACES,
    WINDOW,
    _bands,
    arrivals,
    as_bytes,
    ear_patterns,
    read_arrivals,
)
from spatial_swin.audio.hrtf import Listener, load_listener
from spatial_swin.audio.manifest import arrivals_file
from spatial_swin.audio.render import Scene, render_layouts
from spatial_swin.audio.synthesis import resting
from spatial_swin.errors import RunError
from spatial_swin.layouts import find_layouts

RATE = 48_000
NAMES = [speaker.name for speaker in LAYOUT.placed]
HIGH = slice(8, BANDS - 1)  # bands above 1 kHz, where a head tells directions apart


@cache
def head() -> Listener:
    return load_listener("parametric:3", RATE)


def heard(loudspeakers: dict[str, float], seconds: float = 1.0) -> np.ndarray:
    """White noise, the same from every loudspeaker that is named, with its gain."""
    noise = np.random.default_rng(1).standard_normal(round(seconds * RATE)).astype(np.float32) * 0.1
    ears = np.zeros((2, len(noise)), np.float32)
    for name, responses in zip(NAMES, head().responses(LAYOUT), strict=True):
        if name in loudspeakers:
            ears += np.stack([fftconvolve(loudspeakers[name] * noise, one)[: len(noise)] for one in responses])
    return ears


def place(*names: str) -> int:
    """The number of a loudspeaker, or of the middle between two."""
    if len(names) == 1:
        return NAMES.index(names[0])
    return len(NAMES) + BETWEEN.index((names[0], names[1]))


@pytest.mark.parametrize("name", NAMES)
def test_sound_of_one_loudspeaker_comes_from_there(name: str) -> None:
    shares = arrivals(heard({name: 1.0}), RATE, ear_patterns(head()))
    assert shares.shape == (BANDS, PLACES + 1)
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert (shares >= 0).all()
    mean = shares[HIGH].mean(axis=0)
    assert int(mean.argmax()) == place(name)
    assert mean[place(name)] > 0.5


def test_the_same_from_two_neighbours_comes_from_between_them() -> None:
    shares = arrivals(heard({"U+030": 1.0, "U-030": 1.0}), RATE, ear_patterns(head()))
    assert int(shares[HIGH].mean(axis=0).argmax()) == place("U+030", "U-030")


def test_level_and_colour_change_nothing() -> None:
    """Only how the ears differ counts: a recording may be of any loudness, through any equaliser."""
    ears, patterns = heard({"M+110": 1.0}), ear_patterns(head())
    coloured = 0.3 * (ears - 0.8 * np.roll(ears, 1, axis=1))  # the same at both ears
    before, after = arrivals(ears, RATE, patterns), arrivals(coloured, RATE, patterns)
    assert after == pytest.approx(before, abs=0.02)


def test_what_fits_no_place_is_said_to() -> None:
    """Independent noise at both ears is not of one place, and the last share is of what is of none."""
    noise = 0.1 * np.random.default_rng(2).standard_normal((2, RATE)).astype(np.float32)
    patterns = ear_patterns(head())
    nowhere, somewhere = (arrivals(s, RATE, patterns)[HIGH, -1].mean() for s in (noise, heard({"M-030": 1.0})))
    assert nowhere > 0.1 > 0.01 > somewhere


def test_without_sound_all_places_are_the_same() -> None:
    shares = arrivals(np.zeros((2, RATE), np.float32), RATE, ear_patterns(head()))
    assert shares == pytest.approx(1 / (PLACES + 1))


def test_patterns_are_the_normalised_coherence_of_the_responses() -> None:
    patterns, responses = ear_patterns(head()), head().responses(LAYOUT)
    assert patterns.shape == (PLACES, 4, WINDOW // 2 + 1)
    assert patterns[:, :2].sum(axis=1) == pytest.approx(1, abs=1e-5)
    left, right = np.fft.rfft(responses[4], WINDOW)
    cross = 2 * left * right.conj() / (np.abs(left) ** 2 + np.abs(right) ** 2)
    assert patterns[4, 2] + 1j * patterns[4, 3] == pytest.approx(cross, abs=1e-4)
    middle = np.fft.rfft(responses[place("M+030")] + responses[place("M-030")], WINDOW)
    power = np.abs(middle) ** 2
    assert patterns[place("M+030", "M-030"), 0] == pytest.approx(power[0] / power.sum(axis=0), abs=1e-4)


def test_all_bins_between_the_ends_are_in_one_band() -> None:
    bands = _bands(RATE)
    assert len(bands) == BANDS
    assert all(one.stop == other.start for one, other in pairwise(bands))
    spacing = RATE / WINDOW
    assert (bands[0].start - 1) * spacing < LOWEST <= bands[0].start * spacing
    assert (bands[-1].stop - 1) * spacing < HIGHEST <= bands[-1].stop * spacing


def test_what_is_noted_is_read_again_and_what_is_not_is_named(tmp_path: Path) -> None:
    pictures, shares = tmp_path / "pictures", np.random.default_rng(0).dirichlet(np.ones(PLACES + 1), BANDS)
    paths = ["100/a.png", "514/b.png", "514/c.png"]
    for path in paths[:2]:
        file = arrivals_file(pictures, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(as_bytes(shares))
    assert arrivals_file(pictures, paths[0]) == tmp_path / "arrivals" / "100" / "a.npy"
    assert read_arrivals(pictures, paths[:2])[1] == pytest.approx(shares, rel=2e-3)
    arrivals_file(pictures, paths[1]).write_bytes(as_bytes(shares)[:300])
    with pytest.raises(RunError, match=r"arrivals/514/b\.npy \(and 1 more\): what the known head makes"):
        read_arrivals(pictures, paths)


def test_render_layouts_of_an_upper_loudspeaker_is_told_from_one_at_ear_level() -> None:
    """What all this is for: the same programme in 5.1 has nothing above, in 5.1.4 it has."""
    noise = np.random.default_rng(4).standard_normal(RATE).astype(np.float32) * 0.1
    scene = Scene("above", RATE, (resting(noise, (30.0, 30.0), "noise"),))
    ears = render_layouts(scene, find_layouts(["510", "514"]), [head()])
    above = [place(name) for name in ("U+030", "U-030", "U+110", "U-110")]
    flat, high = (
        arrivals(ears[code, head().name], RATE, ear_patterns(head()))[HIGH][:, above].sum(axis=1).mean()
        for code in ("510", "514")
    )
    assert flat < 0.1
    assert high > 0.5
