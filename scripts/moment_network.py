"""A network on the cues moment by moment beside a finished model: it won on people, and not in other laboratories.

    python scripts/moment_network.py --learn clean spoilt --judge people elsewhere --beside RUN --output_dir OUT

--learn and --judge are folders that `spatial-swin render` wrote. All rows of all tiles with time are the channels of
three convolutions over the moments of a recording; mean, spread and the moments that a few attentive eyes pick are
what is left of it (the statistics pooling of x-vectors: Snyder et al., ICASSP 2018; Okabe et al., Interspeech 2018).
In training a picture is seen in --views views, by the package's own augmentation, and a batch in an excerpt; when
judging, both ways round are averaged. Judged are RUN as it answers, and both with a say of each of --says of the
network, 1 being the network alone. Prints what pooled_network.py prints. It keeps the views of all pictures in
memory: 30 kB each, 6 GB for the material of the detector. What came out is in docs/cue_experiments.md.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooled_network
import torch
from torch import Tensor, nn

from spatial_swin import files
from spatial_swin.audio.manifest import MANIFEST, PICTURES, read_rows
from spatial_swin.audio.tiles import TileMap
from spatial_swin.data.augment_sound import augment_sound, scaled_tiles
from spatial_swin.data.pictures import read_pixels
from spatial_swin.data.pooled_rows import LEARNING, SWAPPED
from spatial_swin.evaluation.calibration import SMALLEST
from spatial_swin.evaluation.opinions import with_second_opinion
from spatial_swin.modeling.small_training import train
from spatial_swin.prediction.predictor import load_predictor
from spatial_swin.shipped import locate_model

CHANNELS, WIDTH, EYES = 160, 192, 4
DROPPED_ROWS, DROPOUT = 0.1, 0.4
MIDDLE, UNIT = 128.0, 40.0  # of grey levels
SHORTEST = 0.6  # of the recording: what a batch shows at least
AT_ONCE = 256


class MomentNetwork(nn.Module):
    """Rows of all cues, grey levels [B, R, T] at T moments, to logits [B, K]. rows: R."""

    def __init__(self, rows: int, labels: int) -> None:
        super().__init__()
        self.levels = nn.Sequential(nn.BatchNorm1d(rows), nn.Dropout(DROPPED_ROWS))
        self.moment = nn.Sequential(nn.Conv1d(rows, CHANNELS, 1), nn.BatchNorm1d(CHANNELS), nn.GELU())
        self.near = nn.Sequential(nn.Conv1d(CHANNELS, CHANNELS, 5, 2, 2), nn.BatchNorm1d(CHANNELS), nn.GELU())
        self.far = nn.Sequential(nn.Conv1d(CHANNELS, CHANNELS, 3, padding=1), nn.BatchNorm1d(CHANNELS), nn.GELU())
        self.eyes = nn.Conv1d(CHANNELS, EYES, 1)
        self.hidden = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(CHANNELS * (2 + EYES), WIDTH))
        self.last = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(WIDTH, labels))

    def forward(self, moments: Tensor) -> Tensor:
        short = self.training and torch.cpu._is_avx512_bf16_supported()  # a training in half the time
        with torch.autocast("cpu", torch.bfloat16, short):
            seen = self.near(self.moment(self.levels((moments.float() - MIDDLE) / UNIT)))
            seen = seen + self.far(seen)
            picked = torch.einsum("bct,bet->bce", seen, self.eyes(seen).softmax(2)).flatten(1)
            spread = (seen.var(2, correction=0) + 1e-4).sqrt()
            logits: Tensor = self.last(self.hidden(torch.cat([seen.mean(2), spread, picked], 1)))
        return logits.float()


def moments(pixels: Tensor, tiles: TileMap) -> Tensor:
    """Mosaics uint8 [B, C, S, S], of which the first channel is read: uint8 [B, R, T]."""
    timed = [tile for tile in scaled_tiles(tiles, pixels.shape[-1]) if tile.horizontal == "time"]
    return torch.cat([pixels[:, 0, tile.rows, tile.columns] for tile in timed], 1)


@dataclass(frozen=True)
class Batch(pooled_network.Batch):
    """Its features are the moments, uint8 [views, B, R, T]."""

    def features(self, views: int | None) -> np.ndarray:
        size = self.tiles.size[0]
        pixels = torch.stack([read_pixels(self.folder / PICTURES / row.path, size) for row in self.rows])[:, :1]
        keys = range(self.start, self.start + len(self.rows))
        if views is None:
            seen = [pixels, augment_sound(pixels, range(len(pixels)), 0, 0, SWAPPED, self.tiles)]
        else:
            seen = [augment_sound(pixels, keys, view, 0, LEARNING, self.tiles) for view in range(views)]
        return torch.stack([moments(one, self.tiles) for one in seen]).numpy()


def fit(learn: pooled_network.Pictures, epochs: int, seed: int) -> MomentNetwork:
    """A network for all layouts; the same seed gives the same one. A batch is an excerpt of its recordings."""
    torch.manual_seed(seed)
    seen = torch.from_numpy(learn.features)
    views, _, rows, count = seen.shape

    def excerpts(chosen: Tensor) -> Tensor:
        length = int(torch.randint(round(SHORTEST * count), count + 1, ()))
        begin = int(torch.randint(count - length + 1, ()))
        return seen[torch.randint(views, chosen.shape), chosen][..., begin : begin + length]

    network = MomentNetwork(rows, len(pooled_network.CLASSES))
    train(network, excerpts, torch.from_numpy(learn.labels), epochs, pooled_network.RATE, pooled_network.BATCH)
    return network


@torch.no_grad()
def shares(network: MomentNetwork, views: np.ndarray) -> np.ndarray:
    """Probabilities, the mean over views of the same pictures: uint8 [V, N, R, T] -> float64 [N, K]."""
    parts = torch.from_numpy(views).split(AT_ONCE, dim=1)
    return torch.cat([torch.stack([network(v).double().softmax(1) for v in part]).mean(0) for part in parts]).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learn", nargs="+", type=Path, required=True, help="folders to learn from")
    parser.add_argument("--judge", nargs="+", type=Path, required=True, help="folders to be judged on")
    parser.add_argument("--beside", metavar="RUN", required=True, help="a finished model, or detector")
    parser.add_argument("--says", nargs="+", type=float, default=[0.3, 0.4, 0.5, 1.0], help="of the network")
    parser.add_argument("--seed", type=int, default=44)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--views", type=int, default=3, help="views of every picture to learn from (3)")
    parser.add_argument("--output_dir", type=Path, required=True)
    options = parser.parse_args()
    judged = [str(folder) for folder in options.judge for _ in read_rows(folder / PICTURES / MANIFEST)]
    alone = pooled_network.by_model(load_predictor(locate_model(options.beside)), options.judge)
    learn = pooled_network.read(options.learn, pooled_network.CLASSES, options.views, Batch)
    test = pooled_network.read(options.judge, pooled_network.CLASSES, None, Batch)
    own = shares(fit(learn, options.epochs, options.seed), test.features)
    judges, logits, every = {options.beside: alone}, np.log(np.maximum(alone, SMALLEST)), range(own.shape[1])
    for say in options.says:
        judges[f"with a say of {say:g}"] = np.exp(with_second_opinion(logits, own, every, say))
    results = pooled_network.show(test, judged, judges)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    files.write_json(options.output_dir / "results.json", {"learnt_from": len(learn.labels), "parts": results})


if __name__ == "__main__":
    main()
