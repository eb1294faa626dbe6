"""`spatial-swin export`: ONNX that says the same in any batch, what it needs told beside it, clear refusals."""

import errno
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from certain_models import small_config
from transformers import SwinForImageClassification

from spatial_swin import exporting
from spatial_swin.cli import main
from spatial_swin.commands import export
from spatial_swin.data.pictures import build_processor, normalise
from spatial_swin.prediction.predictor import load_predictor
from spatial_swin.shipped import ASSETS

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in export.NEEDED), reason="the extra [export] is not installed"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    torch.manual_seed(0)
    SwinForImageClassification(small_config(("100", "200", "514"))).save_pretrained(folder)
    build_processor(32).save_pretrained(folder)
    (folder / "temperature.json").write_text('{"temperature": 0.7}')
    return folder


def logits_of(file: Path, folder: Path, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """What ONNX Runtime and PyTorch say of the same noise, [B, K] each."""
    predictor = load_predictor(folder, "cpu")
    values = normalise(exporting.random_pictures(batch, predictor.image_size), predictor.mean, predictor.std)
    session = exporting.session_of(file.read_bytes(), 1)
    with torch.no_grad():
        return session.run(None, {exporting.INPUT: values.numpy()})[0], predictor.model(values).logits.numpy()


@needs_onnx
@pytest.mark.slow
def test_the_file_says_the_same_in_batches_it_was_not_made_with(model, pictures, capsys):
    assert main(["export", str(model), "--onnx", "--data_dir", str(pictures), "--repeats", "3"]) == 0
    shown = capsys.readouterr().out
    assert "every verdict the same" in shown
    for batch in (1, 3, 8):
        theirs, ours = logits_of(model / "export" / "model.onnx", model, batch)
        assert theirs.shape == (batch, 3)
        assert np.abs(theirs - ours).max() < 1e-5
    about = json.loads((model / "export" / "model.json").read_text())
    assert about["labels"] == ["100", "200", "514"]
    assert about["temperature"] == 0.7
    assert about["input"]["shape"] == ["batch", 3, 32, 32]
    assert about["input"]["mean"] == [0.485, 0.456, 0.406]
    assert about["parity"]["largest_logit_difference"] < 1e-5
    assert about["parity"]["of"] == "pictures of the data"
    assert about["opset"] >= 18
    content = (model / "export" / "model.onnx").read_bytes()
    for path in (Path(exporting.__file__).parent, Path(torch.__file__).parents[1], Path.home(), model):
        assert str(path).encode() not in content
    assert b".py" not in content


@needs_onnx
@pytest.mark.slow
def test_the_shipped_model_is_exported_too(tmp_path):
    file = tmp_path / "nano.onnx"
    assert main(["export", str(ASSETS / "swin-nano-192"), "--onnx", str(file), "--repeats", "3"]) == 0
    for batch in (1, 4):
        theirs, ours = logits_of(file, ASSETS / "swin-nano-192", batch)
        assert np.abs(theirs - ours).max() < 1e-4


class Nothing:
    """An exported model without content."""

    def SerializeToString(self) -> bytes:  # as onnx calls it
        return b""


class Other:
    """A session that says something else by `by`."""

    def __init__(self, predictor: object, by: float) -> None:
        self.predictor, self.by = predictor, by

    def run(self, outputs: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        with torch.no_grad():
            return [self.predictor.model(torch.from_numpy(feed[exporting.INPUT])).logits.numpy() + self.by]


def test_a_model_that_says_something_else_is_refused_and_nothing_is_written(model, monkeypatch, capsys):
    monkeypatch.setattr(export, "NEEDED", ())
    monkeypatch.setattr(exporting, "to_onnx", lambda predictor: Nothing())
    monkeypatch.setattr(exporting, "session_of", lambda *_: Other(load_predictor(model, "cpu"), 0.01))
    assert main(["export", str(model), "--onnx"]) == 1
    said = capsys.readouterr().err
    assert "largest difference of logits 1.00e-02" in said
    assert "nothing was written" in said
    assert not (model / "export").exists()


def test_notes_of_the_exporter_are_left_out_wherever_they_are():
    onnx = pytest.importorskip("onnx")
    inner = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["a"], ["b"], doc_string="/home/me/a.py")], "g", [], []
    )
    outer = onnx.helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner)
    model = onnx.helper.make_model(onnx.helper.make_graph([outer], "main", [], []))
    for part in (model, model.graph, model.graph.node[0], model.graph.node[0].attribute[0].g.node[0]):
        part.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="File '/home/me/b.py', line 1")
    content = exporting.without_traces(model).SerializeToString()
    assert b"/home/me" not in content
    assert b"Identity" in content


def test_a_full_disk_is_one_sentence_and_leaves_the_older_file(model, monkeypatch, capsys):
    (model / "export").mkdir()
    (model / "export" / "model.onnx").write_bytes(b"older")
    monkeypatch.setattr(export, "NEEDED", ())
    monkeypatch.setattr(exporting, "to_onnx", lambda predictor: Nothing())
    monkeypatch.setattr(exporting, "session_of", lambda *_: Other(load_predictor(model, "cpu"), 0.0))

    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["export", str(model), "--repeats", "1"]) == 1
    assert "model.onnx: cannot be written (No space left on device); free some space" in capsys.readouterr().err
    assert [(path.name, path.read_bytes()) for path in (model / "export").iterdir()] == [("model.onnx", b"older")]


def test_a_difference_that_is_no_number_is_refused(model, monkeypatch, capsys):
    monkeypatch.setattr(export, "NEEDED", ())
    monkeypatch.setattr(exporting, "to_onnx", lambda predictor: Nothing())
    monkeypatch.setattr(exporting, "session_of", lambda *_: Other(load_predictor(model, "cpu"), float("nan")))
    assert main(["export", str(model), "--onnx"]) == 1
    assert not (model / "export").exists()


def test_what_is_missing_is_said_before_anything_is_loaded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "NEEDED", ("onnx_of_nobody", "onnxruntime_of_nobody"))
    assert main(["export", str(tmp_path), "--onnx"]) == 1
    said = capsys.readouterr().err
    assert "onnx_of_nobody, onnxruntime_of_nobody, which are not installed: pip install 'spatial-swin[export]'" in said


def test_a_name_that_does_not_end_in_onnx_is_refused(model, monkeypatch, capsys):
    monkeypatch.setattr(export, "NEEDED", ())
    assert main(["export", str(model), "--onnx", "model.bin"]) == 2
    assert "must end in .onnx" in capsys.readouterr().err
