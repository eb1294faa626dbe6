"""Say which layout recordings were mixed for: sound or pictures in, probabilities and one verdict per file out.

    spatial-swin predict runs/first take.wav mosaic.png folder 'archive/**/*.flac'
    spatial-swin predict runs/first concert.wav --timeline true              # where in the recording it says what
    spatial-swin predict runs/first folder --format csv --output verdicts.csv
    spatial-swin predict runs/first delivery --expect 514 --minimum_confidence 0.8 --format json    # quality control

Takes a run folder or a model folder. Sound goes through the windows, loudness and cues of training, streamed; the
verdict of a recording is the label with the highest mean probability over its windows (silent ones have no say).
Probabilities are calibrated when `spatial-swin evaluate` has fitted a temperature. Below --minimum_confidence there is
no verdict (unsure).

Exit codes: 0 all judged (and as declared); 4 with --expect, when a verdict differs or is missing, whatever else
happened; 1 when a file could not be judged (the others were); 2 wrong usage, such as a label the model does not know.
"""

import argparse
import sys
from pathlib import Path

from spatial_swin.commands import values

DIFFERS = 4
UNREADABLE = 1


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("run", type=Path, help="a run folder, or a model folder (as downloaded from the Hub)")
    parser.add_argument("files", nargs="+", metavar="FILE", help="sound, pictures, folders, or a quoted pattern")
    parser.add_argument("--top_k", type=values.count, default=3, help="labels shown for each file")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", help="of the answer")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
    parser.boolean_option("--timeline", "show the windows of recordings; the table joins those that agree")
    parser.add_argument(
        "--minimum_confidence", type=values.share, default=0.0, metavar="P", help="no verdict below this probability"
    )
    parser.add_argument("--expect", metavar="LABEL", help="the declared label: exit 4 when a verdict is another")
    parser.add_argument(
        "--hop_seconds", type=values.seconds, help="from one window to the next (default: as in training)"
    )
    parser.add_argument(
        "--minimum_seconds",
        type=values.seconds,
        help="judge recordings and last pieces this short; silence fills them (default: a window)",
    )
    parser.add_argument(
        "--tiles", type=Path, metavar="PATH", help="data folder or tiles.json, for a model without one"
    )
    parser.add_argument("--batch_size", type=values.batch_size, default=16, help="windows or pictures at a time")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 (default: a GPU when there is one)")


def run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from spatial_swin import files
    from spatial_swin.errors import UsageError
    from spatial_swin.prediction.judging import Judge
    from spatial_swin.prediction.predictor import load_predictor
    from spatial_swin.prediction.sources import find_files, is_sound
    from spatial_swin.prediction.tables import Outcome, as_text, summary

    predictor = load_predictor(arguments.run, arguments.device, arguments.tiles)
    names, hop, shortest = predictor.class_names, arguments.hop_seconds, arguments.minimum_seconds
    if arguments.expect is not None and arguments.expect not in names:
        raise UsageError(f"--expect {arguments.expect}: the model knows {', '.join(names)}; choose one of them")
    sources = find_files(arguments.files)
    if predictor.tiles is not None and any(map(is_sound, sources.paths)):
        predictor.sound_settings(hop, shortest)  # a bad option is refused before anything is judged
    judge = Judge(predictor, arguments.minimum_confidence, hop, shortest, arguments.batch_size)
    with tqdm(total=judge.units(sources.paths), desc="judging", unit="window", disable=None) as bar:
        judgements, problems = judge.judge(sources.paths, bar.update)
    outcome = Outcome(
        str(arguments.run),
        names,
        predictor.temperature,
        judgements,
        sources.problems + problems,
        arguments.minimum_confidence,
        arguments.expect,
        sources.passed_by,
        predictor.caution,
    )
    text = as_text(outcome, arguments.format, arguments.top_k, arguments.timeline)
    if arguments.output is None:
        print(text, end="", flush=True)
    else:
        files.write_text(arguments.output, text)
        print(f"open {arguments.output}")
    print(summary(outcome), file=sys.stdout if arguments.format == "table" else sys.stderr)
    if outcome.differing:
        return DIFFERS
    return UNREADABLE if outcome.problems else 0
