"""Judge a finished model where it was not trained: other listeners, other programmes, rooms, codecs, noise.

    spatial-swin bench runs/first --listeners sofa kemar                      # clean, 20 programmes, all layouts
    spatial-swin bench runs/first --listeners sofa --conditions codec noise:20 seconds
    spatial-swin bench runs/first --listeners sofa --conditions all --brirs rooms --shard 3/8
    spatial-swin bench runs/first --listeners sofa --baseline true            # gradient boosting beside it
    spatial-swin bench --data_dir pictures --listeners sofa --output_dir boosting     # gradient boosting alone

A fixed set of programmes x listeners x conditions x layouts is rendered in memory and judged as `predict` judges
files; one thing differs from the clean condition at a time. Boosting is trained on the training pictures of the run
(without a MODEL: on all pictures of --data_dir). Listeners and programmes that training had are named and counted
apart. Writes bench.json, bench.csv (one row per item), figures, bench.md and bench.html; items/ keeps what is done,
so that the same command continues, and conditions can be added. Intervals draw programmes and listeners anew.
"""

import argparse
import sys
import time
from pathlib import Path

from spatial_swin.commands import values
from spatial_swin.errors import UsageError


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("model", nargs="?", type=Path, metavar="MODEL", help="a run folder, or a model folder")
    parser.add_argument(
        "--listeners",
        nargs="+",
        default=["kemar"],
        metavar="NAME",
        help="kemar, parametric:SEED, parametric:1-20, SOFA files, or folders of them",
    )
    parser.add_argument(
        "--conditions",
        nargs="+",
        default=["clean"],
        metavar="NAME",
        help="factors (noise), single conditions (noise:20), or all; clean is always judged",
    )
    parser.add_argument("--brirs", nargs="+", default=[], metavar="PATH", help="SOFA files of rooms, a condition each")
    parser.add_argument("--programmes", type=Path, metavar="DIR", help="masters and folders of stems, as for render")
    parser.add_argument("--synthetic", type=values.count, default=20, metavar="N", help="synthetic programmes instead")
    parser.add_argument(
        "--kinds",
        nargs="+",
        metavar="KIND",
        help="of synthetic programmes, in turn: scene, instruments, speech, stems, upmix (default: all)",
    )
    parser.add_argument("--seed", type=values.seed, help="of programmes and conditions (default: the benchmark's own)")
    parser.boolean_option("--baseline", "judge gradient boosting on pooled cues beside the model")
    parser.add_argument(
        "--data_dir", type=Path, help="pictures that boosting is trained on (default: where the run's were)"
    )
    parser.add_argument(
        "--tiles", type=Path, metavar="PATH", help="data folder or tiles.json, for a model without one"
    )
    parser.add_argument("--output_dir", type=Path, help="folder to write (default: RUN/bench)")
    parser.add_argument("--shard", type=values.shard, default=(1, 1), metavar="I/N", help="the i-th of n parts")
    parser.add_argument("--workers", type=values.workers, help="processes (default: one per core)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 (default: a GPU when there is one)")
    parser.add_argument("--resamples", type=values.resamples, default=2_000, help="of the bootstrap")
    parser.boolean_option("--skip_bad", "leave out what cannot be used instead of stopping")


def run(arguments: argparse.Namespace) -> int:
    output = _output(arguments)
    if arguments.kinds and arguments.programmes:
        raise UsageError("--kinds is for synthetic programmes; those of --programmes are of the kind they are")
    for data in filter(None, (arguments.programmes, arguments.data_dir)):
        values.require_outside(output, data)
    from spatial_swin.audio.kinds import KINDS
    from spatial_swin.bench.judges import Source
    from spatial_swin.bench.plan import SEED, Order
    from spatial_swin.bench.running import bench
    from spatial_swin.reporting.bench_page import console_text

    began = time.monotonic()
    seed = SEED if arguments.seed is None else arguments.seed
    order = Order(
        arguments.listeners,
        arguments.conditions,
        arguments.brirs,
        arguments.programmes,
        arguments.synthetic,
        arguments.kinds or tuple(KINDS),
        seed,
        arguments.skip_bad,
    )
    alone = arguments.model is None
    source = Source(
        arguments.model, arguments.baseline or alone, arguments.data_dir, arguments.tiles, arguments.device
    )
    done = bench(order, source, output, arguments.workers, arguments.shard, arguments.resamples)
    if done.problems:
        print(f"left out ({len(done.problems)}):", *(f"  - {p}" for p in done.problems), sep="\n", file=sys.stderr)
    for name, why in done.plan.skipped.items():
        print(f"skipped {name}: {why}", file=sys.stderr)
    if done.results is not None:
        print(console_text(done.results))
    print(f"{done.judged} items judged in {time.monotonic() - began:.0f} s")
    waiting = f"; the results come with the last of {done.waiting} tasks of other shards" if done.waiting else ""
    print(f"open {output if waiting else output / 'bench.html'}{waiting}")
    return 0


def _output(arguments: argparse.Namespace) -> Path:
    """Where to write. Raises UsageError when nothing says so, or nobody is to judge."""
    if arguments.model is None and arguments.data_dir is None:
        raise UsageError("give a MODEL, or --data_dir with pictures to train gradient boosting on")
    if arguments.output_dir is not None:
        return Path(arguments.output_dir)
    from spatial_swin.runs import RunFolder

    if arguments.model is None or not RunFolder(arguments.model).recipe_file.is_file():
        raise UsageError(
            f"{arguments.model or arguments.data_dir} is no run folder: say where to write with --output_dir"
        )
    return Path(arguments.model) / "bench"
