"""A model that is not within reach is said in one sentence, at once; one that is here is found without network."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from spatial_swin import hub
from spatial_swin.errors import HubError, RecipeError
from spatial_swin.hub import fetch_model, require_within_reach
from spatial_swin.shipped import ASSETS

NAME = "microsoft/swin-base-patch4-window12-384"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.chdir(tmp_path)


def test_training_swin_b_offline_is_one_sentence_before_torch_is_imported(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "spatial_swin", "train", "--config", "spatial_audio"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert len(said) == 1
    assert said[0].startswith(f"spatial-swin train: model_name_or_path: {NAME} could not be loaded (HF_HUB_OFFLINE is")
    assert "pass `--model_name_or_path swin`" in said[0]
    assert not [line for line in done.stderr.splitlines() if line.endswith((" torch", " transformers"))]
    assert not (tmp_path / "runs").exists()


def test_a_hub_that_cannot_be_reached_and_one_that_is_silent_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(hub, "PATIENCE", 0.2)
        with pytest.raises(RecipeError, match=f"{NAME} could not be loaded .http://127"):
            require_within_reach(NAME)
    monkeypatch.setattr(hub, "PATIENCE", 30.0)
    with pytest.raises(RecipeError, match="cannot be reached"):  # nobody listens there any more
        require_within_reach(NAME)


@pytest.mark.parametrize("name", ["swin-nano-192", "swin-nano-192/config.json", "no/such/config.json", "a b", ""])
def test_what_the_hub_has_no_say_in_is_let_through(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    require_within_reach(name)


def test_a_model_that_was_fetched_before_is_within_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    config = tmp_path / "cache" / f"models--{NAME.replace('/', '--')}" / "snapshots" / "0" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text("{}")
    require_within_reach(NAME)


def test_a_folder_and_the_model_that_ships_are_fetched_as_they_are(tmp_path: Path) -> None:
    assert fetch_model(tmp_path) == tmp_path
    assert fetch_model("swin-nano-192") == ASSETS / "swin-nano-192"


def test_what_cannot_be_fetched_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="me/spatial: no such folder here, and the model cannot be fetched"):
        fetch_model("me/spatial")
    with pytest.raises(HubError, match="/no/folder: no such folder; give a run folder"):
        fetch_model("/no/folder")
