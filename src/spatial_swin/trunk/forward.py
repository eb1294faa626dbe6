"""The frozen trunk as a function, and the rest of the model after it.

In go normalised pixels, out comes what the stages below the lowest learning one make of them; and from there on the
logits. Both call transformers' own modules, in its order: together they are `model.forward`, bit for bit. The model
stays an ordinary Swin, which saves, loads and predicts as any other.
"""

import hashlib
from types import MethodType
from typing import Any

import torch
from transformers.models.swin.modeling_swin import SwinImageClassifierOutput

from spatial_swin.config import ModelArguments
from spatial_swin.modeling import swin
from spatial_swin.modeling.swin import Swin

ALL_FROZEN = 5  # the cut of a model whose four stages all stay frozen: only pooling's result is needed


def cut_stage(arguments: ModelArguments) -> int:
    """The lowest stage that ever learns, where the trunk ends; ALL_FROZEN when only the head learns."""
    return min(swin.learning_stages(arguments, phase=2), default=ALL_FROZEN)


def trunk_output(model: Swin, pixels: torch.Tensor, cut: int) -> torch.Tensor:
    """Normalised pixels [B, 3, S, S] -> what stage `cut` receives, [B, L, C]; for ALL_FROZEN the head's input [B, C].

    The frozen stages must be in eval mode (`swin.rest_frozen`), or stochastic depth is drawn.
    """
    hidden, grid = model.swin.embeddings(pixels)
    hidden = _through(model, hidden, grid, 1, min(cut, ALL_FROZEN))
    return _pooled(model, hidden) if cut == ALL_FROZEN else hidden


def from_trunk(model: Swin, hidden: torch.Tensor, cut: int) -> torch.Tensor:
    """What `trunk_output` gave -> logits [B, K]."""
    if cut != ALL_FROZEN:
        hidden = _pooled(model, _through(model, hidden, grid_at(model, cut), cut, ALL_FROZEN))
    return model.classifier(hidden)


def _through(model: Swin, hidden: torch.Tensor, grid: tuple[int, int], first: int, end: int) -> torch.Tensor:
    """Through stages first .. end - 1, as SwinEncoder's forward goes."""
    for layer in list(model.swin.encoder.layers)[first - 1 : end - 1]:
        hidden = layer(hidden, grid)[0]
        if layer.downsample is not None:
            grid = _halved(grid)
    return hidden


def _pooled(model: Swin, hidden: torch.Tensor) -> torch.Tensor:
    assert model.swin.pooler is not None, "a classifier pools"
    return torch.flatten(model.swin.pooler(model.swin.layernorm(hidden).transpose(1, 2)), 1)


def _halved(grid: tuple[int, int]) -> tuple[int, int]:
    return (grid[0] + 1) // 2, (grid[1] + 1) // 2


def grid_at(model: Swin, stage: int) -> tuple[int, int]:
    """Rows and columns of tokens that `stage` receives."""
    grid = tuple(model.swin.embeddings.patch_grid)
    for _ in range(stage - 1):
        grid = _halved(grid)
    return grid


def accept_trunk(model: Swin, cut: int, computed: torch.dtype) -> None:
    """Let `model(trunk=...)` begin at stage `cut`; `model(pixel_values=...)` stays what it was.

    On the instance, before accelerate and DDP wrap it, so that precision and gradients are theirs as ever.

    Args:
        computed: the precision the trunk gave its output in; what is stored otherwise is turned back into it.
    """
    ordinary = type(model).forward

    def forward(
        self: Swin, pixel_values: torch.Tensor | None = None, trunk: torch.Tensor | None = None, **named: Any
    ) -> Any:
        if trunk is None:
            return ordinary(self, pixel_values, **named)
        return SwinImageClassifierOutput(logits=from_trunk(self, trunk.to(computed), cut))

    model.forward = MethodType(forward, model)


def trunk_fingerprint(model: Swin, cut: int) -> str:
    """SHA-256 of every weight the trunk's output depends on, by name, shape and bytes."""
    digest = hashlib.sha256()
    for number, modules in sorted(swin.stages(model).items()):
        if number >= cut:
            break
        for module in modules:
            for name, tensor in sorted(module.state_dict().items()):
                digest.update(f"{number} {name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
                digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def trunk_config(model: Swin) -> dict[str, Any]:
    """What the trunk's output depends on beside its weights."""
    config = model.config
    names = (
        "image_size",
        "patch_size",
        "num_channels",
        "embed_dim",
        "depths",
        "num_heads",
        "window_size",
        "mlp_ratio",
        "qkv_bias",
        "hidden_act",
        "use_absolute_embeddings",
        "layer_norm_eps",
    )
    return {**{name: getattr(config, name) for name in names}, "attention": config._attn_implementation}
