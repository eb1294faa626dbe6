"""Starting a training that outlives its terminal: a recipe goes in, a keeper process with a pid file comes out.

The recipe is read by the same function as in training, in a process of its own, so that the run folder is the same and
mistakes are reported before anything is written. Starting is guarded by the run folder's lock: of two starts in one
instant one goes on. Used by `spatial-swin start`.
"""

import logging
import multiprocessing
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from spatial_swin import files
from spatial_swin.background.status import KEEPER, is_run, keeper_pid, look
from spatial_swin.errors import RecipeError, RunError, printable
from spatial_swin.runs import RunFolder

POLL = 0.1  # seconds
Stamp = tuple[int, int] | None


@dataclass(frozen=True)
class Plan:
    """What a recipe asks of this machine: its run folder, how many GPUs it may use, whether it insists on the CPU."""

    output_dir: str
    gpus: int
    use_cpu: bool

    @property
    def devices(self) -> int:
        """Processes to start when nobody says how many: one per GPU, else one."""
        return 1 if self.use_cpu else max(1, self.gpus)


def plan_of(config: str, overrides: Sequence[str]) -> Plan:
    """Read the recipe as training does, in another process: no GPU memory and no second of torch stays behind."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_plan_of, config, list(overrides)).result()


def _plan_of(config: str, overrides: list[str]) -> Plan:
    import torch

    from spatial_swin.config import load_recipe

    logger = logging.getLogger("spatial_swin")
    level = logger.level
    logger.setLevel(logging.ERROR)  # the training prints the warnings
    try:  # there is no process group outside a launcher
        recipe = load_recipe(config, [*overrides, "--ddp_backend", "none"])
    finally:
        logger.setLevel(level)
    return Plan(str(recipe.output_dir), torch.cuda.device_count(), bool(recipe.trainer.use_cpu))


def training_command(
    plan: Plan, config: str, overrides: Sequence[str], processes: int, launch_config: Path | None
) -> list[str]:
    """One process plainly; several GPUs by `accelerate launch`; several processes on a CPU by torch's own launcher."""
    training = ["spatial_swin.cli", "train", "--config", config, *overrides]
    if processes == 1:
        return [sys.executable, "-m", *training]
    if plan.use_cpu or not plan.gpus:
        launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        return [sys.executable, "-m", *launcher, "-m", *training]
    if processes > plan.gpus:
        raise RecipeError(f"--processes {processes}: this machine shows {plan.gpus} GPUs; one process needs one")
    launcher = ["accelerate.commands.launch", *(["--config_file", str(launch_config)] if launch_config else [])]
    launcher += ["--multi_gpu", "--num_machines", "1", "--num_processes", str(processes)]
    return [sys.executable, "-m", *launcher, "-m", *training]


def start(run: RunFolder, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start `command` under a keeper in a session of its own; its pid is in the run folder when this returns.

    Raises RunError when a training runs in this folder, here or on another host, or when it cannot be written.
    """
    refuse_second(run)
    with run.lock():
        refuse_second(run)
        try:
            log = os.open(run.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise RunError(f"{run.log_file}: cannot be written ({error.strerror}); repair or remove it") from None
        keeper = subprocess.Popen(
            [sys.executable, "-m", KEEPER, str(run.path.resolve()), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        os.close(log)
        try:
            files.write_text(run.pid_file, f"{keeper.pid}\n")
        except OSError as error:
            keeper.terminate()
            keeper.wait()
            raise RunError(f"{run.pid_file}: cannot be written ({error.strerror}); nothing was started") from None
    return keeper


def refuse_second(run: RunFolder) -> None:
    """Raise RunError when a training is alive in this run folder; a stale pid file is no training."""
    if not is_run(run.path):
        return
    pid = keeper_pid(run)
    if pid is None and not run.progress_file.is_file():
        return
    status = look(run)
    if pid is None and not (status.state in ("running", "stalled") and (status.here or status.state == "running")):
        return
    where = (
        f"pid {pid or status.pid}" if status.here else f"on {status.host}, heard of {round(status.silent or 0)} s ago"
    )
    raise RunError(
        f"{run.path}: a training runs here already ({where}); watch it with `{helper('monitor', run.path)}`, stop it "
        f"with `{helper('stop', run.path)}`, or choose another --output_dir"
    )


def stamp(file: Path) -> Stamp:
    """Changes with every atomic write of `file`."""
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def wait_until_begun(
    run: RunFolder,
    keeper: subprocess.Popen[bytes],
    before: Stamp,
    log_from: int,
    patience: float,
    show: Callable[[str], None],
) -> int | str:
    """Pass the log on from byte `log_from` until the first progress.json, the end, or the end of patience (seconds).

    Returns the exit code when the training has ended, else "begun" or "preparing".
    """
    deadline = time.monotonic() + patience
    while True:
        code = keeper.poll()  # asked before the log is read, so that the last lines are in it
        begun = stamp(run.progress_file) != before
        log_from = _pass_on(run.log_file, log_from, show)
        if code is not None:
            return code
        if begun:
            return "begun"
        if time.monotonic() > deadline:
            return "preparing"
        time.sleep(POLL)


def log_size(run: RunFolder) -> int:
    return run.log_file.stat().st_size if run.log_file.is_file() else 0


def _pass_on(log: Path, start: int, show: Callable[[str], None]) -> int:
    """Whole lines of the log from byte `start` on, `printable`; returns where the next one begins."""
    if not log.is_file():  # a device, in the place of the log
        return start
    with log.open("rb") as file:
        file.seek(start)
        new = file.read()
    whole = new[: new.rfind(b"\n") + 1]
    for line in whole.decode("utf-8", "replace").splitlines():
        show(printable(line))
    return start + len(whole)


def helper(what: str, run: Path) -> str:
    """The command to type for `monitor`, `stop` or `follow`: the scripts when a script called us, else the verb."""
    scripts, folder = os.environ.get("SPATIAL_SWIN_SCRIPTS"), shlex.quote(str(run))
    verb = "stop" if what == "stop" else "monitor"
    script = {"stop": "start_training.sh --stop", "monitor": "monitor_training.sh"}[verb]
    program = f"bash {shlex.quote(scripts)}/{script}" if scripts else f"spatial-swin {verb}"
    return f"{program} {folder}" + (" --follow" if what == "follow" else "")


def instructions(run: RunFolder, pid: int) -> str:
    return f"""
The training goes on without this terminal (pid {pid} on {socket.gethostname()}).
  watch     {helper("follow", run.path)}
  log       tail -f {shlex.quote(str(run.log_file))}
  stop      {helper("stop", run.path)}     (ends the step, saves a checkpoint; or kill {pid})
  continue  the command that started it, again"""
