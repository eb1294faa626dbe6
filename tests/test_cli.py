"""The command: every verb it names exists, help is quick and whole, errors are sentences with their exit code."""

import argparse
import importlib
import subprocess
import sys

import pytest

from spatial_swin.cli import VERBS, main


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_exists_with_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"spatial_swin.commands.{verb}")
    module.add_arguments(argparse.ArgumentParser(conflict_handler="resolve"))
    with pytest.raises(SystemExit) as done:
        main([verb, "--help"])
    assert done.value.code == 0
    assert f"usage: spatial-swin {verb}" in capsys.readouterr().out


def test_an_unknown_verb_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tarin"]) == 2
    assert "no verb 'tarin'" in capsys.readouterr().err


def test_without_a_verb_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out = capsys.readouterr().out
    assert all(verb in out for verb in VERBS)


def test_an_error_is_a_sentence_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--config", "no/such.yaml"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("spatial-swin train: no/such.yaml: no such recipe")
    assert "Traceback" not in err


def test_the_list_of_verbs_does_not_wait_for_torch() -> None:
    code = "import sys; from spatial_swin.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
