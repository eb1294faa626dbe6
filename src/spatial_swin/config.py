"""Recipes: a flat YAML under Model / Data / Trainer plus a command line goes in, one validated `Recipe` comes out.

The command line wins over the YAML; an unknown key is an error that names the nearest one; all problems come at once.
Every key of transformers' TrainingArguments is accepted under Trainer. Nothing here touches data or builds a model.
"""

import difflib
import json
import os
import re
import textwrap
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import HfArgumentParser, TrainingArguments
from transformers.utils import logging as transformers_logging

from spatial_swin.data.augment import AugmentationArguments, augmentation_problems
from spatial_swin.data.augment_sound import SoundAugmentationArguments, sound_augmentation_problems
from spatial_swin.errors import Problem, RecipeError, UsageError, raise_problems

# What accelerate's launcher asked for; read once, because `resolve` writes its answer into the same variable.
LAUNCHER_PRECISION = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
SECTIONS = ("Model", "Data", "Trainer")
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


RENAMED = {"train_from_scratch": "train_all_stages"}  # keys of older recipes and runs


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
        "(random weights, said loudly).",
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
    split_by: str = option(
        "none",
        "Keep each value of this factor in one part: none (stratified by picture), recording, programme, listener ...",
    )
    train_share: float = option(0.7, "Share of the pictures to train on.")
    validation_share: float = option(0.2, "Share of the pictures to choose the best epoch with.")
    test_share: float = option(0.1, "Share of the pictures that is opened once, at the end.")
    split_seed: int | None = option(None, "Seed of the split; the training's seed when not given.")
    factors: str | None = option(
        None, "Regular expression with named groups, read from each path: recording, listener, ..."
    )
    manifest: str | None = option(None, "CSV with a `path` column and one column a factor.")
    class_weights: list[str] = option(
        ["none"],
        "Weights of the classes in the loss: none, balanced, or one number a class in the order of the classes.",
    )
    augmentation_views: int = option(
        0,
        "Show every picture in so many fixed draws, in turn, each once before any comes again; 0 draws anew every "
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
        "else the 16 bits with the lesser measured error.",
    )
    skip_bad: bool = option(False, "Leave out pictures that cannot be used, and count them, instead of stopping.")
    preflight_workers: int | None = option(
        None, "Threads that check every file before training; one a core when not given."
    )

    @property
    def views(self) -> int:
        """How many fixed draws each picture is shown in; 0 draws anew every epoch."""
        return self.trunk_cache_views or self.augmentation_views


@dataclass
class TwoPhaseTrainingArguments(TrainingArguments):
    """transformers' TrainingArguments, with the defaults of this recipe and the keys of two-phase training."""

    output_dir: str | None = option(None, "The run folder; runs/<recipe's name> when not given.")
    overwrite: bool = option(False, "Start anew in a run folder that is finished; what is in it is lost.")
    backbone_learning_rate: float = option(
        1e-4, "Peak learning rate of the stages that learn; learning_rate is the head's."
    )
    learning_rate: float = option(1e-3, "Peak learning rate of the head.")
    minimum_learning_rate: float = option(1e-5, "Where the cosine of every group ends.")
    warmup_epochs: float = option(5, "Epochs of linear warm-up, phase 1 included.")
    early_stopping_patience: int | None = option(
        None, "Stop after so many phase-2 epochs without a better metric_for_best_model; never in phase 1."
    )
    weight_decay: float = option(0.05, "Weight decay; biases, norms and position biases have none.")
    label_smoothing_factor: float = option(0.1, "Share of the target given to all classes alike.")
    num_train_epochs: float = option(80, "Epochs in all, both phases.")
    per_device_train_batch_size: int = option(16, "Pictures a step on each device.")
    per_device_eval_batch_size: int = option(32, "Pictures a step when evaluating, on each device.")
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
        return {key: value for key, value in flat.items() if key not in CARRIED_OUT}


ARGUMENT_CLASSES = dict(zip(SECTIONS, (ModelArguments, DataArguments, TwoPhaseTrainingArguments), strict=True))


class _Parser(HfArgumentParser):
    """HfArgumentParser whose errors are ours: a sentence, not a page of usage."""

    def error(self, message: str) -> Any:
        raise RecipeError(f"recipe or command line: {message}")


def recipe_parser() -> HfArgumentParser:
    """The parser of every key, for `--help` and for reading values with their types."""
    classes: Any = [ModelArguments, DataArguments, TwoPhaseTrainingArguments]
    parser = _Parser(classes, allow_abbrev=False, prog="spatial-swin train", add_help=False)
    parser.conflict_handler = "resolve"
    return parser


def load_recipe(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """Read the recipe at `path`, let `overrides` (["--key", "value", ...]) win, check, and resolve the precision.

    Raises:
        RecipeError: unknown or misplaced keys, wrong values, values that do not fit together; all at once.
        UsageError: an override that is not `--key value`.
    """
    given = read_yaml(Path(path))
    for key, value in _read_overrides(overrides).items():
        given[_section_of(key)][key] = value
    return resolve(given, name=Path(path).stem)


def resolve(given: dict[str, dict[str, Any]], name: str) -> Recipe:
    """Turn keys and values by section into a checked Recipe."""
    given = {section: dict(given.get(section) or {}) for section in SECTIONS}
    trainer = given["Trainer"]
    trainer["output_dir"] = str(trainer.get("output_dir") or Path("runs") / name)
    requested_precision = "fp16" if _true(trainer.get("fp16")) else "bf16" if _true(trainer.get("bf16")) else None
    precision = resolve_precision(requested_precision)
    actual = {section: dict(values) for section, values in given.items()}
    actual["Trainer"].update(fp16=precision == "fp16", bf16=precision == "bf16" and torch.cuda.is_available())
    # accelerate reads the environment; its launcher may have written fp16 there for a machine that has no GPU
    os.environ["ACCELERATE_MIXED_PRECISION"] = {"fp32": "no"}.get(precision, precision)
    parser = recipe_parser()
    try:
        model, data, trainer_arguments = parser.parse_args_into_dataclasses(_as_argv(actual), look_for_args_file=False)
    except (ValueError, TypeError, ImportError) as error:
        raise RecipeError(f"recipe {name}: {error}") from None
    for arguments, section in zip((model, data, trainer_arguments), SECTIONS, strict=True):
        for key, value in given[section].items():
            if isinstance(value, list) and not value:
                setattr(arguments, key, [])
    _check(model, data, trainer_arguments)
    requested = {
        "Model": _public(model),
        "Data": _public(data),
        "Trainer": {
            **{key: value for key, value in given["Trainer"].items() if value is not None},
            **{f.name: getattr(trainer_arguments, f.name) for f in _own_fields(TwoPhaseTrainingArguments)},
        },
    }
    return Recipe(model, data, trainer_arguments, _plain(requested), name, precision)


def read_yaml(path: Path) -> dict[str, dict[str, Any]]:
    """Read a recipe file into {section: {key: value}}; every unknown section or key is named at once."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe; the recipes are in the folder recipes/") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: a recipe has the headings {', '.join(SECTIONS)} with keys below them")
    problems = []
    for section, values in content.items():
        if section not in SECTIONS:
            problems.append(Problem(str(path), f"heading {section!r} is unknown", f"use {', '.join(SECTIONS)}"))
        elif not isinstance(values, dict):
            problems.append(
                Problem(f"{path}, {section}", "holds no keys", "write `key: value` lines below the heading")
            )
        else:
            problems += [problem for key in values if (problem := _key_problem(f"{path}, {section}", key, section))]
    raise_problems(RecipeError, problems, "The recipe cannot be used")
    return {section: dict(content.get(section, {})) for section in SECTIONS}


def _key_problem(where: str, key: str, section: str | None) -> Problem | None:
    if key in RENAMED:
        return Problem(where, f"key `{key}` is called `{RENAMED[key]}` now", "rename it; the value stays the same")
    home = {f.name: name for name, cls in ARGUMENT_CLASSES.items() for f in fields(cls) if f.init}
    if key not in home:
        near = difflib.get_close_matches(str(key), home, n=1, cutoff=0.5)
        advice = (
            f"did you mean `{near[0]}` (under {home[near[0]]})?" if near else "`spatial-swin train --help` lists all"
        )
        return Problem(where, f"key `{key}` is unknown", advice)
    if section is not None and home[key] != section:
        return Problem(where, f"key `{key}` stands under the wrong heading", f"move it to {home[key]}")
    return None


def _section_of(key: str) -> str:
    return next(name for name, cls in ARGUMENT_CLASSES.items() if key in {f.name for f in fields(cls)})


def _read_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """["--unfreeze_stages", "3", "4", "--fp16"] -> {"unfreeze_stages": ["3", "4"], "fp16": "true"}."""
    values: dict[str, list[str]] = {}
    key = None
    for word in overrides:
        if word.startswith("--"):
            key, equals, value = word[2:].partition("=")
            values[key] = [value] if equals else []
        elif key is None:
            raise UsageError(f"{word!r} is not an option; overrides are written --key value")
        else:
            values[key].append(word)
    problems = [problem for key in values if (problem := _key_problem("command line", key, None))]
    raise_problems(RecipeError, problems, "The command line cannot be used")
    return {key: _one_or_list(key, words) for key, words in values.items()}


def _one_or_list(key: str, words: list[str]) -> Any:
    if [word.lower() for word in words] == ["none"] and key != "class_weights":
        return [] if _is_list(key) else None
    return words if _is_list(key) else (words[0] if len(words) == 1 else words or "true")


def _is_list(key: str) -> bool:
    return any(f.name == key and "list[" in str(f.type) for cls in ARGUMENT_CLASSES.values() for f in fields(cls))


def _as_argv(given: dict[str, dict[str, Any]]) -> list[str]:
    """Values as command-line words, so that one parser gives every value its type (YAML reads `1e-4` as text)."""
    argv: list[str] = []
    for values in given.values():
        for key, value in values.items():
            if value is None or (isinstance(value, list) and not value):
                continue
            words = value if isinstance(value, list) else [value]
            argv += [f"--{key}", *(json.dumps(word) if isinstance(word, dict) else str(word) for word in words)]
    return argv


def _true(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "yes")


def _own_fields(cls: type) -> list[Any]:
    return [f for f in fields(cls) if f.name in cls.__annotations__]


def _public(arguments: Any) -> dict[str, Any]:
    return {f.name: getattr(arguments, f.name) for f in fields(arguments)}


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
    for section, cls in ARGUMENT_CLASSES.items():
        ours = fields(cls) if section != "Trainer" else _own_fields(cls)
        beside = (
            "; every TrainingArguments key of transformers is accepted beside these" if section == "Trainer" else ""
        )
        lines.append(f"\n{section}{beside}:")
        for f in ours:
            default = f.default if f.default_factory is MISSING else f.default_factory()
            text = textwrap.wrap(f"{f.metadata.get('help', '')} [{default}]", width=88)
            lines += [f"  --{f.name}", *(f"      {line}" for line in text)]
    return "\n".join(lines)


def resolve_precision(requested: str | None) -> str:
    """The precision this machine gives to what the recipe or accelerate's launcher asks for; says so when it differs.

    fp16 needs a GPU: a CPU falls back to bf16 where it has the instructions (8 times faster than fp32 for Swin-B/384),
    else to fp32.
    """
    wish = requested or ("fp32" if LAUNCHER_PRECISION == "no" else LAUNCHER_PRECISION)
    if wish == "fp32" or torch.cuda.is_available():
        return wish
    has_bf16 = torch.cpu._is_avx512_bf16_supported()
    precision = "bf16" if has_bf16 else "fp32"
    if precision != wish:
        transformers_logging.get_logger("spatial_swin").warning(
            f"{wish} asked for, but there is no CUDA GPU: using {precision} on the CPU"
        )
    return precision


def _check(model: ModelArguments, data: DataArguments, trainer: TwoPhaseTrainingArguments) -> None:
    """Values that do not fit together, all at once."""
    problems = augmentation_problems(data) + sound_augmentation_problems(data)

    def wrong(key: str, what: str, do: str) -> None:
        problems.append(Problem(key, what, do))

    for stage in model.unfreeze_stages:
        if not 0 <= stage <= 4:
            wrong(
                "unfreeze_stages",
                f"stage {stage} does not exist",
                "a Swin has stages 1 to 4, and embeddings as stage 0; use e.g. [4] or [3, 4]",
            )
    if model.unfreeze_stages:
        wanted = set(range(min(model.unfreeze_stages), 5))
        if set(model.unfreeze_stages) < wanted and all(0 <= s <= 4 for s in model.unfreeze_stages):
            wrong(
                "unfreeze_stages",
                f"{sorted(model.unfreeze_stages)} leaves a frozen stage behind a learning one",
                f"use {sorted(wanted)}",
            )
    for key in ("augmentation_views", "trunk_cache_views"):
        if getattr(data, key) < 0:
            wrong(key, f"is {getattr(data, key)}", "give a number of views, or 0")
    if data.trunk_cache_views > 0:
        if data.augmentation_views not in (0, data.trunk_cache_views):
            wrong(
                "augmentation_views",
                f"is {data.augmentation_views}, trunk_cache_views is {data.trunk_cache_views}",
                "leave it out: the cached views are the views",
            )
        if model.train_all_stages:
            wrong(
                "trunk_cache_views",
                "asks to store what frozen stages give, and train_all_stages freezes none",
                "set it to 0",
            )
        if min(model.unfreeze_stages, default=4) <= 1:
            wrong(
                "trunk_cache_views",
                "asks to store what frozen stages give, and unfreeze_stages reaches down to stage 1",
                "set it to 0, or let fewer stages learn, e.g. [4]",
            )
    if data.trunk_cache_precision not in ("auto", "fp16", "bf16", "fp32"):
        wrong("trunk_cache_precision", f"is {data.trunk_cache_precision}", "use auto, fp16, bf16 or fp32")
    if data.trunk_cache_max_gb <= 0:
        wrong("trunk_cache_max_gb", f"is {data.trunk_cache_max_gb}", "give gigabytes above 0")
    if model.head_only_epochs < 0 or model.head_only_epochs != int(model.head_only_epochs):
        wrong("head_only_epochs", f"is {model.head_only_epochs}", "give a whole number of epochs, 0 or more")
    shares = (data.train_share, data.validation_share, data.test_share)
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        wrong(
            "train_share, validation_share, test_share", f"are {shares}", "give three shares above 0 that add up to 1"
        )
    if data.factors:
        try:
            if not re.compile(data.factors).groupindex:
                wrong("factors", "has no named group", "name what it finds, e.g. (?P<recording>.+)_chunk")
        except re.error as error:
            wrong("factors", f"is not a regular expression ({error})", "mend it; test it with `spatial-swin audit`")
    if data.class_weights not in (["none"], ["balanced"]):
        try:
            if min(float(weight) for weight in data.class_weights) <= 0:
                raise ValueError
        except ValueError:
            wrong("class_weights", f"is {data.class_weights}", "use none, balanced, or one number above 0 a class")
    if trainer.max_steps <= 0 and not 0 <= trainer.warmup_epochs < trainer.num_train_epochs:
        wrong("warmup_epochs", f"is {trainer.warmup_epochs} of {trainer.num_train_epochs} epochs", "warm up for less")
    for key in ("learning_rate", "backbone_learning_rate"):
        if getattr(trainer, key) < trainer.minimum_learning_rate and trainer.lr_scheduler_type == "cosine":
            wrong(
                key,
                f"{getattr(trainer, key)} is below minimum_learning_rate {trainer.minimum_learning_rate}",
                "lower minimum_learning_rate",
            )
    if trainer.hub_token is not None:
        wrong("hub_token", "is a secret, and recipes are written down", "set HF_TOKEN, or log in with `hf auth login`")
    if trainer.push_to_hub and not trainer.hub_model_id:
        wrong("push_to_hub", "is true and hub_model_id is missing", "add e.g. hub_model_id: your-name/your-model")
    if trainer.early_stopping_patience is not None and trainer.early_stopping_patience < 1:
        wrong("early_stopping_patience", f"is {trainer.early_stopping_patience}", "use 1 or more, or leave it out")
    raise_problems(RecipeError, problems, "The recipe cannot be used")
