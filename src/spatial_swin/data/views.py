"""Which of a fixed number of draws a picture is shown in, epoch by epoch.

In goes a sample's key, an epoch and the number of views; out comes one view's number. Every picture is shown each view
once before it is shown any of them again, in an order of its own that is drawn anew for every round. A pure function:
nothing is counted, so workers, processes and resumed runs agree.
"""

from spatial_swin.keyed_random import keyed_generator


def view_of(sample_key: int, epoch: int, views: int, seed: int) -> int:
    """The view, 0 to views - 1, that the sample is shown in `epoch` (from 0)."""
    cycle, place = divmod(epoch, views)
    return int(keyed_generator(seed, "views", cycle, sample_key).permutation(views)[place])
