"""`train --seeds`: a run a seed on one split, resumable and open for more seeds; what contradicts it is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from spatial_swin import training
from spatial_swin.cli import INTERRUPTED, main
from spatial_swin.runs import RunFolder

Write = Callable[..., Path]


@pytest.fixture
def command(tmp_path: Path, write_recipe: Write) -> list[str]:
    recipe = write_recipe(num_train_epochs=2, head_only_epochs=1, split_by="recording")
    return ["train", "--config", str(recipe), "--output_dir", str(tmp_path / "several"), "--seeds"]


def test_seeds_are_runs_on_one_split_resumed_where_they_stopped_and_pooled(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fine_tune = training.fine_tune
    trained: list[str] = []

    def breaks_at_second(recipe: object, samples: object) -> object:
        trained.append(recipe.output_dir.name)  # type: ignore[attr-defined]
        if len(trained) == 2:
            raise KeyboardInterrupt
        return fine_tune(recipe, samples)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "fine_tune", breaks_at_second)
    assert main([*command, "1", "2"]) == INTERRUPTED
    assert main([*command, "1", "2"]) == 0
    assert trained == ["seed_1", "seed_2", "seed_2"]
    one, two = (RunFolder(tmp_path / "several" / f"seed_{seed}") for seed in (1, 2))
    assert one.read_split() == two.read_split()
    recipes = [run.read_recipe() for run in (one, two)]
    assert [int(recipe["Trainer"]["seed"]) for recipe in recipes] == [1, 2]
    assert [int(recipe["Data"]["split_seed"]) for recipe in recipes] == [7, 7], "the recipe's own seed made the split"
    assert (one.model / "model.safetensors").read_bytes() != (two.model / "model.safetensors").read_bytes()
    assert (two.model / "README.md").is_file()
    out = capsys.readouterr().out
    assert "1 of 2 seeds are finished and are not trained again" in out
    assert "2 seeds (1, 2), test part" in out
    assert (tmp_path / "several" / "thesis_results" / "report.html").is_file()
    assert main([*command, "1", "3"]) == 0
    assert "3 seeds (1, 2, 3), test part" in capsys.readouterr().out
    assert trained[3:] == ["seed_3"]
    assert main([*command, "1", "--learning_rate", "0.5"]) == 1
    assert "was begun with another plan" in capsys.readouterr().err


def test_a_folder_that_is_a_run_is_refused(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    RunFolder(tmp_path / "several").write_recipe({"Model": {}, "Data": {}, "Trainer": {}})
    assert main([*command, "1", "2"]) == 1
    assert "this is a run of one seed; choose another --output_dir for several" in capsys.readouterr().err
    assert not list((tmp_path / "several").glob("seed_*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1", "2", "--seed", "3"], "--seed and --seeds contradict each other"),
        (["1", "2", "1"], "--seeds: 1 is there twice"),
        (["1", "--push_to_hub", "true", "--hub_model_id", "me/it"], "several seeds are several models"),
    ],
)
def test_what_cannot_go_with_seeds_is_a_usage_error(
    command: list[str], capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main([*command, *words]) == 2
    assert said in capsys.readouterr().err


def test_jobs_without_seeds_is_a_usage_error(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command[:-1], "--jobs", "2"]) == 2
    assert "give them with --seeds" in capsys.readouterr().err


@pytest.mark.slow
def test_seeds_side_by_side_equal_seeds_one_by_one(tmp_path: Path, command: list[str]) -> None:
    assert main([*command, "1", "2"]) == 0
    both = [word.replace("several", "both") for word in command]
    assert main([*both, "1", "2", "--jobs", "2"]) == 0
    for name in ("thesis_results/seeds.csv", "seed_1/predictions/test.csv", "seed_2/predictions/test.csv"):
        assert (tmp_path / "both" / name).read_bytes() == (tmp_path / "several" / name).read_bytes()
