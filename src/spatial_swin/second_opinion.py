"""A second opinion on every answer: a Swin's logits and the pictures in, logits out.

A Swin sees a picture whole and learns slowly; a small network on pooled cues learns from many programmes in minutes.
On heads and in rooms never heard it is the better one, on songs the Swin is, and both together are right more often
(docs/cue_experiments.md). How much the network has to say, between the layouts that it knows, its file tells. The file
lies beside the weights; without it a model is its Swin alone.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spatial_swin.audio.tiles import TileMap
from spatial_swin.data.pictures import read_pixels
from spatial_swin.data.pooled_rows import both_ways_round, in_views, pooled_rows
from spatial_swin.errors import RunError
from spatial_swin.evaluation.calibration import SMALLEST, softmax
from spatial_swin.evaluation.opinions import SECOND_OPINION, with_second_opinion
from spatial_swin.modeling.pooled_network import PooledNetwork
from spatial_swin.modeling.small_training import train

# Of learning more, chosen by CIPIC 009 and 044 (docs/adapt.md).
VIEWS, EPOCHS, RATE, BATCH = 4, 30, 1e-3, 64
SAY = 0.7  # of the second opinion that has learnt heads, beside a Swin that has
LEARNT = 0.7  # of that say: of what has learnt them; the rest is of what it was before


@dataclass(frozen=True)
class SecondOpinion:
    """network: says which of its layouts; class_names: of the Swin's logits; tiles: of the pictures."""

    network: PooledNetwork
    class_names: Sequence[str]
    tiles: TileMap

    @property
    def hears_dry(self) -> bool:
        """Whether it wants to see the pictures of sound with its late reverberation taken away as well."""
        return self.network.dry > 0

    def decide(self, logits: np.ndarray, pixels: torch.Tensor, dry: torch.Tensor | None = None) -> np.ndarray:
        """Logits float64 [B, K] of pictures uint8 [B, 3, S, S]: those of the Swin, with the network's opinion.

        The network's probabilities are the mean of both ways round. dry: the pictures of the same sound with its late
        reverberation taken away, where there is sound; what the network says of either is averaged as its file tells.
        """
        shares = self._shares(pixels)
        if dry is not None:
            every = range(shares.shape[1])
            shares = softmax(with_second_opinion(np.log(shares), self._shares(dry), every, self.network.dry))
        at = [self.class_names.index(name) for name in self.network.layouts]
        return with_second_opinion(logits, shares, at, self.network.say)

    def _shares(self, pixels: torch.Tensor) -> np.ndarray:
        """What the network alone says, float64 [B, number of its layouts], above 0."""
        return np.maximum(self.network.shares(both_ways_round(pixels.cpu(), self.tiles)), SMALLEST)


def read_second_opinion(
    folder: Path, class_names: Sequence[str], tiles: TileMap | None, image_size: int
) -> SecondOpinion | None:
    """The second opinion on the model in `folder` for pictures of `image_size` pixels, None for one that has none.

    Raises:
        RunError: the file is damaged, or is not of this model.
    """
    file = folder / SECOND_OPINION
    if not file.is_file():
        return None
    from safetensors import SafetensorError

    try:
        network = PooledNetwork.read(file)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{file}: damaged or of another version ({reason}); copy the model's folder again") from None
    if unknown := sorted(set(network.layouts) - set(class_names)):
        raise RunError(f"{file}: answers {', '.join(unknown)}, which the model does not know; it is of another model")
    if tiles is None:
        raise RunError(f"{file}: it needs to know where the cues lie, and there is no tiles.json beside it")
    count = pooled_rows(torch.zeros(1, 1, image_size, image_size, dtype=torch.uint8), tiles).shape[1]
    if len(network.mean) != count:
        raise RunError(f"{file}: reads {len(network.mean)} numbers of a picture, this model's have {count}")
    return SecondOpinion(network, class_names, tiles)


def learn_more(
    opinion: SecondOpinion, paths: Sequence[Path], labels: Sequence[str], image_size: int, seed: int
) -> PooledNetwork:
    """The network when it has learnt these pictures too, beside a Swin that has; `opinion` keeps its own.

    What it was before keeps a part of the say, so that music is not forgotten over synthetic programmes. Pictures with
    a label that it does not know are left out. The same seed gives the same network.
    """
    network = copy.deepcopy(opinion.network)
    network.say, network.dry = SAY, 0.0  # it learns pictures as they are
    known = [path for path, label in zip(paths, labels, strict=True) if label in network.layouts]
    answers = torch.tensor([network.layouts.index(label) for label in labels if label in network.layouts])
    if len(known) < 2:  # batch normalisation needs two
        return network
    parts = []
    for at in range(0, len(known), BATCH):
        pixels = torch.stack([read_pixels(path, image_size) for path in known[at : at + BATCH]])
        parts.append(in_views(pixels, range(at, at + len(pixels)), opinion.tiles, VIEWS))
    seen = torch.cat(parts, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        train(network, lambda chosen: seen[torch.randint(VIEWS, chosen.shape), chosen], answers, EPOCHS, RATE, BATCH)
        return network.blended(opinion.network, LEARNT)  # making a network draws, too
