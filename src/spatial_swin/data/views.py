"""Which of a fixed number of draws a picture is shown in, epoch by epoch.

In goes a sample's key, an epoch and the number of views; out comes one view's number. Every picture is shown each view
once before it is shown any of them again, in an order of its own that is drawn anew for every round. A pure function:
nothing is counted, so workers, processes and resumed runs agree.
"""

from collections.abc import Callable, Iterator, Sequence

from torch.utils.data import Sampler

from spatial_swin.keyed_random import keyed_generator


def view_of(sample_key: int, epoch: int, views: int, seed: int) -> int:
    """The view, 0 to views - 1, that the sample is shown in `epoch` (from 0)."""
    cycle, place = divmod(epoch, views)
    return int(keyed_generator(seed, "views", cycle, sample_key).permutation(views)[place])


class ViewSampler(Sampler[tuple[int, int]]):
    """The rows of `rows`, in its order, each with the view that it is shown in this epoch.

    Args:
        rows: the Trainer's own sampler, which the order of the epoch comes from.
        keys: of each row.
        views, seed: as for `view_of`.
        epoch: asked when an epoch begins.
    """

    def __init__(
        self, rows: Sampler[int], keys: Sequence[int], views: int, seed: int, epoch: Callable[[], int]
    ) -> None:
        self.rows, self.keys, self.views, self.seed, self.epoch_now = rows, keys, views, seed, epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch_now()
        for row in self.rows:
            yield row, view_of(self.keys[row], epoch, self.views, self.seed)

    def __len__(self) -> int:
        return len(self.rows)  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """The order's epoch, as accelerate sets it."""
        if hasattr(self.rows, "set_epoch"):
            self.rows.set_epoch(epoch)
