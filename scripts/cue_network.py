"""A small network on band spectra that is made to forget the head, for `cue_experiments.py`.

In go band spectra [N, 4, BANDS, COLUMNS] of `cue_features`, out come probabilities. Levels are relative to the
recording's own mean a band, so that no constant colour is seen; in training every recording gets another colour of
the ears, moves along the bands as with a larger or smaller head, loses a few bands, and has its ears exchanged. Frames
are a set with a little context: mean, spread and maximum over time are what the last layers see.
"""

import numpy as np
import torch
from cue_features import BANDS, cells_of
from torch import Tensor, nn

from spatial_swin.modeling.small_training import train

WIDTH = 96
COLOUR_DB, GAIN_DB = 1.5, 0.6  # SD of the ILD's smooth change, and of its constant one
SHIFT = 1.0  # bands; a head 12 % larger or smaller
KNOTS = 8  # of a smooth change


def network_input(bands: np.ndarray) -> Tensor:
    """ILD / 10 dB, cross spectrum, level over the recording's mean / 15 dB: float32 [N, 4, BANDS, COLUMNS]."""
    c = cells_of(bands)
    level = np.maximum(c.level, c.level.max((1, 2), keepdims=True) - 60)
    level = (level - level.mean(-1, keepdims=True)) / 15
    return torch.from_numpy(np.stack([c.ild * c.audible / 10, c.real * c.audible, c.imag * c.audible, level], 1))


def swapped(x: Tensor) -> Tensor:
    """The same recordings with the ears exchanged."""
    return x * torch.tensor([-1.0, 1.0, -1.0, 1.0])[:, None, None]


def as_other_heads(x: Tensor) -> Tensor:
    """Recordings [N, 4, BANDS, COLUMNS] as somewhat other heads, microphones and ears might have given them."""
    count, _, bands, _ = x.shape
    x = torch.where((torch.rand(count) < 0.5)[:, None, None, None], swapped(x), x)
    knots = torch.randn(count, 1, KNOTS) * COLOUR_DB
    smooth = nn.functional.interpolate(knots, bands, mode="linear", align_corners=True)
    colour = smooth[:, 0] * torch.linspace(0.3, 1.3, bands) + torch.randn(count, 1) * GAIN_DB
    ild = x[:, 0] + colour[..., None] / 10 * (x[:, 0] != 0)
    x = torch.cat([ild[:, None], x[:, 1:]], 1)
    position = (torch.arange(bands) + (2 * torch.rand(count, 1) - 1) * SHIFT).clamp(0, bands - 1)
    below = position.floor().long().clamp(max=bands - 2)
    share = (position - below)[:, None, :, None]
    below = below[:, None, :, None].expand_as(x)
    x = torch.gather(x, 2, below) * (1 - share) + torch.gather(x, 2, below + 1) * share
    for number in torch.nonzero(torch.rand(count) < 0.5).flatten():
        width = int(torch.randint(2, 9, ()))
        first = int(torch.randint(0, bands - width, ()))
        x[number, :, first : first + width] = 0
    return x


class SetNetwork(nn.Module):
    """Three convolutions over time, three statistics of it, two layers."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels, kernel in ((4 * BANDS, 3), (WIDTH, 3), (WIDTH, 1)):
            layers += [nn.Conv1d(channels, WIDTH, kernel, padding=kernel // 2), nn.BatchNorm1d(WIDTH), nn.GELU()]
        self.frames = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(3 * WIDTH, WIDTH), nn.GELU(), nn.Dropout(0.3), nn.Linear(WIDTH, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        z = self.frames(x.flatten(1, 2))
        return self.head(torch.cat([z.mean(-1), z.std(-1), z.amax(-1)], 1))


def fit(bands: np.ndarray, labels: np.ndarray, epochs: int, seed: int, batch: int = 32) -> SetNetwork:
    """A network trained on band spectra and labels int [N]; the same seed gives the same network."""
    torch.manual_seed(seed)
    x, y = network_input(bands), torch.as_tensor(labels)
    network = SetNetwork(int(y.max()) + 1)
    train(network, lambda chosen: as_other_heads(x[chosen]), y, epochs, 2e-3, batch)
    return network


@torch.no_grad()
def probabilities(network: SetNetwork, bands: np.ndarray) -> np.ndarray:
    """float64 [N, K], the mean of both ways round."""
    x = network_input(bands)
    parts = [(network(p).softmax(1) + network(swapped(p)).softmax(1)) / 2 for p in x.split(128)]
    return torch.cat(parts).double().numpy()
