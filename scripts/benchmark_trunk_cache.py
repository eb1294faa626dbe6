"""Phase 2 from the trunk cache against the same steps uncached and full fine-tuning in float32, in one process.

    python scripts/benchmark_trunk_cache.py                          # Swin-B/384, random weights
    python scripts/benchmark_trunk_cache.py --tuning true            # and what else helps on the stage-4 path
    python scripts/benchmark_trunk_cache.py --model swin-nano-192 --image_size 192 --batch 32 --rounds 20

Pictures are noise, stored through the real cache and read back by the real loader. Every round takes a step of each
side in turn, so that a machine whose speed drifts slows all alike; both of our sides run the Trainer's own training
step, and full fine-tuning is the bare loop (what the plain Trainer computes, without its overhead). Prints pictures/s
with quartiles, the share of the matrix peak measured there, the storage error of fp16 and bf16, and the experiment of
record projected from these parts: 7,492 pictures, 5,244 of them to train on and 1,498 to validate with, 80 epochs.
"""

import argparse
import json
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import (
    CLASSES,
    DTYPES,
    ON,
    Side,
    device_name,
    in_turn,
    make_pictures,
    make_recipe,
    matrix_peak,
    model_parser,
    now,
    quartiles,
)
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from spatial_swin.config import Recipe
from spatial_swin.modeling import swin
from spatial_swin.preparing import Start
from spatial_swin.runs import RunFolder, Sample
from spatial_swin.training import build_trainer
from spatial_swin.trunk import forward
from spatial_swin.trunk.filling import fill, missing_jobs
from spatial_swin.trunk.key import compute, open_cache, storage_error
from spatial_swin.trunk.training import train_from_cache

TRAIN, VALIDATION, TEST = 5244, 1498, 750  # of the 7,492 pictures of the experiment of record
EPOCHS, HEAD_ONLY, VIEWS = 80, 2, 8
FOLDS, FOLD_EPOCHS = 5, 150


def main() -> None:
    parser = model_parser(__doc__)
    parser.add_argument("--full_batch", type=int, default=2, help="of full fine-tuning, which may not fit otherwise")
    parser.add_argument("--rounds", type=int, default=6, help="rounds to count, after one that is not")
    parser.add_argument("--steps_cached", type=int, default=4, help="cached steps per round, timed together")
    parser.add_argument("--pictures", type=int, default=64, help="noise pictures to fill the cache with")
    parser.add_argument("--workers", type=int, default=0, help="of the loaders")
    parser.add_argument("--tuning", choices=("true", "false"), default="false")
    options = parser.parse_args()
    logging.getLogger("spatial_swin").setLevel(logging.ERROR)  # every model here has random weights
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), options), indent=2))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    split = make_pictures(folder / "data", options.image_size, options.pictures)
    split += [Sample(s.path, s.label, s.group, "validation", s.sha256) for s in split if s.split == "train"]
    uncached_recipe = load(folder, options, augmentation_views=2)
    cached_recipe = load(folder, options, trunk_cache_views=2)
    model = swin.build_model(cached_recipe.model, CLASSES)
    trainer = make_trainer(cached_recipe, split, model)
    filling = fill_cache(trainer, cached_recipe, split)
    train_from_cache(trainer, cached_recipe, split, CLASSES, lambda done, total: None)
    uncached = make_trainer(uncached_recipe, split, swin.build_model(uncached_recipe.model, CLASSES))
    sides = {
        "cached": (Steps(trainer, cached_recipe, 2).step, options.batch * options.steps_cached, options.steps_cached),
        "uncached": (Steps(uncached, uncached_recipe, 2).step, options.batch, 1),
        "full_fp32": (FullFineTuning(cached_recipe, options.full_batch).step, options.full_batch, 1),
    }
    rates = in_turn(sides, options.rounds)
    judged = {"cached": trainer, "uncached": uncached}
    evaluating = in_turn({name: (evaluation(of), options.batch, 1) for name, of in judged.items()}, options.rounds)
    result: dict[str, Any] = {
        "device": device_name(),
        "precision": cached_recipe.precision,
        **{name: getattr(options, name) for name in ("model", "batch", "full_batch", "rounds")},
        "filling": filling,
        "training_pictures_per_second": {name: quartiles(rate) for name, rate in rates.items()},
        "evaluating_pictures_per_second": {name: quartiles(rate) for name, rate in evaluating.items()},
    }
    train = {name: float(np.median(rate)) for name, rate in rates.items()}
    evaluate = {name: float(np.median(rate)) for name, rate in evaluating.items()}
    others = "uncached", "full_fp32"
    result["step_times_faster"] = {f"than_{name}": quartiles(rates["cached"] / rates[name]) for name in others}
    result["share_of_matrix_peak"] = peak_shares(trainer, cached_recipe, options, train["cached"], filling)
    result["projected"] = project(train, evaluate, filling["pictures_per_second"])
    if options.tuning == "true":
        result["tuning"] = tuning(cached_recipe, options)
    return result


def load(folder: Path, options: argparse.Namespace, **views: int) -> Recipe:
    trainer = {"fp16": True, "per_device_eval_batch_size": options.batch, "dataloader_drop_last": True}
    return make_recipe(folder, options, {"trunk_cache_dir": str(folder / "cache"), **views}, trainer)


def make_trainer(recipe: Recipe, split: list[Sample], model: Any) -> Any:
    recipe.output_dir.mkdir(parents=True, exist_ok=True)
    return build_trainer(recipe, RunFolder(recipe.output_dir), Start(split, model)).trainer


def fill_cache(trainer: Any, recipe: Recipe, split: list[Sample]) -> dict[str, Any]:
    """Fill it as a run does (decode, augment, trunk, write), and see what storing costs in precision."""
    parts = [[sample for sample in split if sample.split == part] for part in ("train", "validation")]
    datasets = [trainer.train_dataset, trainer.eval_dataset]
    trainer.model.eval()
    cut = forward.cut_stage(recipe.model)
    cache = open_cache(trainer, recipe, cut, parts[0], datasets[0])
    jobs = missing_jobs(cache, parts, cache.wanted(parts))
    began = now()
    fill(trainer, cache, jobs, datasets, lambda done, total: None)
    seconds = now() - began

    def pixels(count: int) -> torch.Tensor:
        return torch.stack([datasets[0][row]["pixel_values"] for row in range(count)]).to(trainer.args.device)

    with torch.no_grad(), torch.autocast(ON, enabled=False):
        output = forward.trunk_output(trainer.model, trainer.shown(pixels(4), [], None), cut)
    batch = pixels(recipe.trainer.per_device_train_batch_size)
    compute(trainer, cut, batch, [], None)
    began = now()
    compute(trainer, cut, batch, [], None)
    outputs = sum(len(job.views) for job in jobs)
    return {
        "outputs": outputs,
        "pictures_per_second": round(outputs / seconds, 3),
        "trunk_alone_pictures_per_second": round(len(batch) / (now() - began), 3),
        "stored": cache.stored,
        "kilobytes_an_output": round(cache.entry_bytes / 1000, 1),
        "relative_error_of_fp32_output": {kind: storage_error(output, kind) for kind in ("fp16", "bf16")},
    }


class Steps:
    """The Trainer's own training step, clipping and optimizer, on batches of its own loader."""

    def __init__(self, trainer: Any, recipe: Recipe, phase: int) -> None:
        self.trainer = trainer
        trainer.create_optimizer()
        self.model, self.optimizer = trainer.accelerator.prepare(trainer.model, trainer.optimizer)
        swin.set_learning(trainer.model, swin.learning_stages(recipe.model, phase))
        trainer.current_gradient_accumulation_steps = 1
        self.batches = endless(trainer.get_train_dataloader())

    def step(self) -> None:
        self.trainer.training_step(self.model, next(self.batches), None)
        self.trainer.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


def endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


class FullFineTuning:
    """Every stage learns, float32, a normalised batch that is on the device already."""

    def __init__(self, recipe: Recipe, batch: int) -> None:
        self.model = swin.build_model(recipe.model, CLASSES).to(ON).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=0.05, fused=True)
        self.pixels = torch.randn(batch, 3, recipe.model.image_size, recipe.model.image_size, device=ON)
        self.labels = torch.randint(0, 4, (batch,), device=ON)

    def step(self) -> None:
        loss = functional.cross_entropy(self.model(self.pixels).logits, self.labels, label_smoothing=0.1)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


def evaluation(trainer: Any) -> Callable[[], None]:
    """One batch of validation, loader included."""
    batches = endless(trainer.get_eval_dataloader())

    def step() -> None:
        trainer.model.eval()
        trainer.prediction_step(trainer.model, next(batches), prediction_loss_only=False)

    return step


def peak_shares(
    trainer: Any, recipe: Recipe, options: argparse.Namespace, step_rate: float, filling: dict[str, Any]
) -> dict[str, Any]:
    """Floating-point operations per second as torch counts them, over those of a large product in that precision."""
    dtype = DTYPES.get(recipe.precision, torch.float32)
    peak = matrix_peak(dtype, 8192 if ON == "cuda" else 2048, 10)
    cut, size = forward.cut_stage(recipe.model), options.image_size
    model = swin.build_model(recipe.model, CLASSES).to(ON).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        hidden = forward.trunk_output(model, torch.randn(1, 3, size, size, device=ON), cut)
    trunk_flops = counter.get_total_flops()
    swin.set_learning(model, swin.learning_stages(recipe.model, 2))
    with FlopCounterMode(display=False) as counter:
        forward.from_trunk(model, hidden, cut).sum().backward()
    step_flops = counter.get_total_flops()
    return {
        "matrix_peak_tflops_measured": round(peak / 1e12, 3),
        "trunk_gflop_a_picture": round(trunk_flops / 1e9, 2),
        "step_gflop_a_picture": round(step_flops / 1e9, 2),
        "trunk": round(filling["trunk_alone_pictures_per_second"] * trunk_flops / peak, 3),
        "step_from_cache": round(step_rate * step_flops / peak, 3),
    }


def project(train: dict[str, float], evaluate: dict[str, float], filling: float) -> dict[str, Any]:
    """Hours of the experiment of record, from measured parts; phase 1 counted as dear as phase 2."""

    def hours(seconds: float) -> float:
        return round(seconds / 3600, 3)

    outputs = TRAIN * VIEWS + VALIDATION
    epoch = {name: TRAIN / train[name] + VALIDATION / evaluate[name] for name in ("cached", "uncached")}
    epoch["full_fp32"] = TRAIN / train["full_fp32"] + VALIDATION / evaluate["uncached"]
    last = (VALIDATION + TEST) / evaluate["uncached"]  # the figures at the end come from pictures
    everything = TRAIN + VALIDATION + TEST
    fold = everything * (FOLDS - 1) / FOLDS / train["cached"] + everything / FOLDS / evaluate["cached"]
    return {
        "epoch_seconds": {name: round(seconds, 1) for name, seconds in epoch.items()},
        "epoch_times_faster": {name: round(epoch[name] / epoch["cached"], 2) for name in ("uncached", "full_fp32")},
        "outputs": outputs,
        "filling_hours": hours(outputs / filling),
        "run_hours_cached": hours(outputs / filling + EPOCHS * epoch["cached"] + last),
        "run_hours_uncached": hours(EPOCHS * epoch["uncached"] + last),
        "run_hours_full_fp32": hours(EPOCHS * epoch["full_fp32"] + last),
        "cross_validation_hours_cached": hours(
            everything * (VIEWS + 1) / filling + FOLDS * FOLD_EPOCHS * fold + everything / evaluate["uncached"]
        ),
    }


def tuning(recipe: Recipe, options: argparse.Namespace) -> dict[str, Any]:
    """Steps of the stages after the cut alone, on stored output in memory: other batches, optimizers, a compiler."""
    variants: dict[str, Side] = {}
    for batch in (options.batch // 2, options.batch, options.batch * 2, options.batch * 4):
        variants[f"batch {batch}"] = (StageSteps(recipe, batch).step, batch, 1)
    variants["foreach AdamW"] = (StageSteps(recipe, options.batch, fused=False).step, options.batch, 1)
    problems = {}
    try:
        compiled = StageSteps(recipe, options.batch, compiled=True)
        began = now()
        compiled.step()
        problems["seconds_to_compile"] = round(now() - began, 1)
        variants["torch.compile"] = (compiled.step, options.batch, 1)
    except Exception as error:  # whatever the compiler finds missing here
        problems["torch.compile"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    rates = in_turn(variants, options.rounds)
    base = rates[f"batch {options.batch}"]
    return {
        **problems,
        "pictures_per_second": {name: quartiles(rate) for name, rate in rates.items()},
        "times_faster": {name: quartiles(rate / base) for name, rate in rates.items()},
    }


class StageSteps:
    """From stored output in memory: forward, backward, clipping, optimizer."""

    def __init__(self, recipe: Recipe, batch: int, fused: bool = True, compiled: bool = False) -> None:
        self.dtype = DTYPES.get(recipe.precision)
        model = swin.build_model(recipe.model, CLASSES).to(ON)
        swin.set_learning(model, swin.learning_stages(recipe.model, 2))
        self.cut = forward.cut_stage(recipe.model)
        self.model = model.train()
        swin.rest_frozen(model)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        how = {"fused": True} if fused else {"foreach": True}
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-4, weight_decay=0.05, **how)
        with torch.no_grad(), torch.autocast(ON, dtype=self.dtype, enabled=self.dtype is not None):
            size = recipe.model.image_size
            one = forward.trunk_output(model, torch.randn(1, 3, size, size, device=ON), self.cut)
        self.hidden = one.repeat(batch, *[1] * (one.ndim - 1))
        self.labels = torch.randint(0, 4, (batch,), device=ON)
        self.forward = torch.compile(self._loss) if compiled else self._loss

    def _loss(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = forward.from_trunk(self.model, hidden, self.cut)
        return functional.cross_entropy(logits.float(), self.labels, label_smoothing=0.1)

    def step(self) -> None:
        with torch.autocast(ON, dtype=self.dtype, enabled=self.dtype is not None):
            loss = self.forward(self.hidden)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


if __name__ == "__main__":
    main()
