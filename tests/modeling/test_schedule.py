"""Groups and rates: warm-up, each group's own floor, and no parameter in two groups or in none."""

import math

import pytest
import torch
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.modeling import schedule


@pytest.fixture
def model() -> SwinForImageClassification:
    return SwinForImageClassification(
        SwinConfig(embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], num_labels=4)
    )


def test_every_learning_parameter_is_in_exactly_one_group(model: SwinForImageClassification) -> None:
    decays = {name for name, _ in model.named_parameters()} - schedule.no_decay_names(model)
    groups = schedule.parameter_groups(model, decays, 1e-3, 1e-4, 0.05)
    assert [g["name"] for g in groups] == ["head.decay", "head.no_decay", "backbone.decay", "backbone.no_decay"]
    members = [id(p) for g in groups for p in g["params"]]
    assert len(members) == len(set(members)) == len(list(model.parameters()))
    for group in groups:
        assert group["weight_decay"] == (0.05 if group["name"].endswith(".decay") else 0.0)
        if group["weight_decay"]:
            assert all(p.ndim >= 2 for p in group["params"])


def test_every_group_ends_at_the_same_rate(model: SwinForImageClassification) -> None:
    groups = schedule.parameter_groups(model, set(), 1e-3, 1e-4, 0.0)
    optimizer = torch.optim.AdamW(groups)
    scheduler = schedule.cosine_schedule(optimizer, 10, 100, 1e-5)
    rates = []
    for _ in range(100):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    assert rates[0] == [0.0, 0.0]
    assert rates[10] == pytest.approx([1e-3, 1e-4])
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-5, 1e-5])
    assert rates[55] == pytest.approx([(1e-3 + 1e-5) / 2, (1e-4 + 1e-5) / 2], rel=1e-6)


def test_the_cosine_is_the_closed_form() -> None:
    assert schedule.cosine_factor(5, 10, 110, 0.1) == 0.5
    assert schedule.cosine_factor(35, 10, 110, 0.1) == pytest.approx(0.1 + 0.45 * (1 + math.cos(math.pi / 4)))
    assert schedule.cosine_factor(500, 10, 110, 0.1) == pytest.approx(0.1)


def test_the_phase_changes_at_the_boundary_and_stays() -> None:
    assert [schedule.phase_of_epoch(epoch, 2) for epoch in range(4)] == [1, 1, 2, 2]
    assert schedule.phase_of_epoch(0, 0) == 2


@pytest.fixture
def deep() -> SwinForImageClassification:
    return SwinForImageClassification(SwinConfig(embed_dim=8, depths=[1, 1, 2, 2], num_heads=[1] * 4, num_labels=4))


def test_with_layer_decay_every_block_learns_slower_than_the_one_after_it(deep: SwinForImageClassification) -> None:
    decays = {name for name, _ in deep.named_parameters()} - schedule.no_decay_names(deep)
    groups = schedule.parameter_groups(deep, decays, 1e-3, 1e-4, 0.05, layer_decay=0.5)
    rate_of = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    rates = {name: rate_of[id(parameter)] for name, parameter in deep.named_parameters()}
    assert len(rates) == sum(len(group["params"]) for group in groups)
    expected = {
        "classifier.weight": 1e-3,
        "swin.layernorm.bias": 1e-4,
        "swin.encoder.layers.3.blocks.1.mlp.fc1.weight": 1e-4,
        "swin.encoder.layers.3.blocks.0.mlp.fc1.weight": 1e-4 / 2,
        "swin.encoder.layers.2.downsample.reduction.weight": 1e-4 / 4,
        "swin.encoder.layers.2.blocks.1.mlp.fc1.weight": 1e-4 / 4,
        "swin.encoder.layers.2.blocks.0.mlp.fc1.weight": 1e-4 / 8,
        "swin.encoder.layers.0.blocks.0.layernorm_before.weight": 1e-4 / 32,
        "swin.embeddings.patch_embeddings.projection.weight": 1e-4 / 64,
    }
    assert {name: rates[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    decayed = {id(parameter) for group in groups if group["weight_decay"] for parameter in group["params"]}
    assert {name for name, parameter in deep.named_parameters() if id(parameter) in decayed} == decays


def test_with_layer_decay_the_whole_curve_of_a_block_is_scaled(deep: SwinForImageClassification) -> None:
    groups = schedule.parameter_groups(deep, set(), 1e-3, 1e-4, 0.0, layer_decay=0.5)
    optimizer = torch.optim.AdamW(groups)
    scheduler = schedule.cosine_schedule(optimizer, 2, 10, 1e-5)
    for _ in range(11):
        rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
        assert rates["stage_3_block_1.no_decay"] == pytest.approx(rates["backbone.no_decay"] / 8)
        optimizer.step()
        scheduler.step()
    assert rates["backbone.no_decay"] == pytest.approx(1e-5)


@pytest.mark.parametrize("off", [None, 1, 1.0])
def test_without_layer_decay_the_groups_are_what_they_were(
    deep: SwinForImageClassification, off: float | None
) -> None:
    groups = schedule.parameter_groups(deep, schedule.no_decay_names(deep), 1e-3, 1e-4, 0.05, layer_decay=off)
    assert [group["name"] for group in groups] == [
        "head.decay",
        "head.no_decay",
        "backbone.decay",
        "backbone.no_decay",
    ]
    assert [sorted(group) for group in groups] == [["lr", "name", "params", "weight_decay"]] * 4
