"""A finished model as ONNX: the file, the proof that it says the same, and how fast it is beside PyTorch.

In goes a `Predictor`, out come the bytes of a model with a dynamic batch, the largest difference of its logits from
PyTorch's, and paired timings on this machine's CPU. The graph takes pictures normalised as the saved processor does
and gives logits; temperature and labels are told beside it. No file is written here.
"""

import contextlib
import copy
import io
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from spatial_swin.data.pictures import normalise
from spatial_swin.errors import SpatialSwinError
from spatial_swin.prediction.predictor import Predictor

INPUT, OUTPUT = "pixel_values", "logits"
BATCHES = (1, 2, 5)  # the sizes that parity is checked with: one, the size of the export, another
TOLERANCE = 1e-3  # of logits; float32 sums in another order give 1e-6 to 1e-5
SEED = 0  # of random pictures where there are no real ones


class ExportError(SpatialSwinError):
    """The model could not be exported, or the exported one does not say the same."""


@dataclass(frozen=True)
class Parity:
    """Largest absolute difference of logits over all pictures and batch sizes; whether any verdict changed."""

    difference: float
    same_verdicts: bool
    pictures: int
    batches: tuple[int, ...]


@dataclass(frozen=True)
class Speed:
    """Seconds a batch, measured in turn: float64 [N] of PyTorch and of ONNX Runtime."""

    batch: int
    threads: int
    torch_seconds: np.ndarray
    onnx_seconds: np.ndarray

    @property
    def ratio(self) -> tuple[float, float, float]:
        """PyTorch's time over ONNX Runtime's, pair by pair: lower quartile, median, upper quartile."""
        low, median, high = np.quantile(self.torch_seconds / self.onnx_seconds, [0.25, 0.5, 0.75])
        return float(low), float(median), float(high)


class _Logits(nn.Module):
    """A classifier that gives its logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=pixel_values).logits


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports its progress, deprecations of its own and operators of libraries that are not here."""
    chatty = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in chatty]
    for logger in chatty:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(chatty, levels, strict=True):
            logger.setLevel(level)


def to_onnx(predictor: Predictor) -> bytes:
    """The model as ONNX: float32 pixel_values [batch, 3, S, S] -> logits [batch, K]. Raises ExportError."""
    model = copy.deepcopy(predictor.model).cpu().eval()
    model.set_attn_implementation("eager")  # what SDPA becomes on a CPU cannot be exported with a dynamic batch
    example = torch.zeros(2, 3, predictor.image_size, predictor.image_size)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                _Logits(model),
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                verbose=False,
            )
    except Exception as error:  # torch.export, the decompositions and onnxscript each raise their own
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ExportError(
            f"this model cannot be exported ({reason}); please report it with its config.json"
        ) from error
    assert program is not None
    return program.model_proto.SerializeToString()


def session_of(content: bytes, threads: int) -> Any:
    """An ONNX Runtime session on the CPU with `threads` threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def random_pictures(count: int, size: int) -> torch.Tensor:
    """Noise uint8 [count, 3, size, size], the same every time."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)


def parity(predictor: Predictor, session: Any, pictures: torch.Tensor, batches: Sequence[int] = BATCHES) -> Parity:
    """Compare logits of pictures uint8 [N, 3, S, S], in batches of each size."""
    values = normalise(pictures, predictor.mean, predictor.std)
    difference, same = 0.0, True
    for size in batches:
        for batch in values.split(size):
            ours = _of_torch(predictor, batch)
            theirs = session.run(None, {INPUT: batch.numpy()})[0]
            difference = float(np.maximum(difference, np.abs(ours - theirs).max()))  # keeps NaN, unlike max()
            same &= bool((ours.argmax(axis=1) == theirs.argmax(axis=1)).all())
    return Parity(difference, same, len(pictures), tuple(batches))


def speed(
    predictor: Predictor,
    session: Any,
    pictures: torch.Tensor,
    threads: int,
    repeats: int = 15,
    tell: Callable[[int], object] | None = None,
) -> Speed:
    """Time pictures uint8 [B, 3, S, S] in turn with PyTorch and ONNX Runtime, both warm, the first alternating."""
    values = normalise(pictures, predictor.mean, predictor.std)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    runs: tuple[Callable[[], object], Callable[[], object]] = (
        lambda: _of_torch(predictor, values),
        lambda: session.run(None, {INPUT: values.numpy()}),
    )
    seconds = np.empty((2, repeats))
    try:
        for run in (*runs, *runs):
            run()
        for number in range(repeats):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                began = time.perf_counter()
                runs[which]()
                seconds[which, number] = time.perf_counter() - began
            if tell is not None:
                tell(1)
    finally:
        torch.set_num_threads(before)
    return Speed(len(pictures), threads, seconds[0], seconds[1])


@torch.no_grad()
def _of_torch(predictor: Predictor, values: torch.Tensor) -> np.ndarray:
    return predictor.model(values).logits.numpy()
