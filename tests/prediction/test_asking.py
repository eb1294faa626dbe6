"""Whether to ask the model at all: reasons read off real mosaics, the median of the windows, and silence."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spatial_swin.audio import headless
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.kinds import programme
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.mosaic import mosaic
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.tiles import tile_map
from spatial_swin.data.pooled_tiles import pooled_picture
from spatial_swin.evaluation.domain_score import DomainScore
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import find_layouts
from spatial_swin.prediction.asking import SILENT, Asking, reason_of

RATE = 48_000
TILES = tile_map("4x4", 192, RATE, 1.0)


def drawn(sound: np.ndarray) -> np.ndarray:
    matched, _ = match_loudness(sound, RATE)
    return mosaic(torch.from_numpy(matched)[None], RATE, "4x4", 192)[0].numpy()


def score_of(threshold: float) -> DomainScore:
    """The mean of the left ear's level, against a threshold."""
    weights = np.zeros(16 * 8 * 4)
    weights[:32:4] = 1 / 8
    ones = np.ones(len(weights))
    return DomainScore(0 * ones, ones * 100, weights, 0.0, threshold, 1.0, {})


def test_reasons_are_told_where_they_can_be() -> None:
    scene, draw = programme("stems", 3, 1, 1.0, RATE), keyed_generator(0)
    assert reason_of(drawn(headless.mono_copied(draw, scene)), TILES) == (
        "both channels are the same, as when mono is copied to both ears"
    )
    call = reason_of(drawn(headless.telephone(draw, scene)), TILES)
    assert call.startswith("both channels are the same")
    assert "as on a telephone" in call
    stereo = headless.stereo(draw, scene)
    assert "right channel" in reason_of(drawn(stereo * np.array([[1], [1e-3]], np.float32)), TILES)
    mono = headless.mono_copied(draw, scene)
    assert "opposite polarity" in reason_of(drawn(mono * np.array([[1], [-1]], np.float32)), TILES)


def test_a_head_gives_no_reason() -> None:
    scene, head = programme("stems", 3, 1, 1.0, RATE), load_listener("parametric:3", RATE)
    for ears in render_layouts(scene, find_layouts(["200", "514"]), [head]).values():
        assert reason_of(drawn(ears), TILES) == ""


def test_the_median_of_the_windows_with_a_say_decides() -> None:
    pictures = [np.full((192, 192), grey, np.uint8) for grey in (250, 10, 60, 90)]
    asking = Asking(score_of(0.5), TILES)
    for picture in pictures:
        asking.see(picture)
    asked = asking.answer(np.array([False, True, True, True]))
    assert asked.windows == pytest.approx([2.0, -0.4, 0.1, 0.4])
    assert asked.score == pytest.approx(0.1)
    assert asked.inside is False
    assert "domain score +0.10, above 0" in asked.sentence
    assert asking.answer(np.array([False, True, False, False])).inside is True
    assert asking.answer(np.zeros(4, bool)).reason == SILENT
    assert len(asking.features[0]) == len(pooled_picture(pictures[0], TILES))


def test_two_equal_channels_are_judged_by_the_score_for_them() -> None:
    scene, draw = programme("stems", 3, 1, 1.0, RATE), keyed_generator(0)
    mono, stereo = drawn(headless.mono_copied(draw, scene)), drawn(headless.stereo(draw, scene))
    asking = Asking(replace(score_of(1e6), of_same=score_of(-1.0)), TILES)
    for picture in (mono, stereo):
        asking.see(picture)
    assert asking.same == [True, False]
    asked = asking.answer(np.ones(2, bool))
    assert asked.windows is not None
    assert asked.windows[0] > 0 > asked.windows[1]


def test_without_a_score_nothing_is_known() -> None:
    asking = Asking(None, TILES)
    asking.see(np.zeros((192, 192), np.uint8))
    asked = asking.answer(np.ones(1, bool))
    assert (asked.inside, asked.score, asked.sentence) == (None, None, "")
