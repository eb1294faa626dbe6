"""Pictures and recipe agree on seconds, or training is refused; on pixels, or a line says what is done."""

from collections.abc import Callable
from pathlib import Path

import pytest

from spatial_swin.audio.tiles import tile_map
from spatial_swin.config import load_recipe
from spatial_swin.data.agreement import agreement
from spatial_swin.errors import AudioError, DataError
from spatial_swin.shipped import recipes
from spatial_swin.training import fine_tune


def test_pictures_as_the_recipe_wants_them_need_no_word(tmp_path: Path) -> None:
    assert agreement(tmp_path, 192, None) == [], "neither side says anything"
    tile_map("4x4", 192, 48_000, 3.0).write(tmp_path / "tiles.json")
    assert agreement(tmp_path, 192, 3) == agreement(tmp_path, 192, None) == []


def test_other_seconds_are_refused_with_both_ways_out(tmp_path: Path) -> None:
    tile_map("4x4", 384, 48_000, 10.0).write(tmp_path / "tiles.json")
    with pytest.raises(
        DataError,
        match=r"tiles.json: each of these pictures holds 10 s of sound, and the recipe is for 3 s; make them with "
        r"--seconds 3 --size 192, or pass --clip_seconds 10 ",
    ):
        agreement(tmp_path, 192, 3)


def test_other_pixels_are_scaled_with_a_line(tmp_path: Path) -> None:
    tile_map("4x4", 384, 48_000, 3.0).write(tmp_path / "tiles.json")
    (line,) = agreement(tmp_path, 192, 3)
    assert line.startswith("The pictures are 384 x 384; the model sees them scaled to 192 x 192")


def test_a_tile_map_that_cannot_be_read_is_refused_before_hours_of_training(tmp_path: Path) -> None:
    (tmp_path / "tiles.json").write_text("{")
    with pytest.raises(AudioError, match="not a tile map"):
        agreement(tmp_path, 192, None)


def test_a_refused_start_leaves_nothing(write_recipe: Callable[..., Path], pictures: Path) -> None:
    tile_map("4x4", 32, 48_000, 10.0).write(pictures / "tiles.json")
    recipe = load_recipe(write_recipe(clip_seconds=3))
    with pytest.raises(DataError, match="the recipe is for 3 s"):
        fine_tune(recipe)
    assert not recipe.output_dir.exists()


def test_pictures_without_a_tile_map_are_trained_on_and_the_line_says_what_is_not_known(
    write_recipe: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    short = {"num_train_epochs": 1, "head_only_epochs": 0, "warmup_epochs": 0}
    run = fine_tune(load_recipe(write_recipe(clip_seconds=3, **short)))
    assert "There is no tiles.json in " in capsys.readouterr().out
    assert run.state() == "finished"
    domain = run.read_metrics()["domain"]
    assert (domain["seconds"], domain["sample_rate"], domain["drawn"], domain["size"]) == (None, None, None, 32)


def test_recipes_that_ship_say_how_many_seconds_they_are_for() -> None:
    asked = {name: load_recipe(file).data.clip_seconds for name, file in recipes().items()}
    assert {name for name, seconds in asked.items() if seconds == 3} >= {
        "swin-nano-192/demo",
        "swin-nano-192/pretrain",
        "detector/detector",
    }
    assert asked["swin-base-384/spatial_audio"] is None, "photographs taught it, and they have no length"
