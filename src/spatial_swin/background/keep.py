"""The process that start_training.sh leaves behind: it starts the training, passes SIGTERM on and notes the end.

    python -m spatial_swin.background.keep RUN COMMAND...          (`spatial-swin start` calls it so)

It leads a session of its own, so that it outlives its terminal; SIGHUP is ignored here and, by
inheritance, in the training. The training writes to the log itself, not through this process: killing the keeper
leaves the training alone. When the training could not write its own end (killed for its memory, say), progress.json is
set to stopped or failed here. Exit code: the training's, 143 after a stop with several processes too.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from spatial_swin.background.output import make_output_lasting
from spatial_swin.background.status import process_is
from spatial_swin.errors import STOPPED, RunError
from spatial_swin.runs import RunFolder

PATIENCE = 1800  # seconds that torch's launcher gives its processes to end their step and save, instead of 30


def main(argv: list[str]) -> int:
    make_output_lasting()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run, command = RunFolder(argv[0]), argv[1:]
    child: subprocess.Popen[bytes] | None = None
    asked = False

    def pass_on(*_: object) -> None:
        nonlocal asked
        asked = True
        if child is not None and child.poll() is None:
            child.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, pass_on)
    began = time.time()
    say(f"training starts on {socket.gethostname()}, pid {os.getpid()}: {shlex.join(command)}")
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment())
    except OSError as error:
        say(f"training could not be started: {error}")
        return 1
    if asked:  # in the moment before there was a child
        child.send_signal(signal.SIGTERM)
    code = child.wait()
    code = 128 - code if code < 0 else code
    state, code = settle(run, code, began)
    say(f"training ended: {state}, exit code {code}")
    release(run)
    return code


def environment() -> dict[str, str]:
    """Ours, with output unbuffered and a launcher of several processes that waits for a checkpoint."""
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": os.environ.get("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(PATIENCE)),
        "TORCHELASTIC_SIGNALS_TO_HANDLE": "SIGTERM,SIGINT,SIGQUIT",  # as it is by default, without SIGHUP
    }


def settle(run: RunFolder, code: int, began: float) -> tuple[str, int]:
    """Write in progress.json how it ended if the training could not; return the state and our exit code."""
    fallback = "finished" if code == 0 else "stopped" if code == STOPPED else "failed"
    try:
        if not run.progress_file.is_file() or run.progress_file.stat().st_mtime < began:
            return f"{fallback} before the first step" if code else fallback, code
        progress = run.read_progress()
        state = progress.get("state", fallback)
        if state == "running" and not process_is(progress["pid"], before=run.progress_file.stat().st_mtime):
            state = fallback if code else "failed"
            error = {} if state == "stopped" else {"error": cause(code)}
            run.write_progress({**progress, "state": state, **error})
    except (OSError, RunError, KeyError) as error:
        return f"{fallback} ({error})", code
    return state, STOPPED if state == "stopped" else code


def cause(code: int) -> str:
    """What the exit code of a process that wrote no error means."""
    if code <= 128:
        return f"the process ended with exit code {code} and wrote no error; see training.log"
    try:
        name = signal.Signals(code - 128).name
    except ValueError:
        name = f"signal {code - 128}"
    hint = "; out of memory? (`dmesg` shows it)" if name == "SIGKILL" else ""
    return f"the process was ended by {name}{hint}"


def release(run: RunFolder) -> None:
    """Remove the pid file if it is still ours."""
    try:
        if Path(run.pid_file).read_text().split() == [str(os.getpid())]:
            run.pid_file.unlink()
    except OSError:
        pass


def say(text: str) -> None:
    print(f"==== {datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
