"""The space of a sweep: what it may vary, and everything that is wrong with it at once."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from spatial_swin.errors import RecipeError
from spatial_swin.recipe_keys import read_recipe
from spatial_swin.sweep import space
from spatial_swin.sweep.space import Choice, Range, read_space

Write = Callable[..., Path]


@pytest.fixture
def read(write_recipe: Write, tmp_path: Path) -> Callable[..., tuple[space.Axis, ...]]:
    def read(content: object, metric: str = "accuracy", **changes: object) -> tuple[space.Axis, ...]:
        path = tmp_path / "space.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        return read_space(path, read_recipe(write_recipe(**changes)), metric)

    return read


def test_lists_are_choices_and_mappings_are_ranges(read: Callable[..., tuple[space.Axis, ...]]) -> None:
    axes = read(
        "learning-rate: {low: 1e-4, high: 1.0e-2, log: true}\n"
        "per_device_train_batch_size: {low: 2, high: 8, step: 2}\n"
        "drop_path_rate: [0.0, 0.1]\n"
        "unfreeze_stages: [none, [4], [3, 4]]\n"
    )
    assert axes == (
        Range("learning_rate", 1e-4, 1e-2, log=True),
        Range("per_device_train_batch_size", 2, 8, step=2, whole=True),
        Choice("drop_path_rate", (0.0, 0.1)),
        Choice("unfreeze_stages", ([], [4], [3, 4])),
    )


def test_everything_that_is_wrong_with_the_keys_is_said_at_once(read: Callable[..., tuple[space.Axis, ...]]) -> None:
    with pytest.raises(RecipeError) as caught:
        read(
            {
                "Trainer": {"seed": 1},
                "learning_rat": [1, 2],
                "data_dir": ["a", "b"],
                "seed": [1, 2],
                "output_dir": ["a", "b"],
                "label_smoothing_factor": [0.0, 0.1],
                "weight_decay": [],
                "drop_path_rate": {"low": 0.3, "high": 0.1},
                "fp16": {"low": 0, "high": 1},
                "warmup_epochs": 3,
                "backbone_learning_rate": {"low": 0, "high": 1e-3, "log": True},
                "num_train_epochs": {"low": 1, "high": 4, "steps": 1},
                "max_grad_norm": {"low": "much", "high": 4},
                "adam_beta1": [0.9, 0.9],
            },
            metric="loss",
        )
    text = str(caught.value)
    assert "14 problems" in text
    for part in (
        "Trainer is a heading; write the keys without headings",
        "key `learning_rat` is unknown; did you mean `learning_rate`",
        "key `data_dir` decides which pictures are judged",
        "key `seed` is a draw, and the best of several draws is luck",
        "key `output_dir` says how a run is carried out",
        "key `label_smoothing_factor` changes what the validation loss measures",
        "weight_decay: has 0 values",
        "low 0.3 is not below high 0.1",
        "fp16: is a range, and this key takes no number",
        "warmup_epochs: is 3; give a list of values",
        "log is true and low is 0",
        "a range has no steps; use low, high, log, step",
        "low is 'much'; give a number",
        "has the value 0.9 twice",
    ):
        assert part in text, part


@pytest.mark.parametrize("content", ["", "[1, 2]", "{}"])
def test_a_space_without_keys_is_refused(read: Callable[..., tuple[space.Axis, ...]], content: str) -> None:
    with pytest.raises(RecipeError, match="a space has a recipe key and its values on each line"):
        read(content)


def test_values_that_the_recipe_refuses_are_all_named_before_the_first_trial(
    read: Callable[..., tuple[space.Axis, ...]],
) -> None:
    with pytest.raises(RecipeError) as caught:
        read({"drop_path_rate": [0.1, 1.5], "unfreeze_stages": [[4], [2, 4]], "lr_scheduler_type": ["cosine", "sine"]})
    for part in ("drop_path_rate: is 1.5", "leaves a frozen stage", "lr_scheduler_type: is sine", "3 problems"):
        assert part in str(caught.value)


def test_values_are_checked_together_and_not_only_with_the_recipes_own(
    read: Callable[..., tuple[space.Axis, ...]],
) -> None:
    read({"num_train_epochs": [3, 6], "warmup_epochs": [1, 2], "head_only_epochs": [0, 1]}, num_train_epochs=2)
    with pytest.raises(RecipeError, match=r"warmup_epochs: is 5.0 of 3.0 epochs"):
        read({"num_train_epochs": [3, 6], "warmup_epochs": {"low": 1, "high": 5, "step": 1}})


def test_a_range_that_gives_parts_of_a_whole_number_is_refused(read: Callable[..., tuple[space.Axis, ...]]) -> None:
    with pytest.raises(RecipeError, match=r"head_only_epochs: is 1\.3"):
        read({"head_only_epochs": {"low": 1, "high": 2}})
    read({"head_only_epochs": {"low": 1, "high": 2, "step": 1}})


def test_of_many_combinations_every_value_is_checked(
    read: Callable[..., tuple[space.Axis, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "CHECKED", 4)
    with pytest.raises(RecipeError, match=r"drop_path_rate: is 2\.0"):
        read({"drop_path_rate": [0.1, 0.2, 0.3, 2.0], "weight_decay": [0.1, 0.2], "adam_beta1": [0.8, 0.9]})
