"""Start a training that outlives this terminal: it survives logging out, SIGHUP and a full disk under its log.

    spatial-swin start RECIPE [--key value ...]        (or: bash scripts/start_training.sh RECIPE [--key value ...])
    spatial-swin start recipes/swin-base-384/spatial_audio.yaml --data_dir data --output_dir runs/first

RECIPE comes first; every key of the recipe can be overridden after it, as in `spatial-swin train`. The run folder (key
output_dir, or runs/<recipe's name>) gets training.log, to which every start adds, and pid. The log is shown here until
the training has begun or failed. With several GPUs `accelerate launch` starts one process each. A second start on the
same run folder is refused while the first one lives; afterwards the same command continues the run.

Exit codes: 0 it has begun (or is still preparing when --wait is over, or is done already), else that of the training,
which failed before its first step; 2 usage.
"""

import argparse
import shlex
from pathlib import Path

from spatial_swin.commands import values

TAKES_RECIPE_KEYS = True


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("config", metavar="RECIPE", help=values.RECIPE)
    parser.add_argument(
        "--processes", type=values.workers, metavar="N", help="to train with (default: one per GPU; 1 on a CPU)"
    )
    parser.add_argument(
        "--wait", type=values.patience, default=600.0, metavar="SECONDS", help="how long to watch it prepare, at most"
    )
    parser.add_argument(
        "--launch_config",
        type=Path,
        metavar="FILE",
        help="accelerate's configuration, for several GPUs (default: accelerate_config.yaml where there is one)",
    )


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.background import launch
    from spatial_swin.runs import RunFolder

    plan = launch.plan_of(arguments.config, arguments.overrides)
    processes = arguments.processes or plan.devices
    config = arguments.launch_config
    if config is None and Path("accelerate_config.yaml").is_file():
        config = Path("accelerate_config.yaml")
    command = launch.training_command(plan, arguments.config, arguments.overrides, processes, config)
    folder = RunFolder(plan.output_dir)
    before, log_from = launch.stamp(folder.progress_file), launch.log_size(folder)
    keeper = launch.start(folder, command)
    print(
        f"starting in {folder.path}, {processes} process{'es' if processes > 1 else ''}; the log so far:", flush=True
    )
    try:
        end = launch.wait_until_begun(
            folder, keeper, before, log_from, arguments.wait, lambda line: print(f"  | {line}", flush=True)
        )
    except KeyboardInterrupt:
        end = "preparing"
    if isinstance(end, int):
        follow = (
            "it is done" if end == 0 else f"it ended with exit code {end}; correct it and give the same command again"
        )
        print(f"\n{follow}; log: {shlex.quote(str(folder.log_file))}")
        return end
    print(launch.instructions(folder, keeper.pid))
    return 0
