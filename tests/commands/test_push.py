"""`spatial-swin push`, and a training that pushes at its end: to a Hub on 127.0.0.1, read back by pipeline."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hub_server
import huggingface_hub.constants
import numpy as np
import pytest

from spatial_swin.cli import main
from spatial_swin.config import load_recipe
from spatial_swin.errors import RecipeError, RunError
from spatial_swin.evaluation.calibration import apply_temperature
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import RunFolder

Write = Callable[..., Path]
SHORT = {"num_train_epochs": 2, "head_only_epochs": 1}

READ_BACK = """
import json, re, sys
from huggingface_hub import hf_hub_download
from transformers import pipeline

classify = pipeline("image-classification", model="me/tiny")
answers = {path: {a["label"]: a["score"] for a in classify(path, top_k=None)} for path in sys.argv[1:]}
print("ANSWERS " + json.dumps(answers))
card = open(hf_hub_download("me/tiny", "README.md")).read()
for block in re.findall("```python\\n(.*?)```", card, re.S):
    exec(block.replace("picture.png", sys.argv[1]).replace("print(", "print('CARD', "))
"""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    server = hub_server.Hub()
    for name, value in (
        ("ENDPOINT", server.endpoint),
        ("HF_HUB_OFFLINE", False),
        ("HF_HUB_DISABLE_XET", True),
        ("HF_TOKEN_PATH", str(tmp_path / "no_token")),
    ):
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
    yield server
    server.close()


def environment_for(hub: Any, tmp_path: Path) -> dict[str, str]:
    """What a person has set who uses this Hub; nothing of the hub library's is patched."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    return {**kept, "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}


@pytest.mark.slow
def test_a_pushed_training_gives_our_probabilities_after_download(
    write_recipe: Write, hub: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], pictures: Path
) -> None:
    """Pushed once, at the end, by us; read back in another process as a stranger would, with the card's own lines."""
    recipe = write_recipe("tiny", push_to_hub=True, hub_model_id="me/tiny", hub_private_repo=True, **SHORT)
    assert main(["train", "--config", str(recipe)]) == 0
    assert f"pushed to {hub.endpoint}/me/tiny" in capsys.readouterr().out
    stored = hub.repositories["me/tiny"]
    assert stored.private
    assert len(stored.commits) == 1, "the Trainer would have pushed at every save"
    assert sorted(stored.branches["main"]) == [
        "README.md",
        "config.json",
        "confusion_matrix.png",
        "domain.json",
        "model.safetensors",
        "preprocessor_config.json",
        "sets.json",
        "temperature.json",
    ]
    assert hub.requests.index("create") < hub.requests.index("commit")
    run = RunFolder(load_recipe(recipe).output_dir)
    assert run.has_baseline(), "fitted at the end of the training, so that the first report is quick"
    test = run.read_predictions("test")
    paths = [str(pictures / path) for path in test.paths]
    done = subprocess.run(
        [sys.executable, "-c", READ_BACK, *paths],
        env=environment_for(hub, tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    answers = json.loads(next(line for line in lines if line.startswith("ANSWERS")).removeprefix("ANSWERS "))
    read = np.array([[answers[path][name] for name in test.class_names] for path in paths])
    np.testing.assert_allclose(read, test.probabilities, atol=1e-5)
    plain, calibrated = (eval(line.removeprefix("CARD ")) for line in lines if line.startswith("CARD"))
    assert plain[0]["label"] == test.class_names[test.predicted[0]]
    temperature = json.loads(stored.branches["main"]["temperature.json"])["temperature"]
    expected = apply_temperature(test.probabilities[:1], temperature)[0]
    np.testing.assert_allclose([calibrated[name] for name in test.class_names], expected, atol=1e-5)


def test_a_training_whose_hub_is_dead_exits_0_and_prints_the_line_that_pushes_later(
    write_recipe: Write, hub: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.close()
    recipe = write_recipe("tiny", push_to_hub=True, hub_model_id="me/tiny", hub_private_repo=True, **SHORT)
    assert main(["train", "--config", str(recipe)]) == 0
    shown = capsys.readouterr().out
    run = RunFolder(load_recipe(recipe).output_dir)
    assert run.state() == "finished"
    assert "NOT PUSHED" in shown
    assert "cannot be reached" in shown
    line = shown.strip().splitlines()[-1].strip()
    assert line == f"spatial-swin push {run.path} --hub_model_id me/tiny --private true"
    revived = hub_server.Hub()
    huggingface_hub.constants.ENDPOINT = revived.endpoint  # the fixture puts it back
    assert main([*shlex.split(line)[1:], "--resamples", "50"]) == 0
    assert "model.safetensors" in revived.repositories["me/tiny"].branches["main"]
    revived.close()


def test_trouble_with_the_token_is_foreseen_before_the_training(
    write_recipe: Write, hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    recipe = write_recipe("tiny", push_to_hub=True, hub_model_id="me/tiny", **SHORT)
    assert main(["train", "--config", str(recipe)]) == 0
    shown = capsys.readouterr().out
    assert shown.index("WARNING: the push at the end of this training will fail") < shown.index(
        "pictures of 4 classes"
    )
    assert "NOT PUSHED: there is no Hugging Face token here" in shown
    assert hub.requests == []


def test_a_training_that_stops_pushes_nothing(
    write_recipe: Write, hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RunError("the disk is full")

    monkeypatch.setattr(TwoPhaseTrainer, "predict", broken)
    recipe = write_recipe("tiny", push_to_hub=True, hub_model_id="me/tiny", **SHORT)
    assert main(["train", "--config", str(recipe)]) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert hub.requests == []


def test_a_recipe_that_cannot_push_is_refused_before_the_training(write_recipe: Write) -> None:
    with pytest.raises(RecipeError, match="hub_model_id is missing"):
        load_recipe(write_recipe("one", push_to_hub=True))
    with pytest.raises(RecipeError, match="hub_token: is a secret") as refused:
        load_recipe(write_recipe("two", hub_token=hub_server.TOKEN))
    assert hub_server.TOKEN not in str(refused.value)
    assert main(["train", "--config", str(write_recipe("three", push_to_hub=True, hub_model_id="a/b/c"))]) == 2


@pytest.fixture
def finished(write_recipe: Write) -> RunFolder:
    from spatial_swin.training import fine_tune

    return fine_tune(load_recipe(write_recipe("tiny", num_train_epochs=1, head_only_epochs=0, warmup_epochs=0)))


def test_the_command_pushes_lists_and_refuses(
    finished: RunFolder, hub: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    push = ["push", str(finished.path), "--hub_model_id", "me/tiny", "--resamples", "50"]
    before = {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()}
    assert main([*push, "--dry_run", "true"]) == 0
    assert "nothing was sent" in capsys.readouterr().out
    assert hub.requests == []
    assert main([*push, "--license", "cc-by-4.0"]) == 0
    shown = capsys.readouterr().out
    assert f"pushed to {hub.endpoint}/me/tiny" in shown
    assert "README.md" in shown
    assert b"license: cc-by-4.0" in hub.repositories["me/tiny"].branches["main"]["README.md"]
    assert {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()} == before
    monkeypatch.setenv("HF_TOKEN", "hf_" + "wrongWrongWrongWrongWrong")
    assert main(push) == 1
    said = capsys.readouterr()
    assert said.err.startswith("spatial-swin push: the Hub refuses the token in HF_TOKEN")
    assert len(said.err.splitlines()) == 1
    assert "wrongWrong" not in said.out + said.err
    assert main(["push", str(finished.path)]) == 2
    assert "--hub_model_id your-name/your-model" in capsys.readouterr().err
    finished.write_progress({"state": "stopped", "epoch": 1, "epochs": 4})
    assert main(push) == 1
    assert "the training is stopped; only a finished run is pushed" in capsys.readouterr().err
