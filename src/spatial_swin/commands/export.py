"""Export a finished model to ONNX, check that it says the same as PyTorch, and time both on this CPU.

    spatial-swin export runs/first                           # writes runs/first/export/model.onnx and model.json
    spatial-swin export runs/first --onnx layout.onnx --data_dir pictures

The graph takes float32 pictures [batch, 3, S, S], any batch, normalised as model.json says (mean and std of RGB in
0..1), and gives logits; divided by the temperature their softmax is the calibrated probability of each label. Parity
is checked on pictures of the data where they can be found, else on noise, in batches of 1, 2 and 5; above --tolerance
nothing is written. Needs `pip install 'spatial-swin[export]'`. The export takes seconds to minutes.
"""

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_swin.commands import values

if TYPE_CHECKING:
    import torch

    from spatial_swin.prediction.predictor import Predictor

NEEDED = ("onnx", "onnxscript", "onnxruntime")
PICTURES = 20  # real ones for the parity check
HERE = Path()  # no file is named: ONNX is the only format, so `--onnx` may be left out


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("run", type=Path, help="a run folder, or a model folder")
    parser.add_argument(
        "--onnx",
        type=Path,
        nargs="?",
        const=HERE,
        default=HERE,
        metavar="FILE",
        help="file to write; a .json comes beside it (default: RUN/export/model.onnx)",
    )
    parser.add_argument("--data_dir", type=Path, help="pictures for the parity check (default: the recipe's data_dir)")
    parser.add_argument(
        "--tolerance", type=values.number(0, 1e3), default=1e-3, help="largest difference of logits allowed"
    )
    parser.add_argument("--batch_size", type=values.batch_size, default=1, help="of the timing")
    parser.add_argument("--repeats", type=values.whole(1, 10_000), default=15, help="pairs of timings")
    parser.add_argument("--threads", type=values.workers, help="of the timing (default: as PyTorch chooses)")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.errors import SpatialSwinError

    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise SpatialSwinError(
            f"export needs {', '.join(missing)}, which {'are' if len(missing) > 1 else 'is'} not installed: "
            "pip install 'spatial-swin[export]'"
        )
    import torch
    from tqdm import tqdm

    from spatial_swin import files
    from spatial_swin.errors import UsageError
    from spatial_swin.exporting import ExportError, parity, session_of, speed, to_onnx
    from spatial_swin.prediction.predictor import load_predictor

    target = arguments.run / "export" / "model.onnx" if arguments.onnx == HERE else arguments.onnx
    if target.suffix != ".onnx":
        raise UsageError(f"--onnx {target}: the file's name must end in .onnx")
    predictor = load_predictor(arguments.run, "cpu")
    pictures, kind = pictures_for_parity(arguments, predictor)
    print("exporting ...", flush=True)
    content = to_onnx(predictor)
    threads = arguments.threads or torch.get_num_threads()
    session = session_of(content, threads)
    found = parity(predictor, session, pictures)
    said = f"largest difference of logits {found.difference:.2e} over {found.pictures} {kind} in batches of " + (
        ", ".join(map(str, found.batches))
    )
    if not found.difference <= arguments.tolerance:  # NaN is refused too
        raise ExportError(f"{said}: above --tolerance {arguments.tolerance:g}; nothing was written")
    shown = pictures[torch.arange(arguments.batch_size) % len(pictures)]
    with tqdm(total=arguments.repeats, desc="timing", unit="pair", disable=None) as bar:
        timed = speed(predictor, session, shown, threads, arguments.repeats, bar.update)
    low, median, high = timed.ratio
    about: dict[str, Any] = {
        **description(predictor, content),
        "parity": {
            "largest_logit_difference": found.difference,
            "same_verdicts": found.same_verdicts,
            "pictures": found.pictures,
            "of": kind,
            "batches": list(found.batches),
        },
        "speed": {
            "batch": timed.batch,
            "threads": threads,
            "pairs": arguments.repeats,
            "torch_median_seconds": median_of(timed.torch_seconds),
            "onnxruntime_median_seconds": median_of(timed.onnx_seconds),
            "torch_over_onnxruntime": {"median": median, "quartiles": [low, high]},
        },
    }
    try:
        files.write_bytes(target, content)
        files.write_json(target.with_suffix(".json"), about)
    except OSError as error:
        raise UsageError(f"--onnx {target}: cannot be written ({error.strerror})") from None
    print(f"{said}; {'every verdict the same' if found.same_verdicts else 'SOME VERDICTS DIFFER'}")
    print(
        f"batch of {timed.batch}, {threads} thread{'s' * (threads != 1)}, median of {arguments.repeats} pairs: "
        f"PyTorch {spread(timed.torch_seconds)}, ONNX Runtime {spread(timed.onnx_seconds)}; "
        f"PyTorch takes {median:.2f} times as long [{low:.2f}, {high:.2f}]"
    )
    print(f"{len(content) / 1e6:.1f} MB, opset {about['opset']}\nopen {target} and {target.with_suffix('.json').name}")
    return 0


def pictures_for_parity(arguments: argparse.Namespace, predictor: "Predictor") -> "tuple[torch.Tensor, str]":
    """Pictures uint8 [N, 3, S, S], spread over the data, and what they are; noise where there is no data."""
    import torch

    from spatial_swin.audio.manifest import pictures_folder
    from spatial_swin.errors import DataError
    from spatial_swin.exporting import random_pictures
    from spatial_swin.files import PICTURE_ENDINGS
    from spatial_swin.prediction.predictor import read_picture
    from spatial_swin.runs import RunFolder

    folder = RunFolder(arguments.run)
    stored = (folder.read_recipe().get("Data") or {}).get("data_dir") if folder.recipe_file.is_file() else None
    data_dir = arguments.data_dir or stored
    found: list[Path] = []
    if data_dir and Path(data_dir).is_dir():
        found = sorted(p for p in pictures_folder(data_dir).rglob("*") if p.suffix.lower() in PICTURE_ENDINGS)
    if arguments.data_dir and not found:
        raise DataError(f"--data_dir {arguments.data_dir}: there are no pictures in it; give the data folder")
    if not found:
        return random_pictures(PICTURES, predictor.image_size), "pictures of noise"
    chosen = found[:: max(1, len(found) // PICTURES)][:PICTURES]
    return torch.stack([read_picture(p, predictor.image_size)[0] for p in chosen]), "pictures of the data"


def description(predictor: "Predictor", content: bytes) -> dict[str, Any]:
    """What a program needs to use the graph."""
    import onnx

    from spatial_swin.exporting import INPUT, OUTPUT

    graph = onnx.load_model_from_string(content)
    size = predictor.image_size
    return {
        "input": {
            "name": INPUT,
            "type": "float32",
            "shape": ["batch", 3, size, size],
            "colour": "RGB",
            "range": "0..1, then (value - mean) / std",
            "mean": predictor.mean,
            "std": predictor.std,
            "resize": "bicubic",
        },
        "output": {"name": OUTPUT, "type": "float32", "shape": ["batch", len(predictor.class_names)]},
        "labels": predictor.class_names,
        "temperature": predictor.temperature,
        "opset": next(entry.version for entry in graph.opset_import if entry.domain in ("", "ai.onnx")),
    }


def median_of(seconds: Any) -> float:
    import numpy as np

    return float(np.median(seconds))


def spread(seconds: Any) -> str:
    """`12.3 ms [11.9, 13.0]`: median and quartiles."""
    import numpy as np

    low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75]) * 1000
    return f"{median:.1f} ms [{low:.1f}, {high:.1f}]"
