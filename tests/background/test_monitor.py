"""The words of `spatial-swin monitor`: what a person asks for is in them, why a run ended, and nothing endless."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spatial_swin import files
from spatial_swin.background.monitor import describe, follow_line, log_tail, span, table
from spatial_swin.background.status import Status, look
from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder

Write = Callable[..., RunFolder]


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


def test_no_name_and_no_line_of_a_log_is_obeyed_by_a_terminal(write_run: Write) -> None:
    run = write_run("bad\x1b[31m\nname", state="failed", error="\x1b]0;title\x07 in \u202eclass")
    run.log_file.write_bytes(b"first\x1b[2J\nla\xffst\x07\n")
    status = look(run)
    lines = [*describe(run, status), follow_line(status), *table([status], [run.path])]
    assert all(letter.isprintable() for line in lines for letter in line), lines
    text = "\n".join(lines)
    for words in (r"bad\x1b[31m\nname", r"\x1b]0;title\x07 in \u202eclass", r"first\x1b[2J"):
        assert words in text
