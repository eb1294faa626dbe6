"""The keys of a recipe: known without torch, and what is no recipe is refused in a moment."""

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spatial_swin.errors import RecipeError, UsageError
from spatial_swin.recipe_keys import keys, read_overrides, read_recipe, read_yaml, written


def refused(path: Path) -> str:
    began = time.monotonic()
    with pytest.raises(RecipeError) as caught:
        read_yaml(path)
    assert time.monotonic() - began < 20, "not in the time of the test"  # a pipe or a bomb would never end
    return str(caught.value)


def recipe(folder: Path, text: str) -> Path:
    path = folder / "r.yaml"
    path.write_text(text)
    return path


def test_the_keys_are_those_of_the_classes_that_define_them() -> None:
    from spatial_swin.config import ARGUMENT_CLASSES

    for heading, cls in ARGUMENT_CLASSES.items():
        assert set(keys()[heading]) == {f.name for f in dataclasses.fields(cls) if f.init}


def test_a_mistyped_key_is_named_before_torch_is_imported(tmp_path: Path) -> None:
    path = recipe(tmp_path, "Trainer:\n  sede: 1\n")
    for words in (["train", "--config", str(path)], ["start", str(path)]):
        command = [sys.executable, "-X", "importtime", "-m", "spatial_swin", *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 1
        assert "key `sede` is unknown; did you mean `seed` (under Trainer)?" in done.stderr
        assert not [line for line in done.stderr.splitlines() if line.endswith((" torch", " transformers"))]


def test_dashes_are_as_good_as_underscores(tmp_path: Path) -> None:
    path = recipe(tmp_path, "Trainer:\n  learning-rate: 1e-4\n")
    given = read_recipe(path, ["--weight-decay", "0.1", "--unfreeze-stages", "3", "4", "--fp16"])
    assert given["Trainer"] == {"learning_rate": "1e-4", "weight_decay": "0.1", "fp16": "true"}
    assert given["Model"] == {"unfreeze_stages": ["3", "4"]}


@pytest.mark.parametrize("text", ["  seed: 1\n  seed: 2\n", "  data-seed: 1\n  data_seed: 2\n"])
def test_a_key_that_stands_there_twice_is_refused(tmp_path: Path, text: str) -> None:
    assert "stands there twice" in refused(recipe(tmp_path, f"Trainer:\n{text}"))


def test_a_heading_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    assert "'Data' stands there twice" in refused(recipe(tmp_path, "Data: {}\nData: {}\n"))


def test_an_alias_bomb_is_refused_before_it_is_built(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    assert "line 1: anchors" in refused(recipe(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize("letter", ["[", "{a: ", "- "])
def test_a_deep_recipe_is_refused_before_it_is_built(tmp_path: Path, letter: str) -> None:
    assert "levels deep" in refused(recipe(tmp_path, letter * 50_000))


def test_many_unknown_keys_are_counted_and_some_are_shown(tmp_path: Path) -> None:
    text = refused(recipe(tmp_path, "Model:\n" + "".join(f"  unfreeze_stage{k}: 1\n" for k in range(20_000))))
    assert "20000 problems" in text
    assert "and 19950 more" in text


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a file" in refused(tmp_path / "pipe")
    assert "not a file" in refused(Path("/dev/zero"))
    assert "directory" in refused(tmp_path)
    with (tmp_path / "long.yaml").open("wb") as file:
        file.truncate(5_000_000_000)
    assert "5000.0 MB are no recipe" in refused(tmp_path / "long.yaml")


def test_what_a_terminal_would_obey_is_shown_as_an_escape(tmp_path: Path) -> None:
    text = refused(recipe(tmp_path, '"Mo\\e[2Jdel": {}\nTrainer:\n  "se\\ned\\e[31m": 1\n'))
    assert "\x1b" not in text
    assert "se\\ned\\x1b[31m" in text
    with pytest.raises(UsageError) as caught:
        read_overrides(["\x1b[31mfast"])
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("text", ["? [a]\n: b\n", "Model: {1: 2, null: 3}", "\x00", "Model: !!python/object:os.x {}"])
def test_yaml_that_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    assert "r.yaml" in refused(recipe(tmp_path, text))


def test_values_are_written_as_they_are_typed() -> None:
    assert [written(v) for v in (True, [3, 4], [], None, 1e-4, "x")] == ["true", "3 4", "none", "none", "0.0001", "x"]
