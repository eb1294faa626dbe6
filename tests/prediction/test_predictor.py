"""A model as a listener: the pictures of `mosaic`, the probabilities of `pipeline`, bounded memory, clear refusals."""

import json
import shutil
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from model_folders import CLASSES, make_model_folder
from PIL import Image
from transformers import pipeline

from spatial_swin.audio.drawing import draw_dry
from spatial_swin.audio.tiles import tile_map
from spatial_swin.cli import main
from spatial_swin.config import load_recipe
from spatial_swin.data.pictures import read_pixels
from spatial_swin.errors import AudioError, DataError, RunError
from spatial_swin.evaluation.calibration import apply_temperature
from spatial_swin.prediction.predictor import Predictor, Timeline, load_predictor, read_picture
from spatial_swin.training import fine_tune

RATE = 48_000


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as the Hub has it: a tiny Swin of 32 px with random weights, windows of half a second."""
    return make_model_folder(tmp_path_factory.mktemp("hub") / "model")


@pytest.fixture
def predictor(model_folder: Path) -> Predictor:
    return load_predictor(model_folder, "cpu")


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal((round(seconds * RATE), 2))


def write(path: Path, sound: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate)
    return path


class Listening:
    """A second opinion that leaves the answer as it is and keeps what it was shown."""

    def __init__(self, hears_dry: bool) -> None:
        self.hears_dry, self.shown = hears_dry, []

    def decide(self, logits, pixels, dry=None):
        self.shown.append((pixels, dry))
        return logits


def test_a_second_opinion_that_hears_dry_sees_the_sound_both_ways_and_a_picture_as_it_is(predictor, tmp_path):
    take, drawn = write(tmp_path / "take.wav", noise(1.0)), []
    said = replace(predictor, second_opinion=(alone := Listening(False))).of_sound(take, each=drawn.extend)
    both = replace(predictor, second_opinion=(listening := Listening(True))).of_sound(take)
    assert both.windows == pytest.approx(said.windows)
    ((pixels, nothing),), ((same, dry),) = alone.shown, listening.shown
    assert nothing is None
    assert (pixels == same).all()
    settings = predictor.sound_settings()
    assert (dry == predictor.pixels([draw_dry(one, settings) for one in drawn])).all()
    assert (dry != pixels).any()
    replace(predictor, second_opinion=listening).of_pixels(pixels)
    assert listening.shown[-1][1] is None


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_mosaics_are_those_of_the_mosaic_verb_to_the_byte(predictor, tmp_path, rate):
    write(tmp_path / "in" / "514" / "take.wav", np.concatenate([noise(0.5), noise(0.9, 1, 0.9)]), rate)
    options = ["--seconds", "0.5", "--minimum_seconds", "0.3", "--size", "192"]
    assert main(["mosaic", str(tmp_path / "in"), str(tmp_path / "out"), *options]) == 0
    sound = tmp_path / "in" / "514" / "take.wav"
    drawn = []
    timeline = predictor.of_sound(sound, minimum_seconds=0.3, each=drawn.extend)
    made = sorted((tmp_path / "out" / "514").glob("*.png"))
    assert len(made) == len(timeline.starts) == 3
    for number, path in enumerate(made):
        with Image.open(path) as picture:
            assert np.array_equal(np.array(picture), drawn[number].picture)
    pixels = torch.stack([read_pixels(path, 32) for path in made])  # one batch, as of the sound
    of_pictures = predictor.of_pixels(pixels)
    np.testing.assert_allclose(timeline.windows, of_pictures, atol=1e-6)
    assert timeline.starts.tolist() == [0.0, 0.5, 1.0]
    assert "clipped" in timeline.flags[1]
    assert timeline.flags[2].endswith("short") == (rate == RATE)  # 1.4 s; as 44.1 kHz the same samples last 1.5 s


def test_a_sound_and_its_picture_have_the_same_probabilities_as_the_pipeline(predictor, model_folder, tmp_path):
    sound, picture = write(tmp_path / "a.flac", noise(0.5)), tmp_path / "a.png"
    drawn = []
    timeline = predictor.of_sound(sound, each=drawn.extend)
    Image.fromarray(drawn[0].picture).save(picture)
    of_picture = predictor.of_pixels(read_picture(picture, 32)[0][None])[0]
    assert np.array_equal(of_picture, timeline.windows[0])
    said = {
        row["label"]: row["score"]
        for row in pipeline("image-classification", str(model_folder), top_k=None)(str(picture))
    }
    plain = np.array([[said[name] for name in CLASSES]])
    assert np.abs(apply_temperature(plain, 0.5)[0] - of_picture).max() < 1e-5
    assert np.abs(plain[0] - of_picture).max() > 1e-3  # the temperature does something


def test_without_a_temperature_the_softmax_is_plain_and_said_to_be(model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "plain")
    (tmp_path / "plain" / "temperature.json").unlink()
    plain = load_predictor(tmp_path / "plain", "cpu")
    assert plain.temperature is None
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    calibrated = load_predictor(model_folder, "cpu").of_pixels(pixels)
    assert np.abs(apply_temperature(plain.of_pixels(pixels), 0.5) - calibrated).max() < 1e-12


def test_batches_do_not_change_what_is_said(predictor, tmp_path):
    sound = write(tmp_path / "a.wav", noise(2.5))
    one, all_ = (predictor.of_sound(sound, batch_size=size).windows for size in (1, 16))
    assert np.abs(one - all_).max() < 1e-6


def timeline(windows: list[list[float]], flags: list[str], least: float = 0.0) -> Timeline:
    return Timeline(["a", "b"], np.arange(len(windows)) * 0.5, 0.5, np.array(windows), flags, least)


def test_silent_windows_have_no_say():
    found = timeline([[0.2, 0.8], [1.0, 0.0], [0.4, 0.6]], ["", "silent", "clipped"])
    assert found.verdict == "b"
    assert found.probabilities.tolist() == pytest.approx([0.3, 0.7])
    assert found.shares == {"a": 0.0, "b": 1.0}
    nothing = timeline([[1.0, 0.0]], ["silent+short"])
    assert nothing.verdict is None
    assert nothing.shares == {"a": 0.0, "b": 0.0}


def test_a_verdict_needs_the_confidence_that_is_asked_for():
    windows = [[0.25, 0.75], [0.75, 0.25], [0.0, 1.0], [0.0, 1.0]]
    assert timeline(windows, [""] * 4, 0.75).verdict == "b"  # 0.75 exactly
    assert timeline(windows, [""] * 4, 0.76).verdict is None
    assert timeline(windows, [""] * 4).shares == {"a": 0.25, "b": 0.75}


def test_a_nearly_silent_window_is_flagged_in_its_place(predictor, tmp_path):
    sound = write(tmp_path / "a.wav", np.concatenate([noise(0.5), np.zeros((RATE // 2, 2)), noise(0.5, 1)]))
    found = predictor.of_sound(sound)
    assert found.flags == ["", "silent", ""]
    assert np.array_equal(found.probabilities, found.windows[[0, 2]].mean(axis=0))


@pytest.mark.parametrize(
    ("name", "sound", "says"),
    [
        ("mono.wav", noise(1)[:, :1], "1 channel; give a binaural file of 2 channels"),
        ("six.wav", np.tile(noise(1), 3), "6 channels"),
        ("silence.wav", np.zeros((RATE, 2)), "digital silence"),
        ("short.wav", noise(0.4), "0.400 s, shorter than a chunk; use --minimum_seconds 0.25"),
    ],
)
def test_recordings_that_cannot_be_judged_are_refused_in_a_sentence(predictor, tmp_path, name, sound, says):
    path = write(tmp_path / name, sound)
    with pytest.raises(AudioError, match=says) as caught:
        predictor.of_sound(path)
    assert str(caught.value).startswith(str(path))


def test_files_that_are_neither_are_refused_in_a_sentence(predictor, tmp_path):
    for name in ("a.wav", "a.flac", "a.png", "a.m4a"):
        (tmp_path / name).write_text("neither sound nor picture")
    for name in ("a.wav", "a.flac", "a.m4a", "missing.wav"):
        with pytest.raises(AudioError, match=name):
            predictor.of_sound(tmp_path / name)
    with pytest.raises(DataError, match=r"a\.png: not a picture, whatever its name says"):
        read_picture(tmp_path / "a.png", 32)
    Image.new("L", (64, 64)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"cut\.png: cannot be read"):
        read_picture(tmp_path / "cut.png", 32)


def test_a_model_of_pictures_alone_refuses_sound_and_takes_tiles_given(model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "plain")
    (tmp_path / "plain" / "tiles.json").unlink()
    sound = write(tmp_path / "a.wav", noise(0.5))
    plain = load_predictor(tmp_path / "plain", "cpu")
    assert plain.tiles is None
    with pytest.raises(AudioError, match=r"it can judge pictures only.*--tiles"):
        plain.of_sound(sound)
    given = load_predictor(tmp_path / "plain", "cpu", tiles=model_folder / "tiles.json")
    assert np.array_equal(given.of_sound(sound).windows, load_predictor(model_folder).of_sound(sound).windows)


def test_tiles_that_this_version_draws_otherwise_are_refused(model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "other")
    stored = json.loads((tmp_path / "other" / "tiles.json").read_text())
    stored["tiles"][3]["low"] = -40
    (tmp_path / "other" / "tiles.json").write_text(json.dumps(stored))
    with pytest.raises(AudioError, match="other places or scales"):
        load_predictor(tmp_path / "other", "cpu").of_sound(write(tmp_path / "a.wav", noise(0.5)))


def test_folders_without_a_usable_model_are_refused(model_folder, tmp_path):
    with pytest.raises(RunError, match="neither a run folder nor a model folder"):
        load_predictor(tmp_path)
    (tmp_path / "recipe.yaml").write_text("Model: {}")
    with pytest.raises(RunError, match="no model in this run yet"):
        load_predictor(tmp_path)
    damaged = tmp_path / "damaged"
    shutil.copytree(model_folder, damaged)
    (damaged / "temperature.json").write_text("{}")
    with pytest.raises(RunError, match=r"temperature\.json: not readable"):
        load_predictor(damaged)
    (damaged / "temperature.json").unlink()
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(RunError, match="the weights cannot be loaded"):
        load_predictor(damaged)


def test_a_processor_that_treats_pictures_otherwise_is_refused(model_folder, tmp_path):
    shutil.copytree(model_folder, tmp_path / "other")
    file = tmp_path / "other" / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "resample": 2}))
    with pytest.raises(RunError, match="resample 2"):
        load_predictor(tmp_path / "other")


def test_a_trained_run_carries_its_tile_map(write_recipe: Callable[..., Path], pictures: Path, tmp_path: Path):
    tiles = tile_map("4x4", 192, RATE, 0.5)
    tiles.write(pictures / "tiles.json")
    run = fine_tune(load_recipe(write_recipe(num_train_epochs=1, head_only_epochs=0, warmup_epochs=0), []))
    shutil.rmtree(pictures)  # everything needed lies in the model
    shutil.copytree(run.model, tmp_path / "downloaded")
    for folder in (run.path, tmp_path / "downloaded"):
        found = load_predictor(folder, "cpu")
        assert found.tiles == tiles
        assert found.of_sound(write(tmp_path / "a.wav", noise(1.0))).windows.shape == (2, 4)


def test_an_older_run_finds_the_tile_map_of_its_data(model_folder, tmp_path):
    run, data = tmp_path / "run", tmp_path / "data" / "pictures"
    shutil.copytree(model_folder, run / "model")
    data.mkdir(parents=True)
    shutil.move(run / "model" / "tiles.json", data / "tiles.json")
    (run / "recipe.yaml").write_text(f"Model:\nData:\n  data_dir: {tmp_path / 'data'}\nTrainer:\n")
    found = load_predictor(run, "cpu")
    assert found.tiles is not None
    assert found.tiles.seconds == 0.5


def long_recording(path: Path, seconds: int) -> Path:
    """Noise of that length, written second by second."""
    block = noise(1.0).astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        for second in range(seconds):
            file.write(block * (0.5 + 0.5 * (second % 7) / 7))
    return path


def peak_of(predictor: Predictor, path: Path) -> tuple[int, int]:
    """Bytes that Python and numpy held at most while judging, and the number of windows."""
    tracemalloc.start()
    try:
        windows = len(predictor.of_sound(path).starts)
        return tracemalloc.get_traced_memory()[1], windows
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(predictor, tmp_path):
    peaks = {
        seconds: peak_of(predictor, long_recording(tmp_path / f"{seconds}.wav", seconds)) for seconds in (20, 300)
    }
    assert [windows for _, windows in peaks.values()] == [40, 600]
    sound = 300 * RATE * 2 * 4
    assert peaks[300][0] - peaks[20][0] < sound / 50
