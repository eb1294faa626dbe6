"""Where sound comes from, for a head that is known: in every band, the shares of the loudspeakers.

In go binaural sound and what the head does to sound from every place (`ear_patterns`), out come shares [BANDS, K + 1]
of K places and of sound that fits none. A place is a loudspeaker of 5.1.4, or the middle between two neighbours that
play the same. Sound from one place has one ratio between the ears at each frequency, whatever the sound is, and the
ratios differ most where the pinna works; so 5.1 and 5.1.4 are told apart by whether places above are needed.

Each band is a mixture of complex angular central Gaussian distributions, one a place and one that is uniform, whose
weights are fitted by expectation maximisation (Ito, Araki and Nakatani 2016, EUSIPCO); the distributions themselves
are given by the head. How far a point of the spectrum is from a place is a sum of four products, for it depends on
the powers of the ears and their cross spectrum alone. It knows no picture, no network and no layout's label.
"""

from functools import lru_cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from spatial_swin.audio.manifest import arrivals_file
from spatial_swin.audio.spectra import ear_spectra, erb_edges
from spatial_swin.errors import RunError
from spatial_swin.layouts import LAYOUTS

if TYPE_CHECKING:  # it reads SOFA files, which who only judges need not wait for
    from spatial_swin.audio.hrtf import Listener

VERSION = 1  # of what is computed here: a model that learnt from another one reads other numbers
LAYOUT = LAYOUTS["514"]
BETWEEN = (  # pairs of neighbours; a source that is panned to their middle is a place of its own
    ("M+030", "M+000"),
    ("M+000", "M-030"),
    ("M+030", "M-030"),
    ("M+030", "M+110"),
    ("M-030", "M-110"),
    ("M+110", "M-110"),
    ("U+030", "U-030"),
    ("U+030", "U+110"),
    ("U-030", "U-110"),
    ("U+110", "U-110"),
    ("M+030", "U+030"),
    ("M-030", "U-030"),
    ("M+110", "U+110"),
    ("M-110", "U-110"),
)
PLACES = len(LAYOUT.placed) + len(BETWEEN)
WINDOW, HOP = 4096, 2048  # samples
BANDS, LOWEST, HIGHEST = 24, 150.0, 16_000.0  # Hz; equal steps on the ERB scale
SPREAD = 0.05  # of the pattern of a place: reflections, neighbours, what is not measured
STEPS = 8  # of expectation maximisation; more change little
QUIET = 1e-5  # of the loudest power in a band; what is softer has no say
LOUDNESS = 0.25  # power of the power by which a point counts


@lru_cache(maxsize=64)  # once for every listener of a process
def ear_patterns(listener: "Listener") -> np.ndarray:
    """What reaches the ears from every place: float32 [PLACES, 4, WINDOW / 2 + 1].

    The power of the left ear and of the right one, which sum to 1, and twice the real and the imaginary part of their
    cross spectrum X_L X_R*. The spectrum of a response cannot be had back from them: they tell how the ears differ. Of
    responses longer than a window its first part is taken.

    Raises AudioError when a loudspeaker has no direction.
    """
    spectra = np.fft.rfft(listener.responses(LAYOUT), WINDOW, axis=-1)
    names = [speaker.name for speaker in LAYOUT.placed]
    middles = [spectra[names.index(one)] + spectra[names.index(other)] for one, other in BETWEEN]
    left, right = np.concatenate([spectra, np.stack(middles)]).swapaxes(0, 1)
    cross = 2 * left * right.conj()
    patterns = np.stack([np.abs(left) ** 2, np.abs(right) ** 2, cross.real, cross.imag], axis=1)
    result: np.ndarray = (patterns / np.maximum(patterns[:, :2].sum(axis=1, keepdims=True), 1e-20)).astype(np.float32)
    return result


@torch.no_grad()
def arrivals(sound: np.ndarray, sample_rate: int, patterns: np.ndarray) -> np.ndarray:
    """Shares float32 [BANDS, PLACES + 1] of binaural sound [2, N] heard by the head of `patterns`; rows sum to 1.

    The last is of sound that fits no place. N must exceed WINDOW / 2. A band without sound has equal shares.
    """
    ears = torch.from_numpy(np.ascontiguousarray(sound, np.float32))[None]
    stack = ear_spectra(ears, sample_rate, WINDOW, HOP, HIGHEST).stack[0].permute(2, 0, 1)  # [F, 4, T]
    places = torch.from_numpy(patterns).permute(2, 0, 1)  # [F, K, 4]
    return torch.stack([_shares(places[band], stack[band]) for band in _bands(sample_rate)]).numpy()


def _shares(places: Tensor, points: Tensor) -> Tensor:
    """Weights [K + 1] of the places in a band: patterns [F, K, 4] and spectra of the ears [F, 4, T]."""
    power = points[:, :1] + points[:, 1:2]  # [F, 1, T]
    alike = places @ (points / power.clamp(min=1e-20))  # |h^H x|^2 of unit vectors: [F, K, T]
    likelihoods = (SPREAD * (1 + SPREAD) / (1 + SPREAD - alike.clamp_(0, 1)) ** 2).permute(1, 0, 2).flatten(1)
    likelihoods = torch.cat([likelihoods, torch.ones(1, likelihoods.shape[1])])  # the last is uniform
    power = power.flatten()
    say = torch.where(power > power.max() * QUIET, power**LOUDNESS, 0.0)
    weights = torch.full((len(likelihoods),), 1 / len(likelihoods))
    if not say.any():
        return weights
    say = say / say.sum()
    for _ in range(STEPS):
        weights = weights * (likelihoods @ (say / (weights @ likelihoods)))
    return weights


@lru_cache(maxsize=4)
def _bands(sample_rate: int) -> tuple[slice, ...]:
    """The bins of every band, at least one."""
    edges = erb_edges(LOWEST, HIGHEST, BANDS) * WINDOW / sample_rate
    bins = np.ceil(edges.numpy()).astype(int)
    return tuple(slice(int(first), int(max(end, first + 1))) for first, end in pairwise(bins))


def as_bytes(shares: np.ndarray) -> bytes:
    """What such a file holds: shares as float16, which are sure to a thousandth of themselves."""
    content = BytesIO()
    np.save(content, shares.astype(np.float16))
    return content.getvalue()


def read_arrivals(pictures: Path, paths: list[str]) -> np.ndarray:
    """The noted arrivals of pictures, float32 [N, BANDS, PLACES + 1].

    Raises RunError naming the first that is missing or damaged, and how many are.
    """
    found, wrong = [], []
    for path in paths:
        file = arrivals_file(pictures, path)
        try:
            shares = np.load(file)
        except (OSError, ValueError, EOFError):
            shares = np.zeros(0)
        if shares.shape != (BANDS, PLACES + 1):
            wrong.append(file)
        found.append(shares)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise RunError(
            f"{wrong[0]}{more}: what the known head makes of the sound is not noted there; adapt again with "
            "--overwrite true"
        )
    return np.stack(found).astype(np.float32)
