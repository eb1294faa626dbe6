"""Named parameter groups, one learning-rate schedule per group, and the phase of an epoch.

Pure functions and plain data: which parameters go together (head or backbone, with decay or without), and by what
factor a group's peak rate is multiplied at a step. Nothing here steps an optimizer.

With layer-wise decay d the backbone has a group for every block. The block that stands k blocks before the last one
learns at d^k times the backbone's rate, from the first step of its warm-up to the end of its cosine; the head keeps
its own rate. The rule is that of Clark et al. 2020 (ELECTRA) and Bao et al. 2022 (BEiT), counted over Swin's blocks as
SimMIM (Xie et al. 2022) counts them; there the head has the same base rate, here it has learning_rate.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from spatial_swin.modeling.swin import Swin, blocks

Group = dict[str, Any]


def phase_of_epoch(epoch: int, head_only_epochs: float) -> int:
    """1 while only the head learns, 2 after; `epoch` counts from 0. By `>=`, so that a resumed run is never late."""
    return 2 if epoch >= head_only_epochs else 1


def parameter_groups(
    model: Swin,
    decays: Iterable[str],
    head_rate: float,
    backbone_rate: float,
    weight_decay: float,
    layer_decay: float | None = None,
) -> list[Group]:
    """All groups the run will ever need: {head, backbone} x {decay, no decay}, of parameters that require gradients.

    Groups cannot be added once the schedule exists, so stage 4 is here from the start; AdamW leaves a parameter
    without gradient alone (no state, no decay) until it is unfrozen. With `layer_decay` the blocks before the last
    one have groups of their own, named after them, whose `scale` is their share of the backbone's rate.
    """
    decays, parts = set(decays), parts_of(model, layer_decay)
    members: dict[tuple[str, str], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = parts[name][0], "decay" if name in decays else "no_decay"
            members.setdefault(key, []).append(parameter)
    rates = {"head": head_rate}
    groups: list[Group] = []
    for part, scale in dict([("head", 1.0), ("backbone", 1.0), *reversed(parts.values())]).items():
        for kind, decay in (("decay", weight_decay), ("no_decay", 0.0)):
            if (part, kind) in members:
                group: Group = {"name": f"{part}.{kind}", "params": members[part, kind]}
                group |= {"lr": rates.get(part, backbone_rate) * scale, "weight_decay": decay}
                groups.append(group if scale == 1 else {**group, "scale": scale})
    return groups


def parts_of(model: Swin, layer_decay: float | None) -> dict[str, tuple[str, float]]:
    """Parameter -> its part (head, backbone, or a block before the last) and that part's share of the peak rate."""
    parts = {
        name: ("head" if name.startswith("classifier") else "backbone", 1.0) for name, _ in model.named_parameters()
    }
    if layer_decay in (None, 1):
        return parts
    block_of = {
        id(parameter): (name, before)
        for before, (name, modules) in enumerate(reversed(blocks(model).items()))
        for module in modules
        for parameter in module.parameters()
    }
    for name, parameter in model.named_parameters():
        block, before = block_of.get(id(parameter), ("", 0))
        if before:
            parts[name] = block, layer_decay**before
    return parts


def no_decay_names(model: nn.Module) -> set[str]:
    """Parameters without weight decay: biases, norms, and the tables of relative position biases (Liu et al. 2021)."""
    return {name for name, parameter in model.named_parameters() if parameter.ndim < 2 or "relative_position" in name}


def cosine_factor(step: int, warmup_steps: int, total_steps: int, floor: float) -> float:
    """Linear warm-up from 0 to 1, then half a cosine from 1 down to `floor` (a share of the group's peak)."""
    if step < warmup_steps:
        return step / max(1, warmup_steps)
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def cosine_schedule(
    optimizer: torch.optim.Optimizer, warmup_steps: int, total_steps: int, minimum_rate: float
) -> torch.optim.lr_scheduler.LambdaLR:
    """One cosine per group, each with its own floor, so that every group ends at the same `minimum_rate`.

    Groups of layer-wise decay end at their `scale` of it: all of their curve is the backbone's, scaled.
    """
    factors: list[Callable[[int], float]] = [
        partial(
            cosine_factor,
            warmup_steps=warmup_steps,
            total_steps=total_steps,
            floor=minimum_rate * group.get("scale", 1.0) / group["lr"],
        )
        for group in optimizer.param_groups
    ]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
