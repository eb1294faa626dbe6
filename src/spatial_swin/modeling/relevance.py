"""Attention relevance of a Swin: how much of the pooled tokens can have come from each patch, by attention alone.

A model and normalised pictures go in, one map on the patch grid per picture comes out, non-negative and summing to 1.
This is attention rollout (Abnar & Zuidema 2020) written for Swin: a row vector that says how much every token matters
starts at 1/T on the T tokens the model pools, and is multiplied backwards through each block's (1 - a) I + a A and
through each patch merging. A is the mean over heads of the window attention, put back in its place: cyclic shift
undone, padding dropped (what a token gives to padding is given to the real tokens of its window in proportion). The
product is exact, but only ever a vector times a block: the matrix over all tokens is never formed.

What it is not: values, MLPs and norms are left out, and shifted windows and merging carry a patch's content to its
neighbours before it is weighed, so that relevance leaks over the border of a cue tile. Occlusion
(`modeling.occlusion`) is the check. Nothing here trains, and the model is left as it was found.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from spatial_swin.modeling.swin import Swin

ATTENTION_SHARE = 0.5  # a: the residual path and the attention weigh alike (Abnar & Zuidema 2020, section 3)


@dataclass(frozen=True)
class Relevance:
    """Of B pictures: maps float64 [B, h, w] on the patch grid, each summing to 1; logits float32 [B, K]."""

    maps: Tensor
    logits: Tensor


@dataclass
class Block:
    """What one Swin block did: its grid, window and shift in tokens, and its attention.

    attention: [B * windows, heads, L, L] while gradients are wanted, else the mean over heads [B * windows, L, L].
    """

    height: int
    width: int
    window: int
    shift: int
    attention: Tensor


@dataclass
class Trace:
    """The blocks of one forward in their order, stage by stage, and whether a merging followed the stage."""

    stages: list[list[Block]] = field(default_factory=list)
    merged: list[bool] = field(default_factory=list)


def relevance(
    model: Swin, pixel_values: Tensor, attention_share: float = ATTENTION_SHARE, classes: Tensor | None = None
) -> Relevance:
    """Relevance of every patch of normalised pictures `pixel_values` [B, C, S, S].

    Args:
        attention_share: a in (1 - a) I + a A, 0 to 1; 0 gives the even map, 1 leaves the residual path out.
        classes: int64 [B], or None for the class-agnostic rollout. With classes, each head's attention is weighted by
            the positive part of the gradient of that class's logit (after Chefer et al. 2021), scaled so that the
            mean token passes on 1, and the map is brought back to the sum 1. It needs a backward pass and its memory.

    The model must be in eval mode. Its attention implementation is "eager" inside and what it was afterwards.
    """
    assert not model.training, "stochastic depth would make another map every time"
    assert 0 <= attention_share <= 1
    wanted = classes is not None
    with eager_attention(model), torch.set_grad_enabled(wanted), record(model, keep_heads=wanted) as trace:
        # the picture asks for the gradients, so that frozen weights need not and the caller's tensor is left alone
        logits = model(pixel_values=pixel_values.detach().requires_grad_(wanted)).logits
    if classes is not None:
        _weigh_by_gradient(trace, logits.gather(1, classes[:, None].to(logits.device)).sum())
    last = trace.stages[-1][-1]
    tokens = last.height * last.width
    start = torch.full((len(pixel_values), last.height, last.width), 1 / tokens, dtype=torch.float64)
    with torch.no_grad():
        maps = propagate(trace, start.to(pixel_values.device), attention_share, stochastic=not wanted)
    if wanted:
        maps = maps / maps.sum(dim=(1, 2), keepdim=True)
    return Relevance(maps, logits.detach().float())


@contextmanager
def eager_attention(model: Swin) -> Iterator[None]:
    """SDPA hands out no attention weights: compute attention the plain way inside, and as before afterwards."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def record(model: Swin, keep_heads: bool = False) -> Iterator[Trace]:
    """Fill a Trace with what the blocks do inside. (`output_attentions` gives the last block of each stage only.)"""
    trace = Trace()
    handles = []
    layers: Any = model.swin.encoder.layers
    for stage in layers:
        blocks: list[Block] = []
        trace.stages.append(blocks)
        trace.merged.append(stage.downsample is not None)

        def note(
            block: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor], into: list[Block] = blocks
        ) -> None:
            height, width = inputs[1]
            attention = output[1] if keep_heads else output[1].mean(dim=1)
            into.append(Block(height, width, int(block.window_size), int(block.shift_size), attention))

        handles += [block.register_forward_hook(note) for block in stage.blocks]
    try:
        yield trace
    finally:
        for handle in handles:
            handle.remove()


def propagate(trace: Trace, rows: Tensor, attention_share: float, stochastic: bool = True) -> Tensor:
    """Multiply `rows` float64 [B, h, w], which weigh the tokens of the last stage, back to the patch grid [B, h0, w0].

    stochastic: bring each token's attention to its window's real tokens to the sum 1, so that the sum of `rows` is
    kept.
    """
    for blocks, merged in zip(reversed(trace.stages), reversed(trace.merged), strict=True):
        if merged:
            rows = split_among_children(rows, blocks[-1].height, blocks[-1].width)
        for block in reversed(blocks):
            passed = through_attention(rows, block, stochastic)
            rows = (1 - attention_share) * rows + attention_share * passed
    return rows


def through_attention(rows: Tensor, block: Block, stochastic: bool = True) -> Tensor:
    """`rows` [B, h, w] times the block's attention as a matrix over all its tokens: [B, h, w]."""
    attention, real = block.attention.double(), _real_tokens(block, rows.device)
    attention = attention * real.repeat(len(rows), 1)[:, None, :]
    if stochastic:
        attention = attention / attention.sum(dim=-1, keepdim=True)
    windows = _to_windows(rows, block)
    return _from_windows(torch.einsum("nq,nqk->nk", windows, attention), len(rows), block)


def split_among_children(rows: Tensor, height: int, width: int) -> Tensor:
    """Undo a 2x2 merging of a grid of `height` x `width`: each token's share goes to its children in equal parts.

    A token has four children; at an odd edge, where the model padded, it has two or one.
    """
    shares = rows.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)[:, :height, :width]
    down, across = _children(height, rows.device), _children(width, rows.device)
    return shares / (down[:, None] * across[None, :])


def _children(length: int, device: torch.device) -> Tensor:
    """How many children the parent of each position has along one axis: 2, or 1 for the last of an odd length."""
    counts = torch.full((length,), 2.0, dtype=torch.float64, device=device)
    if length % 2:
        counts[-1] = 1
    return counts


def _real_tokens(block: Block, device: torch.device) -> Tensor:
    """Which tokens of each window are not padding: float64 [windows, L]."""
    return _to_windows(torch.ones(1, block.height, block.width, dtype=torch.float64, device=device), block)


def _to_windows(grid: Tensor, block: Block) -> Tensor:
    """[B, h, w] padded with zeros, shifted, cut into windows as the block does: [B * windows, L]."""
    window = block.window
    grid = functional.pad(grid, (0, -block.width % window, 0, -block.height % window))
    grid = torch.roll(grid, (-block.shift, -block.shift), dims=(1, 2))
    count, height, width = grid.shape
    cut = grid.view(count, height // window, window, width // window, window)
    return cut.transpose(2, 3).reshape(-1, window * window)


def _from_windows(windows: Tensor, count: int, block: Block) -> Tensor:
    """The way back of `_to_windows`, padding cut off: [B, h, w]."""
    window = block.window
    down, across = -(-block.height // window), -(-block.width // window)
    grid = windows.view(count, down, across, window, window).transpose(2, 3)
    grid = grid.reshape(count, down * window, across * window)
    return torch.roll(grid, (block.shift, block.shift), dims=(1, 2))[:, : block.height, : block.width]


def _weigh_by_gradient(trace: Trace, score: Tensor) -> None:
    """Replace each block's attention by its mean over heads weighted by the positive gradient of `score`, in place.

    Scaled, picture by picture, to a mean row sum of 1; a block where nothing is positive passes everything on
    unchanged.
    """
    blocks: list[Block] = [block for stage in trace.stages for block in stage]
    gradients = torch.autograd.grad(score, [block.attention for block in blocks])
    for block, gradient in zip(blocks, gradients, strict=True):
        weighted = (block.attention.detach() * gradient).clamp(min=0).mean(dim=1).double()
        real = _real_tokens(block, weighted.device)
        count = len(weighted) // len(real)
        weighted = weighted.view(count, *real.shape, -1) * real[:, :, None] * real[:, None, :]
        scale = weighted.sum(dim=(1, 2, 3), keepdim=True) / (block.height * block.width)
        identity = torch.eye(weighted.shape[-1], dtype=torch.float64, device=weighted.device)
        weighted = torch.where(scale > 0, weighted / scale.clamp(min=torch.finfo(torch.float64).tiny), identity)
        block.attention = weighted.reshape(-1, *weighted.shape[2:])
