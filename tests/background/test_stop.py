"""Stopping reaches the training of the folder and no other process, whatever number is written there."""

from collections.abc import Callable

import pytest

from spatial_swin.background.stop import process_to_stop, stop
from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder

Write = Callable[..., RunFolder]


def test_without_a_lock_a_process_that_is_not_ours_gets_no_signal(write_run: Write, sleeper: Callable) -> None:
    stranger = sleeper()
    run = write_run(pid=stranger.pid)
    assert not (run.path / ".lock").exists()
    with pytest.raises(RunError, match=rf"pid {stranger.pid} is not known to be this training.*nothing was sent"):
        stop(run, 5.0)
    assert stranger.poll() is None


def test_without_a_lock_the_command_line_tells_a_training_of_ours(write_run: Write, sleeper: Callable) -> None:
    training = sleeper("-m", "spatial_swin.cli", "train", "--config", "r.yaml")
    assert process_to_stop(write_run(pid=training.pid)) == training.pid


def test_with_a_lock_its_holder_is_the_training(write_run: Write, sleeper: Callable) -> None:
    other = sleeper("-m", "spatial_swin.cli", "train")
    run = write_run(pid=other.pid)
    with run.lock(), pytest.raises(RunError, match=r"nothing runs here .died"):
        process_to_stop(run)


def test_a_run_of_another_host_is_stopped_there(write_run: Write) -> None:
    with pytest.raises(RunError, match="stop it there: ssh far-away"):
        process_to_stop(write_run(host="far-away"))
