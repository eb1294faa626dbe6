"""A small network on pooled cues: features of a mosaic in, logits of a few layouts out.

Two hidden layers, made to be trained in minutes on many more programmes than a Swin can see. It is kept in one file,
with the names of its layouts and the version of its features. It reads no picture.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spatial_swin import files

WIDTH, DROPOUT, DROPPED_INPUTS = 512, 0.5, 0.2
EQUAL_SAY = 0.5
HIDDEN = "layers.5"  # of the tensors of the second hidden layer
LAST = "layers.9"  # of those of the last layer, which tell the width
FEATURES = 2  # version of `data.pooled_rows`: another one reads other numbers


class PooledNetwork(nn.Module):
    """Features [B, F] to logits [B, K] of `layouts`.

    mean, spread: of the features, [F], by which they are standardised. say: its share in an answer that it gives
    together with a Swin. width: of both hidden layers. dry: where it hears sound, the share in its own opinion of
    what it hears when late reverberation was taken away; at 0 it is not asked about that.
    """

    def __init__(
        self, layouts: Sequence[str], mean: Tensor, spread: Tensor, say: float = EQUAL_SAY, width: int = WIDTH
    ) -> None:
        super().__init__()
        self.layouts, self.say, self.dry = list(layouts), say, 0.0
        self.mean, self.spread = nn.Buffer(mean), nn.Buffer(spread)
        layers: list[nn.Module] = [nn.Dropout(DROPPED_INPUTS)]
        for inputs in (len(mean), width):
            layers += [nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.GELU(), nn.Dropout(DROPOUT)]
        self.layers = nn.Sequential(*layers, nn.Linear(width, len(self.layouts)))

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layers((features - self.mean) / self.spread)
        return logits

    @torch.no_grad()
    def shares(self, views: Tensor) -> np.ndarray:
        """Probabilities of the layouts, the mean over views of the same pictures: [V, B, F] -> float64 [B, K]."""
        said = [self(view.float()).double().softmax(1) for view in views]
        return torch.stack(said).mean(0).numpy()

    def blended(self, other: "PooledNetwork", share: float) -> "PooledNetwork":
        """One network that answers as both: its logits are `share` of these and the rest of those of `other`.

        It is as wide as both together, its hidden layers side by side. `other` must read the same features, by the
        same mean and spread, and know the same layouts; the say is that of this one, and it hears nothing dry.
        """
        mine, others = self.state_dict(), other.state_dict()
        same = self.layouts == other.layouts and all(torch.equal(mine[n], others[n]) for n in ("mean", "spread"))
        assert same, "networks that read and say different things are not blended"
        joined = {
            f"{HIDDEN}.weight": torch.block_diag(mine[f"{HIDDEN}.weight"], others[f"{HIDDEN}.weight"]),
            f"{LAST}.weight": torch.cat([share * mine[f"{LAST}.weight"], (1 - share) * others[f"{LAST}.weight"]], 1),
            f"{LAST}.bias": share * mine[f"{LAST}.bias"] + (1 - share) * others[f"{LAST}.bias"],
        }
        for name in mine.keys() - joined.keys():  # of the first layer and of both normalisations
            stays = mine[name].ndim == 0 or name in ("mean", "spread")
            joined[name] = mine[name] if stays else torch.cat([mine[name], others[name]])
        both = PooledNetwork(self.layouts, self.mean, self.spread, self.say, len(joined[f"{HIDDEN}.bias"]))
        both.load_state_dict(joined)
        return both.eval()

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write it, as fp16, with what `read` needs to know."""
        from safetensors.torch import save

        tensors = {
            name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
            for name, tensor in self.state_dict().items()
        }
        about = {"format": "pt", "layouts": json.dumps(self.layouts), "features": str(FEATURES)}
        about |= {"say": repr(self.say), "dry": repr(self.dry)}
        files.write_bytes(Path(file), save(tensors, about))

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> "PooledNetwork":
        """The network in float32 and eval mode, on the CPU.

        Raises OSError, ValueError, KeyError, RuntimeError or SafetensorError for a file that `save` did not write.
        """
        from safetensors import safe_open

        with safe_open(os.fspath(file), "pt") as opened:
            about = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        if about["features"] != str(FEATURES):
            raise ValueError(f"it reads features of version {about['features']}, this program makes {FEATURES}")
        layouts = json.loads(about["layouts"])
        if not isinstance(layouts, list) or len(layouts) < 2:
            raise ValueError(f"its layouts are {layouts!r}")
        say, dry = float(about["say"]), float(about.get("dry", 0))  # earlier versions did not know of it
        for name, share in (("say", say), ("dry", dry)):
            if not 0 <= share <= 1:
                raise ValueError(f"its {name} is {share:g}, which is no share")
        features, width = len(tensors["mean"]), len(tensors[f"{LAST}.weight"][0])
        network = cls(layouts, torch.zeros(features), torch.ones(features), say, width)
        network.dry = dry
        network.load_state_dict(tensors)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
            raise ValueError("its weights are not finite")
        return network.float().eval()
