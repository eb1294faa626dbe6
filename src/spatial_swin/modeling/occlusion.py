"""Occlusion: what the model says when one region of the picture is replaced by what is usual there.

Pictures, masks of regions and the mean picture of the train part go in; log-probabilities with nothing hidden and with
each region hidden come out. The mean, unlike grey, keeps a tile looking like a tile of its kind. This asks the model
itself and needs no theory of attention, so relevance is compared with it. Nothing here trains.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from spatial_swin.data.pictures import normalise
from spatial_swin.modeling.swin import Swin


def mean_picture(pictures: Iterable[Tensor]) -> Tensor:
    """The mean of uint8 pictures [3, S, S], float32 [3, S, S] on the scale 0..255."""
    total, count = None, 0
    for picture in pictures:
        total = picture.double() if total is None else total.add_(picture)
        count += 1
    assert total is not None, "a mean needs a picture"
    return (total / count).float()


def hide(pixels: Tensor, mask: Tensor, usual: Tensor) -> Tensor:
    """`pixels` [..., 3, S, S] with the region `mask` bool [S, S] taken from `usual` [3, S, S]."""
    return torch.where(mask, usual, pixels.float())


def occlude(
    model: Swin,
    pictures: Sequence[Tensor],
    masks: np.ndarray,
    usual: Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    batch_size: int = 16,
    precision: str = "fp32",
) -> np.ndarray:
    """Log-probabilities of each class, float64 [1 + R, N, K]: row 0 with nothing hidden, row 1 + r without region r.

    pictures: N uint8 tensors [3, S, S], or a sequence that reads them when they are needed. masks: bool [R, S, S].
    precision: fp32 or bf16, the autocast of the forward.
    """
    assert not model.training
    device = model.device
    shown = _variants(pictures, torch.from_numpy(masks).to(device), usual.to(device))
    rows: list[np.ndarray] = []
    total = len(pictures) * (1 + len(masks))
    with torch.inference_mode(), tqdm(total=total, desc="occlusion", unit="picture", disable=None) as bar:
        while batch := list(islice(shown, batch_size)):
            with autocast(device, precision):
                logits = model(pixel_values=normalise(torch.stack(batch), mean, std)).logits
            rows.append(logits.double().log_softmax(dim=-1).cpu().numpy())
            bar.update(len(batch))
    return np.concatenate(rows).reshape(len(pictures), 1 + len(masks), -1).transpose(1, 0, 2)


def _variants(pictures: Sequence[Tensor], regions: Tensor, usual: Tensor) -> Iterator[Tensor]:
    """Each picture whole, then without each region, so that batches are full even for one picture."""
    for k in range(len(pictures)):
        picture = pictures[k].to(usual.device)
        yield picture.float()
        for mask in regions:
            yield hide(picture, mask, usual)


def batches(pictures: Sequence[Tensor], size: int) -> Iterator[Tensor]:
    """Stacks of at most `size` pictures, [B, 3, S, S]."""
    for start in range(0, len(pictures), size):
        yield torch.stack([pictures[i] for i in range(start, min(start + size, len(pictures)))])


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def fitting_precision(device: torch.device) -> str:
    """bf16 where the machine computes in it (8 times faster than fp32 for Swin-B/384 on a CPU with avx512_bf16)."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
