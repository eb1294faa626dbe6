"""A second opinion on the second step of a verdict: a Swin's logits and the pictures in, logits out.

A Swin sees a picture whole and learns slowly; a small network on pooled cues learns from many programmes in minutes,
and on heads never heard it is the better one (docs/cue_experiments.md). The Swin alone says how probable each family
of layouts is; how that divides among the layouts which the network knows, both say, with equal weight. The network is
a file beside the weights; without it a model is its Swin alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spatial_swin.audio.tiles import TileMap
from spatial_swin.data.pooled_rows import both_ways_round, pooled_rows
from spatial_swin.errors import RunError
from spatial_swin.evaluation.steps import SECOND_STEP, with_second_opinion
from spatial_swin.modeling.pooled_network import PooledNetwork


@dataclass(frozen=True)
class SecondStep:
    """network: says which of its layouts; class_names: of the Swin's logits; tiles: of the pictures."""

    network: PooledNetwork
    class_names: Sequence[str]
    tiles: TileMap

    def decide(self, logits: np.ndarray, pixels: torch.Tensor) -> np.ndarray:
        """Logits float64 [B, K] of pictures uint8 [B, 3, S, S]: those of the Swin, with the network's opinion.

        The network's probabilities are the mean of both ways round.
        """
        shares = self.network.shares(both_ways_round(pixels.cpu(), self.tiles))
        return with_second_opinion(logits, shares, [self.class_names.index(name) for name in self.network.layouts])


def read_second_step(
    folder: Path, class_names: Sequence[str], tiles: TileMap | None, image_size: int
) -> SecondStep | None:
    """The second step of the model in `folder` for pictures of `image_size` pixels, None for one that has none.

    Raises:
        RunError: the file is damaged, or is not of this model.
    """
    file = folder / SECOND_STEP
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
    return SecondStep(network, class_names, tiles)
