"""The trunk and the rest of the model after it are the model, bit for bit, and the model stays an ordinary one."""

import json
from pathlib import Path

import pytest
import torch
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.modeling import swin
from spatial_swin.trunk import forward
from spatial_swin.trunk.key import choose_storage, storage_error

CUTS = (2, 3, 4, forward.ALL_FROZEN)
LEARNING = {2: (2, 3, 4), 3: (3, 4), 4: (4,), forward.ALL_FROZEN: ()}


@pytest.fixture
def model(tiny_swin: Path) -> SwinForImageClassification:
    torch.manual_seed(0)
    config = SwinConfig.from_dict({**json.loads(tiny_swin.read_text()), "drop_path_rate": 0.5, "num_labels": 4})
    return SwinForImageClassification(config).eval()


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cut", CUTS)
@torch.no_grad()
def test_trunk_and_rest_are_the_model(model: SwinForImageClassification, pixels: torch.Tensor, cut: int) -> None:
    hidden = forward.trunk_output(model, pixels, cut)
    assert torch.equal(forward.from_trunk(model, hidden, cut), model(pixels).logits)


@pytest.mark.parametrize("cut", CUTS)
def test_training_from_the_trunk_draws_and_learns_the_same(
    model: SwinForImageClassification, pixels: torch.Tensor, cut: int
) -> None:
    """Stochastic depth of the stages that learn takes the same random numbers; gradients are equal to the bit."""
    forward.accept_trunk(model, cut, torch.float32)
    outcomes = []
    for cached in (False, True):
        model.eval()
        with torch.no_grad():
            hidden = forward.trunk_output(model, pixels, cut)
        swin.set_learning(model, LEARNING[cut])
        model.train()
        swin.rest_frozen(model)
        model.zero_grad()
        torch.manual_seed(5)
        logits = (model(trunk=hidden) if cached else model(pixel_values=pixels)).logits
        logits.square().sum().backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        outcomes.append((logits.detach(), torch.get_rng_state(), gradients))
    (one, state, first), (two, other, second) = outcomes
    assert torch.equal(one, two)
    assert torch.equal(state, other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.mark.parametrize("cut", CUTS[:-1])
@torch.no_grad()
def test_under_autocast_16_bits_lose_nothing(
    model: SwinForImageClassification, pixels: torch.Tensor, cut: int
) -> None:
    """A stage ends with a linear layer, so what it hands on is in the precision of the run already."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = forward.trunk_output(model, pixels, cut)
        whole = model(pixels).logits
        rest = forward.from_trunk(model, hidden, cut)
    assert hidden.dtype == torch.bfloat16
    assert choose_storage(hidden, "auto") == "bf16"
    assert storage_error(hidden, "bf16") == 0
    assert torch.equal(rest, whole)


def test_the_model_stays_an_ordinary_one(
    model: SwinForImageClassification, pixels: torch.Tensor, tmp_path: Path
) -> None:
    with torch.no_grad():
        before = model(pixels).logits
        forward.accept_trunk(model, 4, torch.float32)
        assert torch.equal(model(pixel_values=pixels).logits, before)
        hidden = forward.trunk_output(model, pixels, 4)
        assert torch.equal(model(trunk=hidden).logits, before)
        model.save_pretrained(tmp_path)
        assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["SwinForImageClassification"]
        assert torch.equal(SwinForImageClassification.from_pretrained(tmp_path).eval()(pixels).logits, before)


@pytest.mark.parametrize("cut", CUTS)
def test_the_fingerprint_is_of_the_trunk_s_weights_and_of_no_others(
    model: SwinForImageClassification, cut: int
) -> None:
    before = forward.trunk_fingerprint(model, cut)
    for number, modules in swin.stages(model).items():
        for module in modules:
            parameter = list(module.parameters())[-1]
            kept = parameter.data.clone()
            parameter.data.view(-1)[0] += 1e-3
            assert (forward.trunk_fingerprint(model, cut) != before) == (number < cut), f"stage {number}"
            parameter.data = kept
    model.classifier.weight.data += 1
    assert forward.trunk_fingerprint(model, cut) == before


def test_the_storage_is_what_errs_least() -> None:
    output = torch.randn(4, 100, 100, generator=torch.Generator().manual_seed(0))
    assert choose_storage(output, "auto") == "fp16"
    assert storage_error(output, "fp16") < storage_error(output, "bf16") / 4
    assert choose_storage(output * 1e6, "auto") == "bf16"
    assert storage_error(output * 1e6, "fp16") == float("inf")
    assert choose_storage(output.half(), "auto") == "fp16"
    assert choose_storage(output[:, :4, :4], "auto") == "fp32"
    assert choose_storage(output.half(), "fp32") == "fp32"
