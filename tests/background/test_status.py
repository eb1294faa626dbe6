"""Running, finished, stopped, failed, died and stalled: read from the folder and the process table alone."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatial_swin import files
from spatial_swin.background.monitor import describe
from spatial_swin.background.status import find_runs, is_ours, keeper_pid, look, process_is, stall_limit
from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder

Write = Callable[..., RunFolder]


@pytest.mark.parametrize(("state", "code"), [("running", 5), ("finished", 0), ("stopped", 143), ("failed", 8)])
def test_what_the_training_wrote_is_believed_while_its_process_lives(write_run: Write, state: str, code: int) -> None:
    status = look(write_run(state=state))
    assert (status.state, status.exit_code) == (state, code)


def test_a_running_run_whose_process_is_gone_died(write_run: Write, gone: int) -> None:
    status = look(write_run(pid=gone))
    assert (status.state, status.exit_code) == ("died", 7)


def test_another_process_with_the_same_number_is_not_the_training(write_run: Write) -> None:
    """This process began after the last sign of the run: it only got the number of one that is gone."""
    status = look(write_run(ago=90 * 86_400, pid=os.getpid()))
    assert status.state == "died"


def test_a_process_that_does_not_hold_the_lock_is_not_the_training(write_run: Write) -> None:
    run = write_run()
    with run.lock():
        assert look(run).state == "running"
    assert look(run).state == "died"


def test_a_finished_run_stays_finished_when_its_process_is_gone(write_run: Write, gone: int) -> None:
    assert look(write_run(state="finished", pid=gone)).state == "finished"


def test_a_zombie_is_no_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    time.sleep(0.5)  # ended, and nobody has asked for its exit code
    assert not process_is(child.pid, before=time.time())
    child.wait()


def test_silence_counts_as_stalled_only_after_many_usual_steps(write_run: Write) -> None:
    run = write_run()  # a step a second: 300 s are the least
    now = time.time()
    assert look(run, now + 290).state == "running"
    assert look(run, now + 310).state == "stalled"
    slow = write_run("slow", eta_seconds=2880 * 60.0)  # a step a minute: 20 minutes
    assert look(slow, now + 1100).state == "running"
    assert look(slow, now + 1300).state == "stalled"


def test_before_the_first_step_and_after_the_last_there_is_more_time() -> None:
    assert stall_limit({"step": 0, "steps": 10, "eta_seconds": None}) == 1800
    assert stall_limit({"step": 10, "steps": 10, "eta_seconds": 0.0}) == 1800


def test_the_process_of_another_host_is_not_guessed_at(write_run: Write, gone: int) -> None:
    run = write_run(host="far-away", pid=gone)
    status = look(run)
    assert status.state == "running"
    assert "far-away" in status.note
    assert "cannot be seen" in status.note
    assert look(run, time.time() + 400).state == "stalled"


def test_the_keeper_is_known_by_its_command_line_not_by_its_number(write_run: Write, keeper: Any) -> None:
    run = write_run(state="stopped")
    files.write_text(run.pid_file, f"{os.getpid()}\n")  # alive, younger than nothing, and no keeper
    assert keeper_pid(run) is None
    keeper(run, kept=run.path.parent)
    assert keeper_pid(run) is None, "the keeper of another folder"
    pid = keeper(run)
    assert keeper_pid(run) == pid


@pytest.mark.parametrize("content", ["", "abc\n", "-4\n", "99999999999\n"])
def test_a_damaged_pid_file_is_a_stale_one(write_run: Write, content: str) -> None:
    run = write_run()
    run.pid_file.write_text(content)
    assert keeper_pid(run) is None


def test_a_continued_run_is_preparing_until_it_writes_again(write_run: Write, keeper: Any, gone: int) -> None:
    run = write_run(state="stopped", pid=gone, ago=100)
    pid = keeper(run)
    status = look(run)
    assert (status.state, status.pid, status.exit_code) == ("preparing", pid, 5)


def test_a_run_without_progress_is_preparing_or_failed_before_the_first_step(tmp_path: Path, keeper: Any) -> None:
    run = RunFolder(tmp_path / "new")
    files.write_text(run.log_file, "spatial-swin train: data: no such folder\n")
    assert look(run).state == "failed"
    assert "no such folder" in "\n".join(describe(run, look(run)))
    keeper(run)
    assert look(run).state == "preparing"
    plain = RunFolder(tmp_path / "plain")
    files.write_text(plain.recipe_file, "Model: {}\n")
    assert look(plain).state == "preparing"
    assert look(plain, time.time() + 4000).state == "died"


def test_no_run_folder_and_a_damaged_progress_are_errors_that_name_the_file(tmp_path: Path, write_run: Write) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        look(RunFolder(tmp_path / "nothing"))
    run = write_run()
    run.progress_file.write_text('{"state": "runn')
    with pytest.raises(RunError, match=r"progress\.json"):
        look(run)


@pytest.mark.parametrize("changes", [{"step": "120"}, {"eta_seconds": []}, {"last": 3}, {"pid": "me"}, {"best": "b"}])
def test_a_progress_of_other_kinds_of_values_is_an_error_that_names_them(write_run: Write, changes: dict) -> None:
    run = write_run(**changes)
    with pytest.raises(RunError, match=rf"progress\.json: {next(iter(changes))} cannot be read"):
        look(run)


def test_all_runs_are_found_newest_first_with_the_folds_one_level_below(write_run: Write) -> None:
    for age, name in ((300, "old"), (10, "folds/fold_1"), (100, "middle")):
        run = write_run(name)
        os.utime(run.progress_file, (time.time() - age,) * 2)
    (run.path.parent / "no_run").mkdir()
    found = find_runs(run.path.parent)
    assert [str(f.path.relative_to(run.path.parent)) for f in found] == ["folds/fold_1", "middle", "old"]


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (["-m", "spatial_swin.cli", "train", "--config", "r.yaml"], True),
        (["/venv/bin/spatial-swin", "crossval", "r.yaml"], True),
        (["-m", "spatial_swin.cli", "monitor"], False),
        (["/home/me/spatial-swin/notes.txt", "train"], False),
        (["spatial-swin"], False),
    ],
)
def test_a_command_line_is_ours_when_it_trains(sleeper: Callable, words: list[str], ours: bool) -> None:
    assert is_ours(sleeper(*words).pid) is ours
