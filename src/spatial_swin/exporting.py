"""A finished model as ONNX: the file, the proof that it says the same, and how fast it is beside PyTorch.

In goes a `Predictor`, out come a model with a dynamic batch, the largest difference of its logits from PyTorch's,
paired timings on this machine's CPU, and a description for the program that will use it. The graph takes pictures
normalised as the saved processor does and gives logits; it holds no path of this machine. Files are written by
`Export.write` alone.
"""

import contextlib
import copy
import io
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from spatial_swin import files
from spatial_swin.data.folder import pictures_of
from spatial_swin.data.pictures import normalise
from spatial_swin.errors import DataError, Problem, RunError, SpatialSwinError, raise_problems
from spatial_swin.prediction.predictor import Predictor, read_picture
from spatial_swin.prediction.sources import find_files, is_picture
from spatial_swin.runs import RunFolder

if TYPE_CHECKING:
    import onnx

INPUT, OUTPUT = "pixel_values", "logits"
BATCHES = (1, 2, 5)  # the sizes that parity is checked with: one, the size of the export, another
PICTURES = 20  # for the parity check
SEED = 0  # of random pictures where there are no real ones


class ExportError(SpatialSwinError):
    """The model could not be exported, or the exported one does not say the same."""


@dataclass(frozen=True)
class Parity:
    """Largest absolute difference of logits over all pictures and batch sizes; whether any verdict changed."""

    largest_logit_difference: float
    same_verdicts: bool
    pictures: int
    of: str

    def __str__(self) -> str:
        batches = ", ".join(map(str, BATCHES))
        pictures = f"{self.pictures} {self.of} in batches of {batches}"
        return f"largest difference of logits {self.largest_logit_difference:.2e} over {pictures}"


@dataclass(frozen=True)
class Speed:
    """Seconds per batch, measured in turn: float64 [N] of PyTorch and of ONNX Runtime."""

    batch: int
    threads: int
    torch_seconds: np.ndarray
    onnx_seconds: np.ndarray

    @property
    def ratio(self) -> tuple[float, float, float]:
        """PyTorch's time over ONNX Runtime's, pair by pair: lower quartile, median, upper quartile."""
        low, median, high = np.quantile(self.torch_seconds / self.onnx_seconds, [0.25, 0.5, 0.75])
        return float(low), float(median), float(high)

    def __str__(self) -> str:
        low, median, high = self.ratio
        return (
            f"batch of {self.batch}, {self.threads} thread{'s' * (self.threads != 1)}, median of "
            f"{len(self.torch_seconds)} pairs: PyTorch {spread(self.torch_seconds)}, ONNX Runtime "
            f"{spread(self.onnx_seconds)}; PyTorch takes {median:.2f} times as long [{low:.2f}, {high:.2f}]"
        )


@dataclass(frozen=True)
class Export:
    """The exported model, how far it agrees and how fast it is."""

    model: "onnx.ModelProto"
    parity: Parity
    speed: Speed
    predictor: Predictor

    @property
    def opset(self) -> int:
        return next(entry.version for entry in self.model.opset_import if entry.domain in ("", "ai.onnx"))

    def write(self, file: Path) -> None:
        """Write the graph, and beside it a .json with what a program needs to use it. Raises WriteError."""
        files.write_bytes(file, self.model.SerializeToString())
        files.write_json(file.with_suffix(".json"), self.description())

    def description(self) -> dict[str, Any]:
        """What a program needs to use the graph, and what was measured."""
        predictor, (low, median, high) = self.predictor, self.speed.ratio
        return {
            "input": {
                "name": INPUT,
                "type": "float32",
                "shape": ["batch", 3, predictor.image_size, predictor.image_size],
                "colour": "RGB",
                "range": "0..1, then (value - mean) / std",
                "mean": predictor.mean,
                "std": predictor.std,
                "resize": "bicubic",
            },
            "output": {"name": OUTPUT, "type": "float32", "shape": ["batch", len(predictor.class_names)]},
            "labels": predictor.class_names,
            "temperature": predictor.temperature,
            "opset": self.opset,
            "parity": {**asdict(self.parity), "batches": list(BATCHES)},
            "speed": {
                "batch": self.speed.batch,
                "threads": self.speed.threads,
                "pairs": len(self.speed.torch_seconds),
                "torch_median_seconds": float(np.median(self.speed.torch_seconds)),
                "onnxruntime_median_seconds": float(np.median(self.speed.onnx_seconds)),
                "torch_over_onnxruntime": {"median": median, "quartiles": [low, high]},
            },
        }


def export(
    predictor: Predictor, data: Path | None, tolerance: float, batch_size: int, repeats: int, threads: int | None
) -> Export:
    """Export `predictor`, compare and time it.

    Args:
        data: folder of pictures for the comparison; noise when None.
        tolerance: the largest difference of logits that is still the same; float32 sums in another order give 1e-5.
        batch_size, repeats, threads: of the timing; as many threads as PyTorch uses when None.

    Raises:
        ExportError: the model cannot be exported, or the exported one does not say the same.
        DataError: there are no pictures in `data`.
    """
    pictures, kind = pictures_for_parity(predictor, data)
    model, threads = to_onnx(predictor), threads or torch.get_num_threads()
    session = session_of(model.SerializeToString(), threads)
    agreement = parity(predictor, session, pictures, kind)
    if not agreement.largest_logit_difference <= tolerance:  # NaN is refused too
        raise ExportError(f"{agreement}: above --tolerance {tolerance:g}; nothing was written")
    timed = pictures[torch.arange(batch_size) % len(pictures)]
    return Export(model, agreement, speed(predictor, session, timed, threads, repeats), predictor)


def data_of(run: RunFolder, data_dir: Path | None) -> Path | None:
    """The pictures of a run, where `data_dir` or its recipe says they are; None where only the model is known."""
    try:
        return pictures_of(run, data_dir)
    except (DataError, RunError):
        if data_dir is not None:
            raise
        return None


def pictures_for_parity(predictor: Predictor, data: Path | None) -> tuple[torch.Tensor, str]:
    """Pictures uint8 [N, 3, S, S], spread over the data, and what they are; noise where there is no data."""
    if data is None:
        return random_pictures(PICTURES, predictor.image_size), "pictures of noise"
    sources = find_files([str(data)])
    paths = [path for path in sources.paths if is_picture(path)]
    if not paths:
        nothing = Problem(str(data), "holds no picture", "give the data folder with --data_dir")
        raise_problems(DataError, sources.problems or [nothing], "There is nothing to compare the export with")
    chosen = paths[:: max(1, len(paths) // PICTURES)][:PICTURES]
    return torch.stack([read_picture(path, predictor.image_size)[0] for path in chosen]), "pictures of the data"


def random_pictures(count: int, size: int) -> torch.Tensor:
    """Noise uint8 [count, 3, size, size], the same every time."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)


class _Logits(nn.Module):
    """A classifier that gives its logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=pixel_values).logits


def to_onnx(predictor: Predictor) -> "onnx.ModelProto":
    """The model as ONNX: float32 pixel_values [batch, 3, S, S] -> logits [batch, K]. Raises ExportError."""
    model = copy.deepcopy(predictor.swin).cpu().eval()
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
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportError(
            f"this model cannot be exported ({reason}); please report it with its config.json"
        ) from error
    assert program is not None
    return without_traces(program.model_proto)


def without_traces(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """`model` without the notes of the exporter: stack traces name the files of this machine."""

    def clean(message: Any) -> None:
        for field, value in message.ListFields():
            if field.name in ("metadata_props", "doc_string"):
                message.ClearField(field.name)
            elif field.message_type is not None:
                for part in value if field.is_repeated else [value]:
                    clean(part)

    clean(model)
    return model


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


def session_of(content: bytes, threads: int) -> Any:
    """An ONNX Runtime session on the CPU with `threads` threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def parity(predictor: Predictor, session: Any, pictures: torch.Tensor, kind: str) -> Parity:
    """Compare logits of pictures uint8 [N, 3, S, S], in batches of each size of BATCHES."""
    values = normalise(pictures, predictor.mean, predictor.std)
    difference, same = 0.0, True
    for size in BATCHES:
        for batch in values.split(size):
            ours = _of_torch(predictor, batch)
            theirs = session.run(None, {INPUT: batch.numpy()})[0]
            difference = float(np.maximum(difference, np.abs(ours - theirs).max()))  # keeps NaN, unlike max()
            same &= bool((ours.argmax(axis=1) == theirs.argmax(axis=1)).all())
    return Parity(difference, same, len(pictures), kind)


def speed(predictor: Predictor, session: Any, pictures: torch.Tensor, threads: int, repeats: int) -> Speed:
    """Time pictures uint8 [B, 3, S, S] in turn with PyTorch and ONNX Runtime, both warm, the first alternating."""
    values = normalise(pictures, predictor.mean, predictor.std)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        seconds = in_turn(
            lambda: _of_torch(predictor, values), lambda: session.run(None, {INPUT: values.numpy()}), repeats
        )
    finally:
        torch.set_num_threads(before)
    return Speed(len(pictures), threads, seconds[0], seconds[1])


def in_turn(first: Callable[[], object], second: Callable[[], object], repeats: int) -> np.ndarray:
    """Seconds of two functions, warm, called in pairs, the first alternating: float64 [2, repeats]."""
    runs = (first, second)
    seconds = np.empty((2, repeats))
    for run in (*runs, *runs):
        run()
    for number in tqdm(range(repeats), desc="timing", unit="pair", disable=None):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            began = time.perf_counter()
            runs[which]()
            seconds[which, number] = time.perf_counter() - began
    return seconds


@torch.no_grad()
def _of_torch(predictor: Predictor, values: torch.Tensor) -> np.ndarray:
    return predictor.swin(values).logits.numpy()


def spread(seconds: np.ndarray) -> str:
    """`12.3 ms [11.9, 13.0]`: median and quartiles."""
    low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75]) * 1000
    return f"{median:.1f} ms [{low:.1f}, {high:.1f}]"
