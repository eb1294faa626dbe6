"""Render every programme in every layout for every listener: sound, pictures of its cues, and a manifest.

    spatial-swin render --synthetic 300 --output_dir data                       # without material of your own
    spatial-swin render --programmes masters --hrtf sofa --output_dir data      # 5.1.4 masters or folders of stems
    spatial-swin render --synthetic 2000 --listeners parametric:1-200 --listeners_each 1 --output_dir data
    spatial-swin render --synthetic 500 --kinds scene instruments speech stems upmix --output_dir data
    spatial-swin render --midi songs --soundfont FluidR3_GM.sf2 --output_dir data   # songs as MIDI files
    spatial-swin render --synthetic 400 --hrtf sofa --virtual_heads 4 --listeners_each 1 --output_dir data
    spatial-swin render --synthetic 500 --conditions room codec noise:20 --output_dir data   # half of it spoilt
    spatial-swin render --synthetic 300 --output_dir data --shard 3/8           # the third of eight jobs

The renderings of a programme share everything but the layout and have one loudness, -23 LUFS, with one gain for both
ears. Writes pictures/<layout>/<programme>_<listener>_<layout>_chunk0000.png, pictures/manifest.csv,
pictures/tiles.json, sound/<layout>/*.flac (24 bit), render.json (the settings), and with --midi stems/<song>/. The
same command continues a stopped run, or adds programmes, layouts and listeners; the same seed gives the same bytes.
All problems of programmes and listeners are named at once, before anything is rendered.
"""

import argparse
import sys
import time
from pathlib import Path

from spatial_swin.commands import values
from spatial_swin.commands.mosaic import add_picture_options, waiting_for
from spatial_swin.errors import UsageError
from spatial_swin.layouts import DEFAULT_LAYOUTS, LAYOUTS


def add_arguments(parser: values.Parser) -> None:
    given = parser.add_argument_group("programmes").add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--programmes", type=Path, metavar="DIR", help="folder of channel masters, ADM masters and folders of stems"
    )
    given.add_argument("--midi", type=Path, metavar="DIR", help="folder of MIDI files, which fluidsynth plays")
    given.add_argument("--synthetic", type=values.count, metavar="N", help="number of synthetic programmes")
    parser.add_argument(
        "--kinds",
        nargs="+",
        metavar="KIND",
        help="of synthetic programmes, in turn: scene, instruments, speech, stems, upmix (default: scene)",
    )
    parser.add_argument("--soundfont", type=Path, metavar="FILE", help="instruments for --midi (.sf2 or .sf3)")
    parser.add_argument(
        "--song_seconds", type=values.seconds, default=60.0, help="of each song of --midi, from its first note"
    )
    parser.add_argument(
        "--first_programme", type=values.whole_number, default=0, metavar="K", help="number of the first synthetic one"
    )
    parser.add_argument(
        "--seed", type=values.seed, default=0, help="of synthetic programmes, drawn places and drawn listeners"
    )
    parser.add_argument(
        "--layouts", nargs="+", default=list(DEFAULT_LAYOUTS), metavar="CODE", help=f"of {', '.join(sorted(LAYOUTS))}"
    )
    parser.add_argument(
        "--listeners",
        nargs="+",
        default=[],
        metavar="NAME",
        help="kemar, parametric:SEED, parametric:1-20, or SOFA files (default: kemar)",
    )
    parser.add_argument(
        "--hrtf", nargs="+", default=[], metavar="PATH", help="SOFA files or folders of them, added to the listeners"
    )
    parser.add_argument(
        "--listeners_each", type=values.count, metavar="N", help="draw so many for each programme (default: all)"
    )
    parser.add_argument(
        "--virtual_heads",
        type=values.whole_number,
        default=0,
        metavar="N",
        help="for training: as many changed heads more of every measured listener (default: none)",
    )
    parser.add_argument(
        "--conditions",
        nargs="+",
        default=[],
        metavar="NAME",
        help="for training: half of what is rendered is in one of these, drawn: factors (noise), single conditions "
        "(noise:20), or all (default: none)",
    )
    parser.add_argument(
        "--conditions_share",
        type=values.number(0, 1),
        metavar="SHARE",
        help="with --conditions: of what is rendered, instead of half (default: 0.5)",
    )
    parser.add_argument(
        "--directions",
        choices=("nearest", "interpolated"),
        default="nearest",
        help="how a loudspeaker between measured directions is heard",
    )
    parser.add_argument(
        "--seconds", type=values.seconds, help="of a chunk (default: 10; synthetic programmes 3, in one chunk)"
    )
    add_picture_options(parser)
    parser.boolean_option("--sound", "write the sound too", default=True)
    parser.add_argument("--workers", type=values.workers, help="processes (default: one per core)")
    parser.add_argument("--output_dir", type=Path, required=True, help="folder to write")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.audio.clips import Cut
    from spatial_swin.audio.kinds import SCENE
    from spatial_swin.audio.loudness import SILENCE
    from spatial_swin.audio.paired import Settings
    from spatial_swin.audio.paired_folder import Order, fill
    from spatial_swin.audio.songs import Songbook

    began = time.monotonic()
    for given in filter(None, (arguments.programmes, arguments.midi)):
        values.require_outside(arguments.output_dir, given)
    if bool(arguments.midi) != bool(arguments.soundfont):
        raise UsageError("--midi and --soundfont belong together: songs need the instruments that play them")
    seconds = arguments.seconds or (3.0 if arguments.synthetic else 10.0)
    cut = Cut.of(seconds, arguments.hop_seconds, arguments.minimum_seconds, arguments.sample_rate)
    if arguments.synthetic and (cut.hop_seconds, cut.minimum_seconds) != (seconds, seconds):
        raise UsageError(
            "a synthetic programme is one chunk: --hop_seconds and --minimum_seconds are for --programmes and --midi"
        )
    if arguments.kinds and not arguments.synthetic:
        raise UsageError("--kinds is for --synthetic; other programmes are of the kind they are")
    if arguments.conditions_share is not None and not arguments.conditions:
        raise UsageError("--conditions_share is for --conditions")
    share = Settings.conditions_share if arguments.conditions_share is None else arguments.conditions_share
    order = Order(
        output=arguments.output_dir,
        settings=Settings(
            cut,
            arguments.seed,
            arguments.directions,
            arguments.arrangement,
            arguments.size,
            tuple(arguments.conditions),
            share,
        ),
        layouts=arguments.layouts,
        listeners=[*arguments.listeners, *arguments.hrtf] or ["kemar"],
        listeners_each=arguments.listeners_each,
        virtual_heads=arguments.virtual_heads,
        programmes=arguments.programmes,
        songs=Songbook(arguments.midi, arguments.soundfont, arguments.song_seconds) if arguments.midi else None,
        synthetic=range(arguments.first_programme, arguments.first_programme + (arguments.synthetic or 0)),
        kinds=arguments.kinds or (SCENE,),
        sound=arguments.sound,
        skip_bad=arguments.skip_bad,
        workers=arguments.workers,
        shard=arguments.shard,
    )
    done = fill(order)
    if done.problems:
        print(f"left out ({len(done.problems)}):", *(f"  - {p}" for p in done.problems), sep="\n", file=sys.stderr)
    if done.silent:
        print(
            f"WARNING: {done.silent} of {done.made} renderings are below {SILENCE:g} LUFS: they pass for silence and "
            "were not boosted (flags in manifest.csv); if they hold more than noise, give the programmes more gain",
            file=sys.stderr,
        )
    print(
        f"{done.made} renderings of {done.programmes} programmes, {len(order.layouts)} layouts, "
        f"{done.listeners} listeners in {time.monotonic() - began:.0f} s\n"
        f"open {order.output}{waiting_for(order.shard, done.complete)}"
    )
    return 0
