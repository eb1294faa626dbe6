"""An exponential moving average of the weights that learn, which is evaluated and saved as the model.

In goes a model after every step of its optimizer, out comes the average: a' = d a + (1 - d) w, with
d = min(decay, (1 + t) / (10 + t)) at the step t = 1, 2 ..., so that a short run is not held back by its random start
(the warm-up of TensorFlow's ExponentialMovingAverage). The average begins with the weights as training finds them. A
weight that is still frozen is its own average, so nothing begins again when stage 4 is unfrozen; what never learns is
not kept twice. Frozen or not, nothing random is drawn, and equal weights on several processes have equal averages.

A checkpoint holds the average as its model, and the weights that the optimizer goes on with in `LEARNT`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import get_ema_multi_avg_fn

from spatial_swin.modeling.swin import Swin

LEARNT = "learnt.safetensors"


def decay_at(step: int, decay: float) -> float:
    """What the average keeps of itself at a step, counted from 1."""
    return min(decay, (1 + step) / (10 + step))


class WeightAverage:
    """The average of the parameters `names` of `model`, float32, beginning with what they are now."""

    def __init__(self, model: Swin, names: Iterable[str], decay: float) -> None:
        parameters = dict(model.named_parameters())
        self.learnt = {name: parameters[name] for name in names}
        self.averages = {name: parameter.detach().clone() for name, parameter in self.learnt.items()}
        self.decay = decay

    @classmethod
    def from_checkpoint(cls, model: Swin, folder: Path, decay: float) -> "WeightAverage":
        """The average that a checkpoint's model is, just restored into `model`, which gets its learnt weights back."""
        saved = load_file(folder / LEARNT)
        average = cls(model, saved, decay)
        with torch.no_grad():
            for name, parameter in average.learnt.items():
                parameter.copy_(saved[name])
        return average

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` steps of the optimizer."""
        average = get_ema_multi_avg_fn(decay_at(step, self.decay))
        average(list(self.averages.values()), list(self.learnt.values()), None)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The model holds the average inside, and its own weights again afterwards, bit for bit."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def give(self) -> None:
        """Let the model be the average for good."""
        self._exchange()

    def save_learnt(self, folder: Path) -> None:
        save_file({name: parameter.detach().contiguous() for name, parameter in self.learnt.items()}, folder / LEARNT)

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, parameter in self.learnt.items():
            before = parameter.detach().clone()
            parameter.copy_(self.averages[name])
            self.averages[name].copy_(before)
