"""Answers are the predictor's own, look into the window asked for, and name what is wrong with a file."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatial_swin.app.answers import answer, at_window
from spatial_swin.errors import AudioError, SpatialSwinError
from spatial_swin.prediction.predictor import Predictor, load_predictor


@pytest.fixture
def predictor(model_folder: Path) -> Predictor:
    return load_predictor(model_folder, "cpu")


def test_a_recording_gets_the_verdict_of_the_predictor(predictor: Predictor, make_sound: Callable[..., Path]) -> None:
    path = make_sound("long.wav", 3.0)
    judged: list[int] = []
    given = answer(predictor, path, lambda: judged.append(1))
    expected = predictor.of_sound(path, batch_size=1)
    np.testing.assert_array_equal(given.windows, expected.windows)
    np.testing.assert_array_equal(given.probabilities, expected.probabilities)
    assert sum(judged) == 3
    assert (
        given.windows[given.shown, given.probabilities.argmax()]
        == given.windows.max(axis=0)[given.probabilities.argmax()]
    )
    look = given.look
    assert look.picture.shape == (32, 32, 3)
    assert look.relevance.sum() == pytest.approx(1)
    assert look.shares.sum() == pytest.approx(1)
    assert [r.name for r in look.regions][:2] == ["magnitude_left", "magnitude_right"]


def test_another_window_changes_the_look_and_not_the_verdict(
    predictor: Predictor, make_sound: Callable[..., Path]
) -> None:
    given = answer(predictor, make_sound("long.flac", 3.0))
    other = at_window(predictor, given, (given.shown + 1) % 3)
    assert not np.array_equal(other.look.picture, given.look.picture)
    np.testing.assert_array_equal(other.probabilities, given.probabilities)
    np.testing.assert_array_equal(at_window(predictor, other, given.shown).look.picture, given.look.picture)


def test_a_picture_of_the_same_cues_gets_the_same_verdict(
    predictor: Predictor, make_sound: Callable[..., Path], tmp_path: Path
) -> None:
    of_sound = answer(predictor, make_sound("clip.wav"))
    Image.fromarray(of_sound.look.picture[..., 0]).save(tmp_path / "clip.png")
    of_picture = answer(predictor, tmp_path / "clip.png")
    np.testing.assert_allclose(of_picture.probabilities, of_sound.probabilities, atol=1e-6)
    assert of_picture.pictures is None


def test_without_room_for_the_pictures_a_sentence_says_so(
    predictor: Predictor, make_sound: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    with pytest.raises(AudioError, match=r"has no place for the pictures .*set TMPDIR"):
        answer(predictor, make_sound("take.wav"))


def test_a_last_piece_of_half_a_window_is_judged_with_a_remark(
    predictor: Predictor, make_sound: Callable[..., Path]
) -> None:
    given = answer(predictor, make_sound("odd.wav", 1.6))
    assert len(given.starts) == 2
    assert any("1 of 2 windows" in note and "silence" in note for note in given.notes)


def test_what_lies_outside_of_the_training_is_a_note(predictor: Predictor, make_sound: Callable[..., Path]) -> None:
    given = answer(predictor, make_sound("low.wav", 1.0, rate=32_000))
    assert given.notes[0].startswith("This recording has 32000 Hz, so nothing above 16 kHz")
    assert given.domain == predictor.domain


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("mono.wav", {"channels": 1}, "1 channel"),
        ("surround.wav", {"channels": 6}, "6 channels"),
        ("silent.wav", {"gain": 0.0}, "digital silence"),
        ("short.wav", {"seconds": 0.3}, "needs at least 0.5 s"),
        ("telephone.wav", {"rate": 16_000}, "16000 Hz"),
        ("epic.wav", {"seconds": 15.0}, "0.2 minutes of sound; this page takes at most 0.1;"),
    ],
)
def test_a_recording_that_cannot_be_judged_is_refused(
    predictor: Predictor, make_sound: Callable[..., Path], name: str, options: dict, said: str
) -> None:
    with pytest.raises(SpatialSwinError, match=said):
        answer(predictor, make_sound(name, **options), most_seconds=6.0)


@pytest.mark.parametrize("name", ["letter.wav", "letter.flac", "letter.png", "letter.txt", "letter.m4a", "letter"])
def test_what_is_neither_sound_nor_picture_is_refused(predictor: Predictor, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Dear reader, " * 50)
    with pytest.raises(SpatialSwinError, match="letter"):
        answer(predictor, tmp_path / name)
