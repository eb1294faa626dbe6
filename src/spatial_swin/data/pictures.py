"""Pictures as training reads them: listed by `datasets`' imagefolder, decoded when asked for, resized as the processor
does.

In goes a split, out comes a DatasetDict of uint8 pictures with their labels and keys. Arrow holds paths, never pixels.
Normalisation and augmentation are the trainer's, on the device. The image processor saved with the model resizes with
the same call of Pillow, so that `transformers.pipeline` sees what training saw.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageOps

from spatial_swin.audio.manifest import pictures_folder
from spatial_swin.errors import DataError
from spatial_swin.runs import Sample

if TYPE_CHECKING:  # these two take seconds to import, and those who only read a picture need neither
    from datasets import DatasetDict
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of the pictures the checkpoints were trained on, RGB in 0..1
IMAGENET_STD = (0.229, 0.224, 0.225)


def build_processor(image_size: int) -> "ViTImageProcessorPil":
    """The image processor that is saved with the model: Pillow's bicubic resize, 1/255, ImageNet normalisation.

    The Pillow backend by name: the default one needs torchvision and resamples otherwise.
    """
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    return ViTImageProcessorPil(
        size={"height": image_size, "width": image_size},
        resample=Image.Resampling.BICUBIC,
        image_mean=list(IMAGENET_MEAN),
        image_std=list(IMAGENET_STD),
    )


def read_pixels(path: str | os.PathLike[str], image_size: int) -> torch.Tensor:
    """One picture as uint8 [3, S, S]: turned as its EXIF says, RGB, bicubic to S x S when it has another size.

    The same three steps, in the same order, as `transformers.pipeline` and the saved processor take.
    """
    # from an open file, as preflight decodes it: by name, Pillow maps some files and fails where it had passed them
    with open(path, "rb") as file, Image.open(file) as picture:
        return as_pixels(picture, image_size)


def as_pixels(picture: Image.Image, image_size: int) -> torch.Tensor:
    """An open picture as uint8 [3, S, S], in the steps of `read_pixels`."""
    colours = ImageOps.exif_transpose(picture).convert("RGB")
    if colours.size != (image_size, image_size):
        colours = colours.resize((image_size, image_size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(colours)).permute(2, 0, 1).contiguous()


def normalise(
    pixels: torch.Tensor, mean: Sequence[float] | torch.Tensor, std: Sequence[float] | torch.Tensor, white: float = 255
) -> torch.Tensor:
    """Pictures [B, 3, S, S] as the model reads them, float32; mean and std of RGB in 0..1, `white` is their 1."""
    shift, scale = (
        torch.as_tensor(v, dtype=torch.float32, device=pixels.device).view(1, -1, 1, 1) for v in (mean, std)
    )
    return (pixels.float() / white - shift) / scale


def sample_key(sha256: str) -> int:
    """63 bits of a picture's hash: what its augmentation is keyed by, wherever it lies and whatever it is called."""
    return int(sha256[:16], 16) >> 1


def load_pictures(
    root: str | os.PathLike[str], samples: Sequence[Sample], class_names: Sequence[str], image_size: int
) -> "DatasetDict":
    """The parts of a split as datasets of {"pixel_values": uint8 [3, S, S], "labels": int, "sample_key": int}.

    Rows come in the order of `samples`.

    Raises:
        DataError: a sample that is not in the folder, or no place for temporary files.
    """
    from datasets import DatasetDict

    folder = pictures_folder(Path(root)).resolve()
    missing = [sample.path for sample in samples if not (folder / sample.path).is_file()]
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} pictures of the split are not there, e.g. {missing[0]}; restore them"
        )
    listed = _list_by_imagefolder(folder, samples)
    decode = Decode(folder, samples, class_names, image_size)
    return DatasetDict({part: rows.with_transform(decode) for part, rows in listed.items()})


def _list_by_imagefolder(folder: Path, samples: Sequence[Sample]) -> "DatasetDict":
    """The pictures as imagefolder lists them, undecoded, in memory, with the labels of their class folders.

    It is given `DataFilesList`s: plain paths it would take for patterns and search the folder for each (0.1 s per file
    among 7,492; 1.6 s for all of them as it is here), and a folder alone it would divide by the words it finds in
    names (`test`, `train`) and leave the rest out. What it writes goes to a folder of this process and is removed: no
    cache in the user's home that could be stale, shared by ranks, or not writable.
    """
    import datasets
    from datasets.data_files import DataFilesList

    by_part: dict[str, list[str]] = {}
    for sample in samples:
        by_part.setdefault(sample.split, []).append(str(folder / sample.path))
    files = {part: DataFilesList(paths, [(part, str(len(paths)))]) for part, paths in by_part.items()}
    try:
        with _quietly(), tempfile.TemporaryDirectory(prefix="spatial-swin-") as cache:
            options = {"cache_dir": cache, "keep_in_memory": True, "drop_labels": False, "drop_metadata": True}
            loaded = datasets.load_dataset("imagefolder", data_files=files, **options)
    except OSError as error:
        raise DataError(
            f"the folder for temporary files cannot be used ({error}); set TMPDIR to a folder "
            "that is writable and has room"
        ) from None
    listed = loaded.cast_column("image", datasets.Image(decode=False))
    names = next(iter(listed.values())).features["label"].names
    assert set(names) == {sample.label for sample in samples}, "imagefolder lost the labels"
    return listed


@contextmanager
def _quietly() -> Iterator[None]:
    """Without `datasets`' progress bars and without its download count, which asks the network for 3 s at most."""
    import datasets

    bars, counts = datasets.is_progress_bar_enabled(), datasets.config.HF_UPDATE_DOWNLOAD_COUNTS
    datasets.disable_progress_bars()
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    try:
        yield
    finally:
        datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = counts
        if bars:
            datasets.enable_progress_bars()


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
