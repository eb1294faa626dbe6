"""A sweep around a made-up training, and one with real ones: its order, going on, what it leaves, the closed test."""

import contextlib
import csv
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

pytest.importorskip("optuna", reason="the extra [sweep] is not installed")

from spatial_swin.cli import main
from spatial_swin.commands import sweep as command
from spatial_swin.config import Recipe, load_recipe
from spatial_swin.errors import RecipeError, RunError, Stopped, UntrainableError
from spatial_swin.runs import RunFolder, read_samples
from spatial_swin.sweep import results
from spatial_swin.sweep import search as searching
from spatial_swin.sweep.search import search
from spatial_swin.sweep.trial import Figure, Outcome, Tell
from spatial_swin.training import fine_tune

Write = Callable[..., Path]
SPACE = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "per_device_train_batch_size": {"low": 2, "high": 8, "step": 2},
    "unfreeze_stages": [[4], [3, 4]],
}


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(SPACE))
    return path


def figures(recipe: Recipe) -> list[float]:
    """Of four epochs: better with a rate near 1e-3, best in the third."""
    base = 0.9 - abs(recipe.trainer.learning_rate - 1e-3) * 50 - 0.01 * len(recipe.model.unfreeze_stages)
    return [base - 0.2, base - 0.1, base, base - 0.05]


class MadeUp:
    """Stands in for `train_trial`; breaks with `error` in the trial and at the epoch given."""

    def __init__(self, error: BaseException | None = None, trial: int = 0, epoch: int = 1) -> None:
        self.error, self.trial, self.epoch = error, trial, epoch
        self.trained: list[str] = []

    def __call__(self, recipe: Recipe, samples: Any, figure: Figure, tell: Tell) -> Outcome:
        assert {sample.split for sample in samples} == {"train", "validation"}
        self.trained.append(recipe.output_dir.name)
        seen: list[float] = []
        for epoch, value in enumerate(figures(recipe), start=1):
            if self.error and recipe.output_dir.name == f"trial_{self.trial:03d}" and epoch == self.epoch:
                raise self.error
            seen.append(value)
            if tell(epoch, value):
                break
        return Outcome(max(seen), seen.index(max(seen)) + 1, len(seen))


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "sweep.csv", newline="") as file:
        return list(csv.DictReader(file))


def sweep(write_recipe: Write, space: Path, output: Path, made_up: MadeUp, trials: int = 8, **changes: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "train_trial", made_up)
        patch.setattr(results.style, "save", lambda figure, stem: [])
        search(str(write_recipe(**changes)), [], space, trials, output, prune=True)


def test_the_best_trial_becomes_a_recipe_to_train_with(
    write_recipe: Write, space: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(write_recipe, space, tmp_path / "out", MadeUp())
    rows = table(tmp_path / "out")
    assert [row["trial"] for row in rows] == list(map(str, range(8)))
    assert {row["best_epoch"] for row in rows if row["state"] == "completed"} == {"3"}
    best = max((row for row in rows if row["state"] == "completed"), key=lambda row: float(row["validation_figure"]))
    recipe = load_recipe(tmp_path / "out" / "best.yaml")
    assert recipe.trainer.learning_rate == float(best["learning_rate"])
    assert recipe.trainer.per_device_train_batch_size == int(best["per_device_train_batch_size"])
    assert recipe.output_dir == Path("runs/best")
    assert recipe.trainer.num_train_epochs == 4
    assert max(figures(recipe)) == float(best["validation_figure"])
    shown = capsys.readouterr().out
    assert f"trial {best['trial']:>3}  {float(best['validation_figure']):.4f} at epoch   3" in shown
    assert "WARNING: The best of 8 on the part that chose it is optimistic" in shown


def test_a_trial_that_falls_behind_is_given_up_after_its_warm_up(
    write_recipe: Write, space: Path, tmp_path: Path
) -> None:
    sweep(write_recipe, space, tmp_path / "out", MadeUp(), trials=9)
    rows = table(tmp_path / "out")
    assert {row["state"] for row in rows[:5]} == {"completed"}
    given_up = [row for row in rows if row["state"] == "given up"]
    assert given_up
    assert {row["epochs"] for row in given_up} == {"3"}  # two head-only epochs, a warm-up of one


def test_a_sweep_that_was_interrupted_goes_on_as_if_it_had_not_been(
    write_recipe: Write, space: Path, tmp_path: Path
) -> None:
    """Interrupted in its last trial, whose values are no longer drawn at random."""
    sweep(write_recipe, space, tmp_path / "whole", MadeUp(), trials=12)
    for error in (KeyboardInterrupt(), Stopped("by SIGTERM"), RunError("the disk is full")):
        with pytest.raises(type(error)):
            sweep(write_recipe, space, tmp_path / "broken", MadeUp(error, trial=11, epoch=2), trials=12)
    again = MadeUp()
    sweep(write_recipe, space, tmp_path / "broken", again, trials=12)
    assert again.trained == ["trial_011"]
    assert table(tmp_path / "broken") == table(tmp_path / "whole")


def test_more_trials_can_be_added_and_none_is_done_again(write_recipe: Write, space: Path, tmp_path: Path) -> None:
    sweep(write_recipe, space, tmp_path / "out", MadeUp(), trials=2)
    more, none = MadeUp(), MadeUp()
    sweep(write_recipe, space, tmp_path / "out", more, trials=3)
    sweep(write_recipe, space, tmp_path / "out", none, trials=2)
    assert (more.trained, none.trained) == (["trial_002"], [])


def test_another_recipe_or_space_is_refused_by_what_differs(write_recipe: Write, space: Path, tmp_path: Path) -> None:
    sweep(write_recipe, space, tmp_path / "out", MadeUp(), trials=1)
    space.write_text(yaml.safe_dump({**SPACE, "unfreeze_stages": [[4], [2, 3, 4]]}))
    with pytest.raises(RunError) as caught:
        sweep(write_recipe, space, tmp_path / "out", MadeUp(), trials=2, weight_decay=0.3)
    text = str(caught.value)
    assert "2 problems" in text
    assert "recipe, weight_decay: was 0.05, is 0.3 now" in text
    assert "space, unfreeze_stages: was [[4], [3, 4]], is [[4], [2, 3, 4]] now" in text


def test_a_trial_that_cannot_be_trained_is_noted_and_three_at_first_end_it(
    write_recipe: Write, space: Path, tmp_path: Path
) -> None:
    sweep(write_recipe, space, tmp_path / "out", MadeUp(UntrainableError("loss became nan"), trial=1), trials=3)
    rows = table(tmp_path / "out")
    assert [row["state"] for row in rows] == ["completed", "failed", "completed"]
    assert (rows[1]["why"], rows[1]["validation_figure"]) == ("loss became nan", "")

    def fails(*_: object) -> Outcome:
        raise UntrainableError("loss became nan")

    with pytest.raises(RunError, match="the first 3 trials failed, so it is not their values alone; loss became nan"):
        sweep(write_recipe, space, tmp_path / "other", fails, trials=9)  # type: ignore[arg-type]


def test_folders_with_odd_names_and_damaged_studies(write_recipe: Write, space: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a b?c#d{e}%41 é"
    sweep(write_recipe, space, odd, MadeUp(), trials=1)
    with contextlib.closing(sqlite3.connect(odd / "sweep.sqlite")) as study:
        assert study.execute("select count(*) from trials").fetchone() == (1,)
    (odd / "sweep.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match=r"sweep\.sqlite: cannot be read .*put back a copy"):
        sweep(write_recipe, space, odd, MadeUp(), trials=2)
    (odd / "sweep.sqlite").unlink()
    (odd / "trial_000").mkdir()
    with pytest.raises(RunError, match=r"has trials and no sweep\.sqlite"):
        sweep(write_recipe, space, odd, MadeUp(), trials=2)


def test_by_loss_the_least_is_the_best(write_recipe: Write, space: Path, tmp_path: Path) -> None:
    by_loss = {"metric_for_best_model": "loss", "greater_is_better": False}
    sweep(write_recipe, space, tmp_path / "out", MadeUp(), trials=4, **by_loss)
    recipe = load_recipe(tmp_path / "out" / "best.yaml")
    assert max(figures(recipe)) == min(float(row["validation_figure"]) for row in table(tmp_path / "out"))


def test_a_real_sweep_keeps_the_test_part_closed_and_its_best_recipe_repeats_its_figure(
    write_recipe: Write, space: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    trained = searching.train_trial

    def train(*given: Any) -> Outcome:  # once the split is made, the test part could as well be gone
        for sample in read_samples(output / "splits" / "sweep.csv"):
            if sample.split == "test":
                (pictures / sample.path).write_bytes(b"closed")
        return trained(*given)

    kept = {path: path.read_bytes() for path in pictures.rglob("*.png")}
    short = ["--num_train_epochs", "2", "--head_only_epochs", "1"]
    monkeypatch.setattr(searching, "train_trial", train)
    search(str(write_recipe()), short, space, 1, output, prune=True)
    trial = RunFolder(output / "trial_000")
    assert trial.state() == "finished"
    assert not trial.predictions_file("test").exists()
    assert trial.predictions_file("validation").is_file()
    assert "test" not in trial.read_metrics()
    assert trial.read_metrics()["test_openings"] == []
    assert {sample.split for sample in trial.read_split()} == {"train", "validation"}
    for path, content in kept.items():
        path.write_bytes(content)
    run = fine_tune(load_recipe(output / "best.yaml", ["--output_dir", str(tmp_path / "best")]))
    ours, theirs = run.read_predictions("validation"), trial.read_predictions("validation")
    assert ours.paths == theirs.paths
    assert (ours.probabilities == theirs.probabilities).all()
    assert "test" in run.read_metrics()
    (row,) = table(output)
    assert float(row["validation_figure"]) == (theirs.predicted == theirs.labels).mean()
    low, high = Image.open(output / "sweep.png").convert("L").getextrema()
    assert low < 50 < 250 < high  # something is drawn


def test_the_command_says_what_is_missing_and_what_is_wrong(
    write_recipe: Write,
    space: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = str(write_recipe())
    space.write_text("learning_rat: [1, 2]\n")
    assert main(["sweep", recipe, str(space), "--trials", "1"]) == 1
    assert "key `learning_rat` is unknown; did you mean `learning_rate`" in capsys.readouterr().err
    assert main(["sweep", recipe, "no.yaml"]) == 1
    assert "no.yaml: cannot be read" in capsys.readouterr().err
    space.write_text("weight_decay: [0.1, 0.2]\n")
    assert main(["sweep", recipe, str(space), "--overwrite", "true"]) == 2
    assert "choose another --output_dir to begin anew" in capsys.readouterr().err
    assert main(["sweep", recipe, str(space), "--output_dir", "data/sweep"]) == 1
    assert "lies in the data folder" in capsys.readouterr().err
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert main(["sweep", recipe, str(space)]) == 1
    assert "optuna, which is not installed: pip install 'spatial-swin[sweep]'" in capsys.readouterr().err
    assert not list(tmp_path.rglob("plan.json"))


def test_a_run_of_one_recipe_is_not_a_sweep(write_recipe: Write, space: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "recipe.yaml").write_text("Model: {}\n")
    with pytest.raises(RunError, match="this is the run of one recipe"):
        sweep(write_recipe, space, tmp_path / "out", MadeUp())
    with pytest.raises(RecipeError):
        search("no/such.yaml", [], space, 1, tmp_path / "other", prune=True)
