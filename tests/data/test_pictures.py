"""Pictures as training reads them are the pictures that `transformers.pipeline` sees."""

import tempfile
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from transformers import AutoImageProcessor, SwinConfig, SwinForImageClassification, pipeline
from transformers.image_utils import load_image

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
    config = SwinConfig(
        image_size=32,
        patch_size=2,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=2,
        num_labels=3,
    )
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


@pytest.mark.parametrize(
    ("mode", "size"),
    [("L", (32, 32)), ("L", (90, 70)), ("RGB", (50, 40)), ("RGB", (20, 64)), ("CMYK", (33, 31)), ("1", (40, 40))],
)
def test_the_processor_makes_exactly_our_pixels(tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    path = tmp_path / "picture.tif"
    Image.fromarray(noise).convert(mode).save(path)
    build_processor(32).save_pretrained(tmp_path)
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    loaded = load_image(str(path))
    ours = read_pixels(path, 32)
    whole = processor(loaded, return_tensors="pt", do_rescale=False, do_normalize=False)["pixel_values"][0]
    assert torch.equal(whole.to(torch.uint8), ours)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    theirs = processor(loaded, return_tensors="pt")["pixel_values"][0]
    assert torch.allclose(theirs, (ours.float() / 255 - mean) / std, atol=1e-6, rtol=0)


def test_a_picture_is_turned_as_its_camera_said(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by a quarter
    noise.save(tmp_path / "turned.jpg", exif=exif)
    expected = np.array(load_image(str(tmp_path / "turned.jpg")))
    assert np.array_equal(read_pixels(tmp_path / "turned.jpg", 32).permute(1, 2, 0).numpy(), expected)
    assert not np.array_equal(np.array(Image.open(tmp_path / "turned.jpg")), expected)


def test_words_and_signs_in_names_mean_nothing(tmp_path: Path) -> None:
    root = tmp_path / "take [1]* train"
    names = ("test_a.png", "b[0].png", "validation?.png", "ü 1.png")
    samples = []
    for label in ("dev", "[x]"):
        for number, name in enumerate(names):
            (root / label).mkdir(parents=True, exist_ok=True)
            Image.new("L", (32, 32), number + 50 * (label == "dev")).save(root / label / name)
            samples.append(Sample(f"{label}/{name}", label, name, "train", f"{number:064x}"))
    rows = load_pictures(root, samples, ["[x]", "dev"], 32)["train"]
    assert [int(row["pixel_values"][0, 0, 0]) for row in rows] == [50, 51, 52, 53, 0, 1, 2, 3]
    assert [row["labels"] for row in rows] == [1] * 4 + [0] * 4


def test_nothing_is_written_to_the_home_or_left_behind(
    pictures: Path, split: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    for name in ("HF_DATASETS_CACHE", "DOWNLOADED_DATASETS_PATH", "HF_CACHE_HOME"):
        monkeypatch.setattr(datasets.config, name, "/dev/null/no-folder-can-be-made-here")
    train = load_pictures(pictures, split, ["100", "200", "510", "514"], 32)["train"]
    assert not list(scratch.iterdir())
    assert train[0]["pixel_values"].shape == (3, 32, 32)


def test_no_place_for_temporary_files_is_told(
    pictures: Path, split: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/nowhere")
    with pytest.raises(DataError, match="set TMPDIR"):
        load_pictures(pictures, split, ["100", "200", "510", "514"], 32)


def test_workers_give_the_rows_of_one_process(pictures: Path, split: list[Sample]) -> None:
    train = load_pictures(pictures, split, ["100", "200", "510", "514"], 32)["train"]
    batches = [list(DataLoader(train, batch_size=4, num_workers=workers)) for workers in (0, 2)]
    for alone, worked in zip(*batches, strict=True):
        assert all(torch.equal(alone[name], worked[name]) for name in alone)


@pytest.mark.slow
def test_workers_may_be_started_afresh(pictures: Path, split: list[Sample]) -> None:
    train = load_pictures(pictures, split, ["100", "200", "510", "514"], 32)["train"]
    loader = DataLoader(train, batch_size=4, num_workers=1, multiprocessing_context="spawn")
    assert len(list(loader)) == -(-len(train) // 4)
