"""Building a Swin: geometry that cannot work is refused before any weight is made; random weights are said."""

import json
import os
from pathlib import Path

import pytest
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.config import ModelArguments
from spatial_swin.errors import RecipeError
from spatial_swin.modeling import swin


def test_random_weights_are_said_loudly(tiny_swin: Path, caplog: pytest.LogCaptureFixture) -> None:
    import logging

    logger = logging.getLogger("spatial_swin")
    logger.addHandler(caplog.handler)
    model = swin.build_model(ModelArguments(model_name_or_path=str(tiny_swin), image_size=32), ["a", "b"])
    logger.removeHandler(caplog.handler)
    assert "RANDOM WEIGHTS" in caplog.text
    assert model.config.id2label == {0: "a", 1: "b"}


def test_a_local_folder_gives_its_weights_and_a_new_head(tiny_swin: Path, tmp_path: Path) -> None:
    first = swin.build_model(ModelArguments(model_name_or_path=str(tiny_swin), image_size=32), ["a", "b"])
    first.save_pretrained(tmp_path / "saved")
    again = swin.build_model(
        ModelArguments(model_name_or_path=str(tmp_path / "saved"), image_size=32), ["x", "y", "z"]
    )
    assert again.classifier.out_features == 3
    table = "swin.encoder.layers.2.blocks.0.attention.relative_position_bias.relative_position_bias_table"
    names = dict(first.named_parameters())
    assert table in names or any("relative_position_bias_table" in name for name in names)
    for name, parameter in again.named_parameters():
        if not name.startswith("classifier"):
            assert parameter.equal(names[name]), name


@pytest.mark.parametrize(
    ("changes", "size", "said"),
    [
        ({}, 40, "not a multiple of 16"),
        ({}, 16, "less than the window of 2"),
        ({"depths": [1, 1, 2]}, 32, "use a Swin with 4"),
        ({"num_heads": [1, 1, 2]}, 32, "does not match depths"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(tiny_swin: Path, changes: dict[str, object], size: int, said: str) -> None:
    tiny_swin.write_text(json.dumps({**json.loads(tiny_swin.read_text()), **changes}))
    with pytest.raises(RecipeError, match=said):
        swin.build_model(ModelArguments(model_name_or_path=str(tiny_swin), image_size=size), ["a", "b"])


def test_what_check_geometry_lets_through_runs(tiny_swin: Path) -> None:
    import torch

    for size in (32, 48, 64):
        model = swin.build_model(ModelArguments(model_name_or_path=str(tiny_swin), image_size=size), ["a", "b"])
        assert model(torch.zeros(1, 3, size, size)).logits.shape == (1, 2)


def test_a_hub_that_cannot_be_reached_says_how_to_use_a_local_copy() -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    with pytest.raises(RecipeError, match=r"--model_name_or_path swin"):
        swin.build_model(ModelArguments(model_name_or_path="microsoft/no-such-swin"), ["a", "b"])


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(RecipeError, match="not a swin"):
        swin.build_model(ModelArguments(model_name_or_path=str(tmp_path)), ["a", "b"])


def test_the_final_norm_belongs_to_stage_4() -> None:
    model = SwinForImageClassification(SwinConfig(embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1]))
    parts = swin.stages(model)
    assert set(parts) == {0, 1, 2, 3, 4}
    assert model.swin.layernorm in parts[4]
    counted = sum(p.numel() for modules in parts.values() for m in modules for p in m.parameters())
    assert counted + sum(p.numel() for p in model.classifier.parameters()) == model.num_parameters()
