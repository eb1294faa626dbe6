"""The quick Swin is transformers' to the last digits, and leaves to transformers whatever is unusual."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.modeling.quick_swin import WEIGHTS, QuickSwin
from spatial_swin.modeling.swin import read_weights

GEOMETRIES: dict[str, dict[str, Any]] = {
    "whole windows": {"image_size": 64, "window_size": 4},
    "padded windows": {"image_size": 96, "window_size": 5},
    "no bias of query and key": {"image_size": 64, "window_size": 3, "qkv_bias": False, "layer_norm_eps": 1e-3},
}


def saved(folder: Path, **changes: Any) -> Path:
    torch.manual_seed(0)
    options = {"patch_size": 2, "embed_dim": 8, "depths": [1, 2, 2, 2], "num_heads": [1, 1, 2, 2], "mlp_ratio": 2.0}
    model = SwinForImageClassification(SwinConfig(**options | {"num_labels": 4, "initializer_range": 0.5} | changes))
    with torch.no_grad():
        for parameter in model.parameters():  # biases, and the tables of distances, begin at zero
            parameter += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("changes", GEOMETRIES.values(), ids=GEOMETRIES)
def test_it_answers_as_transformers_does(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = saved(tmp_path, **changes)
    pixels = torch.randn(2, 3, changes["image_size"], changes["image_size"])
    quick = QuickSwin.read(folder)
    assert quick is not None
    given = quick(pixels)
    with torch.no_grad():
        whole = read_weights(folder).eval()
        wanted = whole(pixels).logits
        pooled = whole.swin(pixels).pooler_output
    assert wanted.std() > 0.1  # otherwise anything would be equal
    torch.testing.assert_close(given.logits, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(given.pooled, pooled, rtol=1e-5, atol=1e-5)


def test_what_is_unusual_is_left_to_transformers(tmp_path: Path) -> None:
    folder = saved(tmp_path, image_size=32, window_size=2)
    whole, config = load_file(folder / WEIGHTS), json.loads((folder / "config.json").read_text())
    name = "swin.encoder.layers.1.blocks.1.layernorm_after.weight"
    damages = {
        "missing": {key: tensor for key, tensor in whole.items() if key != name},
        "cut": whole | {name: whole[name][:-1].clone()},
        "not finite": whole | {name: torch.full_like(whole[name], torch.nan)},
        "unknown": whole | {"swin.unknown": torch.zeros(1)},
    }
    for what, tensors in damages.items():
        save_file(tensors, folder / WEIGHTS)
        assert QuickSwin.read(folder) is None, what
    computed = "swin.encoder.layers.0.blocks.0.attention.self.relative_position_index"
    save_file(whole | {computed: torch.zeros(4, 4)}, folder / WEIGHTS)
    assert QuickSwin.read(folder) is not None, "older files hold what can be computed"
    others = {"hidden_act": "relu", "use_absolute_embeddings": True, "image_size": 30, "window_size": 5}
    for key, value in others.items():
        (folder / "config.json").write_text(json.dumps(config | {key: value}))
        assert QuickSwin.read(folder) is None, key
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.incomplete").touch()
    assert QuickSwin.read(folder) is None, "a download that was cut off"
