"""A finished model is opened in one place: every damage is refused by the same sentence, whichever verb meets it."""

import builtins
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made_up_runs import make_run
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, SwinForImageClassification

from spatial_swin.cli import main
from spatial_swin.data.pictures import build_processor
from spatial_swin.errors import RunError
from spatial_swin.evaluation.domain import DOMAIN
from spatial_swin.finished import open_finished
from spatial_swin.reporting.evidence import gather
from spatial_swin.runs import RunFolder

TRUNK = "swin.encoder.layers.0.blocks.0.layernorm_before.weight"
WEIGHTS, CONFIG, PROCESSOR, TEMPERATURE = (
    "model.safetensors",
    "config.json",
    "preprocessor_config.json",
    "temperature.json",
)


@pytest.fixture
def run(tmp_path: Path, tiny_swin: Path) -> RunFolder:
    """A made-up finished run over small pictures, with a tiny random Swin as its model."""
    made = make_run(tmp_path / "run", items=16, pictures=True)
    names = dict(enumerate(made.read_predictions("test").class_names))
    config = AutoConfig.from_pretrained(tiny_swin, id2label=names, label2id={name: k for k, name in names.items()})
    torch.manual_seed(0)
    SwinForImageClassification(config).save_pretrained(made.model)
    build_processor(32).save_pretrained(made.model)
    return made


def change_tensors(model: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(model / WEIGHTS)
    change(tensors)
    save_file(tensors, model / WEIGHTS, metadata={"format": "pt"})


def change_json(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def lose_a_tensor(model: Path) -> None:
    change_tensors(model, lambda tensors: tensors.pop(TRUNK))


def cut_a_tensor(model: Path) -> None:
    change_tensors(model, lambda tensors: tensors.update({TRUNK: tensors[TRUNK][:-1].clone()}))


def spoil_a_number(model: Path) -> None:
    change_tensors(model, lambda tensors: tensors[TRUNK].__setitem__(0, float("nan")))


def cut_the_file(model: Path) -> None:
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-1000])


def lose_the_weights(model: Path) -> None:
    (model / WEIGHTS).unlink()


def break_off_a_download(model: Path) -> None:
    part = model / ".cache" / "huggingface" / "download" / "abc.incomplete"
    part.parent.mkdir(parents=True)
    (model / WEIGHTS).rename(part)


def be_another_model(model: Path) -> None:
    change_json(model / CONFIG, model_type="vit")


def leave_a_gap_in_the_labels(model: Path) -> None:
    change_json(model / CONFIG, id2label={"0": "100", "1": "200", "3": "510", "4": "514"})


def lose_the_head(model: Path) -> None:
    change_tensors(model, lambda tensors: tensors.pop("classifier.weight"))


def name_another_processor(model: Path) -> None:
    change_json(model / PROCESSOR, image_processor_type="OwnProcessor", auto_map={"AutoImageProcessor": "own.Own"})
    (model / "own.py").write_text("raise SystemExit('the folder ran its own code')")


def damage_the_temperature(model: Path) -> None:
    (model / TEMPERATURE).write_text('{"temperature": Infinity}')


OF_THE_WEIGHTS = {
    lose_a_tensor: f"{re.escape(TRUNK)} is missing",
    cut_a_tensor: rf"{re.escape(TRUNK)} is \[7\], not \[8\]",
    spoil_a_number: f"{re.escape(TRUNK)} is not finite",
    cut_the_file: "the weights cannot be loaded",
    lose_the_weights: "model.safetensors",
    break_off_a_download: "abc.incomplete is a download that was cut off",
    be_another_model: "'?vit'?, not",
    leave_a_gap_in_the_labels: "id2label numbers its 4 classes 0, 1, 3, 4",
}
OF_A_FINISHED_MODEL = {
    **OF_THE_WEIGHTS,
    lose_the_head: "classifier.weight is missing",
    name_another_processor: "the image_processor_type is 'OwnProcessor'",
}
VERBS = ("predict", "evaluate", "explain", "export", "push", "app")


def call(verb: str, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> int:
    """The verb on the run, as far as it gets; whatever would ask a question fails."""
    picture = next((run.path.parent / f"{run.path.name}_data").rglob("*.png"))
    options = {"predict": [str(picture)], "push": ["--hub_model_id", "me/model", "--dry_run"]}
    if verb == "app" and importlib.util.find_spec("gradio") is None:
        pytest.skip("the extra [app] is not installed")
    if verb == "export":
        monkeypatch.setattr("spatial_swin.commands.export.NEEDED", ())

    def no_question(*words: object) -> str:
        raise AssertionError(f"asked {words}")

    monkeypatch.setattr(builtins, "input", no_question)
    return main([verb, str(run.path), *options.get(verb, [])])


@pytest.mark.parametrize("damage", OF_A_FINISHED_MODEL, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("verb", VERBS)
def test_a_damaged_model_is_refused_by_name(
    verb: str,
    damage: Callable[[Path], None],
    run: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(run.model)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert call(verb, run, monkeypatch) == 1
    message = capsys.readouterr().err
    assert re.search(OF_A_FINISHED_MODEL[damage], message), message
    assert str(run.model) in message
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("damage", OF_THE_WEIGHTS, ids=lambda damage: damage.__name__)
def test_training_refuses_damaged_weights_to_begin_with(
    damage: Callable[[Path], None],
    run: RunFolder,
    write_recipe: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(run.model)
    assert main(["train", "--config", str(write_recipe(model_name_or_path=str(run.model)))]) == 1
    message = capsys.readouterr().err
    assert re.search(OF_THE_WEIGHTS[damage], message), message


def test_training_may_begin_without_a_head(
    run: RunFolder, write_recipe: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    lose_the_head(run.model)
    changes = {"num_train_epochs": 1, "head_only_epochs": 0, "warmup_epochs": 0}
    recipe = write_recipe(model_name_or_path=str(run.model), **changes)
    assert main(["train", "--config", str(recipe)]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("value", ["Infinity", "NaN", "0.049", "20.1", "-1", '"warm"', "null"])
@pytest.mark.parametrize("verb", ["predict", "explain", "export", "app"])
def test_a_temperature_that_cannot_be_is_refused(
    verb: str, value: str, run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.model / TEMPERATURE).write_text(f'{{"temperature": {value}}}')
    assert call(verb, run, monkeypatch) == 1
    message = capsys.readouterr().err
    assert TEMPERATURE in message
    assert "run `spatial-swin evaluate` on the run again" in message


def test_evaluate_fits_a_damaged_temperature_anew(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damage_the_temperature(run.model)
    assert call("evaluate", run, monkeypatch) == 0, capsys.readouterr().err
    assert open_finished(run.path).temperature == run.read_metrics()["temperature"]


def test_sets_that_are_damaged_or_of_another_temperature_are_refused(run: RunFolder) -> None:
    (run.model / TEMPERATURE).write_text('{"temperature": 1.5}')
    sets = run.model / "sets.json"
    sets.write_text('{"coverage": 0.9, "least": 0.3, "temperature": 1.5}')
    assert open_finished(run.path).sets.least == 0.3
    sets.write_text('{"coverage": 0.9, "least": 0.3, "temperature": 1.7}')
    with pytest.raises(
        RunError, match=r"sets\.json: fitted at the temperature 1.7, but in temperature\.json it is 1.5"
    ):
        open_finished(run.path)
    for content in (
        '{"coverage": 0.9, "temperature": 1.5}',
        '{"coverage": 0.9, "least": NaN, "temperature": 1.5}',
        "[",
    ):
        sets.write_text(content)
        with pytest.raises(
            RunError, match=r"sets\.json: not readable .*; run `spatial-swin evaluate` on the run again"
        ):
            open_finished(run.path)
    assert open_finished(run.path, refit=True).sets is None


@pytest.mark.parametrize("file", [CONFIG, PROCESSOR, TEMPERATURE, DOMAIN])
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b'{"half": '], ids=["empty", "list", "bytes", "half"])
def test_a_file_that_is_no_object_is_named(run: RunFolder, file: str, content: bytes) -> None:
    (run.model / file).write_bytes(content)
    with pytest.raises(RunError, match=re.escape(str(run.model / file))):
        open_finished(run.path)


def test_what_a_model_learnt_from_goes_with_its_folder(run: RunFolder, tmp_path: Path) -> None:
    """An older run tells it by its split; the folder alone by the file that training leaves there, or not at all."""
    older = open_finished(run.path).domain
    assert older is not None
    assert (older.pictures, older.listeners, older.size) == (48, 2, 32)
    assert open_finished(run.model).domain is None
    (run.model / DOMAIN).write_text(json.dumps(older.as_json() | {"programmes": 7}))
    assert open_finished(run.path).domain == open_finished(run.model).domain
    (run.model / DOMAIN).write_text(json.dumps(older.as_json() | {"programmes": "seven"}))
    with pytest.raises(RunError, match=r"domain.json: programmes is 'seven', not a number; copy the model's folder"):
        open_finished(run.path)
    (run.model / DOMAIN).unlink()
    run.split_file.write_text("cut")
    assert open_finished(run.path).domain is None


def test_a_report_names_what_is_damaged_and_goes_on(run: RunFolder) -> None:
    leave_a_gap_in_the_labels(run.model)
    evidence = gather(run.path, resamples=10)
    assert [problem for problem in evidence.problems if OF_THE_WEIGHTS[leave_a_gap_in_the_labels] in problem]
    assert evidence.metrics


def test_opening_is_light(run: RunFolder) -> None:
    """Reports open a finished model on machines without torch."""
    program = (
        "import sys; from spatial_swin.finished import open_finished; "
        f"print(open_finished({str(run.path)!r}).class_names); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['100', '200', '510', '514']"


def test_a_run_and_its_model_folder_are_the_same(run: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(run.model, tmp_path / "downloaded")
    of_run, downloaded = open_finished(run.path), open_finished(tmp_path / "downloaded")
    assert of_run.folder == run.model
    assert (of_run.class_names, of_run.image_size, of_run.mean) == (["100", "200", "510", "514"], 32, downloaded.mean)
    first, second = (finished.load("cpu").state_dict() for finished in (of_run, downloaded))
    assert all(torch.equal(first[name], second[name]) for name in first)
