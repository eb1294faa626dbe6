"""What a model knows of its one head: learnt, kept, asked where there is sound, and refused when it is damaged."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from certain_models import write_certain_model

from spatial_swin.audio.arrivals import BANDS, PLACES, WINDOW, ear_patterns
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.tiles import tile_map
from spatial_swin.errors import RunError
from spatial_swin.evaluation.calibration import softmax
from spatial_swin.evaluation.opinions import KNOWN_HEAD
from spatial_swin.known_head import SAY, KnownHead, learn_head, read_known_head
from spatial_swin.prediction.predictor import load_predictor

FOUR = ["100", "200", "510", "514"]
PATTERNS = np.zeros((PLACES, 4, WINDOW // 2 + 1), np.float32)


def heard(labels: list[str], seed: int = 0) -> np.ndarray:
    """Arrivals of clips whose label says which place has more than the others."""
    shares = np.random.default_rng(seed).dirichlet(np.ones(PLACES + 1), (len(labels), BANDS))
    for number, label in enumerate(labels):
        shares[number, :, FOUR.index(label)] += 0.2
    return shares / shares.sum(axis=2, keepdims=True)


@pytest.mark.parametrize("known", [FOUR, ["510", "514"]])
def test_it_learns_what_its_places_tell(known: list[str]) -> None:
    labels = known * 20
    head = learn_head(PATTERNS, heard(labels), labels, 48_000)
    assert head.layouts == known
    shares = head.shares(heard(labels, seed=1))
    assert shares.sum(axis=1) == pytest.approx(1)
    assert np.mean(shares.argmax(axis=1) == np.tile(np.arange(len(known)), 20)) > 0.9


def test_it_has_its_say_and_classes_that_it_does_not_know_keep_their_probability() -> None:
    labels = ["510", "514"] * 20
    head, logits = learn_head(PATTERNS, heard(labels), labels, 48_000), np.random.default_rng(0).normal(0, 2, (40, 4))
    own, before, after = head.shares(heard(labels)), softmax(logits), softmax(head.decide(logits, heard(labels), FOUR))
    assert after[:, :2] == pytest.approx(before[:, :2])
    odds = (own[:, 0] / own[:, 1]) ** SAY * (before[:, 2] / before[:, 3]) ** (1 - SAY)
    assert after[:, 2] / after[:, 3] == pytest.approx(odds)


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    """scikit-learn's coefficients lie column by column, which a file of rows must not take as they are."""
    labels = FOUR * 20
    patterns = ear_patterns(load_listener("parametric:3", 48_000))
    head = learn_head(patterns, heard(labels), labels, 48_000)
    head.save(tmp_path)
    again = read_known_head(tmp_path, FOUR)
    assert (again.layouts, again.sample_rate, again.say) == (FOUR, 48_000, SAY)
    assert np.array_equal(again.patterns, patterns)
    assert again.shares(heard(labels)) == pytest.approx(head.shares(heard(labels)), abs=1e-5)


def test_a_damaged_or_foreign_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    labels = FOUR * 5
    learn_head(PATTERNS, heard(labels), labels, 48_000).save(tmp_path)
    with pytest.raises(RunError, match=r"answers 510, which the model does not know"):
        read_known_head(tmp_path, ["100", "200", "514"])
    content = (tmp_path / KNOWN_HEAD).read_bytes()
    for damaged in (content[:1000], content.replace(b'"arrivals":"1"', b'"arrivals":"9"'), b""):
        (tmp_path / KNOWN_HEAD).write_bytes(damaged)
        with pytest.raises(RunError, match="damaged or of another version"):
            read_known_head(tmp_path, FOUR)
    broken = learn_head(PATTERNS, heard(labels), labels, 48_000)
    broken.bias[0] = np.nan
    broken.save(tmp_path)
    with pytest.raises(RunError, match="its bias are not"):
        read_known_head(tmp_path, FOUR)


def sure_of(label: str) -> KnownHead:
    """A head that says one label whatever it hears."""
    bias = np.where(np.array(FOUR) == label, 50.0, 0.0)
    features = BANDS * (PLACES + 1)
    patterns = ear_patterns(load_listener("parametric:3", 48_000))
    return KnownHead(
        patterns, np.zeros(features), np.ones(features), np.zeros((4, features)), bias, FOUR, 48_000, say=1.0
    )


def test_it_is_asked_about_sound_and_not_about_pictures(tmp_path: Path) -> None:
    model = tmp_path / "model"
    write_certain_model(model)
    tile_map("4x4", 32, 48_000, 3.0).write(model / "tiles.json")
    picture = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
    sound = 0.1 * np.random.default_rng(0).standard_normal((3 * 48_000, 2))
    soundfile.write(tmp_path / "take.wav", sound, 48_000)
    before = load_predictor(model)
    assert before.known_head is None
    for label in ("514", "100"):
        sure_of(label).save(model)
        predictor = load_predictor(model)
        assert predictor.of_sound(tmp_path / "take.wav").verdict == label
        assert predictor.of_pixels(picture) == pytest.approx(before.of_pixels(picture))


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    from safetensors import safe_open

    sure_of("514").save(tmp_path)
    with safe_open(tmp_path / KNOWN_HEAD, "np") as opened:
        about = opened.metadata()
    assert json.loads(about["layouts"]) == FOUR
    assert about["say"] == "1.0"
