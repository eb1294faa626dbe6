"""Pictures as training reads them are the pictures that `transformers.pipeline` sees."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, SwinConfig, SwinForImageClassification, pipeline

from spatial_swin.data.factors import find_factors
from spatial_swin.data.folder import scan_folder
from spatial_swin.data.pictures import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    build_processor,
    load_pictures,
    read_pixels,
    sample_key,
)
from spatial_swin.data.preflight import preflight
from spatial_swin.data.splits import split_samples
from spatial_swin.errors import DataError
from spatial_swin.runs import Sample


@pytest.fixture
def split(pictures: Path) -> list[Sample]:
    folder = scan_folder(pictures)
    return split_samples(folder, preflight(folder, 1), find_factors(pictures, [p.path for p in folder.pictures]))


def test_rows_follow_the_split(pictures: Path, split: list[Sample]) -> None:
    parts = load_pictures(pictures, split, ["100", "200", "510", "514"], 32)
    for part, rows in parts.items():
        members = [sample for sample in split if sample.split == part]
        assert [row["sample_key"] for row in rows] == [sample_key(s.sha256) for s in members]
        assert [row["labels"] for row in rows] == [["100", "200", "510", "514"].index(s.label) for s in members]
        for row, sample in zip(rows, members, strict=True):
            assert row["pixel_values"].dtype == torch.uint8
            expected = np.array(Image.open(pictures / sample.path).convert("RGB"))
            assert np.array_equal(row["pixel_values"].permute(1, 2, 0).numpy(), expected)


def test_ready_parts_load_too(tmp_path: Path) -> None:
    for part in ("train", "validation", "test"):
        for label in ("a", "b"):
            for number in range(3):
                path = tmp_path / part / label / f"{part}{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (32, 32), number * 20 + len(part)).save(path)
    folder = scan_folder(tmp_path)
    split = split_samples(folder, preflight(folder, 1), find_factors(tmp_path, [p.path for p in folder.pictures]))
    parts = load_pictures(tmp_path, split, folder.class_names, 32)
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 6, "validation": 6, "test": 6}
    assert int(parts["test"][0]["pixel_values"][0, 0, 0]) == len("test")


def test_no_pixel_is_kept_in_arrow(pictures: Path, split: list[Sample]) -> None:
    train = load_pictures(pictures, split, ["100", "200", "510", "514"], 32)["train"]
    cell = train.with_format(None)[0]["image"]
    assert cell["bytes"] is None
    assert Path(cell["path"]).is_file()


def test_keys_are_63_bits_and_depend_on_the_bytes_alone() -> None:
    assert 0 <= sample_key("f" * 64) < 2**63
    assert sample_key("0" * 15 + "2" + "f" * 48) == 1


def test_a_picture_that_left_is_named(pictures: Path, split: list[Sample]) -> None:
    gone = next(sample for sample in split if sample.split == "train")
    (pictures / gone.path).unlink()
    with pytest.raises(DataError, match="1 pictures of the split are not there"):
        load_pictures(pictures, split, ["100", "200", "510", "514"], 32)


@pytest.mark.parametrize(("mode", "size"), [("L", (32, 32)), ("RGB", (50, 40)), ("RGB", (20, 64)), ("P", (32, 48))])
def test_the_pipeline_gives_our_probabilities(tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    config = SwinConfig(image_size=32, patch_size=2, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1],
                        window_size=2, num_labels=3)  # fmt: skip
    model = SwinForImageClassification(config).eval()
    model.save_pretrained(tmp_path / "model")
    build_processor(32).save_pretrained(tmp_path / "model")
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(tmp_path / "picture.png")
    classify = pipeline("image-classification", model=str(tmp_path / "model"), device="cpu")
    theirs = {entry["label"]: entry["score"] for entry in classify(str(tmp_path / "picture.png"), top_k=3)}
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = (read_pixels(tmp_path / "picture.png", 32)[None].float() / 255 - mean) / std
    with torch.no_grad():
        ours = model(pixels).logits.softmax(dim=1)[0]
    for index, value in enumerate(ours):
        assert theirs[model.config.id2label[index]] == pytest.approx(value.item(), abs=1e-6)


def test_the_saved_processor_is_pillows(tmp_path: Path) -> None:
    build_processor(192).save_pretrained(tmp_path)
    loaded = AutoImageProcessor.from_pretrained(tmp_path)
    assert type(loaded).__name__ == "ViTImageProcessorPil"
    assert dict(loaded.size) == {"height": 192, "width": 192}
