"""Folds trained as one batched model are the folds trained one by one, up to rounding."""

import copy

import pytest
import torch
from pictures_and_swins import TINY_SWIN
from torch.nn import functional
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.folds.at_once import FoldsAtOnce
from spatial_swin.modeling import schedule, swin
from spatial_swin.trunk.forward import from_trunk, trunk_output

RATES, SMOOTHING, CLIP, STEPS, BATCH = (1e-3, 1e-4), 0.1, 0.5, 6, 4


def make_models(folds: int, cut: int, drop_path: float) -> list[SwinForImageClassification]:
    torch.manual_seed(0)
    first = SwinForImageClassification(SwinConfig(**{**TINY_SWIN, "num_labels": 4, "drop_path_rate": drop_path}))
    models = [copy.deepcopy(first) for _ in range(folds)]
    for model in models:
        swin.set_learning(model, tuple(range(cut, 5)))
        torch.nn.init.normal_(model.classifier.weight, std=0.02)  # every fold begins with a head of its own
    return models


def batches(model: SwinForImageClassification, folds: int, cut: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    made = []
    for _ in range(STEPS):
        with torch.no_grad():
            size = TINY_SWIN["image_size"]
            hidden = [trunk_output(model.eval(), torch.randn(BATCH, 3, size, size), cut) for _ in range(folds)]
        made.append((torch.stack(hidden), torch.randint(0, 4, (folds, BATCH))))
    return made


def train_alone(model: SwinForImageClassification, cut: int, data: list, seed: int) -> list[float]:
    """The plain loop: what the Trainer computes in a step."""
    names = {name for name, _ in model.named_parameters()} - schedule.no_decay_names(model)
    optimizer = torch.optim.AdamW(schedule.parameter_groups(model, names, *RATES, 0.05))
    rates = schedule.cosine_schedule(optimizer, 1, STEPS, 1e-5)
    model.train()
    swin.rest_frozen(model)
    torch.manual_seed(seed)
    losses = []
    for hidden, labels in data:
        loss = functional.cross_entropy(from_trunk(model, hidden, cut), labels, label_smoothing=SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], CLIP)
        optimizer.step()
        rates.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("cut", [4, 5], ids=["stage 4 and heads", "heads"])
@pytest.mark.parametrize("drop_path", [0.0, 0.5])
def test_folds_at_once_equal_folds_one_by_one(cut: int, drop_path: float) -> None:
    folds = 3
    models = make_models(folds, cut, drop_path)
    data = batches(models[0], folds, cut)
    alone = copy.deepcopy(models)
    wanted = [
        train_alone(model, cut, [(hidden[k], labels[k]) for hidden, labels in data], seed=100 + k)
        for k, model in enumerate(alone)
    ]
    before = copy.deepcopy(models[0].state_dict())
    together = FoldsAtOnce(models, cut, RATES, [100, 101, 102], 0.05, CLIP, SMOOTHING)
    rates = schedule.cosine_schedule(together.optimizer, 1, STEPS, 1e-5)
    losses = []
    for hidden, labels in data:
        losses.append(together.step(hidden, labels))
        rates.step()
    torch.testing.assert_close(torch.stack(losses, 1), torch.tensor(wanted), rtol=0, atol=1e-4)
    for one, other in zip(together.write_back(), alone, strict=True):
        for name, weight in other.state_dict().items():
            torch.testing.assert_close(one.state_dict()[name], weight, rtol=0, atol=1e-4, msg=name)
    assert any(not torch.equal(before[name], weight) for name, weight in models[0].state_dict().items()), "learnt"


def test_one_fold_does_not_clip_another() -> None:
    models = make_models(2, 5, 0.0)
    together = FoldsAtOnce(models, 5, RATES, [0, 1], 0.0, clip=1e-3)
    channels = models[0].classifier.in_features
    hidden = torch.stack([torch.zeros(BATCH, channels), 100 * torch.ones(BATCH, channels)])
    together.optimizer.step = lambda *_: None  # type: ignore[method-assign,assignment]
    together.step(hidden, torch.zeros(2, BATCH, dtype=torch.long))
    norms = [
        torch.cat([weight.grad[k].flatten() for weight in together.weights.values() if weight.grad is not None]).norm()
        for k in range(2)
    ]
    assert norms[1] == pytest.approx(1e-3, rel=1e-3)
    assert norms[0] == pytest.approx(1e-3, rel=1e-3)  # only its bias has a gradient: its own norm is what counts
