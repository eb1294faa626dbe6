"""`spatial-swin app` says in a sentence what is missing; the page itself is tested in tests/app."""

import importlib.util
from pathlib import Path

import pytest

from spatial_swin.cli import main


def test_without_gradio_one_sentence_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "gradio" else find(name, *rest)
    )
    assert main(["app", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "pip install 'spatial-swin[app]'" in said
    assert said.count("\n") == 1


def test_a_folder_without_a_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio")
    assert main(["app", str(tmp_path / "nothing")]) == 1
    assert "nothing" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--port", "99999"], ["--port", "x"], ["--share", "perhaps"]])
def test_options_that_cannot_be_are_refused(tmp_path: Path, options: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["app", str(tmp_path), *options])
    assert left.value.code == 2
