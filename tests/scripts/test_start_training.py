"""start_training.sh and monitor_training.sh as a person uses them: a terminal that closes, a second start, a stop, a
mistake, a full disk under the log, two processes. Real trainings of a tiny Swin on the CPU.
"""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from spatial_swin.background.status import look
from spatial_swin.runs import RunFolder

SCRIPTS = Path(__file__).parents[2] / "scripts"
START, MONITOR = str(SCRIPTS / "start_training.sh"), str(SCRIPTS / "monitor_training.sh")
LONG = ("--num_train_epochs", "100000", "--warmup_epochs", "1")  # ends when it is told to
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path: Path) -> Iterator[None]:
    """End every process that has this test's folder on its command line, however the test ended."""
    yield
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(str(tmp_path) in word for word in process.cmdline()):
                process.kill()
        except psutil.Error:
            continue


def bash(*words: str | Path, timeout: float = 200) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def until(condition: Callable[[], bool], seconds: float = 100.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def start_in_a_terminal_that_closes(*words: str) -> str:
    """Run bash on a terminal of its own, close the terminal once the training goes on; what was on the screen."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("bash", ["bash", *words])
    screen = b""
    while b"continue  " not in screen:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # Linux says so when the child has gone
            break
        if not part:
            break
        screen += part
    os.close(terminal)  # the kernel sends SIGHUP to whoever still belongs to it
    os.waitpid(child, 0)
    return screen.decode("utf-8", "replace")


@pytest.mark.slow
def test_a_training_outlives_its_terminal_and_stops_with_a_checkpoint(write_recipe: Write, tmp_path: Path) -> None:
    recipe, run = write_recipe(), RunFolder(tmp_path / "runs" / "tiny")
    screen = start_in_a_terminal_that_closes(START, str(recipe), *LONG)
    assert f"{run.path}" in screen
    assert "start_training.sh --stop" in screen
    step = run.read_progress()["step"]
    until(lambda: run.read_progress()["step"] > step)
    os.kill(int(run.pid_file.read_text()), signal.SIGHUP)

    second = bash(START, recipe, *LONG)
    assert second.returncode == 1
    assert "a training runs here already" in second.stderr
    watched = bash(MONITOR, run.path)
    assert watched.returncode == 5, watched.stderr
    assert f"{run.path}: running" in watched.stdout
    assert "running" in bash(MONITOR).stdout, "the list of runs"

    stopped = bash(START, "--stop", run.path)
    assert stopped.returncode == 0, stopped.stderr
    assert run.state() == "stopped"
    assert bash(MONITOR, run.path).returncode == 143
    saved = run.read_progress()["step"]
    assert (run.checkpoints / f"checkpoint-{saved}").is_dir()
    assert "training ended: stopped, exit code 143" in run.log_file.read_text()

    again = bash(START, "--config", recipe, *LONG)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"continuing from {run.checkpoints / f'checkpoint-{saved}'}" in again.stdout
    assert run.log_file.read_text().count("training starts on") == 2
    os.kill(int(run.pid_file.read_text()), signal.SIGTERM)  # as the instructions say
    until(lambda: run.state() == "stopped" and not run.pid_file.exists())
    assert run.read_progress()["step"] > saved


@pytest.mark.slow
def test_a_log_on_a_full_disk_does_not_end_the_training(write_recipe: Write, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "tiny")
    run.path.mkdir(parents=True)
    run.log_file.symlink_to("/dev/full")
    started = bash(START, write_recipe(num_train_epochs=2, warmup_epochs=0, head_only_epochs=1))
    assert started.returncode == 0, started.stderr
    followed = bash(MONITOR, run.path, "--follow")
    assert followed.returncode == 0, followed.stdout
    assert "test       accuracy" in followed.stdout
    until(lambda: not run.pid_file.exists())  # the card is written last
    assert (run.model / "README.md").is_file()


@pytest.mark.slow
def test_two_processes_stop_together_with_a_checkpoint(write_recipe: Write, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "tiny")
    recipe = write_recipe(ddp_backend="gloo", per_device_train_batch_size=2)
    started = bash(START, recipe, *LONG, "--processes", "2")
    assert started.returncode == 0, started.stdout + started.stderr
    assert "2 processes" in started.stdout
    assert bash(START, "--stop", run.path).returncode == 0
    assert look(run).state == "stopped"
    assert (run.checkpoints / f"checkpoint-{run.read_progress()['step']}").is_dir()
    assert "training ended: stopped, exit code 143" in run.log_file.read_text()
    assert run.read_environment()["processes"] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["recipe", "--learning_rat", "1"], "did you mean `learning_rate`"),
        (["no/such.yaml"], "no/such.yaml: no such recipe"),
    ],
)
def test_a_mistake_in_the_recipe_is_told_at_once_and_leaves_nothing(
    write_recipe: Write, tmp_path: Path, words: list[str], sentence: str
) -> None:
    recipe = write_recipe()
    done = bash(START, *[str(recipe) if word == "recipe" else word for word in words])
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_mistake_in_the_data_is_told_at_once_too(write_recipe: Write, tmp_path: Path) -> None:
    done = bash(START, write_recipe(data_dir=str(tmp_path / "nowhere")))
    assert done.returncode == 1
    assert f"spatial-swin train: {tmp_path / 'nowhere'}" in done.stdout
    assert "ended with exit code 1" in done.stdout
    assert bash(MONITOR, tmp_path / "runs" / "tiny").returncode == 8


def test_without_words_the_usage_is_shown_and_monitor_says_where_it_looked() -> None:
    assert "usage: spatial-swin start" in bash(START).stdout
    empty = bash(MONITOR)
    assert empty.returncode == 1
    assert "runs: no runs here yet" in empty.stderr


def test_a_python_without_the_package_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    monkeypatch.setenv("PYTHON", str(bare))
    done = bash(MONITOR)
    assert done.returncode == 1
    assert f"spatial_swin is not installed for {bare}" in done.stderr
