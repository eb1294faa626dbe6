"""Literature and provenance: named where they belong, and nothing claimed of a model that is not known."""

from pathlib import Path

import yaml

from spatial_swin.reporting.sources import REFERENCES, cited, provenance

RECIPES = Path(__file__).parents[2] / "recipes"


def test_every_recipe_that_ships_begins_from_known_weights() -> None:
    models = {yaml.safe_load(file.read_text())["Model"]["model_name_or_path"] for file in RECIPES.rglob("*.yaml")}
    pretrained = {name for name in models if not name.endswith(".json")}
    assert pretrained
    assert all(provenance(name) for name in pretrained)
    assert "ImageNet-22K" in provenance("microsoft/swin-base-patch4-window12-384")
    assert provenance("somebody/else") == ""


def test_layouts_and_temperature_are_cited_where_they_are_used() -> None:
    assert list(cited(True, True)) == list(REFERENCES)
    assert not [text for text in cited(False, False) if "BS.2051" in text or "calibration" in text]
