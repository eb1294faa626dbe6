"""The domain score of a folder of pictures: what it is fitted to, and that the same pictures give the same score."""

from pathlib import Path

import numpy as np
import pytest

from spatial_swin.audio import headless
from spatial_swin.audio.clips import Cut
from spatial_swin.audio.manifest import read_rows
from spatial_swin.audio.paired import Settings
from spatial_swin.audio.paired_folder import Order, fill
from spatial_swin.audio.tiles import TileMap
from spatial_swin.data.headless_pictures import headless_pictures
from spatial_swin.domain_scoring import fit_for_pictures
from spatial_swin.errors import RunError


def test_pictures_of_a_run_and_sound_without_a_head_give_a_score(tmp_path: Path) -> None:
    settings = Settings(Cut(0.5, 0.5, 0.5), size=192)
    order = Order(tmp_path, settings, ("100", "514"), ["kemar"], synthetic=range(4), sound=False, workers=1)
    fill(order)
    rows = read_rows(order.pictures / "manifest.csv")
    factors = {row.path: {"listener": row.listener, "laboratory": row.laboratory} for row in rows}
    score = fit_for_pictures(order.pictures, factors, programmes=2, workers=1)
    about = score.about
    assert (about["genuine"], about["heads"], about["outliers"]) == (8 + 2 * 3, 1 + 2, 2 * len(headless.FITTED))
    assert about["laboratories"] == ["MIT", "parametric"]
    assert about["kinds"] == list(headless.FITTED)
    assert "another may be taken for no head" in about["caution"]
    assert score.of_same is not None
    assert score.of_same.about["songs"] == 2
    assert (score.of_same.about["genuine"], score.of_same.about["heads"]) == (4 * 12, 6)
    assert (score.of_same.about["outliers"], score.of_same.about["laboratories"]) == (4, ["CIPIC"])
    again = fit_for_pictures(order.pictures, factors, programmes=2, workers=1)
    tiles = TileMap.read(order.pictures)
    made = headless_pictures(tiles, 1, 5, ["crossfeed"])
    assert [(one.kind, one.head) for one in made] == [("crossfeed", ""), *[("", "parametric16000")] * 3]
    features = np.stack([one.features for one in made])
    assert np.array_equal(score.of(features), again.of(features))
    assert np.array_equal(score.of_same.of(features), again.of_same.of(features))  # type: ignore[union-attr]
    assert [one.same for one in made] == [False, False, False, True]  # the last is mono, heard by two equal ears
    (order.pictures / "tiles.json").unlink()
    with pytest.raises(RunError, match=r"no tiles\.json in it, so sound without a head cannot be drawn"):
        fit_for_pictures(order.pictures, factors)
