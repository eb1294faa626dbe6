"""A model folder with everything the page needs, of a tiny random Swin, and recordings to drop."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.audio.tiles import tile_map
from spatial_swin.data.pictures import build_processor

RATE = 48_000


@pytest.fixture
def model_folder(tmp_path: Path, tiny_swin: Path) -> Path:
    """As training leaves it: weights, processor, temperature, tiles of one-second windows."""
    torch.manual_seed(0)
    config = SwinConfig.from_dict(json.loads(tiny_swin.read_text()))
    config.id2label = dict(enumerate(["100", "200", "510", "514"]))
    folder = tmp_path / "runs" / "first" / "model"
    SwinForImageClassification(config).save_pretrained(folder)
    build_processor(32).save_pretrained(folder)
    (folder / "temperature.json").write_text('{"temperature": 0.5}')
    tile_map("4x4", 32, RATE, 1.0).write(folder / "tiles.json")
    return folder


@pytest.fixture
def make_sound(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes seconds of noise, of which the ears hear partly the same, as a file of that name."""

    def make(name: str, seconds: float = 1.0, channels: int = 2, gain: float = 0.1, rate: int = RATE) -> Path:
        generator = np.random.default_rng(5)
        shared = generator.standard_normal((round(seconds * rate), 1))
        sound = gain * (shared + 0.5 * generator.standard_normal((len(shared), channels)))
        path = tmp_path / name
        soundfile.write(path, sound.clip(-1, 1), rate)
        return path

    return make
