"""Run folders made in a blink, written through RunFolder as training writes them: no model is trained."""

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import special

from spatial_swin import files
from spatial_swin.runs import BASELINE, Predictions, RunFolder, Sample


@dataclass(frozen=True)
class Plan:
    """What the made-up run is like."""

    class_names: tuple[str, ...] = ("100", "200", "510", "514")
    items: int = 96  # a part of validation and of test
    per_group: int = 4
    epochs: int = 6
    head_only_epochs: int = 2
    skill: float = 3.0
    temperature: float = 1.7  # above 1: the made-up model trusts itself too much
    pictures: bool = False
    baseline: bool = False  # a simple model beside it, right where the run is and in fewer cases
    seed: int = 0


def make_run(folder: Path, plan: Plan = Plan(), **changes: object) -> RunFolder:
    """Write a finished run into `folder` and return it; `changes` replace fields of the plan."""
    plan = replace(plan, **changes)
    run = RunFolder(folder)
    generator = np.random.default_rng(plan.seed)
    samples: list[Sample] = []
    data = folder.parent / f"{folder.name}_data"
    for part, count in (("train", 2 * plan.items), ("validation", plan.items), ("test", plan.items)):
        made, predictions = _part(part, count, plan, generator, data)
        samples += made
        if part != "train":
            run.write_predictions(part, predictions)
        if part == "test" and plan.baseline:
            simple = 0.5 * predictions.probabilities + 0.5 * generator.permutation(predictions.probabilities)
            run.write_predictions(BASELINE, replace(predictions, probabilities=simple))
            files.write_json(run.baseline_file, {"features": "made-up numbers", "train_items": 2 * plan.items})
    run.write_split(samples)
    run.write_recipe(
        {
            "Model": {
                "model_name_or_path": "microsoft/swin-base-patch4-window12-384",
                "image_size": 384,
                "unfreeze_stages": [4],
                "head_only_epochs": plan.head_only_epochs,
                "drop_path_rate": 0.1,
            },
            "Data": {
                "data_dir": str(data),
                "split_by": "recording",
                "train_share": 0.7,
                "validation_share": 0.2,
                "test_share": 0.1,
            },
            "Trainer": {
                "learning_rate": 1e-3,
                "backbone_learning_rate": 1e-4,
                "num_train_epochs": plan.epochs,
                "seed": 42,
                "per_device_train_batch_size": 16,
                "lr_scheduler_type": "cosine",
            },
        }
    )
    run.write_environment(
        {
            "versions": {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0"},
            "device": "made-up device",
            "processes": 1,
            "precision": "bf16",
            "git_revision": "0123456789abcdef",
            "seconds_total": 754.2,
            "cpu_count": 2,
        }
    )
    run.write_history([_epoch(epoch, plan, generator) for epoch in range(1, plan.epochs + 1)])
    run.write_progress({"state": "finished", "epoch": plan.epochs, "epochs": plan.epochs, "pid": 1, "host": "made-up"})
    return run


def read_confusion(run: RunFolder, epoch: int) -> tuple[np.ndarray, list[str]]:
    """Counts [K, K] of one epoch, one row per true class, and the class names."""
    rows = files.read_csv(run.confusion_file(epoch))
    names = [row["true"] for row in rows]
    return np.array([[int(row[name]) for name in names] for row in rows]), names


def _part(
    part: str, count: int, plan: Plan, generator: np.random.Generator, data: Path
) -> tuple[list[Sample], Predictions]:
    classes = len(plan.class_names)
    groups = -(-count // plan.per_group)
    group = np.arange(count) // plan.per_group
    labels = (np.arange(groups) % classes)[group]
    logits = 0.6 * generator.normal(size=(groups, classes))[group] + generator.normal(size=(count, classes))
    logits[np.arange(count), labels] += plan.skill
    if classes > 3:  # the last two classes are hard to tell apart, as 510 and 514 are
        pair = labels >= classes - 2
        logits[pair, classes - 1] += 1.2
        logits[pair, classes - 2] += 1.2
    probabilities = special.softmax(plan.temperature * logits, axis=1)
    samples = []
    for i in range(count):
        label, programme = plan.class_names[labels[i]], f"{part[:2]}{group[i] // classes:03d}"
        listener = f"D{group[i] // classes % 2 + 1}"
        recording = f"{programme}_{listener}_{label}_g{group[i]}"
        name = f"binaural_audio_{listener}_48K_24bit_0.3s_FIR_SOFA_{programme}-globo-1_0_g{group[i]}_chunk{i:04d}.png"
        path = f"{label}/{name}"
        content = f"{part} {i}".encode()
        if plan.pictures:
            file = data / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 255, (32, 32), dtype=np.uint8)).save(file)
            content = file.read_bytes()
        factors = {
            "recording": recording,
            "listener": listener,
            "programme": programme,
            "source": ("globo", "ac4")[i // 3 % 2],
        }
        samples.append(Sample(path, label, recording, part, sha256(content).hexdigest(), factors))
    paths, names = [s.path for s in samples], [s.group for s in samples]
    return samples, Predictions(paths, names, list(plan.class_names), labels, probabilities)


def _epoch(epoch: int, plan: Plan, generator: np.random.Generator) -> dict[str, float]:
    done = epoch / plan.epochs
    head_only = epoch <= plan.head_only_epochs
    accuracy = (0.55 if head_only else 0.72) + 0.22 * done + generator.normal(0, 0.008)
    scores = {
        f"validation_{name}": accuracy - 0.004 * k
        for k, name in enumerate(("accuracy", "macro_f1", "weighted_f1", "macro_precision", "macro_recall"))
    }
    per_class = {
        f"{metric}_{name}": float(np.clip(accuracy + generator.normal(0, 0.03), 0, 1))
        for name in plan.class_names
        for metric in ("precision", "recall", "f1")
    }
    rate = max(0.01, 0.5 * (1 + np.cos(np.pi * done)))
    return {
        "epoch": epoch,
        "phase": 1 if head_only else 2,
        "step": 100 * epoch,
        "train_loss": 1.5 * (1 - 0.8 * done),
        "validation_loss": 1.4 * (1 - 0.7 * done) + generator.normal(0, 0.02),
        **scores,
        **per_class,
        "learning_rate_head": 1e-3 * rate,
        "learning_rate_backbone": 0.0 if head_only else 1e-4 * rate,
        "seconds": 47.8,
        "images_per_second": 110.0,
        "memory_gb": 2.4,
    }
