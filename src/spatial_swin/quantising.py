"""An exported model with int8 weights: made by ONNX Runtime, and what it says and costs beside the float one.

In go an `Export` and the pictures of its run, out come a smaller graph, how far its verdicts and calibrated
probabilities agree with the float model's, and paired timings on this CPU. With the validation part of a run the
activations are int8 too, with scales from one half of its groups; the other half is what the models are compared on.
With other pictures only the weights have fixed scales (dynamic quantisation). Without pictures nothing is made. Files
are written by `Quantised.write` alone.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import special
from tqdm import tqdm

from spatial_swin import files
from spatial_swin.data.pictures import normalise
from spatial_swin.data.preflight import require_same_pictures
from spatial_swin.evaluation.calibration import apply_temperature
from spatial_swin.exporting import INPUT, Export, ExportError, in_turn, session_of, spread
from spatial_swin.prediction.predictor import Predictor, read_picture
from spatial_swin.prediction.sources import find_files, is_picture
from spatial_swin.runs import RunFolder, Sample

if TYPE_CHECKING:
    import onnx

MOST = 200  # pictures to take scales from, and to compare on
BATCH = 8
OPERATORS = ["MatMul", "Gemm", "Conv"]  # softmax and norms stay float
DYNAMIC = ["MatMul", "Gemm"]  # ONNX Runtime has no dynamic convolution worth its cost on a CPU
# weights have 7 of 8 bits: without VNNI instructions sums of 8-bit products saturate (measured: recipes/README.md)
WEIGHTS = {"per_channel": True, "reduce_range": True}


@dataclass(frozen=True)
class Agreement:
    """Of `pictures`: how many verdicts are the same; of each picture's largest difference of a probability the largest
    and the median; how many verdicts are right, float and int8, where the labels are known.
    """

    pictures: int
    of: str
    same_verdicts: int
    largest_difference: float
    median_difference: float
    calibrated: bool
    right_float: int | None = None
    right_int8: int | None = None

    def __str__(self) -> str:
        kind = "calibrated probabilities" if self.calibrated else "probabilities (no temperature is known)"
        right = ""
        if self.right_float is not None and self.right_int8 is not None:
            shares = self.right_float / self.pictures, self.right_int8 / self.pictures
            right = f"; accuracy {shares[0]:.4f} float, {shares[1]:.4f} int8"
        return (
            f"{self.same_verdicts} of {self.pictures} verdicts the same on {self.of}{right}; {kind} differ by at most "
            f"{self.largest_difference:.4f}, by {self.median_difference:.4f} in the median picture"
        )


@dataclass(frozen=True)
class Quantised:
    """The int8 model, how it was made, how far it agrees and how fast it is beside the float one in ONNX Runtime.

    seconds: float64 [2, N] of float and int8, in pairs.
    """

    content: bytes
    method: str
    agreement: Agreement
    seconds: np.ndarray
    batch: int
    threads: int
    exported: Export

    @property
    def faster(self) -> tuple[float, float, float]:
        """Float's time over int8's, pair by pair: lower quartile, median, upper quartile."""
        low, median, high = np.quantile(self.seconds[0] / self.seconds[1], [0.25, 0.5, 0.75])
        return float(low), float(median), float(high)

    def __str__(self) -> str:
        low, median, high = self.faster
        size = len(self.exported.model.SerializeToString()) / 1e6, len(self.content) / 1e6
        return (
            f"int8, {self.method}\n{self.agreement}\n{size[0]:.1f} MB float, {size[1]:.1f} MB int8; "
            f"batch of {self.batch}, {self.threads} thread{'s' * (self.threads != 1)}, "
            f"median of {self.seconds.shape[1]} pairs: float {spread(self.seconds[0])}, "
            f"int8 {spread(self.seconds[1])}; float takes {median:.2f} times as long "
            f"[{low:.2f}, {high:.2f}]"
        )

    def write(self, file: Path) -> None:
        """Write the graph, and beside it a .json with what a program needs to use it. Raises WriteError."""
        low, median, high = self.faster
        about = self.exported.description() | {
            "quantisation": self.method,
            "parity": asdict(self.agreement),
            "speed": {
                "batch": self.batch,
                "threads": self.threads,
                "pairs": self.seconds.shape[1],
                "float_median_seconds": float(np.median(self.seconds[0])),
                "int8_median_seconds": float(np.median(self.seconds[1])),
                "float_over_int8": {"median": median, "quartiles": [low, high]},
            },
        }
        files.write_bytes(file, self.content)
        files.write_json(file.with_suffix(".json"), about)


@dataclass(frozen=True)
class Pictures:
    """Files to take scales from (none: they are taken as each picture comes) and files to compare on, with labels."""

    scales: list[Path]
    compared: list[Path]
    labels: list[str] | None
    of: str


def pictures_for(run: RunFolder, data: Path | None) -> Pictures:
    """The validation part of a run whose pictures are in `data`, by halves of its groups; else any pictures of `data`.

    Raises:
        ExportError: there are no pictures.
        DataError: the pictures of the validation part are gone or are others.
    """
    if data is None:
        raise ExportError("an int8 model must be compared on pictures, and none are known: give them with --data_dir")
    validation = [s for s in run.read_split() if s.split == "validation"] if run.split_file.is_file() else []
    if validation:
        require_same_pictures(data, validation)
        groups = sorted({sample.group for sample in validation})
        odd = {group for number, group in enumerate(groups) if number % 2}
        halves = [s for s in validation if s.group not in odd], [s for s in validation if s.group in odd]
        scales, compared = (_spread_over(half) for half in halves)
        if compared:
            of = f"validation pictures of {len({s.group for s in compared})} groups that gave no scales"
            labels = [sample.label for sample in compared]
            return Pictures(_paths(data, scales), _paths(data, compared), labels, of)
    paths_found = [Path(path) for path in find_files([str(data)]).paths if is_picture(path)]
    if not paths_found:
        raise ExportError(
            f"an int8 model must be compared on pictures, and {data} holds none: give them with --data_dir"
        )
    of = "pictures of the data, which the model may have learnt from"
    return Pictures([], paths_found[:: -(-len(paths_found) // MOST)], None, of)


def _paths(data: Path, samples: Sequence[Sample]) -> list[Path]:
    return [data / sample.path for sample in samples]


def _spread_over(samples: Sequence[Sample]) -> list[Sample]:
    """At most MOST of them, spread over classes and groups."""
    ordered = sorted(samples, key=lambda sample: (sample.label, sample.group, sample.path))
    return ordered[:: -(-len(ordered) // MOST)] if ordered else []


def quantise(exported: Export, pictures: Pictures, batch_size: int, repeats: int, threads: int | None) -> Quantised:
    """The int8 model of `exported`, compared and timed. Raises ExportError when it cannot be made."""
    threads, predictor = threads or torch.get_num_threads(), exported.predictor
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        try:
            with _quiet():
                method = _make(exported.model, target, pictures.scales, predictor)
        except Exception as error:  # ONNX Runtime, onnx and protobuf each raise their own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ExportError(f"the int8 model cannot be made ({reason}); nothing was written") from error
        content = target.read_bytes()
    plain, small = session_of(exported.model.SerializeToString(), threads), session_of(content, threads)
    agreement = _agreement(predictor, plain, small, pictures)
    first = next(_batches(predictor, pictures.compared))[:1].repeat(batch_size, axis=0)
    seconds = in_turn(lambda: plain.run(None, {INPUT: first}), lambda: small.run(None, {INPUT: first}), repeats)
    return Quantised(content, method, agreement, seconds, batch_size, threads, exported)


def _make(model: "onnx.ModelProto", target: Path, scales: Sequence[Path], predictor: Predictor) -> str:
    """Write the int8 model; return how it was made."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

    source = target.with_name("float.onnx")  # given as a model, ONNX Runtime would change it
    source.write_bytes(model.SerializeToString())
    if not scales:
        quantize_dynamic(source, target, op_types_to_quantize=DYNAMIC, weight_type=QuantType.QInt8, **WEIGHTS)
        return "dynamic: no validation part is known, so activations are scaled as each picture comes"

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = _batches(predictor, scales)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch}

    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(source, target, Reader(), op_types_to_quantize=OPERATORS, **types, **WEIGHTS)
    return f"static: scales of the activations from {len(scales)} validation pictures"


def _batches(predictor: Predictor, paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Normalised pictures float32 [B, 3, S, S]."""
    for start in range(0, len(paths), BATCH):
        pixels = [read_picture(path, predictor.image_size)[0] for path in paths[start : start + BATCH]]
        yield normalise(torch.stack(pixels), predictor.mean, predictor.std).numpy()


def _agreement(predictor: Predictor, plain: Any, small: Any, pictures: Pictures) -> Agreement:
    pairs = [
        [session.run(None, {INPUT: batch})[0] for session in (plain, small)]
        for batch in tqdm(_batches(predictor, pictures.compared), desc="comparing", unit="batch", disable=None)
    ]
    temperature = predictor.temperature or 1.0
    ours, theirs = (
        apply_temperature(special.softmax(np.concatenate(of_one).astype(np.float64), axis=1), temperature)
        for of_one in zip(*pairs, strict=True)
    )
    if not np.isfinite(theirs).all():
        raise ExportError("the int8 model gives what is no number; nothing was written")
    difference, said = np.abs(ours - theirs).max(axis=1), (ours.argmax(axis=1), theirs.argmax(axis=1))
    right: list[int] | list[None] = [None, None]
    if pictures.labels is not None:
        labels = np.array([predictor.class_names.index(label) for label in pictures.labels])
        right = [int((verdicts == labels).sum()) for verdicts in said]
    return Agreement(
        len(ours),
        pictures.of,
        int((said[0] == said[1]).sum()),
        float(difference.max()),
        float(np.median(difference)),
        predictor.temperature is not None,
        *right,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime advises steps on the root logger that this graph does not need."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
