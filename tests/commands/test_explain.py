"""`spatial-swin explain` on a run with a tiny random Swin: with a tile map, without one, and with something wrong."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import SwinConfig, SwinForImageClassification

from spatial_swin.audio.tiles import TileMap
from spatial_swin.cli import main
from spatial_swin.data.pictures import build_processor, normalise, read_pixels
from spatial_swin.runs import Predictions, RunFolder, Sample

CLASSES = ["100", "200", "510", "514"]
SPLITS = ["train", "train", "validation", "test", "test"]


@pytest.fixture
def run(tmp_path: Path, pictures: Path, tiny_swin: Path) -> RunFolder:
    """A finished run over the folder `pictures`: the last two recordings are the test part, the model is random."""
    torch.manual_seed(0)
    config = SwinConfig.from_dict(json.loads(tiny_swin.read_text()))
    config.id2label = dict(enumerate(CLASSES))
    model = SwinForImageClassification(config).eval()
    folder = RunFolder(tmp_path / "runs" / "first")
    processor = build_processor(32)
    model.save_pretrained(folder.model)
    processor.save_pretrained(folder.model)
    samples = []
    for file in sorted(pictures.rglob("*.png")):
        take = file.stem.split("_")[0]
        samples.append(
            Sample(
                file.relative_to(pictures).as_posix(),
                file.parent.name,
                take,
                SPLITS[int(take[-2:])],
                sha256(file.read_bytes()).hexdigest(),
            )
        )
    test = [s for s in samples if s.split == "test"]
    with torch.no_grad():
        pixels = torch.stack([read_pixels(pictures / s.path, 32) for s in test])
        logits = model(normalise(pixels, processor.image_mean, processor.image_std)).logits
    folder.write_recipe({"Model": {}, "Data": {"data_dir": str(pictures)}, "Trainer": {}})
    folder.write_split(samples)
    labels = np.array([CLASSES.index(s.label) for s in test])
    folder.write_predictions(
        "test",
        Predictions(
            [s.path for s in test], [s.group for s in test], CLASSES, labels, logits.double().softmax(-1).numpy()
        ),
    )
    return folder


def write_tiles(root: Path) -> None:
    """Two tiles above, one below left; the quarter below right belongs to none. Stated for pictures twice as large."""
    tile = {
        "unit": "dB",
        "low": 0,
        "high": 1,
        "vertical": "frequency",
        "horizontal": "time",
        "ear_swap": "same",
        "width": 32,
        "height": 32,
    }
    tiles = [
        {"name": name, "title": title, "row": y // 32, "column": x // 32, "x": x, "y": y, **tile}
        for name, title, x, y in (
            ("ild", "Level difference", 0, 0),
            ("msc", "Coherence", 32, 0),
            ("iacc", "IACC", 0, 32),
        )
    ]
    described = {
        "version": 1,
        "arrangement": "2x2",
        "size": [64, 64],
        "sample_rate": 48000,
        "seconds": 10.0,
        "tiles": tiles,
    }
    (root / "tiles.json").write_text(json.dumps(described))
    TileMap.read(root / "tiles.json")


def explain(run: RunFolder, *options: str) -> int:
    return main(["explain", str(run.path), *options])


def stored(run: RunFolder) -> dict:
    return json.loads((run.path / "explanations" / "explanations.json").read_text())


def test_tiles_are_named_and_hidden(run: RunFolder, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tiles(pictures)
    assert explain(run, "--samples", "3") == 0
    found = stored(run)
    assert [tile["tile"] for tile in found["tiles"]] == ["ild", "msc", "iacc", "outside"]
    assert sum(tile["relevance"] for tile in found["tiles"]) == pytest.approx(1)
    assert [tile["area"] for tile in found["tiles"]] == [0.25] * 4
    assert any(tile["likelihood_fall"] != 0 for tile in found["tiles"])
    assert found["rank_correlation"]["n"] == 4
    assert len(found["samples"]) == 3
    assert found["notes"] == []
    assert all((run.path / "explanations" / f"{stem}.png").is_file() for stem in found["figures"])
    printed = capsys.readouterr().out
    assert "Level difference" in printed
    assert str(run.path / "explanations") in printed


def test_without_a_tile_map_there_are_cells_and_a_sentence(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(run, "--samples", "1", "--occlusion", "false") == 0
    found = stored(run)
    assert len(found["tiles"]) == 16
    assert found["tiles"][0]["tile"] == "r1c1"
    assert "no tiles.json" in found["notes"][0]
    assert "grid of 4 x 4 cells" in capsys.readouterr().out
    assert found["rank_correlation"] is None


def test_a_limit_is_said_and_kept(run: RunFolder) -> None:
    assert explain(run, "--samples", "0", "--limit", "4") == 0
    found = stored(run)
    assert found["items"] == 4
    assert found["samples"] == []
    assert any("4 of 16 pictures" in note for note in found["notes"])


def test_relevance_of_a_class_differs_from_the_rollout(run: RunFolder) -> None:
    explain(run, "--samples", "0", "--occlusion", "false")
    plain = stored(run)
    explain(run, "--samples", "0", "--occlusion", "false", "--class", "predicted")
    weighted = stored(run)
    assert plain["relevance"] != weighted["relevance"]
    assert plain["tiles"] != weighted["tiles"]


def test_pictures_may_have_moved(run: RunFolder, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = pictures.rename(pictures.with_name("moved"))
    assert explain(run, "--occlusion", "false") == 1
    assert "--data_dir" in capsys.readouterr().err
    assert explain(run, "--samples", "0", "--occlusion", "false", "--data_dir", str(moved)) == 0


def test_pictures_that_changed_are_named_all_at_once(
    run: RunFolder, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = [s for s in run.read_split() if s.split == "test"]
    (pictures / test[0].path).write_bytes((pictures / test[1].path).read_bytes())
    (pictures / test[2].path).unlink()
    assert explain(run) == 1
    message = capsys.readouterr().err
    assert test[0].path in message
    assert test[2].path in message
    assert "2 problems" in message


def test_predictions_of_another_model_are_noticed(run: RunFolder) -> None:
    before = run.read_predictions("test")
    sure = np.eye(4)[(before.labels + 1) % 4]
    run.write_predictions("test", Predictions(before.paths, before.groups, CLASSES, before.labels, sure))
    assert explain(run, "--samples", "0", "--occlusion", "false") == 0
    assert any("differ from the stored predictions" in note for note in stored(run)["notes"])


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("model/config.json", "no model in this run"),
        ("predictions/test.csv", "no such file"),
        ("recipe.yaml", "not a run folder"),
        ("model/preprocessor_config.json", "there is no such file"),
        ("model/model.safetensors", "weights"),
    ],
)
def test_a_run_that_lacks_something_says_what(
    run: RunFolder, broken: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.path / broken).unlink()
    assert explain(run) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--samples", "-1"], ["--attention_share", "1.5"], ["--occlusion", "maybe"]])
def test_options_out_of_range_are_usage_errors(run: RunFolder, options: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        explain(run, *options)
    assert stop.value.code == 2
