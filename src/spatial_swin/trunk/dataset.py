"""Training data from the trunk cache: rows of stored trunk output, each asked for in the view that an epoch shows.

The sampler (`data.views.ViewSampler`) runs in the training process and knows the epoch; the dataset runs on workers
and knows nothing of time. So workers that live through many epochs need no messages, and a resumed run reads what the
whole one would have read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from spatial_swin.trunk.shards import Entry, mapped
from spatial_swin.trunk.store import Place

STORED = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


def encode(output: torch.Tensor, stored: str) -> np.ndarray:
    """Trunk output in the bits it is stored in: int16 for both kinds of 16 bits (numpy has no bf16), else float32."""
    narrow = output.to(STORED[stored])
    return (narrow if stored == "fp32" else narrow.view(torch.int16)).cpu().numpy()


def decode(bits: np.ndarray, stored: str) -> torch.Tensor:
    """What `encode` wrote, as a tensor of its own (the map on disk is not writable)."""
    tensor = torch.from_numpy(np.array(bits))
    return tensor if stored == "fp32" else tensor.view(STORED[stored])


class TrunkDataset(Dataset[dict[str, Any]]):
    """{"trunk": [L, C] or [C], "labels", "sample_key"} by (row, view), or by row where there is one view only.

    Args:
        sha256, labels, keys: of each row.
        views: the views that may be asked for, in the order of their numbers.
        places: where each (sha256, view) lies.
        stored: fp16, bf16 or fp32.
    """

    def __init__(
        self,
        sha256: Sequence[str],
        labels: Sequence[int],
        keys: Sequence[int],
        views: Sequence[int],
        places: Mapping[Entry, Place],
        stored: str,
    ) -> None:
        shards = {place.shard.file: place.shard for place in places.values()}
        numbers = {file: number for number, file in enumerate(shards)}
        self.files = [(str(shard.file), shard.dtype, shard.shape) for shard in shards.values()]
        self.labels, self.keys, self.stored, self.views = list(labels), list(keys), stored, len(views)
        self.where = np.empty((len(sha256), len(views), 2), dtype=np.int32)  # shard, row in it
        for row, name in enumerate(sha256):
            for column, view in enumerate(views):
                place = places[name, view]
                self.where[row, column] = numbers[place.shard.file], place.row

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, torch.Tensor | int]:
        row, view = index if isinstance(index, tuple) else (index, 0)
        shard, place = self.where[row, view if self.views > 1 else 0]  # where nothing is drawn, all views are one
        return {
            "trunk": decode(mapped(*self.files[shard])[place], self.stored),
            "labels": self.labels[row],
            "sample_key": self.keys[row],
        }
