"""Running, finished, stopped, failed, died and stalled are told apart, from the folder and the process table alone."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spatial_swin import files
from spatial_swin.background.lines import describe, follow_line, log_tail, span, table
from spatial_swin.background.monitor import KEEPER, Status, find_runs, keeper_pid, look, process_is, stall_limit
from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder

LAST = {
    "epoch": 3,
    "train_loss": 1.25,
    "validation_loss": 1.1,
    "validation_accuracy": 0.8,
    "validation_macro_f1": 0.79,
    "seconds": 42.0,
    "images_per_second": 55.5,
    "memory_gb": 2.1,
}
Write = Callable[..., RunFolder]


@pytest.fixture
def write_run(tmp_path: Path) -> Write:
    """A function that writes a run folder whose progress.json was written `ago` seconds ago by this very process."""

    def write(name: str = "first", ago: float = 0.0, **changes: Any) -> RunFolder:
        run = RunFolder(tmp_path / "runs" / name)
        progress = {
            "state": "running",
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "epoch": 3.25,
            "epochs": 80,
            "step": 120,
            "steps": 3000,
            "phase": 2,
            "eta_seconds": 2880.0,
            "best": {"epoch": 2, "validation_accuracy": 0.8125},
            "last": LAST,
            "updated": datetime.fromtimestamp(time.time() - ago, UTC).isoformat(timespec="seconds"),
            **changes,
        }
        files.write_json(run.progress_file, progress)
        return run

    return write


@pytest.fixture
def gone() -> int:
    """A pid that was a process and is none any more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.fixture
def keeper(tmp_path: Path) -> Any:
    """A function that starts a process which looks like the keeper of a run folder, and writes its pid file."""
    children = []

    def start(run: RunFolder, kept: Path | None = None) -> int:
        words = [KEEPER, str(kept or run.path)]
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words])
        children.append(child)
        files.write_text(run.pid_file, f"{child.pid}\n")
        return child.pid

    yield start
    for child in children:
        child.kill()
        child.wait()


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


def test_all_runs_are_found_newest_first_with_the_folds_one_level_below(write_run: Write) -> None:
    for age, name in ((300, "old"), (10, "folds/fold_1"), (100, "middle")):
        run = write_run(name)
        os.utime(run.progress_file, (time.time() - age,) * 2)
    (run.path.parent / "no_run").mkdir()
    found = find_runs(run.path.parent)
    assert [str(f.path.relative_to(run.path.parent)) for f in found] == ["folds/fold_1", "middle", "old"]


def test_the_lines_hold_what_a_person_asks_for(write_run: Write) -> None:
    run = write_run()
    text = "\n".join(describe(run, look(run)))
    for words in (
        "running",
        f"pid {os.getpid()}",
        "epoch      3.25 of 80, phase 2, step 120 of 3000",
        "about 48 min 00 s",
        "accuracy 0.8000, macro F1 0.7900",
        "best       epoch 2: validation accuracy 0.8125",
    ):
        assert words in text, text
    assert "step 120/3000" in follow_line(look(run))
    assert all(ord(letter) >= 32 for line in describe(run, look(run)) for letter in line), "no escape sequences"


def test_why_a_run_ended_and_what_to_do_are_said(write_run: Write, gone: int) -> None:
    run = write_run(state="failed", pid=gone, error="loss is not finite at step 120")
    files.write_text(run.log_file, "".join(f"line {number}\n" for number in range(50)))
    text = "\n".join(describe(run, look(run)))
    assert "loss is not finite" in text
    assert "line 49" in text
    assert "line 39" not in text
    assert "continues it" in text


def test_the_table_goes_on_past_a_damaged_run(tmp_path: Path, write_run: Write) -> None:
    statuses = [look(write_run()), RunError("damaged"), Status(tmp_path / "c", "preparing")]
    lines = table(statuses, [tmp_path / "a", tmp_path / "b", tmp_path / "c"])
    assert [line.split()[1] for line in lines] == ["state", "running", "unreadable", "preparing"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (12, "12 s"),
        (59.7, "1 min 00 s"),
        (340, "5 min 40 s"),
        (3600, "1 h 00 min"),
        (200_000, "2 d 7 h"),
        (float("inf"), "unknown"),
    ],
)
def test_spans_of_time_are_short_words(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_the_end_of_a_long_log_is_read_without_reading_it_all(tmp_path: Path) -> None:
    log = tmp_path / "training.log"
    with log.open("wb") as file:
        file.seek(4_000_000_000)  # a hole; nothing is written to the disk
        file.write(b"\nlast\n")
    assert log_tail(log)[-1] == "last"
    assert log_tail(tmp_path / "missing") == []
