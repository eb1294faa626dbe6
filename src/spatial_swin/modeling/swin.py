"""Build a Swin for classification from a name or a folder, and tell its stages apart.

The recipe's Model part and the class names go in, a model in float32 whose head fits the classes comes out. The
terms: stages 1 to 4 are the encoder's layers, the final layer norm belongs to stage 4, `TRUNK_ROOT` (stage 0) is the
patch embedding, the head is the classifier. Nothing here trains or reads data.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import SwinConfig, SwinForImageClassification
from transformers.utils import logging

from spatial_swin.config import ModelArguments
from spatial_swin.errors import Problem, RecipeError, RunError, SpatialSwinError, raise_problems
from spatial_swin.hub import out_of_reach
from spatial_swin.shipped import locate_model

Swin = SwinForImageClassification
logger = logging.get_logger("spatial_swin")

TRUNK_ROOT = 0
SHOWN = 5  # damaged tensors that a sentence names


def build_model(arguments: ModelArguments, class_names: Sequence[str]) -> Swin:
    """The model that the recipe names, with a new head for `class_names` (its own, if its classes are these).

    Raises:
        RecipeError: no such model, the Hub cannot be reached, not a Swin, or image size, window and depths do not fit.
    """
    source = locate_model(arguments.model_name_or_path)
    config = read_config(source, arguments)
    check_geometry(config, arguments.image_size)
    labels = dict(config.id2label or {})
    config.image_size = arguments.image_size
    config.drop_path_rate = arguments.drop_path_rate
    config.num_labels = len(class_names)
    config.id2label = dict(enumerate(class_names))
    config.label2id = {name: index for index, name in enumerate(class_names)}
    if is_config_only(source):
        logger.warning(
            f"RANDOM WEIGHTS: {arguments.model_name_or_path} is a configuration without weights. Good for a "
            "rehearsal; what it learns says nothing about the pretrained model."
        )
        return Swin(config).float()
    model = read_weights(source, config, arguments.model_revision, new_head=True, error=RecipeError)
    if labels != config.id2label:  # as many classes, but other ones: their head says nothing of ours
        assert isinstance(model.classifier, nn.Linear)
        torch.nn.init.normal_(model.classifier.weight, std=config.initializer_range)
        torch.nn.init.zeros_(model.classifier.bias)
    return model


def read_weights(
    source: str | Path,
    config: SwinConfig | None = None,
    revision: str | None = None,
    *,
    new_head: bool = False,
    error: type[SpatialSwinError] = RunError,
) -> Swin:
    """The model saved in `source`, float32: every tensor as it was saved, or nothing.

    new_head: the classifier may be missing or of another shape; it is then random.

    `from_pretrained` alone fills what is missing or of another shape at random, and only warns.

    Raises:
        error: the weights cannot be read, or tensors are missing, cut or not finite; all of them are named.
    """
    if partial := sorted(path.name for path in Path(source).rglob("*.incomplete")):
        raise error(f"{source}: {partial[0]} is a download that was cut off; download the model again")
    try:
        with _quiet():
            loaded: Any = Swin.from_pretrained(
                source,
                config=config,
                revision=revision or "main",
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # so that all of them can be named
                output_loading_info=True,
                local_files_only=Path(source).is_dir(),
                trust_remote_code=False,
            )
    except Exception as cause:  # safetensors, json and transformers each raise their own for a damaged file
        if not Path(source).is_dir():
            raise error(_unreachable(str(source), cause)) from None
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise error(f"{source}: the weights cannot be loaded ({reason}); copy it again or train again") from None
    model, loading = loaded
    damages = _damages(model, loading, new_head)
    if damages:
        more = f" and {len(damages) - SHOWN} more" if len(damages) > SHOWN else ""
        shown = ", ".join(damages[:SHOWN])
        raise error(f"{source}: the weights are damaged ({shown}{more}); copy it again or train again")
    return model


def _damages(model: Swin, loading: dict[str, set[Any]], new_head: bool) -> list[str]:
    """What `from_pretrained` filled or left out, and what is not finite, tensor by tensor."""
    free = {"classifier.weight", "classifier.bias"} if new_head else set()
    damages = [f"{name} is missing" for name in sorted(loading["missing_keys"] - free)]
    for name, saved, needed in sorted(loading["mismatched_keys"]):
        if name not in free:
            damages.append(f"{name} is {list(saved)}, not {list(needed)}")
    if not new_head:
        damages += [f"{name} is not of this model" for name in sorted(loading["unexpected_keys"])]
    tensors = model.state_dict().items()
    return damages + [f"{name} is not finite" for name, tensor in tensors if not tensor.isfinite().all()]


@contextmanager
def _quiet() -> Iterator[None]:
    """No bar and no notes of transformers inside; afterwards as before."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def is_config_only(source: str) -> bool:
    """Whether `source` is a config.json: then the weights are random. A folder without weights is damaged."""
    return Path(source).suffix == ".json"


def read_config(source: str, arguments: ModelArguments) -> SwinConfig:
    name = arguments.model_name_or_path
    try:
        if is_config_only(source):
            config = SwinConfig.from_dict(json.loads(Path(source).read_text(encoding="utf-8")))
        else:
            config = SwinConfig.from_pretrained(source, revision=arguments.model_revision)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RecipeError(_unreachable(name, error)) from None
    if config.model_type != "swin":
        raise RecipeError(
            f"model_name_or_path: {name} is a {config.model_type!r}, not a swin; the two phases are defined on Swin's "
            "stages"
        )
    numbers = sorted(config.id2label or {})
    if numbers != list(range(len(numbers))):
        raise RecipeError(
            f"model_name_or_path: {name}: id2label numbers its {len(numbers)} classes "
            f"{', '.join(map(str, numbers))}, not 0, 1, 2 ...; copy the model's folder again"
        )
    return config


def _unreachable(name: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return out_of_reach(name, reason)


def check_geometry(config: SwinConfig, image_size: int) -> None:
    """Raise RecipeError unless the picture divides into patches and no stage is smaller than its window."""
    problems = []
    depths, heads, window = list(config.depths), list(config.num_heads), config.window_size
    step = config.patch_size * 2 ** (len(depths) - 1)
    last = image_size // step
    if len(depths) != 4:
        problems.append(Problem("depths", f"{depths} has {len(depths)} stages", "use a Swin with 4"))
    if len(heads) != len(depths):
        problems.append(Problem("num_heads", f"{heads} does not match depths", "give one a stage"))
    if image_size <= 0 or image_size % step:
        what = f"{image_size} px is not a multiple of {step} (patch x 2^3)"
        problems.append(Problem("image_size", what, f"use e.g. {max(step, round(image_size / step) * step)}"))
    elif last < window:
        what = f"at {image_size} px stage 4 is {last}x{last} tokens, less than the window of {window}"
        do = f"use {window * step} px, or a model with a smaller window"
        problems.append(Problem("image_size", what, do))
    raise_problems(RecipeError, problems, "Image size, window and depths do not fit")


def stages(model: Swin) -> dict[int, list[nn.Module]]:
    """The modules of each stage: 0 the patch embedding, 1 to 4 the stages; the final layer norm counts to stage 4."""
    layers = model.swin.encoder.layers
    parts: dict[int, list[nn.Module]] = {TRUNK_ROOT: [model.swin.embeddings]}
    parts |= {number: [layer] for number, layer in enumerate(layers, start=1)}
    parts[len(layers)].append(model.swin.layernorm)
    return parts


def blocks(model: Swin) -> dict[str, list[nn.Module]]:
    """The modules of each block by its name, from the embeddings to the last block of stage 4.

    A stage's patch merging counts to its last block, and the final layer norm to the last of all.
    """
    parts: dict[str, list[nn.Module]] = {"embeddings": [model.swin.embeddings]}
    for stage, layer in enumerate(model.swin.encoder.layers, start=1):
        parts |= {f"stage_{stage}_block_{k}": [block] for k, block in enumerate(layer.blocks, start=1)}  # type: ignore
        if layer.downsample is not None:
            parts[next(reversed(parts))].append(layer.downsample)  # type: ignore[arg-type]
    parts[next(reversed(parts))].append(model.swin.layernorm)
    return parts


def learning_stages(arguments: ModelArguments, phase: int) -> tuple[int, ...]:
    """The stages that learn in `phase` (1: head only, 2: the unfrozen stages too)."""
    if arguments.train_all_stages:
        return (TRUNK_ROOT, 1, 2, 3, 4)
    return tuple(arguments.unfreeze_stages) if phase >= 2 else ()


def set_learning(model: Swin, learning: Sequence[int]) -> None:
    """Let the head and the stages in `learning` require gradients, and no other parameter. Idempotent."""
    for number, modules in stages(model).items():
        for module in modules:
            module.requires_grad_(number in learning)
    model.classifier.requires_grad_(True)


def rest_frozen(model: Swin) -> None:
    """Put every stage that does not learn in eval mode: `model.train()` wakes its dropout and stochastic depth."""
    for modules in stages(model).values():
        for module in modules:
            if not any(parameter.requires_grad for parameter in module.parameters()):
                module.eval()


def restore(model: Swin, folder: str | Path) -> None:
    """Put the weights saved in `folder` into `model`, every tensor of them.

    `save_pretrained` writes legacy names that only `from_pretrained` translates; the Trainer's own
    `load_state_dict(strict=False)` leaves most of a Swin as it was, warns, and goes on.

    Raises:
        RunError: the saved labels or shapes are not this model's.
    """
    saved = read_weights(folder)
    ours, theirs = (dict(m.config.id2label or {}) for m in (model, saved))
    if theirs != ours:
        raise RunError(
            f"{folder}: its labels are {list(theirs.values())}, the data's are "
            f"{list(ours.values())}; continue with the data the run began with"
        )
    model.load_state_dict(saved.state_dict(), strict=True)
