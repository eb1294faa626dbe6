"""The one command that makes the detector: its steps exist, feed each other and share no programme, and it resumes."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from spatial_swin.cli import parse
from spatial_swin.errors import STOPPED
from spatial_swin.recipe_keys import read_recipe
from spatial_swin.shipped import find_recipe

SCRIPTS = Path(__file__).parents[2] / "scripts"
FOLDERS = ("learn", "choose", "test")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import make_detector

    return make_detector


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """The options of a command line with all that is needed."""
    words = []
    for name in FOLDERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.sofa").write_text(name)
        words += [f"--{name}", str(tmp_path / name)]
    (tmp_path / "font.sf2").touch()
    return [*words, "--soundfont", str(tmp_path / "font.sf2"), "--output_dir", str(tmp_path / "made")]


def steps_of(script: Any, share: float = 1.0) -> list[Any]:
    here = Path("heads")
    options = argparse.Namespace(
        learn=here, choose=here, test=here, soundfont=here, output_dir=here, seed=44, share=share, list=False
    )
    return list(script.steps_of(options))


def values_of(words: tuple[str, ...], option: str) -> list[str]:
    """What follows an option, up to the next one."""
    after = words[words.index(option) + 1 :]
    return list(after[: next((k for k, word in enumerate(after) if word.startswith("--")), len(after))])


def test_the_verbs_take_every_word_and_the_recipe_every_key(script: Any) -> None:
    verbs = [step.words[3:] for step in steps_of(script) if step.words[1:3] == ("-m", "spatial_swin")]
    assert {words[0] for words in verbs} == {"render", "train", "evaluate"}
    for verb, *words in verbs:
        arguments = parse(verb, words)
        if verb == "train":
            read_recipe(find_recipe(arguments.config), arguments.overrides)
    assert all(Path(step.words[1]).is_file() for step in steps_of(script) if step.words[1] != "-m")


def test_every_folder_that_is_read_was_made_before(script: Any) -> None:
    made: set[str] = set()
    for step in steps_of(script):
        words = step.words
        given = [option for option in ("--learn", "--judge", "--midi", "--beside") if option in words]
        read = [name for option in given for name in values_of(words, option)]
        if step.name == "join":
            read += [word.partition("=")[2] for word in words if "=" in word]
        if step.name == "evaluate":
            read += [words[4]]
        assert set(read) <= made, step.name
        if "--output_dir" in words:
            made |= set(values_of(words, "--output_dir"))


def test_no_programme_is_in_two_folders_and_each_part_has_its_own_heads(script: Any) -> None:
    spans = sorted((folder.first, folder.first + folder.count, folder.name) for folder in script.SYNTHETIC)
    assert all(one[1] <= other[0] for one, other in pairwise(spans)), spans
    parts = (script.BOTH_LEARN + script.NETWORK_LEARNS, script.CHOSEN_BY, script.TESTED_BY)
    assert [{folder.of for folder in part} for part in parts] == [{"learn"}, {"choose"}, {"test"}]
    songs = {step.name: step.words for step in steps_of(script) if step.name.startswith("songs")}
    first = int(values_of(songs["songs_to_choose_by"], "--first_song")[0])
    assert first >= int(values_of(songs["songs"], "--songs")[0])


def test_what_the_card_says_of_a_command_names_no_folder_of_this_machine(script: Any) -> None:
    said = [script.said(step.words) for step in steps_of(script)]
    assert all(line.startswith(("spatial-swin ", "python scripts/")) for line in said)
    assert not [word for line in said for word in line.split() if word.startswith("/")]


def test_a_share_keeps_a_programme_of_every_kind(script: Any) -> None:
    for step in steps_of(script, share=0.001):
        if "--synthetic" in step.words:
            assert int(values_of(step.words, "--synthetic")[0]) == len(script.KINDS)


def call(script: Any, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["make_detector.py", *words])
    code: int = script.main()
    return code


def test_a_failed_step_is_where_the_same_command_line_goes_on(
    script: Any, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def step(name: str, code: str) -> Any:
        return script.Step(name, (sys.executable, "-c", code))

    once = "import os; os.close(os.open('once', os.O_CREAT | os.O_EXCL))"  # fails when it is run again
    again = "import pathlib, sys; sys.exit(0 if pathlib.Path('repaired').exists() else 7)"
    monkeypatch.setattr(script, "steps_of", lambda options: [step("first", once), step("second", again)])
    monkeypatch.setattr(script.conditions, "unavailable", lambda one: None)
    monkeypatch.setattr(script.fluidsynth, "missing", lambda soundfont: ())
    assert call(script, monkeypatch, given) == 7
    assert "second ended with exit code 7; the same command line goes on from here" in capfd.readouterr().err
    made = tmp_path / "made"
    assert list(json.loads((made / "steps.json").read_text())) == ["first"]
    (made / "repaired").touch()
    assert call(script, monkeypatch, given) == 0
    assert "all 2 steps took" in capfd.readouterr().out

    monkeypatch.setattr(script, "steps_of", lambda options: [step("first", "other"), step("second", again)])
    assert call(script, monkeypatch, given) == 1
    assert "was begun with other options (first would differ)" in capfd.readouterr().err
    (made / "steps.json").write_text("[1]")
    assert call(script, monkeypatch, given) == 1
    assert "steps.json: is damaged; remove it" in capfd.readouterr().err


def test_a_command_is_stopped_with_the_script(script: Any, tmp_path: Path) -> None:
    began = time.monotonic()
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert script.run((sys.executable, "-c", "import time; time.sleep(60)"), tmp_path) == STOPPED
    assert time.monotonic() - began < 30


def test_what_would_stop_a_later_step_is_said_at_once_before_the_first(
    script: Any, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "choose" / "one.sofa").unlink()
    (tmp_path / "test" / "deeper").mkdir()
    (tmp_path / "test" / "deeper" / "same.sofa").write_text("learn")
    (tmp_path / "font.sf2").unlink()
    monkeypatch.setattr(script.conditions, "unavailable", lambda one: "ffmpeg is not there")
    assert call(script, monkeypatch, given) == 1
    said = capsys.readouterr().err
    for sentence in ("choose: holds no SOFA file", "same.sofa: is the same head as", "no such file", "ffmpeg is not"):
        assert said.count(sentence) == 1, said
    assert not (tmp_path / "made").exists()


def test_the_list_prints_what_would_be_run_and_does_nothing(
    script: Any, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(script, monkeypatch, [*given, "--list"]) == 0
    said = capsys.readouterr().out
    assert said.count("spatial_swin render") == len(script.SYNTHETIC) + 2
    assert not (tmp_path / "made").exists()
