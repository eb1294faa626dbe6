"""Recipes: every shipped one loads, the command line wins, and what is wrong is said with a way out."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from accelerate.state import AcceleratorState
from pictures_and_swins import TINY_SWIN
from transformers import SwinConfig, SwinForImageClassification, Trainer

from spatial_swin.config import describe_keys, load_recipe
from spatial_swin.errors import RecipeError, UsageError

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shipped_recipe_loads(path: Path) -> None:
    recipe = load_recipe(path, ["--report_to", "none"])
    assert recipe.name == path.stem


def test_the_experiment_of_record_is_what_was_recorded() -> None:
    recipe = load_recipe(ROOT / "recipes" / "swin-base-384" / "spatial_audio.yaml", ["--report_to", "none"])
    model, data, trainer = recipe.model, recipe.data, recipe.trainer
    assert (model.model_name_or_path, model.image_size) == ("microsoft/swin-base-patch4-window12-384", 384)
    assert (model.unfreeze_stages, model.head_only_epochs, model.drop_path_rate) == ([4], 2, 0.1)
    assert (data.train_share, data.validation_share, data.test_share) == (0.7, 0.2, 0.1)
    assert (trainer.num_train_epochs, trainer.per_device_train_batch_size, trainer.seed) == (80, 16, 42)
    assert (trainer.learning_rate, trainer.backbone_learning_rate, trainer.minimum_learning_rate) == (1e-3, 1e-4, 1e-5)
    assert (trainer.weight_decay, trainer.warmup_epochs, trainer.max_grad_norm) == (0.05, 5, 1.0)
    assert (trainer.label_smoothing_factor, trainer.early_stopping_patience) == (0.1, 15)
    assert (trainer.metric_for_best_model, trainer.load_best_model_at_end) == ("accuracy", True)
    assert trainer.optim.startswith("adamw")


def test_the_command_line_wins_and_values_get_their_types(write_recipe: Callable[..., Path]) -> None:
    recipe = load_recipe(
        write_recipe(), ["--learning_rate", "1e-4", "--unfreeze_stages", "3", "4", "--max_grad_norm=0.5"]
    )
    assert recipe.trainer.learning_rate == 1e-4
    assert recipe.model.unfreeze_stages == [3, 4]
    assert recipe.trainer.max_grad_norm == 0.5
    assert recipe.requested["Trainer"]["learning_rate"] == 1e-4


def test_the_command_line_and_the_yaml_say_the_same(write_recipe: Callable[..., Path]) -> None:
    smaller = {"seed": 42, "adam_beta2": 0.98, "dataloader_drop_last": True, "lr_scheduler_kwargs": {"num_cycles": 1}}
    words = ["--seed", "42", "--adam_beta2", "0.98", "--dataloader_drop_last", "true", "--lr_scheduler_kwargs"]
    by_yaml = load_recipe(write_recipe(**smaller))
    by_words = load_recipe(write_recipe(), [*words, '{"num_cycles": 1}'])
    assert by_words.requested == by_yaml.requested
    assert {key: by_words.requested["Trainer"][key] for key in smaller} == smaller
    as_text = {"seed": "42", "adam_beta2": "0.98", "dataloader_drop_last": "true", "an_older_key": "x"}
    older = replace(by_yaml, requested={**by_yaml.requested, "Trainer": by_yaml.requested["Trainer"] | as_text})
    assert older.computed() == by_yaml.computed() | {"an_older_key": "x"}, "recipe.yaml of an earlier version"


def test_a_yaml_number_in_exponent_form_is_a_number(write_recipe: Callable[..., Path]) -> None:
    path = write_recipe()
    path.write_text(path.read_text().replace("seed: 7", "seed: 7\n  backbone_learning_rate: 2e-5"))
    assert load_recipe(path).trainer.backbone_learning_rate == 2e-5


@pytest.mark.parametrize("stages", ["5", "-1"])
def test_a_stage_that_does_not_exist_is_refused(write_recipe: Callable[..., Path], stages: str) -> None:
    with pytest.raises(RecipeError, match=f"stage {stages} does not exist.*embeddings as stage 0"):
        load_recipe(write_recipe(), ["--unfreeze_stages", stages])


def test_a_renamed_key_is_refused_with_its_new_name(write_recipe: Callable[..., Path]) -> None:
    with pytest.raises(RecipeError, match="`train_from_scratch` is called `train_all_stages` now"):
        load_recipe(write_recipe(), ["--train_from_scratch", "true"])


@pytest.mark.parametrize("override", [["--unfreeze_stages", "none"], ["--unfreeze_stages"]])
def test_no_stage_at_all_can_be_asked_for(write_recipe: Callable[..., Path], override: list[str]) -> None:
    assert load_recipe(write_recipe(), override).model.unfreeze_stages == []


def test_any_training_argument_of_transformers_is_a_key(write_recipe: Callable[..., Path]) -> None:
    recipe = load_recipe(write_recipe(adam_beta2=0.98, gradient_accumulation_steps=2))
    assert (recipe.trainer.adam_beta2, recipe.trainer.gradient_accumulation_steps) == (0.98, 2)


def test_the_output_folder_defaults_to_the_recipes_name(write_recipe: Callable[..., Path]) -> None:
    path = write_recipe("named", output_dir=None)
    assert load_recipe(path).output_dir == Path("runs/named")


def test_a_misspelt_key_names_the_nearest_one(write_recipe: Callable[..., Path]) -> None:
    path = write_recipe()
    content = yaml.safe_load(path.read_text())
    content["Trainer"]["learning_rte"] = 1e-3
    content["Model"]["unfreeze_stage"] = [4]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(RecipeError, match=r"(?s)unfreeze_stages.*learning_rate|learning_rate.*unfreeze_stages"):
        load_recipe(path)


def test_a_misspelt_override_names_the_nearest_key(write_recipe: Callable[..., Path]) -> None:
    with pytest.raises(RecipeError, match="did you mean `learning_rate`"):
        load_recipe(write_recipe(), ["--learning_rat", "1"])


def test_a_key_under_the_wrong_heading_is_sent_home(write_recipe: Callable[..., Path]) -> None:
    path = write_recipe()
    content = yaml.safe_load(path.read_text())
    content["Model"]["seed"] = 1
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(RecipeError, match="move it to Trainer"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"unfreeze_stages": [5]}, "stage 5 does not exist"),
        ({"unfreeze_stages": [3]}, "frozen stage behind a learning one"),
        ({"head_only_epochs": 1.5}, "whole number of epochs"),
        ({"train_share": 0.9}, "add up to 1"),
        ({"warmup_epochs": 9}, "warm up for less"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"class_weights": ["heavy"]}, "balanced"),
        ({"factors": "(?P<x"}, "not a regular expression"),
        ({"factors": "abc"}, "no named group"),
        ({"learning_rate": 1e-6}, "minimum_learning_rate"),
    ],
)
def test_values_that_cannot_work_are_refused(
    write_recipe: Callable[..., Path], changes: dict[str, object], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(write_recipe(**changes))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("per_device_train_batch_size", 0, "from 1 to"),
        ("per_device_eval_batch_size", -8, "from 1 to"),
        ("per_device_train_batch_size", 2.5, "a whole number"),
        ("seed", -1, "from 0 to 4_294_967_295"),
        ("seed", 2**32, "from 0 to 4_294_967_295"),
        ("split_seed", 2**40, "from 0 to 4_294_967_295"),
        ("seed", True, "a whole number"),
        ("learning_rate", "nan", "from 0 to 10"),
        ("weight_decay", -0.1, "from 0 to 10"),
        ("weight_decay", "inf", "from 0 to 10"),
        ("adam_epsilon", "nan", "from 0 to 1"),
        ("sound_gain_db", "nan", "sound_gain_db"),
        ("train_share", "nan", "finite"),
        ("trunk_cache_max_gb", "inf", "above 0"),
        ("gradient_accumulation_steps", 0, "from 1 to"),
        ("dataloader_num_workers", -1, "from 0 to"),
        ("preflight_workers", 0, "from 1 to"),
        ("num_train_epochs", "inf", "above 0"),
        ("num_train_epochs", 0, "above 0"),
        ("label_smoothing_factor", 1.5, "from 0 to 1"),
        ("drop_path_rate", 1.5, "from 0 and below 1"),
        ("head_only_epochs", 4, "would never learn"),
        ("image_size", 0, "from 8 to"),
        ("report_to", "wandbb", "no tracker wandbb"),
        ("metric_for_best_model", "acuracy", "no metric acuracy"),
        ("ddp_static_graph", True, "phase 2 changes the graph"),
        ("learning_rate", [1e-3, 1e-4], "give a number"),
        ("learning_rate", {"head": 1e-3}, "give a number"),
        ("seed", [1], "give a whole number"),
        ("fp16", "maybe", "true or false"),
        ("crop_scale", ["wide", 1], "give numbers"),
        ("lr_scheduler_type", "cosinus", "linear, cosine,"),
        ("optim", "adamm", "adamw_torch"),
        ("class_weights", ["nan"], "above 0 per class"),
    ],
)
def test_a_value_outside_its_limits_is_refused_before_any_file_is_read(
    write_recipe: Callable[..., Path], key: str, value: object, said: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write_recipe(**{key: value, "data_dir": "/no/such/folder"}))
    assert f"  - {key}" in str(caught.value)
    assert said in str(caught.value)


def test_a_loss_is_not_better_when_it_is_greater(write_recipe: Callable[..., Path]) -> None:
    with pytest.raises(RecipeError, match="greater_is_better: is true, and a loss is better when it is less"):
        load_recipe(write_recipe(metric_for_best_model="loss"))


def test_both_precisions_and_what_fits_in_neither_come_at_once(write_recipe: Callable[..., Path]) -> None:
    wrong = {"fp16": True, "bf16": True, "learning_rate": [1, 2], "seed": -3, "drop_path_rate": 2}
    with pytest.raises(RecipeError, match="4 problems") as caught:
        load_recipe(write_recipe(**wrong))
    for key in ("fp16, bf16", "learning_rate", "seed", "drop_path_rate"):
        assert f"  - {key}: " in str(caught.value)


def test_the_head_alone_may_learn_to_the_end(write_recipe: Callable[..., Path]) -> None:
    assert load_recipe(write_recipe(head_only_epochs=4, unfreeze_stages=[])).model.unfreeze_stages == []


def test_a_run_folder_among_the_pictures_is_refused(write_recipe: Callable[..., Path], pictures: Path) -> None:
    for inside in (pictures, pictures / "runs" / "first", pictures / "x" / ".." / "first"):
        with pytest.raises(RecipeError, match="choose a folder outside"):
            load_recipe(write_recipe(output_dir=str(inside)))


def test_the_trainer_gets_the_precision_of_the_recipe_and_the_environment_is_left_alone(
    write_recipe: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    recipe = load_recipe(write_recipe())
    assert os.environ["ACCELERATE_MIXED_PRECISION"] == "fp16"
    assert recipe.precision == "bf16"
    AcceleratorState._reset_state(reset_partial_state=True)
    swin = SwinForImageClassification(SwinConfig.from_dict(TINY_SWIN))
    assert Trainer(swin, recipe.trainer, eval_dataset=[0]).accelerator.mixed_precision == "bf16"
    AcceleratorState._reset_state(reset_partial_state=True)


def test_all_problems_come_at_once(write_recipe: Callable[..., Path]) -> None:
    with pytest.raises(RecipeError, match=r"(?s)3 problems.*stage 7.*add up to 1.*warmup_epochs"):
        load_recipe(write_recipe(unfreeze_stages=[4, 7], train_share=0.5, warmup_epochs=4))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Model: [", "not readable as YAML"),
        ("Modell: {a: 1}", "heading 'Modell'"),
        ("- a", "headings"),
        ("Model: 3", "keys"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=said):
        load_recipe(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such recipe"):
        load_recipe(tmp_path / "nothing.yaml")


def test_a_stray_word_is_a_usage_error(write_recipe: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="--key value"):
        load_recipe(write_recipe(), ["fast"])


def test_help_documents_every_key_of_ours() -> None:
    text = describe_keys()
    for key in ("unfreeze_stages", "head_only_epochs", "split_by", "backbone_learning_rate", "class_weights"):
        assert f"--{key}" in text
    assert " [MISSING" not in text


def test_fp16_on_a_cpu_falls_back_and_says_so(
    write_recipe: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert load_recipe(write_recipe(fp16=True)).precision == "bf16"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert load_recipe(write_recipe(fp16=True)).precision == "fp32"
    assert load_recipe(write_recipe()).precision == "fp32"
