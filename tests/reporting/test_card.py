"""The model card: read back with the Hub's own reader, and nothing in it that is no one else's business."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard

from spatial_swin.audio.tiles import tile_map
from spatial_swin.data.pictures import build_processor
from spatial_swin.reporting.card import model_card
from spatial_swin.runs import RunFolder

MakeRun = Callable[..., RunFolder]


def test_hub_reads_the_metrics_back(made_run: MakeRun) -> None:
    run = made_run()
    card = ModelCard(model_card(run, "someone/spatial", resamples=100))
    test = run.read_predictions("test")
    found = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert found["accuracy"] == pytest.approx(np.mean(test.predicted == test.labels), abs=1e-4)
    assert card.data.base_model == "microsoft/swin-base-patch4-window12-384"
    assert card.data.license == "apache-2.0"
    assert card.data.pipeline_tag == "image-classification"
    assert "95 % interval" in card.text
    assert 'model="someone/spatial"' in card.text


def test_no_path_of_this_machine_is_in_the_card(made_run: MakeRun) -> None:
    run = made_run()
    recipe = run.read_recipe()
    recipe["Model"]["model_name_or_path"] = str(run.path / "weights" / "mine")
    run.write_recipe(recipe)
    run.environment_file.unlink()
    text = model_card(run, resamples=100)
    assert str(run.path.parent) not in text
    assert "base_model" not in text
    assert "license: mit" in text
    assert "binaural_audio_" not in text, "names of the data set's files stay at home"


def make_model_folder(folder: Path) -> None:
    """What lies in a model folder beside the weights, which a card never reads."""
    config = {"model_type": "swin", "image_size": 384, "id2label": {"0": "100", "1": "200"}}
    build_processor(384).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config))
    tile_map("4x4", 384, 48_000, 3.0).write(folder / "tiles.json")


def test_the_simple_model_stands_in_the_card_where_one_was_fitted(made_run: MakeRun) -> None:
    run = made_run(baseline=True)
    chapter = model_card(run, resamples=100).partition("## Beside a simple model")[2].partition("\n## ")[0]
    assert "| Accuracy |" in chapter
    assert "The Swin's accuracy minus that of the simple model is" in chapter
    run.baseline_file.unlink()
    assert "simple model" not in model_card(run, resamples=100)


def test_card_says_how_the_pictures_were_made_when_that_is_known(made_run: MakeRun) -> None:
    run = made_run()
    assert "is not known:" in model_card(run, resamples=50)
    make_model_folder(run.model)
    text = model_card(run, resamples=50)
    assert "mosaic recordings pictures --seconds 3 --sample_rate 48000 --arrangement 4x4 --size 384`" in text
    assert "is not known:" not in text
    assert (
        "hf download your-name/your-model --local-dir your-model\nspatial-swin predict your-model recording.wav"
        in text
    )
    (run.model / "tiles.json").write_text('["of another kind"]')
    assert "is not known:" in model_card(run, resamples=50)


def test_card_says_what_the_model_learnt_from(made_run: MakeRun) -> None:
    run = made_run()
    make_model_folder(run.model)
    text = model_card(run, resamples=50)
    section = text[text.index("## What the model learnt from") : text.index("## How to use it")]
    assert "heard by 2 listeners" in section
    assert "in clips of 3 s" in text[text.index("## Limits") :], "what the result holds for is said with the result"
    for listener in {sample.factors["listener"] for sample in run.read_split()}:
        assert listener not in section


def test_card_warns_of_a_leaking_split_and_of_missing_results(made_run: MakeRun) -> None:
    from dataclasses import replace

    run = made_run()
    samples = run.read_split()
    group = samples[0].group
    run.write_split([replace(s, group=group) if s.split == "test" else s for s in samples])
    assert "more than one part" in model_card(run, resamples=100)
    for part in ("validation", "test"):
        run.predictions_file(part).unlink()
    text = model_card(run, resamples=100)
    assert "model-index" not in text
    assert "no results to report" in text
