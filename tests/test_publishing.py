"""Pushing over HTTP to a Hub on 127.0.0.1: what goes up, what never does, and what happens when the Hub says no."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hub_server
import huggingface_hub.constants
import numpy as np
import pytest
import torch
from huggingface_hub import HfApi, ModelCard, snapshot_download
from made_up_runs import make_run
from PIL import Image
from transformers import AutoConfig, SwinForImageClassification, pipeline

from spatial_swin import publishing
from spatial_swin.audio.tiles import tile_map
from spatial_swin.data.pictures import build_processor
from spatial_swin.errors import HubError, RunError, UsageError
from spatial_swin.prediction.predictor import load_predictor
from spatial_swin.publishing import Destination, collect, describe, push
from spatial_swin.runs import RunFolder

HERE = Path(__file__).parent
NAMES = [
    "model.safetensors",
    "config.json",
    "preprocessor_config.json",
    "domain.json",
    "temperature.json",
    "sets.json",
    "confusion_matrix.png",
    "README.md",
]
TO = Destination("me/spatial")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The server, with the hub library pointed at it and the right token in the environment."""
    server = hub_server.Hub()
    point_at(monkeypatch, server.endpoint, tmp_path)
    yield server
    server.close()


def point_at(monkeypatch: pytest.MonkeyPatch, endpoint: str, tmp_path: Path) -> None:
    settings = {
        "ENDPOINT": endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_TOKEN_PATH": str(tmp_path / "no_token"),
    }
    for name, value in settings.items():
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


@pytest.fixture
def run(tmp_path: Path, tiny_swin: Path) -> RunFolder:
    """A made-up finished run whose model is a tiny Swin with random weights."""
    made = make_run(tmp_path / "run", items=24)
    names = made.read_predictions("test").class_names
    config = AutoConfig.from_pretrained(
        tiny_swin, num_labels=4, id2label=dict(enumerate(names)), label2id={name: k for k, name in enumerate(names)}
    )
    torch.manual_seed(0)
    SwinForImageClassification(config).save_pretrained(made.model)
    build_processor(32).save_pretrained(made.model)
    return made


def gathered(run: RunFolder, model_id: str = TO.model_id) -> list[Any]:
    return collect(run, model_id, resamples=50)


def test_what_is_pushed_comes_back_byte_for_byte(run: RunFolder, hub: Any, tmp_path: Path) -> None:
    uploads = gathered(run)
    assert [upload.name for upload in uploads] == NAMES
    assert push(TO, uploads) == f"{hub.endpoint}/me/spatial"
    folder = Path(snapshot_download("me/spatial", cache_dir=tmp_path / "cache", endpoint=hub.endpoint))
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert (folder / "model.safetensors").read_bytes() == (run.model / "model.safetensors").read_bytes()
    assert json.loads((folder / "temperature.json").read_text())["fitted_on"] == "validation"
    assert (folder / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    model = SwinForImageClassification.from_pretrained(folder).eval()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8))
    answers = pipeline("image-classification", model=str(folder))(picture, top_k=None)
    with torch.no_grad():
        expected = model(**build_processor(32)(picture.convert("RGB"), return_tensors="pt")).logits.softmax(dim=1)[0]
    read = {answer["label"]: answer["score"] for answer in answers}
    np.testing.assert_allclose([read[name] for name in ("100", "200", "510", "514")], expected, atol=1e-6)
    assert model.config.id2label == {0: "100", 1: "200", 2: "510", 3: "514"}
    heard = load_predictor(folder, "cpu")
    assert heard.temperature == json.loads((folder / "temperature.json").read_text())["temperature"]
    assert hub.repositories["me/spatial"].commits == ["Model, card and figure of a Spatial Swin run"]


def test_nothing_that_is_not_on_the_list_goes_up(run: RunFolder, hub: Any) -> None:
    """Planted beside the model and in the run: what transformers, a careless person or another tool leaves there."""
    for name in ("training_args.bin", "token", ".env", "optimizer.pt", "pytorch_model.bin", "model.safetensors.bak"):
        (run.model / name).write_text(hub_server.TOKEN)
        (run.path / name).write_text(hub_server.TOKEN)
    checkpoint = run.checkpoints / "checkpoint-7"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(b"a checkpoint")
    (run.model / "checkpoint-7").mkdir()
    (run.model / "checkpoint-7" / "model.safetensors").write_bytes(b"a checkpoint")
    (run.model / "picture.png").write_bytes(b"a picture of the data set")
    tile_map("4x4", 32, 48_000, 3.0).write(run.model / "tiles.json")
    push(TO, gathered(run))
    assert sorted(hub.repositories["me/spatial"].branches["main"]) == sorted([*NAMES, "tiles.json"])
    everything = b"".join([*hub.repositories["me/spatial"].branches["main"].values(), *hub.objects.values()])
    for planted in (hub_server.TOKEN.encode(), b"a checkpoint", b"a picture"):
        assert planted not in everything


def test_card_names_nobody_and_no_file_of_the_data_set(run: RunFolder) -> None:
    """User, host, folders, and recordings: also not as the example of a group that leaks."""
    from dataclasses import replace

    samples = run.read_split()
    leak = samples[0].group
    run.write_split([replace(s, group=leak) if s.split == "test" else s for s in samples])
    run.write_environment({**run.read_environment(), "host": "annas-workstation", "command": "train --data_dir /x"})
    run.write_progress({"state": "finished", "host": "annas-workstation", "pid": 1, "epoch": 6, "epochs": 6})
    card = next(upload.content for upload in gathered(run) if upload.name == "README.md")
    assert isinstance(card, bytes)
    text = card.decode()
    assert "groups are in more than one part" in text, "the warning itself stays"
    assert "The model learnt from " in text
    text += next(upload.content for upload in gathered(run) if upload.name == "domain.json").decode()
    assert '"listeners": 2' in text
    for listener in {sample.factors["listener"] for sample in run.read_split()}:
        assert f'"{listener}"' not in text
    for private in (leak, "annas-workstation", "run_data", str(run.path.parent), "binaural_audio_", "recipe.yaml"):
        assert private not in text, private


def test_hub_reads_figures_with_intervals_from_the_card(run: RunFolder) -> None:
    card = next(upload.content for upload in gathered(run, "me/layouts") if upload.name == "README.md")
    assert isinstance(card, bytes)
    read = ModelCard(card.decode())
    assert read.data.model_name == "layouts"
    test = run.read_predictions("test")
    accuracy = next(result for result in read.data.eval_results if result.metric_name == "accuracy")
    assert accuracy.metric_value == pytest.approx((test.predicted == test.labels).mean(), abs=1e-4)
    low, high = accuracy.metric_args["confidence_interval"]
    assert low <= accuracy.metric_value <= high
    assert low < high
    assert (accuracy.task_type, accuracy.dataset_split) == ("image-classification", "test")
    assert "(confusion_matrix.png)" in read.text
    assert 'model="me/layouts"' in read.text


@pytest.mark.parametrize("endpoint", ["create", "preupload", "batch", "object", "yaml", "commit"])
def test_a_hub_that_answers_500_twice_then_200_gets_it_all(
    run: RunFolder, hub: Any, waits: list[float], endpoint: str
) -> None:
    hub.failures[endpoint] = [500, 500]
    push(TO, gathered(run))
    assert sorted(hub.repositories["me/spatial"].branches["main"]) == sorted(NAMES)
    assert len(hub.repositories["me/spatial"].commits) == 1
    backoff = [wait for wait in waits if wait >= 1]
    assert backoff == [1, 2] or (endpoint == "object" and backoff == [1, 1]), "two files fail once each, side by side"


def test_a_proxy_that_answers_in_html_is_waited_out(run: RunFolder, hub: Any, waits: list[float]) -> None:
    hub.html = True
    hub.failures["yaml"], hub.failures["commit"] = [502], [504]
    push(TO, gathered(run))
    assert len(hub.repositories["me/spatial"].commits) == 1
    assert len([wait for wait in waits if wait >= 1]) == 2


def test_a_hub_that_is_down_is_given_up_in_the_end(run: RunFolder, hub: Any, waits: list[float]) -> None:
    hub.failures["create"] = [503] * 100
    with pytest.raises(HubError, match=r"answered 503.*also after 5 more tries; try again later"):
        push(TO, gathered(run))
    assert hub.requests == ["create"] * 6
    assert waits == [1, 2, 4, 8, 8]


def test_a_wrong_token_fails_at_once_and_says_so(
    run: RunFolder, hub: Any, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "wrongWrongWrongWrongWrong")
    with pytest.raises(HubError, match="the Hub refuses the token in HF_TOKEN") as refused:
        push(TO, gathered(run))
    assert waits == []
    assert hub.requests.count("create") == 1
    assert "wrongWrong" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_token_is_said_before_any_request(run: RunFolder, hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="no Hugging Face token here; set HF_TOKEN, or log in"):
        push(TO, gathered(run))
    assert hub.requests == []


def test_another_ones_name_is_refused(run: RunFolder, hub: Any, waits: list[float]) -> None:
    with pytest.raises(HubError, match="the token may not write to you/spatial"):
        push(Destination("you/spatial"), gathered(run))
    assert waits == []


def test_no_network_is_one_sentence_at_once(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, waits: list[float], tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    point_at(monkeypatch, endpoint, tmp_path)
    with pytest.raises(HubError, match=rf"{endpoint} cannot be reached .*Connection refused.* is there a network\?"):
        push(TO, gathered(run))
    assert waits == []
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match=r"HF_HUB_OFFLINE .* is set, so nothing is sent"):
        push(TO, gathered(run))


def test_a_hub_that_never_answers_is_not_waited_for_for_ever(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        point_at(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path)
        monkeypatch.setattr(publishing, "TIMEOUT", (0.2, 0.2, 0.2, 0.2))
        with pytest.raises(HubError, match=r"cannot be reached \(ReadTimeout"):
            push(TO, gathered(run))


def test_pushing_again_sends_only_what_changed(run: RunFolder, hub: Any) -> None:
    push(TO, gathered(run))
    before = len(hub.requests)
    push(TO, gathered(run))
    assert len(hub.repositories["me/spatial"].commits) == 1
    assert "object" not in hub.requests[before:]


def test_branch_is_made_and_main_stays_empty(run: RunFolder, hub: Any) -> None:
    to = Destination("me/spatial", private=True, revision="second try")
    assert push(to, gathered(run)).endswith("/tree/second try")
    assert hub.repositories["me/spatial"].private
    assert hub.repositories["me/spatial"].branches["main"] == {}
    assert sorted(hub.repositories["me/spatial"].branches["second try"]) == sorted(NAMES)


def test_private_is_not_promised_of_a_public_repository(run: RunFolder, hub: Any) -> None:
    HfApi().create_repo("me/spatial", private=False)
    with pytest.raises(HubError, match="there already and is public"):
        push(Destination("me/spatial", private=True), gathered(run))
    assert hub.repositories["me/spatial"].branches["main"] == {}


@pytest.mark.parametrize("state", ["running", "stopped", "failed", None])
def test_an_unfinished_run_is_refused(run: RunFolder, state: str | None) -> None:
    if state is None:
        run.progress_file.unlink()
    else:
        run.write_progress({"state": state, "epoch": 1, "epochs": 4})
    with pytest.raises(RunError, match=r"only a finished run is pushed"):
        gathered(run)


def test_a_model_that_nobody_could_load_is_refused(run: RunFolder) -> None:
    (run.model / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"the weights cannot be loaded .*model\.safetensors"):
        gathered(run)
    (run.model / "preprocessor_config.json").unlink()
    with pytest.raises(RunError, match=r"preprocessor_config\.json: there is no such file"):
        gathered(run)


@pytest.mark.parametrize("kind", ["token", "another token", "home", "another home", "data", "run"])
def test_a_file_that_names_this_machine_or_holds_a_secret_is_refused(
    run: RunFolder, hub: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("HOME", "/lab/anna")
    private = {
        "token": hub_server.TOKEN,
        "another token": "0123456789abcdef0123456789abcdef",
        "home": "/lab/anna/weights",
        "another home": "/home/bert/weights",
        "data": run.read_recipe()["Data"]["data_dir"] + "/100/a.png",
        "run": str(run.path.resolve() / "model"),
    }[kind]
    config = json.loads((run.model / "config.json").read_text())
    (run.model / "config.json").write_text(json.dumps({**config, "note": private}))
    with pytest.raises(
        RunError, match=r"config\.json: (holds an access token|names a folder of the machine)"
    ) as refused:
        gathered(run)
    if "token" in kind:
        assert private not in str(refused.value)


def test_home_of_another_person_in_the_name_of_a_folder_is_no_alarm(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home folder that begins another name, or ends one, is not named by it."""
    monkeypatch.setenv("HOME", "/mosaic")
    assert [upload.name for upload in gathered(run)] == NAMES


def test_destination_falls_back_on_the_recipe_and_its_line_says_everything(run: RunFolder) -> None:
    with pytest.raises(UsageError, match="where to"):
        Destination.of(run)
    recipe = run.read_recipe()
    recipe["Trainer"] |= {"hub_model_id": "me/x", "hub_private_repo": "True", "hub_revision": "v 1"}
    run.write_recipe(recipe)
    found = Destination.of(run)
    assert found == Destination("me/x", True, "v 1")
    assert found.command(run) == f"spatial-swin push {run.path} --hub_model_id me/x --private true --revision 'v 1'"
    assert Destination.of(run, "me/y", private=False).private is False
    with pytest.raises(UsageError, match="your-name/your-model"):
        Destination.of(run, "a/b/c")


@pytest.mark.parametrize("error", [HubError("the Hub said no"), OSError("disk full"), ValueError("a bug of ours")])
def test_no_trouble_with_a_push_looks_like_a_failed_training(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    recipe = run.read_recipe()
    recipe["Trainer"]["hub_model_id"] = "me/x"
    run.write_recipe(recipe)
    monkeypatch.setattr(publishing, "collect", broken)
    publishing.push_after_training(run)
    shown = capsys.readouterr().out
    assert f"NOT PUSHED: {error}" in shown
    assert shown.endswith(f"spatial-swin push {run.path} --hub_model_id me/x\n")


def test_sizes_are_listed_with_their_sum(run: RunFolder) -> None:
    lines = describe(gathered(run)).splitlines()
    assert [line.split()[0] for line in lines] == [*NAMES, "together"]
