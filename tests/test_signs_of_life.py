"""What a run folder says of a run in its less usual moments: evaluation, the predictions at the end, a full disk."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatial_swin import training
from spatial_swin.config import load_recipe
from spatial_swin.modeling import callbacks
from spatial_swin.runs import RunFolder
from spatial_swin.training import fine_tune

Write = Callable[..., Path]
SHORT = {"num_train_epochs": 1, "warmup_epochs": 0, "head_only_epochs": 0}


def test_evaluation_gives_signs_of_life_and_the_end_is_the_last_word(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[str] = []
    original = callbacks.DiaryCallback.on_prediction_step

    def beat(diary: callbacks.DiaryCallback, *rest: Any, **named: Any) -> None:
        diary.last_written = -1e9
        original(diary, *rest, **named)
        beats.append("written" if diary.last_written > 0 else "silent")

    monkeypatch.setattr(callbacks.DiaryCallback, "on_prediction_step", beat)
    run = fine_tune(load_recipe(write_recipe(per_device_eval_batch_size=4, **SHORT)))
    assert len(beats) >= 5  # 8 pictures in the epoch's evaluation, 8 and 4 in the predictions at the end
    assert set(beats) == {"written"}
    assert run.state() == "finished"


def test_sigterm_in_the_predictions_at_the_end_is_a_stop_that_can_be_continued(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(write_recipe(**SHORT))

    def interrupted(*_: Any) -> None:
        raise SystemExit(143)  # what the handler of SIGTERM does outside of the steps

    with monkeypatch.context() as patch:
        patch.setattr(training, "_finish", interrupted)
        with pytest.raises(SystemExit):
            fine_tune(recipe)
    assert RunFolder(recipe.output_dir).state() == "stopped"
    assert fine_tune(recipe).state() == "finished"


def test_a_progress_that_cannot_be_written_does_not_end_the_run(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunFolder, "write_progress", full)
    run = fine_tune(load_recipe(write_recipe(**SHORT)))
    assert run.metrics_file.is_file()
    assert "cannot be written (No space left on device); going on" in capsys.readouterr().err
