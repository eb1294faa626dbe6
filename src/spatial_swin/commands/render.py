"""Render every programme in every layout for every listener: sound, pictures of its cues, and a manifest.

    spatial-swin render --synthetic 300 --output_dir data                       # no material at hand
    spatial-swin render --programmes masters --hrtf sofa --output_dir data      # 5.1.4 masters or folders of stems
    spatial-swin render --synthetic 2000 --listeners parametric:1-200 --listeners_each 1 --output_dir data
    spatial-swin render --synthetic 300 --output_dir data --shard 3/8           # the third of eight jobs

The renderings of a programme share everything but the layout and stand at -23 LUFS, one gain for both ears. Writes
pictures/<layout>/<programme>_<listener>_<layout>_chunk0000.png, pictures/manifest.csv, pictures/tiles.json,
sound/<layout>/*.flac (24 bit) and render.json (the settings). The same command continues a stopped run, or adds
programmes, layouts and listeners; the same seed gives the same bytes. What is wrong with programmes and listeners is
told at once, before anything is rendered.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from spatial_swin.audio.tiles import ARRANGEMENTS
from spatial_swin.commands.mosaic import shard_of
from spatial_swin.commands.values import boolean, count, whole_number
from spatial_swin.errors import AudioError, Problem, UsageError, raise_problems
from spatial_swin.layouts import DEFAULT_LAYOUTS, LAYOUTS

if TYPE_CHECKING:
    from spatial_swin.audio.paired import Job, Settings, Synthetic
    from spatial_swin.audio.programme import Programme
    from spatial_swin.layouts import Layout

SAVE_EVERY = 20.0  # s between writings of the manifest, which is what a stopped run continues from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    given = parser.add_argument_group("programmes").add_mutually_exclusive_group(required=True)
    given.add_argument("--programmes", type=Path, metavar="DIR", help="folder of channel masters and folders of stems")
    given.add_argument("--synthetic", type=count, metavar="N", help="so many synthetic programmes")
    parser.add_argument(
        "--first_programme", type=whole_number, default=0, metavar="K", help="number of the first synthetic one (0)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of synthetic programmes, drawn places and drawn listeners (0)"
    )
    parser.add_argument(
        "--layouts",
        nargs="+",
        default=list(DEFAULT_LAYOUTS),
        metavar="CODE",
        help=f"of {', '.join(sorted(LAYOUTS))} ({' '.join(DEFAULT_LAYOUTS)})",
    )
    parser.add_argument(
        "--listeners",
        nargs="+",
        default=[],
        metavar="NAME",
        help="kemar, parametric:SEED, parametric:1-20, or SOFA files (kemar)",
    )
    parser.add_argument("--hrtf", nargs="+", default=[], metavar="PATH", help="SOFA files or folders of them, added")
    parser.add_argument("--listeners_each", type=count, metavar="N", help="draw so many for each programme (all)")
    parser.add_argument(
        "--directions",
        choices=("nearest", "interpolated"),
        default="nearest",
        help="how a loudspeaker between measured directions is heard (nearest)",
    )
    parser.add_argument("--seconds", type=float, help="of a chunk (10; synthetic programmes 3, in one chunk)")
    parser.add_argument("--hop_seconds", type=float, help="from one chunk to the next (--seconds)")
    parser.add_argument(
        "--minimum_seconds", type=float, help="keep a last, shorter chunk of so much, filled with silence (--seconds)"
    )
    parser.add_argument("--sample_rate", type=int, default=48_000, help="Hz (48000)")
    parser.add_argument(
        "--sound",
        type=boolean,
        nargs="?",
        const=True,
        default=True,
        metavar="true|false",
        help="write the sound too (true)",
    )
    parser.add_argument("--size", type=int, default=384, help="of a picture in pixels: 384, 224 or 192 (384)")
    parser.add_argument("--arrangement", choices=ARRANGEMENTS, default="4x4", help="which cues, in which grid (4x4)")
    parser.add_argument("--workers", type=count, help="processes (one a core)")
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
    parser.add_argument("--output_dir", type=Path, required=True, help="folder to write")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.audio import paired
    from spatial_swin.audio.manifest import PICTURES, TILES
    from spatial_swin.audio.tiles import tile_map
    from spatial_swin.layouts import find_layouts

    began = time.monotonic()
    settings = _settings(arguments)
    problems: list[Problem] = []
    cut = settings.cut
    layouts = find_layouts(arguments.layouts)
    tiles = tile_map(arguments.arrangement, arguments.size, cut.sample_rate, cut.seconds)
    listeners = _listeners(arguments, layouts, problems)
    programmes = _programmes(arguments, layouts, settings, problems)
    if not arguments.skip_bad or not listeners or not programmes:
        raise_problems(AudioError, problems, "Nothing was rendered")
    jobs = paired.make_jobs(programmes, listeners, arguments.listeners_each, settings)
    paired.begin(arguments.output_dir, settings)
    tiles.write(arguments.output_dir / PICTURES / TILES)
    made, complete = _render(arguments, jobs, [layout.code for layout in layouts], settings, problems)

    if problems:
        print(f"left out ({len(problems)}):", *(f"  - {p}" for p in problems), sep="\n", file=sys.stderr)
    part, parts = arguments.shard
    waiting = "" if complete else f"; manifest.csv comes with the last of the {parts} parts (this was {part})"
    print(
        f"{made} renderings of {len(programmes)} programmes, {len(layouts)} layouts, "
        f"{len(listeners)} listeners in {time.monotonic() - began:.0f} s\nopen {arguments.output_dir}{waiting}"
    )
    return 0


def _settings(arguments: argparse.Namespace) -> "Settings":
    from spatial_swin.audio.clips import Cut
    from spatial_swin.audio.paired import Settings

    default = 3.0 if arguments.synthetic else 10.0
    seconds = default if arguments.seconds is None else arguments.seconds
    hop = seconds if arguments.hop_seconds is None else arguments.hop_seconds
    minimum = seconds if arguments.minimum_seconds is None else arguments.minimum_seconds
    if arguments.synthetic and (hop, minimum) != (seconds, seconds):
        raise UsageError(
            "a synthetic programme is one chunk: --hop_seconds and --minimum_seconds are for --programmes"
        )
    cut = Cut(seconds, hop, minimum, arguments.sample_rate)
    return Settings(cut, arguments.seed, arguments.directions, arguments.arrangement, arguments.size)


def _listeners(
    arguments: argparse.Namespace, layouts: "tuple[Layout, ...]", problems: list[Problem]
) -> list[tuple[str, str]]:
    from spatial_swin.audio.hrtf import expand_listeners, usable_listeners

    names = expand_listeners([*arguments.listeners, *arguments.hrtf] or ["kemar"])
    usable, found = usable_listeners(names, arguments.sample_rate, layouts)
    problems += found
    return [(spec, listener.name) for spec, listener in usable.items()]


def _programmes(
    arguments: argparse.Namespace, layouts: "tuple[Layout, ...]", settings: "Settings", problems: list[Problem]
) -> "list[Programme] | list[Synthetic]":
    from tqdm import tqdm

    from spatial_swin.audio.paired import Synthetic
    from spatial_swin.audio.programme import find_programmes, judge

    if arguments.synthetic:
        first = arguments.first_programme
        return [Synthetic(number, settings.seed) for number in range(first, first + arguments.synthetic)]
    found, bad = find_programmes(arguments.programmes, settings.seed)
    good = []
    for programme in tqdm(found, desc="checking", unit="programme", disable=None):
        wrong = list(judge(programme, layouts, settings.cut))
        bad += wrong
        if not wrong:
            good.append(programme)
    problems += bad
    return good


def _render(
    arguments: argparse.Namespace, jobs: "list[Job]", codes: list[str], settings: "Settings", problems: list[Problem]
) -> tuple[int, bool]:
    """Run this shard's jobs; return how many renderings were made and whether manifest.csv is complete."""
    from tqdm import tqdm

    from spatial_swin.audio import manifest, paired

    pictures, (part, parts) = arguments.output_dir / manifest.PICTURES, arguments.shard
    own = pictures / manifest.shard_name(arguments.shard)
    growing = own if parts == 1 else own.with_suffix(".unfinished")  # no part passes for done before it is
    records = [path for path in (pictures / manifest.MANIFEST, own, growing) if path.is_file()]
    known = {row.path: row for path in records for row in manifest.read_rows(path)}
    everyones = {path for job in jobs for path in job.pictures(codes)}
    jobs = jobs[part - 1 :: parts]
    mine = {path for job in jobs for path in job.pictures(codes)}
    if part == 1:  # which also looks after what earlier commands made
        mine |= known.keys() - everyones
    rows = {path: row for path, row in known.items() if path in mine and (pictures / path).is_file()}
    todo = [job for job in jobs if not paired.is_done(job, arguments.output_dir, codes, rows.keys(), arguments.sound)]
    made, saved = 0, time.monotonic()
    workers = arguments.workers or len(os.sched_getaffinity(0))
    try:
        with tqdm(
            total=len(jobs), initial=len(jobs) - len(todo), desc="rendering", unit="programme", disable=None
        ) as bar:
            for result in paired.run_jobs(todo, arguments.output_dir, codes, settings, arguments.sound, workers):
                bar.update()
                if isinstance(result, Problem):
                    problems.append(result)
                    continue
                rows.update({row.path: row for row in result})
                made += len(result)
                if time.monotonic() - saved > SAVE_EVERY:
                    manifest.write_rows(growing, rows.values())
                    saved = time.monotonic()
    finally:
        manifest.write_rows(growing, rows.values())
    if not arguments.skip_bad:
        raise_problems(AudioError, problems, f"{made} renderings were made, these were not")
    if parts == 1:
        return made, True
    growing.replace(own)
    return made, manifest.merge(pictures, parts)
