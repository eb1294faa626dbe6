"""Pictures as training reads them: listed by `datasets`' imagefolder, decoded when asked for, resized as the processor does.

In goes a split, out comes a DatasetDict of uint8 pictures with their labels and keys. Arrow holds paths, never pixels.
Normalisation and augmentation are the trainer's, on the device. The image processor saved with the model resizes with the
same call of Pillow, so that `transformers.pipeline` sees what training saw.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, DatasetDict, load_dataset
from datasets import Image as ImageFeature
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from spatial_swin.audio.manifest import pictures_folder
from spatial_swin.errors import DataError
from spatial_swin.runs import Sample

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of the pictures the checkpoints were trained on, RGB in 0..1
IMAGENET_STD = (0.229, 0.224, 0.225)


def build_processor(image_size: int) -> ViTImageProcessorPil:
    """The image processor that is saved with the model: Pillow's bicubic resize, 1/255, ImageNet normalisation.

    The Pillow backend by name: the default one needs torchvision and resamples otherwise.
    """
    return ViTImageProcessorPil(
        size={"height": image_size, "width": image_size},
        resample=Image.Resampling.BICUBIC,
        image_mean=list(IMAGENET_MEAN),
        image_std=list(IMAGENET_STD),
    )


def read_pixels(path: str | os.PathLike[str], image_size: int) -> torch.Tensor:
    """One picture as uint8 [3, S, S]: RGB, bicubic to S x S when it has another size."""
    with Image.open(path) as picture:
        colours = picture.convert("RGB")
    if colours.size != (image_size, image_size):
        colours = colours.resize((image_size, image_size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(colours)).permute(2, 0, 1)


def sample_key(sha256: str) -> int:
    """63 bits of a picture's hash: what its augmentation is keyed by, wherever it lies and whatever it is called."""
    return int(sha256[:16], 16) >> 1


def load_pictures(
    root: str | os.PathLike[str], samples: Sequence[Sample], class_names: Sequence[str], image_size: int
) -> DatasetDict:
    """The parts of a split as datasets of {"pixel_values": uint8 [3, S, S], "labels": int, "sample_key": int}.

    Rows come in the order of `samples`.

    Raises:
        DataError: a sample that is not in the folder, or a cache folder that cannot be written.
    """
    folder = pictures_folder(Path(root)).resolve()
    listed = _list_folder(folder)
    rows = {Path(cell["path"]).relative_to(folder).as_posix(): row for row, cell in enumerate(listed["image"])}
    missing = [sample.path for sample in samples if sample.path not in rows]
    if missing:
        raise DataError(f"{folder}: {len(missing)} pictures of the split are not there, e.g. {missing[0]}; restore them")
    decode = Decode(folder, samples, class_names, image_size)
    parts = {}
    for part in dict.fromkeys(sample.split for sample in samples):
        chosen = listed.select([rows[sample.path] for sample in samples if sample.split == part])
        parts[part] = chosen.with_transform(decode)
    return DatasetDict(parts)


def _list_folder(folder: Path) -> Dataset:
    """Every picture of `folder` as imagefolder lists it, undecoded."""
    try:
        loaded = load_dataset("imagefolder", data_dir=str(folder), drop_labels=True, drop_metadata=True)
    except PermissionError as error:
        raise DataError(f"{error.filename}: the cache of `datasets` cannot be written; set HF_HOME to a folder of yours") from None
    parts = [part.cast_column("image", ImageFeature(decode=False)) for part in loaded.values()]
    if len(parts) == 1:
        return parts[0]
    from datasets import concatenate_datasets

    return concatenate_datasets(parts)


class Decode:
    """Turns rows of paths into pixels, labels and keys; a class, so that worker processes can receive it."""

    def __init__(self, folder: Path, samples: Sequence[Sample], class_names: Sequence[str], image_size: int) -> None:
        index = {name: number for number, name in enumerate(class_names)}
        self.folder, self.image_size = folder, image_size
        self.known: Mapping[str, tuple[int, int]] = {
            sample.path: (index[sample.label], sample_key(sample.sha256)) for sample in samples
        }

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        paths = [Path(cell["path"]) for cell in rows["image"]]
        known = [self.known[path.relative_to(self.folder).as_posix()] for path in paths]
        return {
            "pixel_values": [read_pixels(path, self.image_size) for path in paths],
            "labels": [label for label, _ in known],
            "sample_key": [key for _, key in known],
        }
