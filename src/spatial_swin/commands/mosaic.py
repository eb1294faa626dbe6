"""Turn class folders of binaural recordings into a folder of pictures that a vision model can learn from.

    spatial-swin mosaic recordings pictures                      # recordings/<class>/*.wav -> pictures/<class>/*.png
    spatial-swin mosaic recordings pictures --seconds 3 --hop_seconds 1.5 --size 192
    spatial-swin mosaic recordings pictures --shard 3/8          # the third of eight jobs; the last one merges

Recordings are cut into chunks, matched to -23 LUFS with one gain for both ears, and drawn as a mosaic of binaural cue
maps with fixed scales. Writes <class>/<recording>_chunk0000.png, manifest.csv (one row per picture) and tiles.json
(what lies where). Every recording is checked first and all problems are named at once. The same command continues a
stopped run; the same recordings give the same bytes.
"""

import argparse
import sys
from pathlib import Path

from spatial_swin.audio.tiles import ARRANGEMENTS
from spatial_swin.commands import values


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("recordings", type=Path, help="folder of class folders of two-channel WAV, FLAC, ... files")
    parser.add_argument("pictures", type=Path, help="folder to write")
    add_picture_options(parser)
    parser.add_argument("--seconds", type=values.seconds, default=10.0, help="length of a chunk")
    parser.add_argument(
        "--factors",
        metavar="REGEX",
        help="named groups listener, programme or content, source, found in each path (default: those of names such "
        "as D1_48K_24bit_0.3s_FIR_SOFA_ac01-globo-1_0)",
    )
    parser.add_argument("--workers", type=values.workers, help="threads (default: one per core)")
    parser.boolean_option("--overwrite", "make finished pictures again")


def add_picture_options(parser: values.Parser) -> None:
    """What `mosaic` and `render` share: how sound is cut and drawn, and how the work is shared out."""
    hop, minimum = "from one chunk to the next", "keep a last, shorter chunk this long, filled with silence"
    parser.add_argument("--hop_seconds", type=values.seconds, help=f"{hop} (default: --seconds)")
    parser.add_argument("--minimum_seconds", type=values.seconds, help=f"{minimum} (default: --seconds)")
    parser.add_argument(
        "--sample_rate", type=values.sample_rate, default=48_000, help="in Hz; other rates are resampled"
    )
    parser.add_argument(
        "--size", type=values.count, default=384, help="width and height of a picture in pixels: 384, 224 or 192"
    )
    parser.add_argument("--arrangement", choices=ARRANGEMENTS, default="4x4", help="which cues, in which grid")
    parser.add_argument(
        "--shard", type=values.shard, default=(1, 1), metavar="I/N", help="do the i-th of n parts (default: 1/1)"
    )
    parser.boolean_option("--skip_bad", "leave out what cannot be used instead of stopping")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.audio.clips import Cut
    from spatial_swin.audio.drawing import Settings
    from spatial_swin.audio.recordings import convert_folder, details_by
    from spatial_swin.data.factors import RECORDING_NAME

    values.require_outside(arguments.pictures, arguments.recordings)
    cut = Cut.of(arguments.seconds, arguments.hop_seconds, arguments.minimum_seconds, arguments.sample_rate)
    done = convert_folder(
        arguments.recordings,
        arguments.pictures,
        Settings(cut, arguments.arrangement, arguments.size),
        details_by(arguments.factors or RECORDING_NAME),
        arguments.workers,
        arguments.shard,
        arguments.skip_bad,
        arguments.overwrite,
    )
    if done.problems:
        print(f"left out ({len(done.problems)}):", *(f"  - {p}" for p in done.problems), sep="\n", file=sys.stderr)
    if done.passed_by:
        counts = ", ".join(f"{count} {ending}" for ending, count in sorted(done.passed_by.items()))
        print(f"passed by, not sound by their endings: {counts}", file=sys.stderr)
    flagged = sum(bool(row.flags) for row in done.rows)
    recordings = len({row.recording for row in done.rows})
    print(f"{len(done.rows)} pictures of {recordings} recordings ({flagged} flagged silent, clipped or short)")
    print(f"open {arguments.pictures}{waiting_for(arguments.shard, done.complete)}")
    return 0


def waiting_for(shard: tuple[int, int], complete: bool) -> str:
    part, parts = shard
    return "" if complete else f"; manifest.csv comes with the last of the {parts} parts (this was {part})"
