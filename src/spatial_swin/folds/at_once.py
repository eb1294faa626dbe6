"""Train what learns of several folds as one batched model, from the trunk cache.

In go the models of k folds (equal trunks, other heads) and, step by step, a batch of stored trunk output for each
fold; out come the same models, trained. Stage 4 and the heads are stacked along a new first axis and run by one vmap,
so that k small matrix products become one batched product. Every fold keeps its own loss, its own gradient norm and
its own draws of stochastic depth: the numbers are those of training fold by fold, up to rounding. Which pictures a
fold sees is not known here, and nothing is read or written.
"""

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional
from transformers import SwinForImageClassification
from transformers.models.swin.modeling_swin import SwinDropPath

from spatial_swin.modeling import schedule, swin
from spatial_swin.trunk.forward import from_trunk


class Tail(nn.Module):
    """What learns of a model: stored trunk output [B, L, C] -> logits [B, K], from stage `cut` on."""

    def __init__(self, model: SwinForImageClassification, cut: int) -> None:
        super().__init__()
        self.model, self.cut = model, cut

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return from_trunk(self.model, hidden, self.cut)


class DrawnDropPath(nn.Module):
    """Stochastic depth with draws that are given: inside vmap, no fold could have its own random numbers.

    draws: uniforms [B, 1, 1] of the current step, or None to let everything through. The arithmetic is SwinDropPath's.
    """

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.draws: torch.Tensor | None = None

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        if self.draws is None:
            return hidden
        keep = 1 - self.drop_prob
        return hidden.div(keep) * torch.floor(self.draws.to(hidden.dtype) + keep)


class Mean(nn.Module):
    """[B, C, L] -> [B, C, 1], as Swin's adaptive pooling gives it; vmap has a rule for this one."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.mean(-1, keepdim=True)


class FoldsAtOnce:
    """The optimizer and the stacked weights of k folds.

    Args:
        models: one per fold, of equal shapes; their learning stages require gradients (`swin.set_learning`).
        cut: the lowest stage that learns, where the stored trunk output enters.
        rates: peak learning rates of the head and of the backbone.
        seeds: of each fold's stochastic depth.
        weight_decay, clip, label_smoothing: as in the recipe; clip is the largest norm of *one fold's* gradient.
        precision: torch.bfloat16 or torch.float16 for autocast, torch.float32 for none.
    """

    def __init__(
        self,
        models: Sequence[SwinForImageClassification],
        cut: int,
        rates: tuple[float, float],
        seeds: Sequence[int],
        weight_decay: float = 0.05,
        clip: float = 1.0,
        label_smoothing: float = 0.0,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.models, self.clip, self.smoothing, self.precision = list(models), clip, label_smoothing, precision
        self.device = next(models[0].parameters()).device
        tails = [Tail(model, cut) for model in models]
        self.names = [name for name, parameter in tails[0].named_parameters() if parameter.requires_grad]
        every = [dict(tail.named_parameters()) for tail in tails]  # only what learns is stacked: the trunk is one
        self.weights = {
            name: torch.stack([of_fold[name].detach() for of_fold in every]).requires_grad_() for name in self.names
        }
        self.base = copy.deepcopy(tails[0]).train()
        swin.rest_frozen(self.base.model)
        self.base.model.set_attn_implementation("eager")  # the fused kernel has no rule for vmap
        self.base.model.swin.pooler = Mean()  # type: ignore[assignment]
        self.paths = _draw_by_hand(self.base)
        self.generators = [torch.Generator(self.device).manual_seed(seed) for seed in seeds]
        self.optimizer = torch.optim.AdamW(self._groups(tails[0], rates, weight_decay))

    def _groups(self, tail: Tail, rates: tuple[float, float], weight_decay: float) -> list[schedule.Group]:
        """The groups of `schedule.parameter_groups`, over stacked weights."""
        of_model = {id(parameter): name for name, parameter in tail.named_parameters()}
        decays = {name for name, _ in tail.model.named_parameters()} - schedule.no_decay_names(tail.model)
        groups = schedule.parameter_groups(tail.model, decays, *rates, weight_decay)
        return [
            {**group, "params": [self.weights[of_model[id(parameter)]] for parameter in group["params"]]}
            for group in groups
        ]

    def step(self, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """One update of every fold: [k, B, L, C] and int64 [k, B] -> losses float32 [k]."""
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            draws = self._draws(hidden.shape[1])
            logits = torch.func.vmap(self._logits)(self.weights, hidden, draws)
        losses = torch.stack(
            [
                functional.cross_entropy(of_fold.float(), truth, label_smoothing=self.smoothing)
                for of_fold, truth in zip(logits, labels, strict=True)
            ]
        )
        self.optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()
        self._clip()
        self.optimizer.step()
        return losses.detach()

    def _logits(
        self, weights: dict[str, torch.Tensor], hidden: torch.Tensor, draws: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Of one fold, inside vmap."""
        for path, drawn in zip(self.paths, draws, strict=True):
            path.draws = drawn
        return functional_call(self.base, weights, (hidden,))

    def _draws(self, batch: int) -> list[torch.Tensor]:
        """For every place of stochastic depth [k, B, 1, 1], in the order and precision of SwinDropPath's own draws."""
        per_fold = [
            [torch.rand(batch, 1, 1, dtype=self.precision, device=self.device, generator=g) for _ in self.paths]
            for g in self.generators
        ]
        return [torch.stack(place) for place in zip(*per_fold, strict=True)]

    def _clip(self) -> None:
        """Scale each fold's gradient to a norm of at most `clip`, as `clip_grad_norm_` does for one model."""
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        squares = torch.stack([gradient.flatten(1).float().square().sum(1) for gradient in gradients])
        scale = (self.clip / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale.view(-1, *[1] * (gradient.ndim - 1)).to(gradient.dtype))

    @torch.no_grad()
    def write_back(self) -> list[SwinForImageClassification]:
        """The models given, holding the weights trained here."""
        for number, model in enumerate(self.models):
            parameters = dict(Tail(model, self.base.cut).named_parameters())
            for name in self.names:
                parameters[name].copy_(self.weights[name][number])
        return self.models


def _draw_by_hand(tail: Tail) -> list[DrawnDropPath]:
    """Put `DrawnDropPath` in the place of every stochastic depth that a forward from the trunk meets."""
    made = []
    for stage in list(tail.model.swin.encoder.layers)[tail.cut - 1 :]:
        for block in stage.blocks:  # type: ignore[union-attr]
            if isinstance(block.drop_path, SwinDropPath) and block.drop_path.training:
                block.drop_path = DrawnDropPath(block.drop_path.drop_prob)
                made.append(block.drop_path)
    return made
