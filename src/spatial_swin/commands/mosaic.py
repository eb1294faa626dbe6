"""Turn class folders of binaural recordings into a folder of pictures that a vision model can learn from.

    spatial-swin mosaic recordings pictures                      # recordings/<class>/*.wav -> pictures/<class>/*.png
    spatial-swin mosaic recordings pictures --seconds 3 --hop_seconds 1.5 --size 192
    spatial-swin mosaic recordings pictures --shard 3/8          # the third of eight jobs; the last one merges

Recordings are cut into chunks, matched to -23 LUFS with one gain for both ears, and drawn as a mosaic of binaural cue
maps with fixed scales. Writes <class>/<recording>_chunk0000.png, manifest.csv (one row a picture) and tiles.json (what
lies where). Every recording is checked first and all problems are told at once. The same command continues a stopped
run; the same recordings give the same bytes.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from spatial_swin.audio.tiles import ARRANGEMENTS
from spatial_swin.commands.values import boolean

if TYPE_CHECKING:
    from spatial_swin.audio.clips import Recording


def shard_of(text: str) -> tuple[int, int]:
    """`3/8` -> (3, 8)."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not i/n with i from 1 to n, such as 3/8")
    return int(match[1]), int(match[2])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recordings", type=Path, help="folder of class folders of two-channel WAV, FLAC, ... files")
    parser.add_argument("pictures", type=Path, help="folder to write")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a chunk (10)")
    parser.add_argument("--hop_seconds", type=float, help="from one chunk to the next (--seconds)")
    parser.add_argument(
        "--minimum_seconds", type=float, help="keep a last, shorter chunk this long, filled with silence (--seconds)"
    )
    parser.add_argument("--sample_rate", type=int, default=48_000, help="Hz; other rates are resampled (48000)")
    parser.add_argument("--size", type=int, default=384, help="pixels a side: 384, 224 or 192 (384)")
    parser.add_argument("--arrangement", choices=ARRANGEMENTS, default="4x4", help="which cues, in which grid (4x4)")
    parser.add_argument(
        "--factors",
        metavar="REGEX",
        help="named groups listener, programme or content, source, found in each path (names such as "
        "D1_48K_24bit_0.3s_FIR_SOFA_ac01-globo-1_0)",
    )
    parser.add_argument("--workers", type=int, help="threads (default: one a core)")
    parser.add_argument("--shard", type=shard_of, default=(1, 1), metavar="I/N", help="do the i-th of n parts")
    parser.add_argument(
        "--skip_bad",
        type=boolean,
        nargs="?",
        const=True,
        default=False,
        metavar="true|false",
        help="leave out what cannot be used instead of stopping (false)",
    )
    parser.add_argument(
        "--overwrite",
        type=boolean,
        nargs="?",
        const=True,
        default=False,
        metavar="true|false",
        help="make finished pictures anew (false)",
    )


def details_by(pattern: re.Pattern[str], recording: "Recording") -> Mapping[str, str]:
    """Programme, listener and source by the pattern; a name that does not match is its own programme."""
    match = pattern.search(recording.source)
    found = {name: value or "" for name, value in match.groupdict().items()} if match else {}
    programme = found.get("programme") or found.get("content") or recording.name
    return {**found, "programme": programme, "source": found.get("source") or recording.source}


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.audio.clips import Cut
    from spatial_swin.audio.drawing import Settings
    from spatial_swin.audio.recordings import convert_folder
    from spatial_swin.data.factors import RECORDING_NAME
    from spatial_swin.errors import UsageError

    try:
        pattern = re.compile(arguments.factors or RECORDING_NAME)
    except re.error as error:
        raise UsageError(f"--factors {arguments.factors!r} is not a regular expression: {error}") from None
    seconds = arguments.seconds
    hop = seconds if arguments.hop_seconds is None else arguments.hop_seconds
    minimum = seconds if arguments.minimum_seconds is None else arguments.minimum_seconds
    settings = Settings(Cut(seconds, hop, minimum, arguments.sample_rate), arguments.arrangement, arguments.size)
    done = convert_folder(
        arguments.recordings,
        arguments.pictures,
        settings,
        lambda recording: details_by(pattern, recording),
        arguments.workers,
        arguments.shard,
        arguments.skip_bad,
        arguments.overwrite,
    )
    if done.problems:
        print(f"left out ({len(done.problems)}):", *(f"  - {p}" for p in done.problems), sep="\n", file=sys.stderr)
    flagged = sum(bool(row.flags) for row in done.rows)
    recordings = len({row.recording for row in done.rows})
    print(f"{len(done.rows)} pictures of {recordings} recordings ({flagged} flagged silent, clipped or short)")
    part, parts = arguments.shard
    waiting = "" if done.complete else f"; manifest.csv comes with the last of the {parts} parts (this was {part})"
    print(f"open {arguments.pictures}{waiting}")
    return 0
