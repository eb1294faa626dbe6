"""The average of the weights: by hand, shown and taken away again without a trace, kept beside a checkpoint."""

from pathlib import Path

import pytest
import torch
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.modeling.averaging import LEARNT, WeightAverage, decay_at

NAMES = ("classifier.weight", "classifier.bias")


def small_swin(seed: int) -> SwinForImageClassification:
    torch.manual_seed(seed)
    return SwinForImageClassification(
        SwinConfig(embed_dim=4, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], num_labels=4)
    )


@pytest.fixture
def model() -> SwinForImageClassification:
    return small_swin(0)


def weights_of(model: SwinForImageClassification) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def step(model: SwinForImageClassification, generator: torch.Generator) -> None:
    with torch.no_grad():
        for name in NAMES:
            parameter = model.get_parameter(name)
            parameter += torch.randn(parameter.shape, generator=generator)


def test_the_average_is_the_one_computed_by_hand(model: SwinForImageClassification) -> None:
    average, generator = WeightAverage(model, NAMES, 0.5), torch.Generator().manual_seed(1)
    by_hand = {name: model.get_parameter(name).detach().double().clone() for name in NAMES}
    for number, kept in enumerate([2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17, 0.5, 0.5, 0.5], start=1):
        assert decay_at(number, 0.5) == kept
        step(model, generator)
        average.update(number)
        for name in NAMES:
            by_hand[name] = kept * by_hand[name] + (1 - kept) * model.get_parameter(name).detach().double()
    for name in NAMES:
        torch.testing.assert_close(average.averages[name].double(), by_hand[name], rtol=1e-5, atol=1e-6)


def test_what_does_not_move_is_its_own_average_bit_for_bit(model: SwinForImageClassification) -> None:
    before = weights_of(model)
    average = WeightAverage(model, before, 0.999)
    for number in range(1, 50):
        average.update(number)
    assert [name for name, tensor in average.averages.items() if not torch.equal(tensor, before[name])] == []


def test_the_average_is_shown_for_a_while_and_leaves_no_trace(model: SwinForImageClassification) -> None:
    average = WeightAverage(model, NAMES, 0.9)
    step(model, torch.Generator().manual_seed(2))
    average.update(1)
    own, averaged = weights_of(model), {name: tensor.clone() for name, tensor in average.averages.items()}
    with average.shown():
        shown = weights_of(model)
    assert all(torch.equal(shown[name], averaged[name]) for name in NAMES)
    assert not any(torch.equal(shown[name], own[name]) for name in NAMES)
    assert all(torch.equal(tensor, own[name]) for name, tensor in weights_of(model).items())
    assert all(torch.equal(tensor, averaged[name]) for name, tensor in average.averages.items())


def test_a_checkpoint_gives_back_the_average_and_the_learnt_weights(
    model: SwinForImageClassification, tmp_path: Path
) -> None:
    average = WeightAverage(model, NAMES, 0.9)
    step(model, torch.Generator().manual_seed(3))
    average.update(1)
    average.save_learnt(tmp_path)
    assert (tmp_path / LEARNT).is_file()
    with average.shown():
        saved = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    other = small_swin(5)
    other.load_state_dict(saved)
    restored = WeightAverage.from_checkpoint(other, tmp_path, 0.9)
    for name in NAMES:
        assert torch.equal(restored.averages[name], average.averages[name])
        assert torch.equal(other.get_parameter(name), model.get_parameter(name))
