"""Say which layout recordings were mixed for: sound or pictures in, probabilities and one verdict per file out.

    spatial-swin predict take.wav                                            # by the detector that ships
    spatial-swin predict runs/first take.wav mosaic.png folder 'archive/**/*.flac'
    spatial-swin predict runs/first concert.wav --timeline true              # where in the recording it says what
    spatial-swin predict --hrtf renderer.sofa take.wav                       # who knows the head says so
    spatial-swin predict runs/first folder --format csv --output verdicts.csv
    spatial-swin predict runs/first delivery --expect 514 --minimum_confidence 0.8 --format json    # quality control
    spatial-swin predict runs/first binaural.wav --expect 514 --master master.wav --listener head.sofa

Takes a run folder or a model folder, and where neither is named the detector that ships; with --hrtf a model adapted
to that head, which is made once, in minutes, and kept by the content of the file (`spatial-swin adapt`). Sound goes
through the windows, loudness and cues of training, streamed; the verdict of a recording is the label with the highest
probability over its windows: their mean, or the rule that `spatial-swin evaluate` found clearly better on validation
(silent ones have no say). Probabilities are calibrated when `evaluate` has fitted a temperature. Below
--minimum_confidence there is no verdict (unsure). Where the classes are layouts, the verdict comes in two steps too:
mono, stereo or surround (the sum over its layouts), then which layout of that family. Where `evaluate` has fitted
prediction sets, the set holds the labels that cannot be ruled out: of recordings like those of the validation part it
holds the true one in 90 %.

With --master, the master that the recordings were rendered from (an ADM BW64 file, a channel master or a folder of
stems) is checked against the declared layout: bed, silent and copied channels, LFE, loudness and true peak. It is
rendered for the listener and compared with each recording. --loudness and --true_peak alone check the recordings.

A domain score says whether a file is like what the model learnt from; loudspeaker stereo, mono copied to both ears,
silence or the band of a telephone are flagged as what should not be asked, with the likely reason. The detector that
ships and what `adapt` makes have one, a run of one's own when `spatial-swin evaluate --domain_score true` fitted it.

What the model learnt from is in the JSON (`domain`). A recording that lies outside (shorter than a clip, of too low a
rate, cut off by a codec) gets a warning on the error stream, and a verdict all the same.

Exit codes: 0 all judged (and as declared); 4 with --expect, when a verdict differs or is missing, or a check of the
quality fails, and with --require_binaural true when a file is flagged, whatever else happened; 1 when a file could not
be judged (the others were); 2 wrong usage, such as a label the model does not know.
"""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spatial_swin.commands import values

if TYPE_CHECKING:
    from spatial_swin.prediction.quality import Quality, QualityControl

DIFFERS = 4
UNREADABLE = 1


def add_arguments(parser: values.Parser) -> None:
    parser.words_anywhere = True
    parser.add_argument(
        "words",
        nargs="+",
        metavar="[MODEL] FILE",
        help="a run folder or a model folder (default: the detector that ships); then sound, pictures, folders, or a "
        "quoted pattern",
    )
    parser.add_argument("--top_k", type=values.count, default=3, help="labels shown for each file")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", help="of the answer")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
    parser.boolean_option("--timeline", "show the windows of recordings; the table joins those that agree")
    parser.add_argument(
        "--minimum_confidence", type=values.share, default=0.0, metavar="P", help="no verdict below this probability"
    )
    parser.boolean_option(
        "--require_binaural", "exit 4 when a file is flagged as one the model should not be asked about"
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
    quality = parser.add_argument_group("quality control of recordings")
    quality.add_argument("--master", type=Path, metavar="PATH", help="what they were rendered from; needs --expect")
    quality.add_argument(
        "--listener",
        metavar="NAME",
        help="who hears the master: kemar, parametric:SEED or a SOFA file (default: kemar)",
    )
    quality.add_argument(
        "--loudness", type=values.lkfs, metavar="LKFS", help="highest programme loudness (default: -18 with --master)"
    )
    quality.add_argument(
        "--true_peak", type=values.dbtp, metavar="dBTP", help="highest true peak (default: -1 with --master)"
    )
    adapted = parser.add_argument_group("who knows the renderer")
    adapted.add_argument(
        "--hrtf",
        action="append",
        default=[],
        metavar="HEAD",
        help="adapt the shipped model to this SOFA file, or kemar, parametric:SEED; may be given several times",
    )
    adapted.add_argument(
        "--adapted_dir",
        type=Path,
        metavar="DIR",
        help="where adapted models are kept (default: SPATIAL_SWIN_ADAPTED, else the user's cache folder)",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 (default: a GPU when there is one)")


def quality_control(arguments: argparse.Namespace, names: list[str]) -> "QualityControl | None":
    """What the options ask for, None when they ask for nothing; `names` are the labels of the model."""
    from spatial_swin.errors import AudioError, UsageError

    master, wanted = arguments.master, {"loudness": arguments.loudness, "true_peak": arguments.true_peak}
    given = {name: value for name, value in wanted.items() if value is not None}
    if master is None and arguments.listener:
        raise UsageError("--listener is who hears the master; give --master too")
    if master is None and not given:
        return None  # before the renderer is imported
    from spatial_swin.audio.delivery import Limits
    from spatial_swin.audio.programme import programme_at
    from spatial_swin.layouts import LAYOUTS
    from spatial_swin.prediction.quality import QualityControl

    limits = Limits(**given)
    if master is None:
        return QualityControl(limits)
    if arguments.expect not in LAYOUTS:
        known = ", ".join(name for name in names if name in LAYOUTS)
        raise UsageError(f"--master is checked against a declared layout; give --expect one of {known}")
    if not master.exists():
        raise AudioError(f"{master}: no such file or folder; give --master an ADM file, a master or a folder of stems")
    others = [LAYOUTS[name] for name in names if name in LAYOUTS and name != arguments.expect]
    layouts = [LAYOUTS[arguments.expect], *others]
    return QualityControl(limits, programme_at(master, 0), layouts, arguments.listener or "kemar")


def run(arguments: argparse.Namespace) -> int:
    with contextlib.redirect_stdout(sys.stderr):  # transformers prints when it is loaded and WANDB_MODE is offline
        from spatial_swin.prediction.predictor import load_predictor
    from tqdm import tqdm

    from spatial_swin import files
    from spatial_swin.errors import Problem, UsageError
    from spatial_swin.prediction.judging import Judge
    from spatial_swin.prediction.sources import find_files, is_sound, split_words
    from spatial_swin.prediction.tables import Outcome, as_text, summary, warnings
    from spatial_swin.shipped import THE_DETECTOR, detector

    named, words = split_words(arguments.words)
    if arguments.hrtf:
        from spatial_swin.adapted import adapted_to

        if named:
            raise UsageError(f"{named} is a model, and --hrtf makes another; give one of the two")
        named = adapted_to(arguments.hrtf, arguments.adapted_dir)
    model = named or detector()
    predictor = load_predictor(model, arguments.device, arguments.tiles)
    names, hop, shortest = predictor.class_names, arguments.hop_seconds, arguments.minimum_seconds
    if arguments.expect is not None and arguments.expect not in names:
        raise UsageError(f"--expect {arguments.expect}: the model knows {', '.join(names)}; choose one of them")
    if arguments.require_binaural and predictor.domain_score is None:
        raise UsageError(
            f"--require_binaural needs a domain score, which {named or THE_DETECTOR} lacks; fit one on its run with "
            "`spatial-swin evaluate RUN --domain_score true`"
        )
    control = quality_control(arguments, names)
    sources = find_files(words)
    if predictor.tiles is not None and any(map(is_sound, sources.paths)):
        predictor.sound_settings(hop, shortest)  # a bad option is refused before anything is judged
    judge = Judge(predictor, arguments.minimum_confidence, hop, shortest, arguments.batch_size)
    with tqdm(total=judge.units(sources.paths), desc="judging", unit="window", disable=None) as bar:
        judgements, problems = judge.judge(sources.paths, bar.update)
    quality: dict[Path, Quality] = {}
    unchecked: list[Problem] = []
    if control is not None:
        recordings = [judgement.path for judgement in judgements if judgement.timeline is not None]
        quality, unchecked = control.check_all(tqdm(recordings, desc="quality", unit="recording", disable=None))
    outcome = Outcome(
        str(named) if named else THE_DETECTOR,
        names,
        predictor.temperature,
        judgements,
        sources.problems + problems + unchecked,
        arguments.minimum_confidence,
        arguments.expect,
        sources.passed_by,
        predictor.caution,
        quality,
        predictor.sets,
        predictor.domain_score is not None,
        predictor.domain,
    )
    text = as_text(outcome, arguments.format, arguments.top_k, arguments.timeline)
    if arguments.output is None:
        print(text, end="", flush=True)
    else:
        files.write_text(arguments.output, text)
        print(f"open {arguments.output}")
    for line in warnings(outcome):
        print(f"WARNING: {line}", file=sys.stderr)
    print(summary(outcome), file=sys.stdout if arguments.format == "table" else sys.stderr)
    flagged = arguments.require_binaural and outcome.outside
    if flagged or outcome.differing or (outcome.failing and arguments.expect is not None):
        return DIFFERS
    return UNREADABLE if outcome.problems else 0
