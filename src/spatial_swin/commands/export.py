"""Export a finished model to ONNX, check that it says the same as PyTorch, and time both on this CPU.

    spatial-swin export runs/first                           # writes runs/first/export/model.onnx and model.json
    spatial-swin export runs/first --onnx layout.onnx --data_dir pictures

The graph takes float32 pictures [batch, 3, S, S], any batch, normalised as model.json says (mean and std of RGB in
0..1), and gives logits; divided by the temperature their softmax is the calibrated probability of each label. Parity
is checked on pictures of the data where they can be found, else on noise, in batches of 1, 2 and 5; above --tolerance
nothing is written. With --int8 true model_int8.onnx is written instead: a quarter of the size, with its agreement with
the float model stated, on the validation part of the run where its pictures are there. Needs
`pip install 'spatial-swin[export]'`. The export takes seconds to minutes.
"""

import argparse
import importlib.util
from dataclasses import replace
from pathlib import Path

from spatial_swin.commands import values

NEEDED = ("onnx", "onnxscript", "onnxruntime")
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
        help="file to write; a .json comes beside it (default: RUN/export/model.onnx, model_int8.onnx with --int8)",
    )
    parser.add_argument("--data_dir", type=Path, help="pictures for the parity check (default: the recipe's data_dir)")
    parser.boolean_option("--int8", "weights of 8 bits; needs pictures to state how far it agrees")
    parser.add_argument(
        "--tolerance", type=values.number(0, 1e3), default=1e-3, help="largest difference of logits allowed"
    )
    parser.add_argument("--batch_size", type=values.batch_size, default=1, help="of the timing")
    parser.add_argument("--repeats", type=values.whole(1, 10_000), default=15, help="pairs of timings")
    parser.add_argument("--threads", type=values.workers, help="of the timing (default: as PyTorch chooses)")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.errors import SpatialSwinError, UsageError

    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise SpatialSwinError(
            f"export needs {', '.join(missing)}, which {'are' if len(missing) > 1 else 'is'} not installed: "
            "pip install 'spatial-swin[export]'"
        )
    from spatial_swin.evaluation.opinions import ALONE
    from spatial_swin.exporting import data_of, export
    from spatial_swin.prediction.predictor import load_predictor
    from spatial_swin.quantising import pictures_for, quantise
    from spatial_swin.runs import RunFolder

    name = "model_int8.onnx" if arguments.int8 else "model.onnx"
    target = arguments.run / "export" / name if arguments.onnx == HERE else arguments.onnx
    if target.suffix != ".onnx":
        raise UsageError(f"--onnx {target}: the file's name must end in .onnx")
    predictor = load_predictor(arguments.run, "cpu")
    if predictor.second_opinion is not None or predictor.known_head is not None:
        predictor = replace(predictor, second_opinion=None, known_head=None)
        print(f"note: {ALONE}", flush=True)
    data = data_of(RunFolder(arguments.run), arguments.data_dir)
    pictures = pictures_for(RunFolder(arguments.run), data) if arguments.int8 else None
    print("exporting ...", flush=True)
    exported = export(predictor, data, arguments.tolerance, arguments.batch_size, arguments.repeats, arguments.threads)
    if pictures is not None:
        small = quantise(exported, pictures, arguments.batch_size, arguments.repeats, arguments.threads)
        small.write(target)
        print(f"{small}\nopen {target} and {target.with_suffix('.json').name}")
        return 0
    exported.write(target)
    verdicts = "every verdict the same" if exported.parity.same_verdicts else "SOME VERDICTS DIFFER"
    print(f"{exported.parity}; {verdicts}\n{exported.speed}")
    size = target.stat().st_size / 1e6
    print(f"{size:.1f} MB, opset {exported.opset}\nopen {target} and {target.with_suffix('.json').name}")
    return 0
