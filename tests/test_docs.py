"""What the documentation shows works: the blocks of docs/api.md, top to bottom, and the cells of the notebooks."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from spatial_swin.cli import main

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLBACKEND", "agg")


def cells(notebook: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a machine with much else to do takes ten times as long
def test_the_examples_of_the_api_run_from_top_to_bottom() -> None:
    names: dict[str, Any] = {}
    for language, text in BLOCK.findall((DOCS / "api.md").read_text(encoding="utf-8")):
        if language == "bash":
            program, *words = shlex.split(text)
            assert program == "spatial-swin"
            assert main([*words, "--workers", "1"]) == 0
        else:
            exec(compile(text, "docs/api.md", "exec"), names)
    assert names["picture"].shape == (384, 384)
    assert names["heard"].layout in ("100", "200", "510", "514")
    assert names["share_right"] == pytest.approx(names["accuracy"]["value"])
    assert (names["folder"] / "report.html").is_file()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs_and_explain_every_step(notebook: Path) -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells(notebook, "code"))
    assert len(cells(notebook, "markdown")) >= len(cells(notebook, "code"))
    assert json.loads(notebook.read_text(encoding="utf-8"))["nbformat"] == 4


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_from_top_to_bottom(notebook: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells(notebook, "code"), start=1):
        exec(compile("".join(cell["source"]), f"{notebook.name}, code cell {number}", "exec"), names)
