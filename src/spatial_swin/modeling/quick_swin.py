"""A saved Swin that only answers, without transformers: a model's folder in, logits and pooled features out.

Importing transformers' Swin takes longer than judging a recording. This is the same network (Liu et al. 2021) as
functions of the tensors in model.safetensors, under the names that the file gives them. It never learns, downloads or
complains: a folder that is in any way unusual is left to transformers, whose reader says what is wrong with it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

WEIGHTS = "model.safetensors"
RECOMPUTED = "relative_position_index"  # older files store it too; it follows from the window
FAR = -100.0  # added to the attention between tokens that only the cyclic shift made neighbours
NORM_EPSILON = 1e-5  # of the norms that config.json has no say in: of patches and of merging


@dataclass(frozen=True)
class Geometry:
    """What config.json says of the network; sides in pixels (image, patch) and tokens (window)."""

    image: int
    patch: int
    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int
    epsilon: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Geometry":
        """Raises KeyError, TypeError or ValueError for a Swin that is built otherwise."""
        if config["hidden_act"] != "gelu" or config["use_absolute_embeddings"] or config["num_channels"] != 3:
            raise ValueError("another activation, embedding or number of channels")
        numbers = [config[key] for key in ("image_size", "patch_size", "embed_dim", "window_size")]
        if any(type(number) is not int or number < 1 for number in numbers):
            raise ValueError(f"{numbers} are not whole sides")
        image, patch, width, window = numbers
        depths, heads = tuple(config["depths"]), tuple(config["num_heads"])
        if len(heads) != len(depths) or image % (step := patch * 2 ** (len(depths) - 1)) or image // step < window:
            raise ValueError("image, patch, window and depths do not divide")
        return cls(image, patch, width, depths, heads, window, float(config["layer_norm_eps"]))


@dataclass(frozen=True)
class Answer:
    """Of B pictures: logits float32 [B, K]; pooled, the mean of the last tokens that the head reads, [B, C]."""

    logits: Tensor
    pooled: Tensor


@dataclass
class QuickSwin:
    """A Swin for classification in eval mode; weights: {name in the file: float32}."""

    geometry: Geometry
    weights: dict[str, Tensor]

    @classmethod
    def read(cls, folder: Path) -> "QuickSwin | None":
        """The model saved in `folder`, on the CPU; None when anything is not as `save_pretrained` writes it."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            geometry = Geometry.of(config)
            weights = load_file(folder / WEIGHTS)
            expected = _shapes(geometry, len(config["id2label"]), config["mlp_ratio"], config["qkv_bias"])
        except (OSError, ValueError, TypeError, KeyError, SafetensorError):
            return None
        weights = {name: tensor.float() for name, tensor in weights.items() if not name.endswith(RECOMPUTED)}
        found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        cut_off = any(folder.rglob("*.incomplete"))  # a download that has not ended
        if cut_off or found != expected or not all(tensor.isfinite().all() for tensor in weights.values()):
            return None
        return cls(geometry, weights)

    @property
    def device(self) -> torch.device:
        return self.weights["classifier.weight"].device

    def to(self, device: str | torch.device) -> "QuickSwin":
        """The same model there. Raises RuntimeError or AssertionError for a device that is not there."""
        return QuickSwin(self.geometry, {name: tensor.to(device) for name, tensor in self.weights.items()})

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Answer:
        """What it says of normalised pictures, float32 [B, 3, S, S]."""
        own, geometry = self.weights, self.geometry
        patches = "swin.embeddings.patch_embeddings.projection"
        tokens = functional.conv2d(
            pixels, own[f"{patches}.weight"], own[f"{patches}.bias"], stride=geometry.patch
        ).permute(0, 2, 3, 1)
        tokens = self._norm("swin.embeddings.norm", tokens, NORM_EPSILON)
        for stage, (depth, heads) in enumerate(zip(geometry.depths, geometry.heads, strict=True)):
            name = f"swin.encoder.layers.{stage}"
            for block in range(depth):
                tokens = self._block(f"{name}.blocks.{block}", tokens, heads, shifted=block % 2 == 1)
            if stage + 1 < len(geometry.depths):
                four = [tokens[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
                merged = self._norm(f"{name}.downsample.norm", torch.cat(four, dim=-1), NORM_EPSILON)
                tokens = functional.linear(merged, own[f"{name}.downsample.reduction.weight"])
        pooled = self._norm("swin.layernorm", tokens, geometry.epsilon).flatten(1, 2).mean(dim=1)
        return Answer(self._linear("classifier", pooled), pooled)

    def _linear(self, name: str, tokens: Tensor) -> Tensor:
        return functional.linear(tokens, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"))

    def _norm(self, name: str, tokens: Tensor, epsilon: float) -> Tensor:
        scale, shift = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.layer_norm(tokens, scale.shape, scale, shift, epsilon)

    def _block(self, name: str, tokens: Tensor, heads: int, shifted: bool) -> Tensor:
        """One block on tokens [B, H, W, C]: attention within windows, then the two layers of each token."""
        height, width = tokens.shape[1:3]
        window, epsilon = self.geometry.window, self.geometry.epsilon
        shift = window // 2 if shifted and min(height, width) > window else 0
        normed = self._norm(f"{name}.layernorm_before", tokens, epsilon)
        padded = functional.pad(normed, (0, 0, 0, -width % window, 0, -height % window))
        sides = padded.shape[1:3]
        bias = _by_distance(self.weights[f"{name}.attention.self.relative_position_bias_table"], window)
        if shift:
            padded = padded.roll((-shift, -shift), (1, 2))
            bias = (bias + _apart(sides, window, shift, tokens.device)).repeat(len(tokens), 1, 1, 1)
        attended = self._attention(name, _windows(padded, window), heads, bias)
        whole = _unwindowed(attended, window, sides).roll((shift, shift), (1, 2))
        tokens = tokens + whole[:, :height, :width]
        hidden = self._linear(f"{name}.intermediate.dense", self._norm(f"{name}.layernorm_after", tokens, epsilon))
        return tokens + self._linear(f"{name}.output.dense", functional.gelu(hidden))

    def _attention(self, name: str, tokens: Tensor, heads: int, bias: Tensor) -> Tensor:
        """Tokens [B * windows, L, C] that attended to those of their window; bias broadcasts to [.., heads, L, L]."""
        query, key, value = (
            self._linear(f"{name}.attention.self.{part}", tokens).unflatten(2, (heads, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self._linear(f"{name}.attention.output.dense", mixed.transpose(1, 2).flatten(2))


def _windows(tokens: Tensor, window: int) -> Tensor:
    """[B, H, W, C] -> [B * windows, L, C], row by row; L is the window's area."""
    rows = tokens.unflatten(2, (-1, window)).unflatten(1, (-1, window))
    return rows.transpose(2, 3).reshape(-1, window * window, tokens.shape[3])


def _unwindowed(tokens: Tensor, window: int, sides: Sequence[int]) -> Tensor:
    """What `_windows` took apart, put together again: [B, H, W, C]."""
    height, width = sides
    grid = tokens.reshape(-1, height // window, width // window, window, window, tokens.shape[2])
    return grid.transpose(2, 3).reshape(-1, height, width, tokens.shape[2])


def _by_distance(table: Tensor, window: int) -> Tensor:
    """The learnt bias between the tokens of a window, [1, heads, L, L], from [(2 window - 1)^2, heads]."""
    place = torch.arange(window, device=table.device)
    apart = place[:, None] - place + window - 1  # along one axis, 0 .. 2 window - 2
    index = apart[:, None, :, None] * (2 * window - 1) + apart[None, :, None, :]
    return table[index.flatten()].view(window**2, window**2, -1).permute(2, 0, 1)[None]


def _apart(sides: Sequence[int], window: int, shift: int, device: torch.device) -> Tensor:
    """FAR between tokens of a shifted window that come from opposite borders, else 0: [windows, 1, L, L]."""
    region = [
        (place >= side - window).int() + (place >= side - shift).int()
        for side in sides
        for place in [torch.arange(side, device=device)]
    ]
    regions = _windows((region[0][:, None] * 3 + region[1])[None, :, :, None], window)[..., 0]
    return (regions[:, None, :] != regions[:, :, None]).float()[:, None] * FAR


def _shapes(geometry: Geometry, classes: int, widening: float, qkv_bias: bool) -> dict[str, tuple[int, ...]]:
    """The tensors that such a model has, by their names in its file."""
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, given: int, wanted: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (wanted, given)
        shapes.update({f"{name}.bias": (wanted,)} if bias else {})

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.weight": (width,), f"{name}.bias": (width,)})

    width, last = geometry.width, len(geometry.depths) - 1
    shapes["swin.embeddings.patch_embeddings.projection.weight"] = (width, 3, geometry.patch, geometry.patch)
    shapes["swin.embeddings.patch_embeddings.projection.bias"] = (width,)
    norm("swin.embeddings.norm", width)
    for stage, depth in enumerate(geometry.depths):
        for block in range(depth):
            name = f"swin.encoder.layers.{stage}.blocks.{block}"
            norm(f"{name}.layernorm_before", width)
            norm(f"{name}.layernorm_after", width)
            for part in ("query", "key", "value"):
                linear(f"{name}.attention.self.{part}", width, width, qkv_bias)
            table = (2 * geometry.window - 1) ** 2, geometry.heads[stage]
            shapes[f"{name}.attention.self.relative_position_bias_table"] = table
            linear(f"{name}.attention.output.dense", width, width)
            linear(f"{name}.intermediate.dense", width, int(widening * width))
            linear(f"{name}.output.dense", int(widening * width), width)
        if stage < last:
            norm(f"swin.encoder.layers.{stage}.downsample.norm", 4 * width)
            linear(f"swin.encoder.layers.{stage}.downsample.reduction", 4 * width, 2 * width, bias=False)
            width *= 2
    norm("swin.layernorm", width)
    linear("classifier", width, classes)
    return shapes
