"""The values of a recipe: each within its limits, and all fitting together, before any file is read.

In go the three dataclasses of a recipe, or anything with their fields, out come all `Problem`s at once. Nothing is
built: a value that TrainingArguments would choke on is named here first, with a way out.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
from transformers.trainer_utils import IntervalStrategy, SaveStrategy, SchedulerType

from spatial_swin.data.augment import augmentation_problems
from spatial_swin.data.augment_sound import sound_augmentation_problems
from spatial_swin.errors import Problem
from spatial_swin.files import lies_in
from spatial_swin.metric_names import CLASS_METRICS, Shown, names

CHOICES: dict[str, type[Enum]] = {
    "lr_scheduler_type": SchedulerType,
    "eval_strategy": IntervalStrategy,
    "logging_strategy": IntervalStrategy,
    "save_strategy": SaveStrategy,
}
MANY, HUGE = 65_536, 1_000_000_000
SEED = 2**32 - 1  # what numpy takes


@dataclass(frozen=True)
class Limit:
    """From `low` to `high`; `above`: low itself is not allowed; `below`: high itself is not."""

    low: float
    high: float
    above: bool = False
    below: bool = False

    def holds(self, value: float) -> bool:
        return (value > self.low if self.above else value >= self.low) and (
            value < self.high if self.below else value <= self.high
        )

    def __str__(self) -> str:
        first = f"above {self.low:g}" if self.above else f"from {self.low:g}"
        return f"{first} {'and below' if self.below else 'to'} {self.high:,.10g}".replace(",", "_")


AT_LEAST_ONE, NONE_OR_MORE, RATE = Limit(1, MANY), Limit(0, HUGE), Limit(0, 10)
LIMITS = {
    **dict.fromkeys(("seed", "data_seed", "split_seed", "augmentation_views_seed"), Limit(0, SEED)),
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size"), AT_LEAST_ONE),
    **dict.fromkeys(("gradient_accumulation_steps", "preflight_workers", "dataloader_prefetch_factor"), AT_LEAST_ONE),
    **dict.fromkeys(("save_total_limit", "early_stopping_patience"), AT_LEAST_ONE),
    **dict.fromkeys(("eval_accumulation_steps", "torch_empty_cache_steps"), AT_LEAST_ONE),
    **dict.fromkeys(("learning_rate", "backbone_learning_rate", "minimum_learning_rate", "weight_decay"), RATE),
    **dict.fromkeys(
        ("head_only_epochs", "warmup_epochs", "warmup_steps", "eval_delay", "max_grad_norm"), NONE_OR_MORE
    ),
    **dict.fromkeys(("augmentation_views", "trunk_cache_views"), Limit(0, 1_000_000)),
    **dict.fromkeys(("adam_beta1", "adam_beta2", "drop_path_rate"), Limit(0, 1, below=True)),
    **dict.fromkeys(("label_smoothing_factor", "adam_epsilon"), Limit(0, 1)),
    **dict.fromkeys(("logging_steps", "eval_steps", "save_steps"), Limit(0, HUGE, above=True)),
    "layer_decay": Limit(0, 1, above=True),
    "ema_decay": Limit(0, 1, below=True),
    "num_train_epochs": Limit(0, 1_000_000, above=True),
    "max_steps": Limit(-1, HUGE),
    "dataloader_num_workers": Limit(0, 1_024),
    "image_size": Limit(8, 4_096),
    "clip_seconds": Limit(0.25, 600),
    "trunk_cache_max_gb": Limit(0, 1_000_000, above=True),
}


def value_problems(model: Any, data: Any, trainer: Any) -> list[Problem]:
    """Everything that is wrong with the values of `config`'s three dataclasses, or of what has their fields."""
    problems = [problem for arguments in (model, data, trainer) for problem in _out_of_limits(vars(arguments))]
    checks = (_stages(model), _cache(model, data), _division(data), _epochs(model, trainer), _rates(trainer))
    problems += [problem for check in checks for problem in check]
    problems += [*_choices(trainer), *_hub(trainer), *_places(data, trainer)]
    return problems + augmentation_problems(data) + sound_augmentation_problems(data)


def _out_of_limits(values: dict[str, Any]) -> Iterator[Problem]:
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if key in LIMITS and not LIMITS[key].holds(value):
            yield Problem(key, f"is {value}", f"give a number {LIMITS[key]}")
        elif not math.isfinite(value):
            yield Problem(key, f"is {value}", "give a finite number")


def _stages(model: Any) -> Iterator[Problem]:
    stages = set(model.unfreeze_stages)
    for stage in sorted(stages - set(range(5))):
        do = "a Swin has stages 1 to 4, and embeddings as stage 0; use e.g. [4] or [3, 4]"
        yield Problem("unfreeze_stages", f"stage {stage} does not exist", do)
    if stages and stages <= set(range(5)) and (wanted := set(range(min(stages), 5))) > stages:
        what = f"{sorted(stages)} leaves a frozen stage behind a learning one"
        yield Problem("unfreeze_stages", what, f"use {sorted(wanted)}")


def _cache(model: Any, data: Any) -> Iterator[Problem]:
    if data.trunk_cache_precision not in ("auto", "fp16", "bf16", "fp32"):
        yield Problem("trunk_cache_precision", f"is {data.trunk_cache_precision}", "use auto, fp16, bf16 or fp32")
    if data.trunk_cache_views <= 0:
        return
    if data.augmentation_views not in (0, data.trunk_cache_views):
        what = f"is {data.augmentation_views}, trunk_cache_views is {data.trunk_cache_views}"
        yield Problem("augmentation_views", what, "leave it out: the cached views are the views")
    asks = "asks to store what frozen stages give, and"
    if model.train_all_stages:
        yield Problem("trunk_cache_views", f"{asks} train_all_stages freezes none", "set it to 0")
    if min(model.unfreeze_stages, default=4) <= 1:
        do = "set it to 0, or let fewer stages learn, e.g. [4]"
        yield Problem("trunk_cache_views", f"{asks} unfreeze_stages reaches down to stage 1", do)


def _division(data: Any) -> Iterator[Problem]:
    shares = (data.train_share, data.validation_share, data.test_share)
    if not min(shares) > 0 or abs(sum(shares) - 1) > 1e-6:
        do = "give three shares above 0 that add up to 1"
        yield Problem("train_share, validation_share, test_share", f"are {shares}", do)
    if data.factors:
        try:
            if not re.compile(data.factors).groupindex:
                yield Problem("factors", "has no named group", "name what it finds, e.g. (?P<recording>.+)_chunk")
        except re.error as error:
            yield Problem("factors", f"is not a regular expression ({error})", "test it with `spatial-swin audit`")
    if data.class_weights not in (["none"], ["balanced"]):
        try:
            right = all(math.isfinite(float(weight)) and float(weight) > 0 for weight in data.class_weights)
        except ValueError:
            right = False
        if not right or not data.class_weights:
            do = "use none, balanced, or one number above 0 per class"
            yield Problem("class_weights", f"is {data.class_weights}", do)


def _epochs(model: Any, trainer: Any) -> Iterator[Problem]:
    head_only, epochs = model.head_only_epochs, trainer.num_train_epochs
    if head_only % 1:
        yield Problem("head_only_epochs", f"is {head_only}", "give a whole number of epochs, 0 or more")
    if trainer.max_steps > 0:  # which decides the length instead
        return
    if not 0 <= trainer.warmup_epochs < epochs:
        yield Problem("warmup_epochs", f"is {trainer.warmup_epochs} of {epochs} epochs", "warm up for less")
    if model.unfreeze_stages and not model.train_all_stages and head_only >= epochs:
        what = f"is {head_only:g} of {epochs:g} epochs, so that the stages {model.unfreeze_stages} would never learn"
        yield Problem("head_only_epochs", what, "give less, or unfreeze_stages: none to train the head alone")


def _rates(trainer: Any) -> Iterator[Problem]:
    for key in ("learning_rate", "backbone_learning_rate"):
        rate, least = getattr(trainer, key), trainer.minimum_learning_rate
        if rate < least and trainer.lr_scheduler_type == "cosine":
            yield Problem(key, f"{rate} is below minimum_learning_rate {least}", "lower minimum_learning_rate")


def _choices(trainer: Any) -> Iterator[Problem]:
    for key, choices in CHOICES.items():
        chosen, known = getattr(trainer, key), [choice.value for choice in choices]
        if getattr(chosen, "value", chosen) not in known:
            yield Problem(key, f"is {chosen}", f"use one of {', '.join(known)}")
    trackers = trainer.report_to or []
    for name in [trackers] if isinstance(trackers, str) else trackers:
        if name not in (*INTEGRATION_TO_CALLBACK, "none", "all"):
            yield Problem("report_to", f"there is no tracker {name}", "use wandb, tensorboard, trackio, or none")
    metric = str(trainer.metric_for_best_model or "accuracy").removeprefix("eval_")
    metrics = ("loss", *names(Shown.EPOCH))
    if metric not in metrics and not metric.startswith(tuple(f"{kind}_" for kind in CLASS_METRICS)):
        do = f"use {', '.join(metrics)}, or one of a class, e.g. f1_514"
        yield Problem("metric_for_best_model", f"there is no metric {metric}", do)
    if metric == "loss" and trainer.greater_is_better:
        yield Problem("greater_is_better", "is true, and a loss is better when it is less", "set it to false")
    if trainer.fp16 and trainer.bf16:
        yield Problem("fp16, bf16", "are both true", "choose one precision")
    if trainer.ddp_static_graph:
        yield Problem("ddp_static_graph", "is true, and phase 2 changes the graph by unfreezing", "leave it out")


def _hub(trainer: Any) -> Iterator[Problem]:
    if trainer.hub_token is not None:
        do = "set HF_TOKEN, or log in with `hf auth login`"
        yield Problem("hub_token", "is a secret, and recipes are written down", do)
    if trainer.push_to_hub and not trainer.hub_model_id:
        do = "add e.g. hub_model_id: your-name/your-model"
        yield Problem("push_to_hub", "is true and hub_model_id is missing", do)


def _places(data: Any, trainer: Any) -> Iterator[Problem]:
    if lies_in(trainer.output_dir, data.data_dir):
        what = f"{trainer.output_dir} lies in the data folder {data.data_dir}, whose files are counted as pictures"
        yield Problem("output_dir", what, "choose a folder outside of it")
