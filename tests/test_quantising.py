"""int8: scales from one half of the validation groups, compared on the other, refused without pictures, in words."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from pictures_and_swins import CLASSES, TINY_SWIN
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.cli import main
from spatial_swin.commands import export as command
from spatial_swin.data.pictures import build_processor
from spatial_swin.errors import DataError
from spatial_swin.exporting import INPUT, OUTPUT, Export, ExportError, Parity, Speed
from spatial_swin.files import sha256_of
from spatial_swin.prediction.predictor import Predictor, load_predictor
from spatial_swin.quantising import pictures_for, quantise
from spatial_swin.runs import RunFolder, Sample

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in command.NEEDED),
    reason="the extra [export] is not installed",
)


@pytest.fixture
def run(tmp_path: Path, pictures: Path) -> RunFolder:
    """A run with a model; every second recording is validation, the others train."""
    folder = RunFolder(tmp_path / "run")
    labels = dict(enumerate(CLASSES))
    config = SwinConfig(**TINY_SWIN, id2label=labels, label2id={name: number for number, name in labels.items()})
    SwinForImageClassification(config).save_pretrained(folder.model)
    build_processor(32).save_pretrained(folder.model)
    (folder.model / "temperature.json").write_text('{"temperature": 0.5}')
    samples = []
    for path in sorted(pictures.rglob("*.png")):
        group = path.name.partition("_")[0]
        part = "validation" if int(group[-1]) % 2 else "train"
        name = path.relative_to(pictures).as_posix()
        samples.append(Sample(name, path.parent.name, group, part, sha256_of(path)))
    folder.write_split(samples)
    return folder


@pytest.fixture
def exported(run: RunFolder) -> Export:
    """A graph that is linear in the picture, with the predictor of the run."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(0, 0.02, (3 * 32 * 32, len(CLASSES))).astype(np.float32)
    nodes = [
        helper.make_node("Reshape", [INPUT, "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 3, 32, 32])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", len(CLASSES)])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([-1, 3072]), "shape")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    speed = Speed(1, 1, np.ones(2), np.ones(2))
    return Export(model, Parity(0.0, True, 1, "made up"), speed, load_predictor(run.path, "cpu"))


def test_scales_come_from_one_half_of_the_validation_groups_and_the_other_is_compared(
    run: RunFolder, pictures: Path
) -> None:
    found = pictures_for(run, pictures)
    part_of = {pictures / sample.path: (sample.split, sample.group) for sample in run.read_split()}
    assert {part_of[path][0] for path in [*found.scales, *found.compared]} == {"validation"}
    groups = [{part_of[path][1] for path in paths} for paths in (found.scales, found.compared)]
    assert len(groups[0]) == len(groups[1]) == 4
    assert not groups[0] & groups[1]
    assert found.labels == [path.parent.name for path in found.compared]


def test_the_agreement_is_the_one_that_onnx_runtime_gives(
    run: RunFolder, pictures: Path, exported: Export, tmp_path: Path
) -> None:
    small = quantise(exported, pictures_for(run, pictures), batch_size=1, repeats=3, threads=1)
    agreement = small.agreement
    assert small.method == "static: scales of the activations from 8 validation pictures"
    assert (agreement.pictures, agreement.calibrated) == (8, True)
    assert 0 < agreement.median_difference <= agreement.largest_difference < 0.2
    assert len(small.content) < len(exported.model.SerializeToString()) / 3
    file = tmp_path / "int8.onnx"
    small.write(file)
    about = json.loads(file.with_suffix(".json").read_text())
    assert about["parity"]["same_verdicts"] == agreement.same_verdicts
    assert about["labels"] == list(CLASSES)
    assert b"DequantizeLinear" in file.read_bytes()
    said = " ".join(str(small).split())
    assert f"{agreement.same_verdicts} of 8 verdicts the same on validation pictures of 4 groups" in said
    assert f"calibrated probabilities differ by at most {agreement.largest_difference:.4f}" in said
    assert "median of 3 pairs" in said


def test_without_a_validation_part_it_is_dynamic_and_says_so(pictures: Path, exported: Export, tmp_path: Path) -> None:
    found = pictures_for(RunFolder(tmp_path / "a_model"), pictures)
    assert (found.scales, found.labels, len(found.compared)) == ([], None, 40)
    small = quantise(exported, found, batch_size=2, repeats=3, threads=1)
    assert small.method.startswith("dynamic: no validation part is known")
    assert "pictures of the data, which the model may have learnt from" in str(small)
    assert b"DynamicQuantizeLinear" in small.content


def test_without_pictures_it_is_refused_and_changed_ones_are_named(
    run: RunFolder, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        ExportError, match="must be compared on pictures, and none are known: give them with --data_dir"
    ):
        pictures_for(run, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExportError, match="holds none"):
        pictures_for(RunFolder(tmp_path / "a_model"), tmp_path / "empty")
    changed = next(sample for sample in run.read_split() if sample.split == "validation")
    (pictures / changed.path).write_bytes(b"other")
    with pytest.raises(DataError, match=f"{changed.path}: is not the picture"):
        pictures_for(run, pictures)


def test_the_command_writes_the_int8_model_alone(
    run: RunFolder,
    pictures: Path,
    exported: Export,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def made(predictor: Predictor, *_: object) -> Export:
        return Export(exported.model, exported.parity, exported.speed, predictor)

    monkeypatch.setattr("spatial_swin.exporting.export", made)
    assert main(["export", str(run.path), "--int8", "--data_dir", str(pictures), "--repeats", "2"]) == 0
    assert sorted(path.name for path in (run.path / "export").iterdir()) == ["model_int8.json", "model_int8.onnx"]
    assert "model_int8.onnx and model_int8.json" in capsys.readouterr().out
    assert main(["export", str(run.path), "--int8"]) == 1
    assert "give them with --data_dir" in capsys.readouterr().err


def test_what_cannot_be_made_is_one_sentence(run: RunFolder, pictures: Path, exported: Export) -> None:
    exported.model.graph.node[0].op_type = "NoSuchOperator"
    assert isinstance(exported.predictor, Predictor)
    with pytest.raises(ExportError, match="the int8 model cannot be made"):
        quantise(exported, pictures_for(run, pictures), batch_size=1, repeats=2, threads=1)
