"""Recipes: a flat YAML under Model / Data / Trainer plus a command line goes in, one validated `Recipe` comes out.

The command line wins over the YAML; an unknown key is an error that names the nearest one; all problems come at once.
Every key of transformers' TrainingArguments is accepted under Trainer. Nothing here touches data or builds a model.
"""

import argparse
import contextlib
import json
import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import HfArgumentParser, TrainingArguments
from transformers.utils import logging as transformers_logging

from spatial_swin.data.augment import AugmentationArguments
from spatial_swin.data.augment_sound import SoundAugmentationArguments
from spatial_swin.errors import Problem, RecipeError, raise_problems
from spatial_swin.recipe_keys import HEADINGS, RENAMED, Given, keys, read_recipe, written
from spatial_swin.recipe_values import value_problems

KINDS = {  # types as they are written in the source -> in words
    "bool": "true or false",
    "bool | None": "true or false",
    "int": "a whole number",
    "int | None": "a whole number",
    "float": "a number",
    "float | None": "a number",
    "list[int]": "whole numbers",
    "list[float]": "numbers",
}
# Keys that say how a run is carried out, not what it computes: they may differ when a run is continued.
CARRIED_OUT = frozenset(
    {
        "config",
        "output_dir",
        "overwrite",
        "resume_from_checkpoint",
        "dataloader_num_workers",
        "dataloader_pin_memory",
        "dataloader_persistent_workers",
        "dataloader_prefetch_factor",
        "preflight_workers",
        "skip_bad",
        "clip_seconds",
        "report_to",
        "run_name",
        "logging_steps",
        "logging_strategy",
        "disable_tqdm",
        "save_total_limit",
        "push_to_hub",
        "hub_model_id",
        "ddp_backend",
        "trunk_cache_dir",
        "trunk_cache_max_gb",
        "tags",
        "track_model",
        "track_split",
        "logging_first_step",
        "trackio_space_id",
        "trackio_bucket_id",
        "trackio_static_space_id",
        "per_device_eval_batch_size",
        "project",
        "hub_private_repo",
        "hub_revision",
        "hub_strategy",
        "hub_always_push",
    }
)


def option(default: Any, help: str) -> Any:
    """A recipe key with its default and the sentence that `--help` shows."""
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"help": help})
    return field(default=default, metadata={"help": help})


@dataclass
class ModelArguments:
    """Which Swin, at which size, and which of its stages learn."""

    model_name_or_path: str = option(
        "microsoft/swin-base-patch4-window12-384",
        "Model on the Hub, a local folder, `swin-nano-192` (ships with the package), or a Swin config.json "
        "(random weights, with a warning).",
    )
    model_revision: str = option("main", "Branch, tag or commit of the model on the Hub.")
    image_size: int = option(384, "Height and width of the pictures the model sees, in pixels.")
    unfreeze_stages: list[int] = option(
        [4],
        "Stages that learn in phase 2 beside the head: 1 to 4, and 0 for the embeddings; stage 4 includes the final "
        "layer norm; `none` for none.",
    )
    head_only_epochs: float = option(2, "Epochs of phase 1, in which the head alone learns.")
    drop_path_rate: float = option(0.1, "Stochastic depth of the stages that learn (frozen stages never drop).")
    train_all_stages: bool = option(
        False,
        "Train every stage and the embeddings from the first step, beginning with the weights of model_name_or_path; "
        "for comparisons, not for the recipe of record.",
    )


@dataclass
class DataArguments(AugmentationArguments, SoundAugmentationArguments):
    """Where the pictures are, how they are split, and what is drawn upon them."""

    data_dir: str = option("data", "Folder of class folders, or of train/ validation/ test/ folders that hold them.")
    clip_seconds: float | None = option(
        None, "Seconds of sound that a picture must hold by its tiles.json: others are refused; none: any."
    )
    split_by: str = option(
        "none",
        "Keep each value of this factor in one part: none (stratified by picture), recording, programme, listener ...",
    )
    train_share: float = option(0.7, "Share of the pictures to train on.")
    validation_share: float = option(0.2, "Share of the pictures to choose the best epoch with.")
    test_share: float = option(0.1, "Share of the pictures that is opened once, at the end.")
    split_file: str | None = option(
        None,
        "CSV with the part of every picture (columns path, label, split, and group; the split.csv of a run is one), "
        "in place of split_by, the shares and split_seed.",
    )
    split_seed: int | None = option(None, "Seed of the split; the training's seed when not given.")
    factors: str | None = option(
        None, "Regular expression with named groups, read from each path: recording, listener, ..."
    )
    manifest: str | None = option(None, "CSV with a `path` column and one column per factor.")
    class_weights: list[str] = option(
        ["none"],
        "Weights of the classes in the loss: none, balanced, or one number per class in the order of the classes.",
    )
    augmentation_views: int = option(
        0,
        "Show every picture in so many fixed draws, in turn, each once before any comes again; 0 makes new ones every "
        "epoch.",
    )
    augmentation_views_seed: int = option(
        0, "Seed of those fixed draws; not the training's, so that folds, seeds and repeats share one trunk cache."
    )
    trunk_cache_views: int = option(
        0,
        "Compute what the frozen stages make of every picture once for so many views (sets augmentation_views), keep "
        "it on disk, and train from there; 0 is off.",
    )
    trunk_cache_dir: str | None = option(
        None, "Folder of the trunk cache; spatial-swin/trunk in the user's cache folder when not given."
    )
    trunk_cache_max_gb: float = option(50.0, "Most that folder may hold, in GB; more is refused before starting.")
    trunk_cache_precision: str = option(
        "auto",
        "How trunk output is stored: fp16, bf16, fp32, or auto: exactly as it is computed where that takes 16 bits, "
        "else the 16 bits with the smaller measured error.",
    )
    skip_bad: bool = option(False, "Leave out pictures that cannot be used, and count them, instead of stopping.")
    preflight_workers: int | None = option(
        None, "Threads that check every file before training; one per core when not given."
    )

    @property
    def views(self) -> int:
        """How many fixed draws each picture is shown in; 0 makes new ones every epoch."""
        return self.trunk_cache_views or self.augmentation_views


@dataclass
class TwoPhaseTrainingArguments(TrainingArguments):
    """transformers' TrainingArguments, with the defaults of this recipe and the keys of two-phase training."""

    output_dir: str | None = option(None, "The run folder; runs/<recipe's name> when not given.")
    overwrite: bool = option(False, "Start again in a run folder that is finished; what is in it is lost.")
    backbone_learning_rate: float = option(
        1e-4, "Peak learning rate of the stages that learn; learning_rate is the head's."
    )
    learning_rate: float = option(1e-3, "Peak learning rate of the head.")
    layer_decay: float | None = option(
        None,
        "Rate of a block over that of the block after it: the last one and the final norm learn at "
        "backbone_learning_rate, the embeddings slowest; none, as 1, is one rate for all.",
    )
    minimum_learning_rate: float = option(1e-5, "Where the cosine of every group ends.")
    warmup_epochs: float = option(5, "Epochs of linear warm-up, phase 1 included.")
    early_stopping_patience: int | None = option(
        None, "Stop after so many phase-2 epochs without a better metric_for_best_model; never in phase 1."
    )
    ema_decay: float | None = option(
        None,
        "Evaluate and save an exponential moving average of the weights that learn, which keeps this share of itself "
        "at a step (less in the first ones); none, as 0, is off.",
    )
    weight_decay: float = option(0.05, "Weight decay; biases, norms and position biases have none.")
    label_smoothing_factor: float = option(0.1, "Share of the target given to all classes alike.")
    num_train_epochs: float = option(80, "Epochs in all, both phases.")
    per_device_train_batch_size: int = option(16, "Pictures per step on each device.")
    per_device_eval_batch_size: int = option(32, "Pictures per step when evaluating, on each device.")
    lr_scheduler_type: str = option("cosine", "cosine (to minimum_learning_rate), or any schedule of transformers.")
    eval_strategy: str = option("epoch", "When to evaluate; the recipe counts in epochs.")
    save_strategy: str = option("epoch", "When to save a checkpoint.")
    save_total_limit: int | None = option(2, "Checkpoints to keep; the best and the last survive.")
    load_best_model_at_end: bool = option(True, "End with the best epoch's weights.")
    metric_for_best_model: str | None = option("accuracy", "Validation metric that chooses the best epoch.")
    greater_is_better: bool | None = option(True, "Whether that metric is better when greater.")
    logging_strategy: str = option(
        "epoch", "When the trackers hear of the loss within an epoch: epoch, or steps (with logging_steps)."
    )
    report_to: list[str] = option(["none"], "Trackers: wandb, tensorboard, trackio; several are possible, or none.")
    project: str = option("spatial-audio-classification-phd", "Project of wandb and trackio.")
    run_name: str | None = option(None, "Name of the run for wandb and trackio; the run folder's when not given.")
    tags: list[str] = option([], "Tags of the run for wandb and trackio.")
    track_split: bool = option(True, "Keep split.csv with the wandb run, as an artifact; never the pictures.")
    track_model: bool = option(True, "Keep the best model with the wandb run, as an artifact.")
    logging_nan_inf_filter: bool = option(
        False, "Off: a loss that is not finite stops the run, it is not averaged away."
    )
    remove_unused_columns: bool = option(False, "Off: the sample's key must reach the augmentation.")
    ddp_find_unused_parameters: bool | None = option(True, "Stage 4 has no gradient in phase 1.")
    dataloader_pin_memory: bool = option(
        torch.cuda.is_available(), "Pin memory; by default only where there is a GPU."
    )


@dataclass
class Recipe:
    """One run, as resolved: three dataclasses, what was asked for (for recipe.yaml), and the precision really used."""

    model: ModelArguments
    data: DataArguments
    trainer: TwoPhaseTrainingArguments
    requested: dict[str, dict[str, Any]]
    name: str
    precision: str  # fp16 | bf16 | fp32

    @property
    def output_dir(self) -> Path:
        assert self.trainer.output_dir is not None
        return Path(self.trainer.output_dir)

    def computed(self) -> dict[str, Any]:
        """The keys that decide what is computed, flat: equal for a run and its continuation."""
        flat = {RENAMED.get(key, key): value for keys in self.requested.values() for key, value in keys.items()}
        return typed({key: value for key, value in flat.items() if key not in CARRIED_OUT})


ARGUMENT_CLASSES = dict(zip(HEADINGS, (ModelArguments, DataArguments, TwoPhaseTrainingArguments), strict=True))


def load_recipe(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """Read the recipe at `path` (or of that name), let `overrides` (["--key", "value", ...]) win, check everything.

    The precision is resolved to what this machine has.

    Raises:
        RecipeError: unknown or misplaced keys; wrong values, and values that do not fit together; all at once.
        UsageError: an override that is not `--key value`.
    """
    return resolve(read_recipe(path, overrides), name=Path(path).stem)


def resolve(given: Given, name: str) -> Recipe:
    """Turn keys and values by heading into a checked Recipe."""
    given = {heading: dict(given.get(heading) or {}) for heading in HEADINGS}
    given["Trainer"]["output_dir"] = str(given["Trainer"].get("output_dir") or Path("runs") / name)
    values, model, data, problems = _checked(given)
    raise_problems(RecipeError, problems, "The recipe cannot be used")
    asked = values["Trainer"]
    precision = resolve_precision("fp16" if asked.get("fp16") else "bf16" if asked.get("bf16") else None)
    used = {"fp16": precision == "fp16", "bf16": precision == "bf16" and torch.cuda.is_available()}
    try:
        trainer = TwoPhaseTrainingArguments(**asked | used)
    except (ValueError, TypeError, ImportError) as error:
        raise RecipeError(f"recipe {name}: {error}") from None
    # not what accelerate's launcher wrote into the environment: it may ask for fp16 where there is no GPU
    trainer.mixed_precision = {"fp32": "no"}.get(precision, precision)
    own = {key: getattr(trainer, key) for key in TwoPhaseTrainingArguments.__annotations__}
    requested = {
        "Model": vars(model),
        "Data": vars(data),
        "Trainer": typed({key: value for key, value in given["Trainer"].items() if value is not None}) | own,
    }
    return Recipe(model, data, trainer, _plain(requested), name, precision)


def problems_of(given: Given) -> list[Problem]:
    """What is wrong with the values of a recipe whose keys are known; nothing of it is built."""
    return _checked(given)[-1]


def _checked(given: Given) -> tuple[Given, ModelArguments, DataArguments, list[Problem]]:
    """Every value with its type, the two parts that can be built in any case, and all that is wrong."""
    values, problems = _typed(given)
    model, data = ModelArguments(**values["Model"]), DataArguments(**values["Data"])
    trainer = SimpleNamespace(**_defaults() | values["Trainer"])
    return values, model, data, [*problems, *value_problems(model, data, trainer)]


def _defaults() -> dict[str, Any]:
    """The trainer's keys with their defaults, nothing of it built."""
    return {
        f.name: f.default_factory() if f.default_factory is not MISSING else f.default
        for f in fields(TwoPhaseTrainingArguments)
        if f.init
    }


def _typed(given: Given) -> tuple[Given, list[Problem]]:
    """Every value with the type of its key (YAML reads `1e-4` as text), and a problem for each that has another."""
    parser = _parser()
    values: Given = {heading: {} for heading in HEADINGS}
    problems = []
    for heading, of_heading in given.items():
        for key, value in of_heading.items():
            if value is not None:
                try:
                    values[heading][key] = _one_typed(parser, key, value)
                except (ValueError, TypeError, argparse.ArgumentError, argparse.ArgumentTypeError):
                    kind, choices = keys()[heading][key], parser._option_string_actions[f"--{key}"].choices
                    wanted = f"one of {', '.join(map(str, choices))}" if choices else KINDS.get(kind, kind)
                    problems.append(Problem(key, f"is {value!r}"[:200], f"give {wanted}"))
    return values, problems


@cache
def _parser() -> HfArgumentParser:
    classes: Any = list(ARGUMENT_CLASSES.values())
    return HfArgumentParser(classes, allow_abbrev=False, add_help=False, conflict_handler="resolve")


def _one_typed(parser: HfArgumentParser, key: str, value: Any) -> Any:
    """`value` read by the type that HfArgumentParser finds for `key`."""
    action = parser._option_string_actions[f"--{key}"]
    words = value if isinstance(value, list) else [value]
    if isinstance(value, list) and action.nargs not in ("+", "*"):
        raise ValueError("a list, where one value belongs")
    read = []
    for word in words:
        if isinstance(word, list):
            raise ValueError("a list within a list")
        read.append(parser._get_value(action, json.dumps(word) if isinstance(word, dict) else str(word)))
        parser._check_value(action, read[-1])
    return read if action.nargs in ("+", "*") else read[0]


def typed(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The same keys, every value with the type of its key, so that `--seed 42` is equal to `seed: 42`.

    What is no such value stays as it is: stored recipes of another version have keys and values of their own.
    """
    parser, read = _parser(), dict(flat)
    for key, value in flat.items():
        with contextlib.suppress(ValueError, TypeError, KeyError, argparse.ArgumentError, argparse.ArgumentTypeError):
            if value is not None and not isinstance(value, dict):
                one = _one_typed(parser, key, value)
                is_mapping = isinstance(one, str) and one.startswith(
                    "{"
                )  # of optim_args and others, on a command line
                read[key] = _plain(json.loads(one) if is_mapping else one)
    return read


def _plain(value: Any) -> Any:
    """Enums to their values, tuples to lists: what YAML writes without tags."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return getattr(value, "value", value)


def describe_keys() -> str:
    """Every key of ours with its default and meaning, for `--help`."""
    lines = []
    for heading, cls in ARGUMENT_CLASSES.items():
        trainer = heading == "Trainer"
        beside = "; every TrainingArguments key of transformers is accepted beside these" if trainer else ""
        lines.append(f"\n{heading}{beside}:")
        for f in fields(cls):
            if trainer and f.name not in cls.__annotations__:
                continue
            default = f.default if f.default_factory is MISSING else f.default_factory()
            text = textwrap.wrap(f"{f.metadata.get('help', '')} (default: {written(default)})", width=88)
            lines += [f"  --{f.name}", *(f"      {line}" for line in text)]
    return "\n".join(lines)


def resolve_precision(requested: str | None) -> str:
    """The precision this machine gives to what the recipe or accelerate's launcher asks for; says so when it differs.

    fp16 needs a GPU: a CPU falls back to bf16 where it has the instructions (8 times faster than fp32 for Swin-B/384),
    else to fp32.
    """
    launcher = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    wish = requested or ("fp32" if launcher == "no" else launcher)
    if wish == "fp32" or torch.cuda.is_available():
        return wish
    has_bf16 = torch.cpu._is_avx512_bf16_supported()
    precision = "bf16" if has_bf16 else "fp32"
    if precision != wish:
        transformers_logging.get_logger("spatial_swin").warning(
            f"{wish} asked for, but there is no CUDA GPU: using {precision} on the CPU"
        )
    return precision
