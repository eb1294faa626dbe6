"""The command: every verb it names exists, help is quick and whole, errors are sentences with their exit code."""

import argparse
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spatial_swin.cli import VERBS, main
from spatial_swin.commands.values import Parser, boolean

WORDS_NOT_NUMBERS = (None, Path, boolean)


def parser_of(verb: str) -> Parser:
    parser = Parser(verb, "")
    importlib.import_module(f"spatial_swin.commands.{verb}").add_arguments(parser)
    return parser


def options_of(verb: str) -> list[argparse.Action]:
    return [action for action in parser_of(verb)._actions if action.option_strings and action.dest != "help"]


def needed(verb: str) -> list[str]:
    """Words without which the verb is a usage error."""
    words = {"render": ["--synthetic", "1"], "cache": ["ls"]}.get(verb, [])
    for action in parser_of(verb)._actions:
        if action.option_strings and action.required:
            words = [*words, action.option_strings[0], "some"]
        elif not action.option_strings and action.nargs not in ("?", "*") and not action.choices:
            words = ["some", *words]
    return words


NUMBERS = [
    (verb, action.option_strings[0])
    for verb in VERBS
    for action in options_of(verb)
    if action.type not in WORDS_NOT_NUMBERS
]


def accepts(verb: str, option: str, value: str) -> bool:
    read = parser_of(verb)._option_string_actions[option].type
    assert callable(read)
    try:
        return read(value) == float(value)
    except argparse.ArgumentTypeError:
        return False


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, argparse.Namespace]:
    """What every verb was given, instead of running it."""
    given: dict[str, argparse.Namespace] = {}
    monkeypatch.setattr("spatial_swin.recipe_keys.read_recipe", lambda path, overrides: {})
    for verb in VERBS:
        module = importlib.import_module(f"spatial_swin.commands.{verb}")
        monkeypatch.setattr(module, "run", lambda parsed, verb=verb: given.__setitem__(verb, parsed) or 0)
    return given


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_that_shows_its_defaults_in_one_way(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        main(["help", verb])
    assert done.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"usage: spatial-swin {verb}" in shown
    for action in options_of(verb):
        assert action.type is not int, f"{action.option_strings}: use commands.values"
        assert action.type is not float, f"{action.option_strings}: use commands.values"
        if action.default not in (None, argparse.SUPPRESS) and action.nargs != 0:
            text = shown[shown.rindex(action.option_strings[0]) :]
            assert "(default: " in text, f"{action.option_strings}: no default is shown"
        assert "[default" not in (action.help or "")


@pytest.mark.parametrize(("verb", "option"), NUMBERS, ids=" ".join)
@pytest.mark.parametrize("value", ["-1", "0", "nan", "inf", str(2**40), "many", "²", "", "1e400"])
def test_a_number_that_cannot_be_is_a_sentence(
    arguments: dict[str, argparse.Namespace], capsys: pytest.CaptureFixture[str], verb: str, option: str, value: str
) -> None:
    words = [verb, *needed(verb), option, value]
    if value in ("-1", "0") and accepts(verb, option, value):  # levels in dB are below 0
        assert main(words) == 0
        return
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert f"argument {option}: {value!r} is not" in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_booleans_stand_alone_or_before_true_and_false(arguments: dict[str, argparse.Namespace], verb: str) -> None:
    for action in options_of(verb):
        if action.type is boolean:
            option = action.option_strings[0]
            for words, value in (([option], True), ([option, "true"], True), ([option, "FALSE"], False)):
                assert main([verb, *needed(verb), *words]) == 0
                assert getattr(arguments[verb], action.dest) is value


def test_a_file_after_a_boolean_that_stands_alone_stays_a_file(arguments: dict[str, argparse.Namespace]) -> None:
    assert main(["predict", "--timeline", "runs/first", "take.wav"]) == 0
    assert arguments["predict"].timeline is True
    assert arguments["predict"].words == ["runs/first", "take.wav"]
    assert main(["predict", "runs/first", "--timeline", "false", "take.wav"]) == 0
    assert arguments["predict"].timeline is False
    assert arguments["predict"].words == ["runs/first", "take.wav"]


def test_dashes_are_as_good_as_underscores(arguments: dict[str, argparse.Namespace]) -> None:
    assert main(["predict", "run", "a-b.wav", "--minimum-confidence", "0.5", "--batch-size=4"]) == 0
    given = arguments["predict"]
    assert (given.minimum_confidence, given.batch_size, given.words) == (0.5, 4, ["run", "a-b.wav"])
    assert main(["train", "--config", "r.yaml", "--learning-rate", "1e-4", "--run-name=a-b"]) == 0
    assert arguments["train"].overrides == ["--learning_rate", "1e-4", "--run_name=a-b"]


def test_onnx_is_the_format_of_export_whether_named_or_not(arguments: dict[str, argparse.Namespace]) -> None:
    for words in (["export", "run"], ["export", "run", "--onnx"]):
        assert main(words) == 0
        assert arguments["export"].onnx == Path()


def test_a_mistyped_verb_and_a_mistyped_option_name_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tarin"]) == 2
    assert "no verb 'tarin'; did you mean train?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["audit", "data", "--sede", "3"])
    assert left.value.code == 2
    assert "--sede (did you mean --seed?)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo"], "demo: stopped by SIGTERM; the same command continues it"),
        (["report", "run"], "report: stopped by SIGTERM\n"),
    ],
)
def test_sigterm_ends_with_a_sentence_that_says_how_to_go_on(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    module = importlib.import_module(f"spatial_swin.commands.{words[0]}")
    monkeypatch.setattr(module, "run", lambda _: signal.raise_signal(signal.SIGTERM))
    try:
        assert main(words) == 143
    finally:
        signal.signal(signal.SIGTERM, before)
    assert said in capsys.readouterr().err


def test_without_a_verb_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["help"]) == 0
    out = capsys.readouterr().out
    assert all(verb in out for verb in VERBS)


def test_an_error_is_a_sentence_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--config", "no/such.yaml"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("spatial-swin train: no/such.yaml: no such recipe")
    assert "Traceback" not in err
    assert main(["train", "-v", "--config", "no/such.yaml"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_quiet_leaves_only_errors_and_puts_the_environment_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = dict(os.environ)
    assert main(["cache", "ls", "--trunk_cache_dir", str(tmp_path)]) == 0
    assert "no stores" in capsys.readouterr().out
    assert main(["cache", "ls", "--trunk_cache_dir", str(tmp_path), "-q"]) == 0
    assert main(["cache", "rm", "-q"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "beginning of a store's name" in said.err
    assert dict(os.environ) == before


def test_the_module_is_the_command_and_the_light_verbs_do_not_wait_for_torch() -> None:
    def call(*words: str) -> str:
        command = [sys.executable, "-X", "importtime", "-m", "spatial_swin", *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert "| torch" not in done.stderr
        return done.stdout

    assert "usage: spatial-swin VERB" in call("--help")
    assert call("--version").startswith("spatial-swin 0.")


def test_output_that_the_terminal_cannot_show_is_escaped() -> None:
    code = "from spatial_swin.cli import main; main(['cues', 'gr\\xfc\\u00dfe.wav'])"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "no such file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "data", "--output_dir", "data/audit"],
        ["baseline", "data", "--output_dir", "data"],
        ["mosaic", "data", "data/pictures"],
        ["render", "--programmes", "data", "--output_dir", "other/../data/out"],
        ["report", "runs/first", "--data_dir", "data", "--output_dir", "data/report"],
    ],
    ids=lambda words: words[0],
)
def test_what_is_written_may_not_lie_in_what_is_read(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data" / "100").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert "lies in the data folder data; choose a folder outside" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "100"]


def test_what_a_terminal_would_obey_is_shown_as_an_escape(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tr\x1b[2Jain"]) == 2
    with pytest.raises(SystemExit):
        main(["audit", "data", "--se\x1b[31med", "3"])
    assert "\x1b" not in capsys.readouterr().err
