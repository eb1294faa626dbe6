"""All folds as one batched model against fold by fold: the same steps from the trunk cache's output, in turn.

    python scripts/benchmark_folds_at_once.py                                            # Swin-B/384, batch 16
    python scripts/benchmark_folds_at_once.py --model swin-nano-192/config.json --image_size 192 --batch 32

For 2 to 5 folds each round takes one step of every fold, first fold by fold (the model's own attention kernel, fused
AdamW, clipping: what the Trainer computes, without its bookkeeping), then at once. Stored trunk output is noise of the
right shape in memory: the loader is the same for both. Prints the ratio (fold by fold / at once, above 1 means that at
once is faster) as quartiles over the rounds, pictures/s of both, and the largest difference of the losses.
"""

import argparse
import copy
import json
from typing import Any

import numpy as np
import torch
from measuring import DTYPES, ON, SWIN_BASE_384, device_name, model_parser, now, quartiles
from torch.nn import functional
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.folds.at_once import FoldsAtOnce
from spatial_swin.modeling import schedule, swin
from spatial_swin.shipped import locate_model
from spatial_swin.trunk.forward import from_trunk, grid_at

RATES, DECAY, CLIP, SMOOTHING, CUT = (1e-3, 1e-4), 0.05, 1.0, 0.1, 4  # the experiment of record


class FoldByFold:
    """k models, each with an optimizer of its own."""

    def __init__(self, models: list[SwinForImageClassification], precision: torch.dtype) -> None:
        self.models, self.precision = models, precision
        self.optimizers = []
        for model in models:
            decays = {name for name, _ in model.named_parameters()} - schedule.no_decay_names(model)
            groups = schedule.parameter_groups(model, decays, *RATES, DECAY)
            self.optimizers.append(torch.optim.AdamW(groups, fused=True))
            model.train()
            swin.rest_frozen(model)

    def step(self, hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        losses = []
        for number, (model, optimizer) in enumerate(zip(self.models, self.optimizers, strict=True)):
            with torch.autocast(ON, self.precision, enabled=self.precision != torch.float32):
                logits = from_trunk(model, hidden[number], CUT)
            loss = functional.cross_entropy(logits.float(), labels[number], label_smoothing=SMOOTHING)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], CLIP)
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses)


def make_models(name: str, image_size: int, folds: int) -> list[SwinForImageClassification]:
    """Random weights (timings do not depend on them), without stochastic depth, so that losses can be compared."""
    source = SWIN_BASE_384 if name == "swin-base-384" else SwinConfig.from_pretrained(locate_model(name)).to_dict()
    source = {key: value for key, value in source.items() if key not in ("id2label", "label2id")}
    config = SwinConfig(**{**source, "image_size": image_size, "num_labels": 4, "drop_path_rate": 0.0})
    torch.manual_seed(0)
    first = SwinForImageClassification(config).float().to(ON)
    swin.set_learning(first, (CUT,))
    return [first, *(copy.deepcopy(first) for _ in range(folds - 1))]


def measure(options: argparse.Namespace, folds: int) -> dict[str, Any]:
    precision = DTYPES.get(options.precision, torch.float32)
    models = make_models(options.model, options.image_size, folds)
    rows, columns = grid_at(models[0], CUT)
    channels = models[0].config.embed_dim * 2 ** (CUT - 1)
    at_once = FoldsAtOnce(copy.deepcopy(models), CUT, RATES, list(range(folds)), DECAY, CLIP, SMOOTHING, precision)
    sides = {"fold by fold": FoldByFold(models, precision), "at once": at_once}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    difference = 0.0
    for number in range(options.rounds + 1):
        hidden = torch.randn(folds, options.batch, rows * columns, channels, device=ON)
        labels = torch.randint(0, 4, (folds, options.batch), device=ON)
        losses = []
        for name, side in sides.items():
            began = now()
            losses.append(side.step(hidden, labels))
            if number:  # the first round is not counted
                seconds[name].append(now() - began)
        difference = max(difference, (losses[0] - losses[1]).abs().max().item())
    one_by_one, together = (np.array(seconds[name]) for name in sides)
    pictures = folds * options.batch
    return {
        "folds": folds,
        "ratio_quartiles": quartiles(one_by_one / together),
        "pictures_per_second": {name: round(pictures / float(np.median(s)), 1) for name, s in seconds.items()},
        "largest_difference_of_losses": difference,
    }


def main() -> None:
    parser = model_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--folds", type=int, nargs="+", default=[2, 3, 4, 5])
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), default="bf16")
    options = parser.parse_args()
    print(f"{options.model}, batch {options.batch} per fold, {options.precision}, {device_name()}", flush=True)
    for folds in options.folds:
        print(json.dumps(measure(options, folds)), flush=True)


if __name__ == "__main__":
    main()
