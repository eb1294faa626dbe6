"""The names of the package: light to import, and each does what the verb of the command line does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from made_up_runs import make_run
from PIL import Image

import spatial_swin
from spatial_swin import RunFolder, ThesisResultsAnalyzer, mosaic, render_programme
from spatial_swin.cli import main
from spatial_swin.errors import AudioError, RecipeError, RunError, SpatialSwinError, UsageError

Write = Callable[..., Path]


def test_every_name_is_there_and_the_package_is_light() -> None:
    code = "import sys, spatial_swin; print([m for m in ('torch', 'numpy', 'scipy', 'yaml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
    assert set(spatial_swin.__all__) <= set(dir(spatial_swin))
    for name in spatial_swin.__all__:
        assert getattr(spatial_swin, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Detektor'"):
        _ = spatial_swin.Detektor


def test_a_programme_and_its_mosaic_are_those_of_render(tmp_path: Path) -> None:
    words = [
        "render",
        "--synthetic",
        "1",
        "--first_programme",
        "3",
        "--seed",
        "5",
        "--seconds",
        "0.5",
        "--size",
        "192",
    ]
    assert main([*words, "--layouts", "200", "514", "--workers", "1", "--output_dir", str(tmp_path)]) == 0
    made = render_programme(3, ["200", "514"], seed=5, seconds=0.5)
    assert list(made) == ["200", "514"]
    for code, ears in made.items():
        (picture,) = (tmp_path / "pictures" / code).glob("*.png")
        (sound,) = (tmp_path / "sound" / code).glob("*.flac")
        assert np.abs(soundfile.read(sound)[0].T - ears).max() < 1e-6
        assert np.array_equal(mosaic(ears, 48_000, size=192), np.array(Image.open(picture)))
        assert np.array_equal(mosaic(ears.T, 48_000, size=192), mosaic(ears, 48_000, size=192))


def test_a_master_is_a_programme_and_must_hold_the_layout(tmp_path: Path) -> None:
    master = tmp_path / "song.wav"
    soundfile.write(master, 0.1 * np.random.default_rng(0).standard_normal((48_000, 6)), 48_000)
    assert render_programme(master, ["510"], seconds=0.5, start=0.25)["510"].shape == (2, 24_000)
    with pytest.raises(AudioError, match="holds less than 514"):
        render_programme(master, ["514"], seconds=0.5)
    with pytest.raises(AudioError, match=r"lasts 1.00 s, so 0.5 s cannot begin at 0.75 s"):
        render_programme(master, ["510"], seconds=0.5, start=0.75)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: render_programme(0, ["999"]), "999"),
        (lambda: render_programme("no/such.wav"), "no such programme"),
        (lambda: render_programme(0, ["100"], "nobody"), "there is no listener 'nobody'"),
        (lambda: render_programme(0, ["100"], seconds=0.1), "seconds: is 0.1"),
        (lambda: mosaic(np.zeros(100), 48_000), "the sound is 100; give the two ears"),
        (lambda: mosaic(np.full((2, 48_000), np.inf), 48_000), "NaN or infinite"),
        (lambda: mosaic(np.zeros((2, 48_000)), 16_000), "16000 Hz"),
    ],
)
def test_what_cannot_be_is_a_sentence(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(SpatialSwinError, match=said):
        call()


def test_fine_tune_takes_a_recipe_and_keys_and_gives_the_run(write_recipe: Write, tmp_path: Path) -> None:
    recipe = write_recipe()
    run = spatial_swin.fine_tune(
        recipe, output_dir=tmp_path / "out", num_train_epochs=2, head_only_epochs=1, learning_rate=1.23456789e-3
    )
    assert (type(run), run.state(), run.path) == (RunFolder, "finished", tmp_path / "out")
    assert run.read_recipe()["Trainer"]["learning_rate"] == 1.23456789e-3
    assert (run.model / "README.md").is_file()
    with pytest.raises(RunError, match="this run is finished"):
        spatial_swin.fine_tune(recipe, output_dir=tmp_path / "out", num_train_epochs=2, head_only_epochs=1)


def test_fine_tune_names_what_is_wrong_with_the_keys(write_recipe: Write) -> None:
    with pytest.raises(RecipeError, match="did you mean `learning_rate`"):
        spatial_swin.fine_tune(write_recipe(), lerning_rate=1)
    with pytest.raises(RecipeError, match="dmeo: no such recipe; did you mean demo"):
        spatial_swin.fine_tune("dmeo")
    with pytest.raises(UsageError, match="push a finished run with"):
        spatial_swin.fine_tune(write_recipe(), push_to_hub=True, hub_model_id="me/it")


def test_the_analyzer_without_a_run_takes_the_one_that_finished_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="runs: no finished run lies in it"):
        ThesisResultsAnalyzer()
    run = make_run(tmp_path / "runs" / "only")
    run.write_metrics({})
    assert ThesisResultsAnalyzer().run_dir == Path("runs/only")
