"""Named parameter groups, one learning-rate schedule per group, and the phase of an epoch.

Pure functions and plain data: which parameters go together (head or backbone, with decay or without), and by what
factor a group's peak rate is multiplied at a step. Nothing here steps an optimizer.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from spatial_swin.modeling.swin import Swin

Group = dict[str, Any]


def phase_of_epoch(epoch: int, head_only_epochs: float) -> int:
    """1 while only the head learns, 2 after; `epoch` counts from 0. By `>=`, so that a resumed run is never late."""
    return 2 if epoch >= head_only_epochs else 1


def parameter_groups(
    model: Swin, decays: Iterable[str], head_rate: float, backbone_rate: float, weight_decay: float
) -> list[Group]:
    """All groups the run will ever need: {head, backbone} x {decay, no decay}, of parameters that require gradients.

    Groups cannot be added once the schedule exists, so stage 4 is here from the start; AdamW leaves a parameter
    without gradient alone (no state, no decay) until it is unfrozen.
    """
    decays = set(decays)
    groups: list[Group] = []
    for part, rate in (("head", head_rate), ("backbone", backbone_rate)):
        for kind, decay in (("decay", weight_decay), ("no_decay", 0.0)):
            members = [
                parameter
                for name, parameter in model.named_parameters()
                if parameter.requires_grad
                and (name in decays) == (kind == "decay")
                and name.startswith("classifier") == (part == "head")
            ]
            if members:
                group = {"name": f"{part}.{kind}", "params": members, "lr": rate, "weight_decay": decay}
                groups.append(group)
    return groups


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
    """One cosine per group, each with its own floor, so that every group ends at the same `minimum_rate`."""
    factors: list[Callable[[int], float]] = [
        partial(cosine_factor, warmup_steps=warmup_steps, total_steps=total_steps, floor=minimum_rate / group["lr"])
        for group in optimizer.param_groups
    ]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
