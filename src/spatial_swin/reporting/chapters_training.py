"""The chapters on what went into a run: data and split, recipe, hardware, the course of the training.

An `Evidence` and its `Findings` go in, sections come out; no sentence claims what the run folder does not show.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import PurePath

import numpy as np

from spatial_swin.layouts import spelled
from spatial_swin.reporting.document import Block, Section, Table, Text, counted, duration, shown_value
from spatial_swin.reporting.evidence import Evidence, Findings
from spatial_swin.reporting.sources import provenance
from spatial_swin.runs import SPLITS

RECIPE_KEYS = {
    "Model": (
        "model_name_or_path",
        "model_revision",
        "image_size",
        "unfreeze_stages",
        "head_only_epochs",
        "drop_path_rate",
        "train_all_stages",
    ),
    "Data": (
        "data_dir",
        "split_file",
        "split_by",
        "train_share",
        "validation_share",
        "test_share",
        "split_seed",
        "class_weights",
        "sound_ear_swap",
        "sound_time_shift",
        "sound_gain_db",
        "sound_colour_db",
        "sound_ear_colour_db",
        "sound_mask",
        "augmentation",
        "augmentation_views",
        "trunk_cache_views",
        "trunk_cache_precision",
    ),
    "Trainer": (
        "num_train_epochs",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "learning_rate",
        "backbone_learning_rate",
        "layer_decay",
        "minimum_learning_rate",
        "lr_scheduler_type",
        "warmup_epochs",
        "optim",
        "weight_decay",
        "ema_decay",
        "max_grad_norm",
        "label_smoothing_factor",
        "early_stopping_patience",
        "metric_for_best_model",
        "seed",
    ),
}

PICTURE_AUGMENTATION = (  # they count only where `augmentation` is true
    "crop_scale",
    "crop_ratio",
    "horizontal_flip",
    "rotation_degrees",
    "colour_jitter",
    "blur_probability",
    "erasing_probability",
)


def data_section(evidence: Evidence, _: Findings, subject: str | None = None) -> Section:
    """How many pictures there are and how they were divided; `subject` stands in for the data folder's name."""
    if not evidence.samples:
        return Section("Data and split", [Text("The split manifest is not there, so the data cannot be described.")])
    counts = Counter((sample.split, sample.label) for sample in evidence.samples)
    groups = {part: len({s.group for s in evidence.samples if s.split == part}) for part in SPLITS}
    names = sorted({sample.label for sample in evidence.samples}, key=_class_order(evidence))
    rows = [[spelled(name), *(str(counts[part, name]) for part in SPLITS)] for name in names]
    rows.append(["all", *(str(sum(counts[part, name] for name in names)) for part in SPLITS)])
    rows.append(["groups", *(str(groups[part]) for part in SPLITS)])
    split_by = evidence.key("Data", "split_by", "none")
    how = (
        f"keeping every {split_by} in one part"
        if split_by not in (None, "none")
        else "by picture, stratified by class"
    )
    seed = evidence.key("Data", "split_seed")
    seed = evidence.key("Trainer", "seed") if seed is None else seed
    if file := evidence.key("Data", "split_file"):
        how, seed = f"as the file {PurePath(str(file)).name} says", None
    shared = any("more than one part" in note for note in evidence.notes)
    if subject is None:
        subject = f"The data folder {PurePath(str(evidence.key('Data', 'data_dir', '?'))).name!r}"
    text = (
        f"{subject} holds "
        f"{counted(len(evidence.samples), 'picture')} of {counted(len(names), 'class').replace('classs', 'classes')}. "
        f"They were divided {how}"
        + (f" (seed {seed})" if seed is not None else "")
        + ". "
        + (
            f"{'Some groups are' if shared else 'No group is'} in more than one part"
            f"{'; see the notes above' if shared else ''}. "
        )
        + "What is recorded together (a group) is treated as one in every interval."
    )
    return Section("Data and split", [Text(text), Table("Pictures in each part", ["Class", *SPLITS], rows)])


def _class_order(evidence: Evidence) -> Callable[[str], tuple[int, str]]:
    places = {name: k for k, name in enumerate(evidence.class_names)}
    return lambda name: (places.get(name, len(places)), name)


def training_section(evidence: Evidence, findings: Findings) -> Section:
    blocks: list[Block] = []
    rows = []
    for section, keys in RECIPE_KEYS.items():
        for key in (
            *keys,
            *(PICTURE_AUGMENTATION if section == "Data" and evidence.key(section, "augmentation") else ()),
        ):
            value = evidence.key(section, key)
            if value is not None:
                rows.append([section, key, shown_value(value)])
    if rows:
        blocks.append(
            Table("Recipe (the values that matter; recipe.yaml has all)", ["Part", "Key", "Value"], rows, texts=True)
        )
    if begun := _beginning(evidence):
        blocks.append(Text(begun))
    if evidence.environment:
        blocks.append(Text(_hardware(evidence)))
    if evidence.history:
        blocks.append(Text(_course(evidence)))
    caption = (
        "Training curves: the objective on both parts and the cross-entropy without label smoothing, accuracy and F1, "
        "and the learning rates of head and backbone. Training is measured while learning, on augmented pictures."
    )
    return Section("Recipe, hardware and training", blocks + findings.figure("training_curves", caption))


def _beginning(evidence: Evidence) -> str:
    """Where the weights came from, what was done to the pictures, and what of the trunk was stored."""
    sentences = []
    model = str(evidence.key("Model", "model_name_or_path", ""))
    if origin := provenance(model):
        sentences.append(f"The run began from {origin}.")
    if evidence.recipe.get("Data"):
        sound = {
            "sound_ear_swap": "ears exchanged",
            "sound_time_shift": "time shifted",
            "sound_gain_db": "level changed",
            "sound_colour_db": "colour changed",
            "sound_ear_colour_db": "colour of the ears changed",
            "sound_mask": "bands and times masked",
        }
        done = [words for key, words in sound.items() if float(evidence.key("Data", key, 0) or 0) > 0]
        done += ["crops, flips, rotation, colour, blur and erasing as in photographs"] * bool(
            evidence.key("Data", "augmentation", False)
        )
        sentences.append(f"Augmentation in training: {', '.join(done)}." if done else "Nothing was augmented.")
    if views := int(evidence.key("Data", "trunk_cache_views", 0) or 0):
        sentences.append(
            f"What the frozen stages give was stored once for {counted(views, 'view')} of each training picture and "
            "used in every epoch; the predictions at the end were made from the pictures."
        )
    return " ".join(sentences)


def _hardware(evidence: Evidence) -> str:
    environment = evidence.environment
    text = f"Trained on {environment.get('device', 'an unknown device')}"
    if environment.get("precision"):
        text += f" in {environment['precision']}"
    if (environment.get("processes") or 1) > 1:
        text += f" with {environment['processes']} processes"
    if environment.get("seconds_total"):
        text += f", in {duration(environment['seconds_total'])}"
    text += "."
    speed = [row["images_per_second"] for row in evidence.history if np.isfinite(row.get("images_per_second", np.nan))]
    if speed:
        text += f" The median speed was {np.median(speed):.1f} pictures a second"
        memory = [row["memory_gb"] for row in evidence.history if np.isfinite(row.get("memory_gb", np.nan))]
        text += f", the peak memory {max(memory):.1f} GB." if memory and max(memory) > 0 else "."
    versions = environment.get("versions") or {}
    if versions:
        text += f" Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}."
    if environment.get("git_revision"):
        text += f" Revision of the code: {str(environment['git_revision'])[:12]}."
    return text


def _course(evidence: Evidence) -> str:
    rows = {row["epoch"]: row for row in evidence.history}
    head_only = sum(row.get("phase") == 1 for row in evidence.history)
    text = f"The history has {counted(len(rows), 'epoch')}"
    planned = evidence.key("Trainer", "num_train_epochs")
    if planned and len(rows) < float(planned):
        text += f" of {float(planned):g} planned"
    text += f", of which {head_only} with the head alone." if head_only else "."
    best = rows.get(evidence.best_epoch) if evidence.best_epoch else None
    if best and np.isfinite(best.get("validation_accuracy", np.nan)):
        text += (
            f" The weights kept are those of epoch {best['epoch']}, with a validation accuracy of "
            f"{best['validation_accuracy']:.4f} and an objective of {best.get('train_loss', np.nan):.3f} (training) "
            f"and {best.get('validation_loss', np.nan):.3f} (validation)."
        )
        if np.isfinite(best.get("train_accuracy", np.nan)):
            text += f" While learning, {best['train_accuracy']:.4f} of the training answers of that epoch were right."
        if np.isfinite(best.get("validation_cross_entropy", np.nan)):
            text += (
                f" The cross-entropy of the validation part without label smoothing is "
                f"{best['validation_cross_entropy']:.3f} nats."
            )
        if best["epoch"] == max(rows) and len(rows) > 1:
            text += " It is the last epoch: longer training might still have helped."
    return text
