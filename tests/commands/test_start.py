"""Starting, keeping and stopping, with stand-ins for the training: a fraction of the seconds a real one takes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser

from spatial_swin import files
from spatial_swin.background import launch
from spatial_swin.background.launch import Plan, refuse_second, training_command, wait_until_begun
from spatial_swin.background.status import look
from spatial_swin.cli import main
from spatial_swin.config import load_recipe
from spatial_swin.errors import RecipeError, RunError
from spatial_swin.runs import RunFolder

ROOT = Path(__file__).parents[2]
Start = Callable[..., "subprocess.Popen[bytes]"]
WRITE = """
import os, signal, socket, sys, time
from spatial_swin.runs import RunFolder
run = RunFolder({path!r})
lock = run.lock()
lock.__enter__()  # as training does
def progress(state):
    run.write_progress({{"state": state, "pid": os.getpid(), "host": socket.gethostname(), "step": 1, "steps": 9,
                         "epoch": 1, "epochs": 9, "phase": 1, "eta_seconds": 9.0, "best": None, "last": None}})
def end(*_):
    progress("stopped")
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
progress("running")
print("begun", flush=True)
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "first")


@pytest.fixture
def start(run: RunFolder) -> Iterator[Start]:
    """A function that starts Python code as the training of `run`; whatever lives at the end is ended."""
    keepers: list[subprocess.Popen[bytes]] = []

    def begin(code: str) -> "subprocess.Popen[bytes]":
        keeper = launch.start(run, [sys.executable, "-c", code])
        keepers.append(keeper)
        return keeper

    yield begin
    for keeper in keepers:
        if keeper.poll() is None:
            os.killpg(keeper.pid, signal.SIGKILL)  # it leads a group of its own
            keeper.wait()


def stand_in(run: RunFolder, rest: str = "time.sleep(60)") -> str:
    return WRITE.format(path=str(run.path)) + rest


def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def test_the_log_gets_dated_lines_and_every_start_is_added(run: RunFolder, start: Start) -> None:
    for _ in range(2):
        assert start("print('a line of training')").wait(30) == 0
        assert not run.pid_file.exists()
    log = run.log_file.read_text()
    assert log.count("\na line of training\n") == 2
    assert log.count("training starts on") == 2
    assert log.count("training ended: finished, exit code 0") == 2
    assert log.startswith(f"==== {time.strftime('%Y-')}")


def test_sigterm_reaches_the_training_and_sighup_does_not(run: RunFolder, start: Start) -> None:
    keeper = start(stand_in(run))
    until(run.progress_file.is_file)
    assert int(run.pid_file.read_text()) == keeper.pid
    training = run.read_progress()["pid"]
    assert os.getsid(training) == os.getsid(keeper.pid) != os.getsid(0)
    for pid in (keeper.pid, training):
        os.kill(pid, signal.SIGHUP)
    time.sleep(0.3)
    assert look(run).state == "running"
    os.kill(keeper.pid, signal.SIGTERM)
    assert keeper.wait(30) == 143
    assert look(run).state == "stopped"
    assert "saved\n" in run.log_file.read_text()
    assert not run.pid_file.exists()


def test_the_verb_stops_it_and_waits(run: RunFolder, start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    keeper = start(stand_in(run))
    until(run.progress_file.is_file)
    assert main(["stop", str(run.path)]) == 0
    assert f"{run.path}: stopped" in capsys.readouterr().out
    assert keeper.wait(5) == 143
    assert main(["stop", str(run.path)]) == 1
    assert "nothing runs here (stopped" in capsys.readouterr().err


def test_killing_the_keeper_leaves_the_training_alone(run: RunFolder, start: Start) -> None:
    keeper = start(stand_in(run, "for _ in range(200):\n    print('on', flush=True)\n    time.sleep(.05)"))
    until(run.progress_file.is_file)
    training = run.read_progress()["pid"]
    keeper.kill()
    keeper.wait()
    size = run.log_file.stat().st_size
    until(lambda: run.log_file.stat().st_size > size)
    assert look(run).state == "running"
    with pytest.raises(RunError, match=f"runs here already .pid {training}"):
        refuse_second(run)
    assert main(["stop", str(run.path)]) == 0
    assert look(run).state == "stopped"


def test_a_training_that_was_killed_is_written_down_as_failed(run: RunFolder, start: Start) -> None:
    assert start(stand_in(run, "os.kill(os.getpid(), signal.SIGKILL)")).wait(30) == 137
    status = look(run)
    assert status.state == "failed"
    assert "SIGKILL; out of memory?" in status.progress["error"]


def test_with_several_processes_the_launchers_own_exit_code_does_not_hide_the_stop(
    run: RunFolder, start: Start
) -> None:
    assert start(stand_in(run, "progress('stopped'); sys.exit(1)")).wait(30) == 143


def test_a_second_start_is_refused_while_the_first_one_lives(run: RunFolder, start: Start) -> None:
    keeper = start(stand_in(run))
    with pytest.raises(RunError, match=rf"pid {keeper.pid}.*stop"):
        start("pass")
    assert int(run.pid_file.read_text()) == keeper.pid
    os.kill(keeper.pid, signal.SIGTERM)
    keeper.wait(30)
    assert start("pass").wait(30) == 0


def test_of_two_starts_in_one_instant_one_goes_on(run: RunFolder, start: Start) -> None:
    outcomes: list[object] = []

    def begin() -> None:
        try:
            outcomes.append(start(stand_in(run)))
        except RunError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, RunError) for outcome in outcomes) == 3, outcomes


def test_a_training_without_pid_file_is_respected(run: RunFolder, start: Start) -> None:
    with run.lock(), pytest.raises(RunError, match="another process is using this run folder"):
        start("pass")


def test_a_training_on_another_host_is_respected_until_it_is_silent(run: RunFolder, start: Start) -> None:
    run.path.mkdir()
    run.write_progress({"state": "running", "pid": 1, "host": "far-away", "step": 1, "steps": 2, "eta_seconds": 1.0})
    with pytest.raises(RunError, match="on far-away"):
        start("pass")
    files.write_json(run.progress_file, {**run.read_progress(), "updated": "2020-01-01T00:00:00+00:00"})
    assert start("pass").wait(30) == 0


@pytest.mark.parametrize(
    "content", [str(os.getpid()), "1", "not a number", ""], ids=["ours", "another", "text", "empty"]
)
def test_the_pid_of_another_process_does_not_stand_in_the_way(run: RunFolder, start: Start, content: str) -> None:
    files.write_text(run.pid_file, content)
    assert start("print('on')").wait(30) == 0
    assert "on\n" in run.log_file.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_log_on_a_full_disk_stops_neither_keeper_nor_training(run: RunFolder, start: Start) -> None:
    run.path.mkdir()
    run.log_file.symlink_to("/dev/full")
    lasting = "from spatial_swin.background.output import make_output_lasting; make_output_lasting()\n"
    assert start(lasting + stand_in(run, "progress('finished'); print('lost', flush=True)")).wait(30) == 0
    assert look(run).state == "finished"


def test_a_log_that_is_a_folder_is_an_error_that_says_so(run: RunFolder, start: Start) -> None:
    run.log_file.mkdir(parents=True)
    with pytest.raises(RunError, match=r"training\.log: cannot be written"):
        start("pass")


def test_waiting_ends_when_the_training_has_begun_or_ended_or_takes_too_long(run: RunFolder, start: Start) -> None:
    heard: list[str] = []
    keeper = start("print('preparing', flush=True)\n" + stand_in(run))
    assert wait_until_begun(run, keeper, None, 0, 30, heard.append) == "begun"
    assert "preparing" in heard
    os.kill(keeper.pid, signal.SIGTERM)
    keeper.wait(30)
    before, size = launch.stamp(run.progress_file), launch.log_size(run)
    keeper = start("import sys; print('no such recipe', flush=True); sys.exit(1)")
    heard.clear()
    assert wait_until_begun(run, keeper, before, size, 30, heard.append) == 1
    assert heard[1] == "no such recipe", "the log of this start, not of the one before"
    assert "failed before the first step, exit code 1" in heard[-1]
    keeper = start("import time; time.sleep(60)")
    assert wait_until_begun(run, keeper, before, launch.log_size(run), 0.3, heard.append) == "preparing"


def test_escapes_in_the_log_are_passed_on_as_text(run: RunFolder, start: Start) -> None:
    heard: list[str] = []
    keeper = start("print('\\x1b[31mred\\x07', flush=True)")
    assert wait_until_begun(run, keeper, None, 0, 30, heard.append) == 0
    assert r"\x1b[31mred\x07" in heard
    assert all(line.isprintable() for line in heard)


# -- what is launched --


def test_the_run_folder_is_the_one_training_uses(write_recipe: Callable[..., Path]) -> None:
    recipe = write_recipe()
    for overrides in ([], ["--output_dir", "runs/x"], ["--output_dir=runs/y"], ["--output_dir", "none"]):
        plan = launch._plan_of(str(recipe), overrides)
        assert plan.output_dir == str(load_recipe(recipe, overrides).output_dir)
    assert plan.output_dir == str(Path("runs") / "tiny")
    assert plan.devices == 1


def test_one_process_is_started_plainly_and_several_by_a_launcher() -> None:
    config = ROOT / "accelerate_config.yaml"
    plain = training_command(Plan("runs/x", 1, False), "r.yaml", ["--seed", "3"], 1, config)
    assert plain == [sys.executable, "-m", "spatial_swin.cli", "train", "--config", "r.yaml", "--seed", "3"]
    cpu = training_command(Plan("runs/x", 0, False), "r.yaml", [], 2, config)
    assert cpu[:6] == [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    with pytest.raises(RecipeError, match="shows 4 GPUs"):
        training_command(Plan("runs/x", 4, False), "r.yaml", [], 5, config)
    assert Plan("runs/x", 4, False).devices == 4
    assert Plan("runs/x", 4, True).devices == 1


def test_accelerate_understands_the_command_for_several_gpus() -> None:
    config = ROOT / "accelerate_config.yaml"
    command = training_command(Plan("runs/x", 4, False), "r.yaml", ["--seed", "3"], 4, config)
    assert command[:3] == [sys.executable, "-m", "accelerate.commands.launch"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(command[3:]))
    assert (arguments.multi_gpu, arguments.num_processes, arguments.num_machines) == (True, 4, 1)
    assert arguments.mixed_precision == "fp16"
    assert arguments.module
    assert [arguments.training_script, *arguments.training_script_args] == [
        "spatial_swin.cli",
        "train",
        "--config",
        "r.yaml",
        "--seed",
        "3",
    ]
