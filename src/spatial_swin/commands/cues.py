"""One annotated figure of every cue of one sound, for a person to look at.

    spatial-swin cues clip.wav --output clip.png
    spatial-swin cues long.flac --start 60 --seconds 5 --arrangement 4x6 --output clip.pdf

Shows exactly what a picture of `spatial-swin mosaic` holds, with axes, units and the fixed scales. Left is positive: a
source on the left has ILD, phase and lag above zero.
"""

import argparse
from pathlib import Path

from spatial_swin.audio.tiles import ARRANGEMENTS
from spatial_swin.commands import values


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("sound", type=Path, help="a two-channel WAV, FLAC, ... file")
    parser.add_argument(
        "--output", type=Path, help="PNG, PDF or SVG to write (default: <sound>.png in the working folder)"
    )
    parser.add_argument("--start", type=values.number(0, 1e6), default=0.0, help="where to begin, in seconds")
    parser.add_argument("--seconds", type=values.seconds, help="how much to show (default: 10, or what there is)")
    parser.add_argument(
        "--sample_rate", type=values.sample_rate, default=48_000, help="in Hz; other rates are resampled"
    )
    parser.add_argument("--arrangement", choices=ARRANGEMENTS, default="4x4", help="which cues")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.reporting.figures_cues import write_cues

    output = arguments.output or Path(f"{arguments.sound.stem}.png")
    write_cues(
        arguments.sound, output, arguments.start, arguments.seconds, arguments.sample_rate, arguments.arrangement
    )
    print(f"open {output}")
    return 0
