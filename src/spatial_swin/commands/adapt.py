"""Adapt the shipped model to a renderer whose impulse responses are known: SOFA files, HRIR or BRIR.

    spatial-swin adapt --hrtf renderer.sofa --output_dir runs/renderer
    spatial-swin adapt --hrtf heads/ --programmes masters --output_dir runs/renderer    # with material of your own
    spatial-swin predict runs/renderer take.wav
    spatial-swin predict --hrtf renderer.sofa take.wav             # both at once, and kept for the next time

Programmes of all synthetic kinds and composed songs (or yours instead) are rendered in mono, stereo, 5.1 and 5.1.4 as
these heads hear them; stage 4 and the head of the shipped Swin are trained on three quarters of them; the rest chooses
the epoch, calibrates the probabilities, and says how good the result is. The domain score of the shipped model comes
along, with a threshold of its own for these heads, so that `predict` flags what is not binaural. Of one head alone the
model also learns from which loudspeakers its sound comes, which has most of the say. What comes out is a
run folder like any other, and holds for recordings that were rendered with these responses. Interrupted, the same
command continues; all problems of heads and programmes are named before anything is rendered.
"""

import argparse
from pathlib import Path

from spatial_swin.commands import values
from spatial_swin.errors import UsageError


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument(
        "--hrtf",
        nargs="+",
        required=True,
        metavar="HEAD",
        help="SOFA files of the renderer or folders of them; also kemar and parametric:SEED",
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="the run folder to write")
    parser.add_argument(
        "--programmes",
        type=Path,
        metavar="DIR",
        help="folder of channel masters, ADM masters and folders of stems (default: synthetic programmes and songs)",
    )
    parser.add_argument(
        "--synthetic", type=values.count, metavar="N", help="clips of 3 s to render in each layout (default: 240)"
    )
    parser.add_argument(
        "--songs",
        type=values.whole(0, 32),
        metavar="N",
        help="composed songs of the package to render beside synthetic programmes (default: 32)",
    )
    parser.add_argument("--config", default="swin-nano-192/adapt", metavar="RECIPE", help=values.RECIPE)
    parser.add_argument("--seed", type=values.seed, default=77, help="of the programmes, the split and the training")
    parser.add_argument("--workers", type=values.workers, help="processes that render (default: one per core)")
    parser.boolean_option("--overwrite", "start again from nothing")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.adapting import PROGRAMMES, Adaptation, adapt
    from spatial_swin.audio.composed import COUNT

    if arguments.programmes and arguments.songs:
        raise UsageError("--songs goes with synthetic programmes; --programmes takes their place")
    wish = Adaptation(
        arguments.hrtf,
        arguments.programmes,
        arguments.synthetic or PROGRAMMES,
        COUNT if arguments.songs is None else arguments.songs,
        arguments.seed,
        arguments.config,
    )
    adapt(wish, arguments.output_dir, arguments.workers, arguments.overwrite)
    return 0
