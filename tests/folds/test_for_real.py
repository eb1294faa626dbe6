"""Cross-validation and the matrix with real trainings of a tiny Swin: in this process, and side by side."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatial_swin import training
from spatial_swin.cli import INTERRUPTED, main
from spatial_swin.config import load_recipe
from spatial_swin.folds.data import load_undivided
from spatial_swin.folds.generalise import scheme_runs
from spatial_swin.runs import RunFolder

Write = Callable[..., Path]
LABORATORY = {"D1": "MIT", "D2": "parametric"}


def results(output: Path) -> dict[str, bytes]:
    """What must not depend on an interruption: the table without seconds, the summary, the predictions."""
    found = {str(p.relative_to(output)): p.read_bytes() for p in sorted(output.rglob("predictions/*.csv"))}
    summary = json.loads((output / "summary.json").read_text())
    summary.pop("seconds")
    with open(output / "crossval.csv", newline="") as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return {**found, "summary": json.dumps(summary).encode(), "table": json.dumps(rows).encode()}


def test_crossval_interrupted_in_a_fold_and_resumed_equals_uninterrupted(
    tmp_path: Path, write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = str(write_recipe(num_train_epochs=2, head_only_epochs=1))
    command = ["crossval", "--config", recipe, "--folds", "2", "--group", "recording"]
    assert main([*command, "--output_dir", str(tmp_path / "whole")]) == 0

    step, seen = training.TwoPhaseTrainer.training_step, []

    def breaks(*arguments: object, **named: object) -> object:
        seen.append(1)
        if len(seen) == 7:  # four steps a fold, two an epoch: the second epoch of the second fold
            raise KeyboardInterrupt
        return step(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(training.TwoPhaseTrainer, "training_step", breaks)
    assert main([*command, "--output_dir", str(tmp_path / "broken")]) == INTERRUPTED
    monkeypatch.undo()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    states = {k: RunFolder(tmp_path / "broken" / f"fold_{k}").state() for k in (1, 2)}
    assert states == {1: "finished", 2: "stopped"}
    assert main([*command, "--output_dir", str(tmp_path / "broken")]) == 0
    assert results(tmp_path / "broken") == results(tmp_path / "whole")
    fold = RunFolder(tmp_path / "broken" / "fold_1").require()
    assert {sample.split for sample in fold.read_split()} == {"train", "validation", "test"}
    assert (fold.model / "model.safetensors").is_file()


@pytest.mark.slow
def test_folds_side_by_side_equal_folds_one_by_one(tmp_path: Path, write_recipe: Write) -> None:
    recipe = str(write_recipe(num_train_epochs=2, head_only_epochs=1))
    command = ["crossval", "--config", recipe, "--folds", "2", "--group", "recording"]
    assert main([*command, "--output_dir", str(tmp_path / "one")]) == 0
    assert main([*command, "--output_dir", str(tmp_path / "both"), "--jobs", "2"]) == 0
    assert (tmp_path / "both" / "logs" / "fold_2.log").is_file()
    assert results(tmp_path / "one") == results(tmp_path / "both")


@pytest.fixture
def paired(pictures: Path) -> Path:
    """The tiny pictures with programmes and listeners in a manifest, every programme in every class."""
    rows = ["path,label,programme,listener,recording,laboratory"]
    for path in sorted(pictures.rglob("*.png")):
        number = int(path.stem[5:7])
        for head, listener in enumerate(("D1", "D2")):
            target = path.with_name(f"{path.stem}_{listener}.png")
            shutil.copy(path, target)
            noise = np.random.default_rng([number, head]).integers(0, 20, (32, 32))
            Image.fromarray((np.asarray(Image.open(path)) + noise).clip(0, 255).astype(np.uint8)).save(target)
            name = target.relative_to(pictures).as_posix()
            rows.append(
                f"{name},{path.parent.name},p{number},{listener},{path.parent.name}/{number}_{listener},{LABORATORY[listener]}"
            )
        path.unlink()
    (pictures / "manifest.csv").write_text("\n".join(rows) + "\n")
    return pictures


@pytest.mark.slow
def test_the_matrix_of_a_tiny_swin_stands_beside_gradient_boosting(
    tmp_path: Path, paired: Path, write_recipe: Write
) -> None:
    recipe = str(write_recipe(num_train_epochs=2, head_only_epochs=1))
    output = tmp_path / "matrix"
    command = ["generalise", "--config", recipe, "--factors", "listener", "content", "--folds", "2"]
    assert main([*command, "--output_dir", str(output)]) == 0
    with open(output / "generalisation.csv", newline="") as file:
        rows = [(row["scheme"], row["model"], row["folds"]) for row in csv.DictReader(file)]
    schemes = ["random chunk", "leave-recording", "leave-listener", "leave-programme", "leave-both"]
    models = ("Swin", "gradient boosting")
    assert rows == [(scheme, model, "2") for model in models for scheme in schemes]
    assert RunFolder(output / "leave_both" / "fold_2").state() == "finished"


def test_laboratories_are_left_out_one_after_the_other(tmp_path: Path, paired: Path, write_recipe: Write) -> None:
    samples, _ = load_undivided(load_recipe(write_recipe()), ["laboratory"])
    runs, impossible = scheme_runs(samples, ["laboratory"], tmp_path, folds=3, seed=0, share=0.2)
    assert not impossible
    left_out = []
    for fold in runs["leave-laboratory"]:
        tested = {s.factors["laboratory"] for s in fold.samples if s.split == "test"}
        assert not tested & {s.factors["laboratory"] for s in fold.samples if s.split != "test"}
        left_out += tested
    assert sorted(left_out) == ["MIT", "parametric"]


def test_a_laboratory_that_is_not_known_of_every_picture_cannot_be_left_out(
    tmp_path: Path, paired: Path, write_recipe: Write, capsys: pytest.CaptureFixture
) -> None:
    manifest = paired / "manifest.csv"
    rows = manifest.read_text().splitlines()
    manifest.write_text("\n".join([*rows[:-1], rows[-1].rpartition(",")[0] + ","]) + "\n")
    command = [
        "generalise",
        "--config",
        str(write_recipe()),
        "--factors",
        "laboratory",
        "--output_dir",
        str(tmp_path / "m"),
    ]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert (
        f"factor laboratory: is not known of 1 of {len(rows) - 1} pictures, the first is {rows[-1].split(',')[0]}"
        in said
    )
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--group", "listner"], "there is no factor 'listner'"),
        (["--folds", "9", "--group", "recording"], "cannot be divided as asked"),
        (["--lerning_rate", "1"], "did you mean `learning_rate`"),
    ],
)
def test_what_is_given_wrong_is_told_before_anything_is_trained(
    tmp_path: Path, write_recipe: Write, capsys: pytest.CaptureFixture, options: list[str], said: str
) -> None:
    recipe = str(write_recipe())
    assert main(["crossval", "--config", recipe, "--output_dir", str(tmp_path / "out"), *options]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_launcher_of_several_processes_is_refused(
    tmp_path: Path, write_recipe: Write, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "2")
    assert main(["crossval", "--config", str(write_recipe())]) == 2
    assert "--jobs" in capsys.readouterr().err
