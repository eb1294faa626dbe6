"""Relevance of a tiny Swin with shifts, padded windows and an odd merging, against full matrices and gradients."""

from itertools import product

import pytest
import torch
from torch import Tensor
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.modeling.relevance import Block, Trace, propagate, record, relevance, split_among_children


def tiny(
    image_size: int = 40, window: int = 3, depths: tuple[int, ...] = (2, 2, 2, 2), seed: int = 0
) -> SwinForImageClassification:
    """40 px and patches of 2: grids 20, 10, 5, 3 with windows of 3, so stages 1 to 3 pad and one merging is odd."""
    torch.manual_seed(seed)
    config = SwinConfig(
        image_size=image_size,
        patch_size=2,
        embed_dim=8,
        depths=list(depths),
        num_heads=[1, 2, 2, 4],
        window_size=window,
        mlp_ratio=2.0,
        num_labels=3,
        initializer_range=0.5,
    )
    return SwinForImageClassification(config).double().eval()


def pixels(size: int = 40, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def full_attention(block: Block, picture: int) -> Tensor:
    """The block's attention as a matrix [T, T] over its real tokens, written down token by token."""
    window, shift, height, width = block.window, block.shift, block.height, block.width
    down, across = -(-height // window), -(-width // window)
    matrix = torch.zeros(height * width, height * width, dtype=torch.float64)
    for number, (i, j) in enumerate(product(range(down), range(across))):
        attention = block.attention[picture * down * across + number].double()
        tokens = []
        for r, c in product(range(window), range(window)):
            row = (i * window + r + shift) % (down * window)
            column = (j * window + c + shift) % (across * window)
            tokens.append(row * width + column if row < height and column < width else None)
        real = [k for k, token in enumerate(tokens) if token is not None]
        for query in real:
            given = attention[query, real]
            matrix[tokens[query], [tokens[k] for k in real]] = given / given.sum()
    return matrix


def full_merging(height: int, width: int) -> Tensor:
    """A parent's relevance in equal parts to its real children, as a matrix [parents, children]."""
    down, across = -(-height // 2), -(-width // 2)
    matrix = torch.zeros(down * across, height * width, dtype=torch.float64)
    for i, j in product(range(height), range(width)):
        matrix[i // 2 * across + j // 2, i * width + j] = 1
    return matrix / matrix.sum(dim=1, keepdim=True)


def full_product(trace: Trace, picture: int, share: float) -> Tensor:
    matrix = None
    for blocks, merged in zip(trace.stages, trace.merged, strict=True):
        for block in blocks:
            tokens = block.height * block.width
            step = (1 - share) * torch.eye(tokens, dtype=torch.float64) + share * full_attention(block, picture)
            matrix = step if matrix is None else step @ matrix
        if merged:
            matrix = full_merging(blocks[-1].height, blocks[-1].width) @ matrix
    return matrix.mean(dim=0)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_it_is_the_product_of_the_full_matrices(share: float) -> None:
    model, pictures = tiny(), pixels()
    maps = relevance(model, pictures, share).maps
    model.set_attn_implementation("eager")
    with torch.no_grad(), record(model) as trace:
        model(pictures)
    assert [blocks[0].height for blocks in trace.stages] == [20, 10, 5, 3]
    assert {block.shift for blocks in trace.stages for block in blocks} == {0, 1}
    for picture in range(2):
        expected = full_product(trace, picture, share).view(20, 20)
        torch.testing.assert_close(maps[picture], expected, rtol=0, atol=1e-12)
    assert maps.std() > 1e-5


def test_it_is_not_negative_and_sums_to_one() -> None:
    maps = relevance(tiny(), pixels(), 0.7).maps
    assert maps.dtype == torch.float64
    assert (maps >= 0).all()
    torch.testing.assert_close(maps.sum(dim=(1, 2)), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("token", [(0, 0), (4, 6), (9, 3)])
def test_relevance_flows_only_where_the_model_can_look(token: tuple[int, int]) -> None:
    """From one token of the last stage: patches with relevance are those whose pixels have a gradient, no others."""
    model, picture = tiny(image_size=160, depths=(1, 1, 1, 2)), pixels(160, 1).requires_grad_()
    model.set_attn_implementation("eager")
    with record(model) as trace:
        hidden = model.swin(picture).last_hidden_state.view(10, 10, -1)
    gradient = torch.autograd.grad(hidden[token].square().sum(), picture)[0]
    looked_at = gradient[0].abs().sum(dim=0).view(80, 2, 80, 2).sum(dim=(1, 3)) > 1e-30
    start = torch.zeros(1, 10, 10, dtype=torch.float64)
    start[0, *token] = 1
    found = propagate(trace, start, 0.5)[0] > 1e-30
    assert 0 < found.sum() < found.numel()
    assert (found == looked_at).all()


def test_without_attention_every_token_of_the_last_stage_shares_out_alone() -> None:
    torch.testing.assert_close(
        relevance(tiny(32, 2), pixels(32, 1), 0.0).maps, torch.full((1, 16, 16), 1 / 256, dtype=torch.float64)
    )


def test_an_odd_edge_has_fewer_children() -> None:
    rows = torch.tensor([[[4.0, 2.0], [2.0, 1.0]]], dtype=torch.float64)
    children = split_among_children(rows, 3, 3)
    assert children.tolist() == [[[1, 1, 1], [1, 1, 1], [1, 1, 1]]]


def test_a_batch_gives_what_single_pictures_give() -> None:
    model, pictures = tiny(), pixels(count=3)
    together = relevance(model, pictures).maps
    for picture, found in zip(pictures, together, strict=True):
        torch.testing.assert_close(relevance(model, picture[None]).maps[0], found, rtol=0, atol=1e-12)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_weighting_by_a_class_gives_another_map_for_each_class(share: float) -> None:
    model, pictures = tiny(), pixels()
    maps = [relevance(model, pictures, share, torch.tensor([k, k])).maps for k in range(3)]
    for found in maps:
        assert (found >= 0).all()
        torch.testing.assert_close(found.sum(dim=(1, 2)), torch.ones(2, dtype=torch.float64))
    assert (maps[0] - maps[1]).abs().max() > 1e-5
    assert not pictures.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


def test_frozen_weights_can_be_explained_by_class() -> None:
    model = tiny().requires_grad_(False)
    assert relevance(model, pixels(count=1), classes=torch.tensor([1])).maps.isfinite().all()


def test_the_model_is_left_as_it_was() -> None:
    model, pictures = tiny(), pixels()
    model.set_attn_implementation("sdpa")
    with torch.no_grad():
        before = model(pictures).logits
    found = relevance(model, pictures)
    assert model.config._attn_implementation == "sdpa"
    assert not any(module._forward_hooks for module in model.modules())
    with torch.no_grad():
        assert torch.equal(model(pictures).logits, before)
    torch.testing.assert_close(found.logits, before.float(), rtol=1e-4, atol=1e-4)


def test_a_model_in_training_mode_is_refused() -> None:
    with pytest.raises(AssertionError, match="stochastic depth"):
        relevance(tiny().train(), pixels())
