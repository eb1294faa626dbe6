"""Fixtures made in seconds: a folder of small pictures whose class can be seen, a tiny random Swin, a tiny recipe."""

import json
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before any Hugging Face import: tests never reach the network
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
import yaml
from pictures_and_swins import TINY_SWIN, make_pictures

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked gpu where there is none, whichever marks were asked for."""
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return make_pictures(tmp_path / "data")


@pytest.fixture
def tiny_swin(tmp_path: Path) -> Path:
    """Path of a Swin config.json: random weights, 32 px, a fraction of a second a step."""
    path = tmp_path / "tiny" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(TINY_SWIN))
    return path


@pytest.fixture
def write_recipe(tmp_path: Path, pictures: Path, tiny_swin: Path) -> Callable[..., Path]:
    """A function that writes a tiny recipe (4 epochs, 2 of them head-only, 7 steps each) with changes by key."""

    def write(name: str = "tiny", **changes: object) -> Path:
        recipe: dict[str, dict[str, object]] = {
            "Model": {"model_name_or_path": str(tiny_swin), "image_size": 32},
            "Data": {"data_dir": str(pictures), "preflight_workers": 1},
            "Trainer": {
                "output_dir": str(tmp_path / "runs" / name),
                "num_train_epochs": 4,
                "per_device_train_batch_size": 4,
                "warmup_epochs": 1,
                "seed": 7,
                "use_cpu": True,
                "report_to": "none",
                "dataloader_num_workers": 0,
            },
        }
        from spatial_swin.config import ARGUMENT_CLASSES

        for key, value in changes.items():
            section = next(s for s, cls in ARGUMENT_CLASSES.items() if key in cls.__dataclass_fields__)
            recipe[section][key] = value
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe))
        return path

    return write
