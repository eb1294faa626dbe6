"""What the rows of `fault_table.py` are made of: a bench with tiny runs, machines at their limits, and checks.

Comes in: a temporary folder. Goes out: `Fault` and `Proof`, the circumstances in which a command is given, and
functions that say what is wrong with its result. Never touches anything outside that folder.
"""

import errno
import json
import math
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import yaml
from measuring import CLASSES
from PIL import Image

from spatial_swin.cli import main as spatial_swin
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import RunFolder

Command = list[str]
TINY = {"model_type": "swin", "image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1, 2, 2]} | {
    "num_heads": [1, 1, 2, 2],
    "window_size": 2,
    "mlp_ratio": 2.0,
}
STOP_AT = 12  # steps, of 5 per epoch: amid the third epoch of the run that is to be continued


class Bench:
    """A temporary folder with pictures, a recipe, a finished run and a stopped one; each fault gets copies."""

    def __init__(self, root: Path) -> None:
        self.root, self.count = root, 0
        self.pictures = root / "pictures"
        generator = np.random.default_rng(0)
        for index, label in enumerate(CLASSES):
            (self.pictures / label).mkdir(parents=True)
            for number in range(10):
                noise = generator.integers(0, 120, (32, 32), dtype=np.uint8)
                noise[16 * (index // 2) :][:16, 16 * (index % 2) :][:, :16] += 100
                path = self.pictures / label / f"take{index}{number // 2:02d}_chunk{number % 2:04d}.png"
                Image.fromarray(noise).save(path)
        (root / "tiny").mkdir()
        (root / "tiny" / "config.json").write_text(json.dumps(TINY))
        self.recipe = self.write_recipe({})
        self.finished, self.stopped = root / "finished", root / "stopped"
        assert spatial_swin(self.train(output_dir=self.finished)) == 0
        with sigterm_at(STOP_AT):
            assert spatial_swin(self.train(output_dir=self.stopped)) == 143

    def write_recipe(self, changes: dict[str, object], text: str = "") -> Path:
        """A recipe with keys of its Trainer section changed, and lines added at its end."""
        trainer = {"num_train_epochs": 6, "per_device_train_batch_size": 4, "warmup_epochs": 1, "seed": 7}
        quiet = {"use_cpu": True, "report_to": "none", "dataloader_num_workers": 0}
        model = {"model_name_or_path": str(self.root / "tiny" / "config.json"), "image_size": 32}
        data = {"data_dir": str(self.pictures), "preflight_workers": 1}
        path = self.fresh("recipe") / "recipe.yaml"
        path.write_text(
            yaml.safe_dump({"Model": model, "Data": data, "Trainer": {**trainer, **quiet, **changes}}) + text
        )
        return path

    def fresh(self, name: str, source: Path | None = None) -> Path:
        """A new folder, or a copy of `source`."""
        self.count += 1
        path = self.root / f"{self.count:03d}" / name
        shutil.copytree(source, path) if source else path.mkdir(parents=True)
        return path

    def train(self, recipe: Path | None = None, **keys: object) -> Command:
        keys.setdefault("output_dir", self.fresh("start") / "run")
        return [
            *("train", "--config", str(recipe or self.recipe)),
            *(w for key, value in keys.items() for w in (f"--{key}", str(value))),
        ]

    def data(self, change: Callable[[Path], object]) -> Path:
        folder = self.fresh("data", self.pictures)
        change(folder)
        return folder


Damage = Callable[[Bench], Command]
Check = Callable[[Bench, Command], str]


def nothing_more(bench: Bench, command: Command) -> str:
    return ""


@dataclass(frozen=True)
class Fault:
    """A fault that is done here, to copies of the bench.

    line: of the issue; expect: refused or recovered; says: a word of what must be said; damage: done first, gives the
    command; meanwhile: the circumstances in which the command is given; check: what is wrong with its result, or "";
    environment: variables of a process of its own for the command; within: seconds that it may take.
    """

    line: str
    name: str
    expect: str
    says: str
    damage: Damage
    meanwhile: Callable[[], AbstractContextManager[object]] = nullcontext
    check: Check = nothing_more
    environment: Mapping[str, str] = field(default_factory=dict)
    within: float = math.inf


@dataclass(frozen=True)
class Proof:
    """A fault that a test does better (a browser, a visitor, a process of its own): `node` below tests/ must pass."""

    line: str
    name: str
    expect: str
    node: str


def output_of(command: Command) -> Path:
    return Path(command[command.index("--output_dir") + 1])


# -- machines at their limits --


@contextmanager
def sigterm_at(step: int) -> Iterator[None]:
    """SIGTERM to this process before the step that follows `step`."""
    original = TwoPhaseTrainer.training_step

    def training_step(trainer: TwoPhaseTrainer, *rest: object, **named: object) -> torch.Tensor:
        if trainer.state.global_step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(trainer, *rest, **named)

    with mock.patch.object(TwoPhaseTrainer, "training_step", training_step):
        yield


def full_disk_in(owner: object, name: str) -> Callable[[], AbstractContextManager[object]]:
    """`owner.name` finds no space left."""

    def no_space(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: mock.patch.object(owner, name, no_space)


@contextmanager
def small_files() -> Iterator[None]:
    """No file may get larger than 10,000 bytes: room for a tile map, not for a picture."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def no_memory() -> AbstractContextManager[object]:
    """Every training step asks for a petabyte."""

    def too_much(*_: object, **__: object) -> torch.Tensor:
        return torch.empty(1 << 50)

    return mock.patch.object(TwoPhaseTrainer, "training_step", too_much)


# -- checks: what is wrong with the result, or nothing --


def works_afterwards(bench: Bench, command: Command) -> str:
    return "the same command does not work afterwards" if spatial_swin(command) else ""


def as_uninterrupted(bench: Bench, command: Command) -> str:
    """The history and the weights are those of the run that nothing happened to."""
    runs = [RunFolder(path) for path in (bench.finished, output_of(command))]
    whole, continued = (
        [(row["epoch"], row["train_loss"], row["validation_loss"]) for row in run.read_history()] for run in runs
    )
    if whole != continued:
        return f"history.csv has {continued}, and {whole} without the fault"
    one, other = ((run.model / "model.safetensors").read_bytes() for run in runs)
    return "" if one == other else "the model is not that of the uninterrupted run"


def failed_and_continues(bench: Bench, command: Command) -> str:
    """The run is called failed, with the reason, and continues to the same end."""
    progress = RunFolder(output_of(command)).read_progress()
    if progress["state"] != "failed" or not progress.get("error"):
        return f"progress.json says {progress['state']}, error {progress.get('error')!r}"
    return works_afterwards(bench, command) or as_uninterrupted(bench, command)


def copies_together(bench: Bench, command: Command) -> str:
    parts: dict[str, set[str]] = {}
    for sample in RunFolder(output_of(command)).read_split():
        parts.setdefault(sample.sha256, set()).add(sample.split)
    return "identical bytes lie in two parts" if any(len(where) > 1 for where in parts.values()) else ""


def names_no_path(bench: Bench, command: Command) -> str:
    """The exported model holds no folder of this machine."""
    content = (Path(command[-1]) / "export" / "model.onnx").read_bytes()
    paths = [
        path
        for path in (str(bench.root), str(Path(__file__).parents[1]), str(Path.home()), "site-packages")
        if path.encode() in content
    ]
    return f"model.onnx holds {', '.join(paths)}" if paths else ""
