"""Training data from the trunk cache: rows of stored trunk output, and the sampler that says which view of each.

The sampler runs in the training process and knows the epoch; the dataset runs on workers and knows nothing of time: it
is asked for (row, view). So nothing has to be told to workers that live through many epochs, and a resumed run reads
what the whole one would have read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from spatial_swin.data.trunk_cache import Place
from spatial_swin.data.trunk_shards import Entry, mapped
from spatial_swin.data.views import view_of

STORED = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


def encode(output: torch.Tensor, stored: str) -> np.ndarray:
    """Trunk output in the bits it is stored in: int16 for both kinds of 16 bits (numpy has no bf16), else float32."""
    narrow = output.to(STORED[stored])
    return (narrow if stored == "fp32" else narrow.view(torch.int16)).cpu().numpy()


def decode(bits: np.ndarray, stored: str) -> torch.Tensor:
    """What `encode` wrote, as a tensor of its own (the map on disk is not writable)."""
    tensor = torch.from_numpy(np.array(bits))
    return tensor if stored == "fp32" else tensor.view(STORED[stored])


class TrunkDataset(Dataset):
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


class ViewSampler(Sampler):
    """The rows of `rows`, in its order, each with the view that it is shown in this epoch.

    Args:
        rows: the Trainer's own sampler, which the order of the epoch comes from.
        keys: of each row.
        views, seed: as for `view_of`.
        epoch: asked when an epoch begins.
    """

    def __init__(self, rows: Sampler, keys: Sequence[int], views: int, seed: int, epoch: Callable[[], int]) -> None:
        self.rows, self.keys, self.views, self.seed, self.epoch_now = rows, keys, views, seed, epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch_now()
        for row in self.rows:
            yield row, view_of(self.keys[row], epoch, self.views, self.seed)

    def __len__(self) -> int:
        return len(self.rows)  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """The order's epoch, which accelerate tells."""
        if hasattr(self.rows, "set_epoch"):
            self.rows.set_epoch(epoch)
