"""The detector: a file and the same samples as an array are one answer, errors speak of what was given."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from model_folders import CLASSES, make_model_folder

from spatial_swin import Detector
from spatial_swin.errors import AudioError, HubError
from spatial_swin.evaluation.domain import Domain

RATE = 48_000


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return Detector.from_pretrained(make_model_folder(tmp_path_factory.mktemp("hub") / "model"), device="cpu")


def noise(seconds: float, level: float = 0.1) -> np.ndarray:
    """[2, N]"""
    return level * np.random.default_rng(0).standard_normal((2, round(seconds * RATE)))


def test_a_file_and_its_samples_are_one_answer(detector: Detector, tmp_path: Path) -> None:
    sound = noise(1.0)
    soundfile.write(tmp_path / "take.wav", sound.T, RATE, subtype="FLOAT")
    answers = [detector(tmp_path / "take.wav"), detector(sound, RATE), detector(sound.T, RATE)]
    for heard in answers:
        assert heard.layout in CLASSES
        assert heard.probabilities == answers[0].probabilities
        assert heard.confidence == heard.probabilities[heard.layout] == max(heard.probabilities.values())
        assert len(heard.timeline.starts) == 2
    assert sum(answers[0].probabilities.values()) == pytest.approx(1)
    assert detector.class_names == CLASSES == list(answers[0].probabilities)
    assert "timeline" not in repr(answers[0])


def test_options_are_those_of_predict(detector: Detector) -> None:
    assert len(detector(noise(1.0), RATE, hop_seconds=0.25).timeline.starts) == 3
    assert len(detector(noise(0.9), RATE, minimum_seconds=0.3).timeline.starts) == 2
    assert detector(noise(0.5), RATE, minimum_confidence=1.0).layout is None


def test_it_says_what_it_learnt_from_and_what_lies_outside(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "model")
    learnt = Domain(pictures=8, layouts={"100": 8}, conditions={"clean": 8}, seconds=0.5, size=32)
    (folder / "domain.json").write_text(json.dumps(learnt.as_json()))
    detector = Detector.from_pretrained(folder, device="cpu")
    assert detector.domain == learnt
    assert detector(noise(0.5), RATE).warnings == []
    assert detector(noise(0.3), RATE, minimum_seconds=0.3).warnings == [
        "lasts 0.30 s: silence fills the rest, and the model learnt from clips of 0.5 s"
    ]


@pytest.mark.parametrize(
    ("sound", "rate", "said"),
    [
        (noise(0.5), None, "the array: has no sample rate; give sample_rate=48_000"),
        (noise(0.5)[0], RATE, "the array: is 24000; give the two ears"),
        (np.zeros((2, RATE), np.int16), RATE, "the array: is int16; give floats"),
        (np.zeros((2, RATE)), RATE, "the array: digital silence"),
        (noise(0.3), RATE, "the array: 0.300 s, shorter than a chunk"),
        (np.full((2, RATE), np.nan), RATE, "the array: .* NaN or infinite samples"),
        (noise(0.5), 8_000, "the array: .*8000"),
        ("no.wav", None, "no.wav: not found"),
        ("no.wav", RATE, "no.wav: a file has its own sample rate"),
    ],
)
def test_errors_speak_of_what_was_given(
    detector: Detector, sound: np.ndarray | str, rate: int | None, said: str
) -> None:
    with pytest.raises(AudioError, match=said) as caught:
        detector(sound, rate)
    assert "tmp" not in str(caught.value)


def test_a_model_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(HubError, match="no/such/folder: no such folder"):
        Detector.from_pretrained("no/such/folder")
    with pytest.raises(HubError, match="me/spatial: no such folder here, and the model cannot be fetched"):
        Detector.from_pretrained("me/spatial")
