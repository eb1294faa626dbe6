"""A model folder as the Hub has it: a tiny Swin of 32 px with random weights that judges windows of half a second."""

import json
from pathlib import Path

import torch
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.audio.tiles import tile_map
from spatial_swin.data.pictures import build_processor

CLASSES = ["100", "200", "510", "514"]
TINY = {"patch_size": 2, "embed_dim": 8, "depths": [1, 1, 2, 2], "num_heads": [1, 1, 2, 2], "window_size": 2}


def make_model_folder(folder: Path) -> Path:
    torch.manual_seed(0)
    labels = dict(enumerate(CLASSES))
    config = SwinConfig(image_size=32, id2label=labels, label2id={v: k for k, v in labels.items()}, **TINY)
    model = SwinForImageClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=1.0)  # so that probabilities differ between pictures
    model.save_pretrained(folder)
    build_processor(32).save_pretrained(folder)
    tile_map("4x4", 192, 48_000, 0.5).write(folder / "tiles.json")
    (folder / "temperature.json").write_text(json.dumps({"temperature": 0.5}))
    return folder
