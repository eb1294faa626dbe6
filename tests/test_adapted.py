"""Adapted models that are kept: by content, whole or made again, one process at a time."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from certain_models import write_certain_model

from spatial_swin import adapted, adapting
from spatial_swin.adapted import adapted_root, adapted_to, folder_of, is_whole
from spatial_swin.adapting import Adaptation
from spatial_swin.cli import main
from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where models were made; making one takes a moment, and leaves what adapting leaves."""
    folders: list[Path] = []

    def make(wish: Adaptation, output: Path, workers: int | None = None, overwrite: bool = False) -> RunFolder:
        folders.append(output)
        for name in ("data", "checkpoints"):
            (output / name).mkdir(parents=True, exist_ok=True)
        (output / "adapt.json").write_text("{}")
        print("training")
        write_certain_model(output / "model")
        return RunFolder(output)

    monkeypatch.setattr(adapted, "adapt", make)
    return folders


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPATIAL_SWIN_ADAPTED", str(tmp_path / "kept"))
    return tmp_path / "kept"


def head(path: Path, content: bytes = b"responses") -> str:
    path.write_bytes(content)
    return str(path)


def test_a_model_is_made_once_for_a_content_whatever_the_file_is_called(
    made: list[Path], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = adapted_to([head(tmp_path / "a.sofa")])
    said = capsys.readouterr()
    assert "adapting a model to a.sofa, once: about" in said.err
    assert said.out == ""  # standard output belongs to the answer
    assert adapted_to([head(tmp_path / "b.sofa")]) == first
    assert f"adapted to b.sofa before: {first}" in capsys.readouterr().err
    assert made == [first]
    assert sorted(path.name for path in first.iterdir()) == ["adapt.json", "model", "whole.json"]
    assert adapted_to([head(tmp_path / "a.sofa", b"others")]) != first
    assert len(made) == 2


def test_another_version_trunk_recipe_or_count_is_another_model(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [head(tmp_path / "a.sofa")]
    folders = {folder_of(Adaptation(names), root), folder_of(Adaptation(names, count=100), root)}
    recipe = adapting.find_recipe(adapting.RECIPE).read_text() + "# a remark\n"
    (tmp_path / "other.yaml").write_text(recipe)
    folders.add(folder_of(Adaptation(names, recipe=str(tmp_path / "other.yaml")), root))
    (tmp_path / "trunk").mkdir()
    (tmp_path / "trunk" / "model.safetensors").write_bytes(b"other weights")
    with monkeypatch.context() as patch:
        patch.setattr(adapting, "locate_model", lambda name: str(tmp_path / "trunk"))
        folders.add(folder_of(Adaptation(names), root))
    with monkeypatch.context() as patch:
        patch.setattr(adapted, "__version__", "99")
        folders.add(folder_of(Adaptation(names), root))
    folders.add(folder_of(Adaptation([*names, head(tmp_path / "b.sofa", b"b")]), root))
    assert len(folders) == 6
    digest = adapting.identity(names[0])
    assert sum(folder.name.startswith(f"{digest}-") for folder in folders) == 5


@pytest.mark.parametrize("damage", ["cut", "missing", "note"])
def test_a_damaged_model_is_not_used_but_made_again(
    made: list[Path], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    names = [head(tmp_path / "a.sofa")]
    folder = adapted_to(names)
    weights = folder / "model" / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif damage == "missing":
        weights.unlink()
    else:
        (folder / "whole.json").write_text('{"files": ')
    assert not is_whole(folder)
    assert adapted_to(names) == folder
    assert is_whole(folder)
    assert made == [folder, folder]
    assert "is damaged; it is made again" in capsys.readouterr().err


def test_a_half_made_model_is_continued_and_one_that_cannot_be_is_begun_again(
    made: list[Path], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [head(tmp_path / "a.sofa")]
    folder = folder_of(Adaptation(names), root)
    folder.mkdir(parents=True)
    (folder / "adapt.json").write_text("{}")
    (folder / "model").mkdir()  # all but the last word
    assert not is_whole(folder)
    whole, asked = adapted.adapt, []

    def refuse(wish: Adaptation, output: Path, workers: int | None = None, overwrite: bool = False) -> RunFolder:
        asked.append(overwrite)
        if not overwrite:
            raise RunError("split.csv: is cut")
        return whole(wish, output)

    monkeypatch.setattr(adapted, "adapt", refuse)
    adapted_to(names)
    assert asked == [False, True]
    assert is_whole(folder)
    assert "cannot be continued (split.csv: is cut); it is made again" in capsys.readouterr().err


def test_a_second_process_waits_and_takes_what_the_first_has_made(
    made: list[Path], root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The other process holds the lock while it makes the model, which is done when it lets go."""
    names = [head(tmp_path / "a.sofa")]
    folder = adapted_to(names)  # what the other process will have made
    folder.rename(tmp_path / "aside")
    code = (
        "import fcntl, os, sys, time\n"
        "lock, aside, folder = sys.argv[1:]\n"
        "handle = os.open(lock, os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(handle, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "time.sleep(1)\n"
        "os.rename(aside, folder)\n"
    )
    words = [sys.executable, "-c", code, f"{folder}.lock", str(tmp_path / "aside"), str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert adapted_to(names) == folder
    assert made == [folder]
    assert "another process is making this model; waiting for it" in capfd.readouterr().err


def test_the_place_is_an_option_an_environment_variable_or_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SPATIAL_SWIN_ADAPTED", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert adapted_root() == tmp_path / "cache" / "spatial-swin" / "adapted"
    monkeypatch.setenv("SPATIAL_SWIN_ADAPTED", str(tmp_path / "mine"))
    assert adapted_root() == tmp_path / "mine"
    assert adapted_root(tmp_path / "given") == tmp_path / "given"


def test_a_place_that_cannot_be_written_is_a_sentence(made: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RunError, match=r"cannot be written .*choose another --adapted_dir, or set SPATIAL_SWIN_ADAP"):
        adapted_to([head(tmp_path / "a.sofa")], tmp_path / "file" / "kept")


def test_predict_adapts_and_judges_and_its_answer_alone_is_on_standard_output(
    made: list[Path], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal((48_000, 2))
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, sound, 48_000)
    name = head(tmp_path / "renderer.sofa")
    assert main(["predict", "--hrtf", name, "a.wav", "--format", "json", "b.wav"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in found["files"]] == ["a.wav", "b.wav"]
    assert found["model"].startswith(str(root))
    assert main(["predict", "a.wav", "--hrtf", name, "--adapted_dir", "elsewhere"]) == 0
    assert made == [Path(found["model"]), Path("elsewhere") / Path(found["model"]).name]


def test_predict_names_every_bad_head_and_takes_no_model_beside_one(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_certain_model(tmp_path / "model")
    assert main(["predict", "model", "a.wav", "--hrtf", "kemar"]) == 2
    assert "model is a model, and --hrtf makes another" in capsys.readouterr().err
    assert main(["predict", "--hrtf", "gone.sofa", "--hrtf", "parametric:many", "a.wav"]) == 1
    said = capsys.readouterr().err
    assert "gone.sofa" in said
    assert "parametric:many" in said
    assert not root.exists()
