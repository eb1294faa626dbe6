"""Adapting to a head: what comes out, going on where it stopped, and all that is wrong before anything is rendered."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from certain_models import write_certain_model

from spatial_swin import adapting
from spatial_swin.adapting import Adaptation, adapt, identity
from spatial_swin.audio.arrivals import arrivals, ear_patterns, read_arrivals
from spatial_swin.audio.composed import COUNT
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.tiles import tile_map
from spatial_swin.cli import main
from spatial_swin.commands import adapt as adapt_command
from spatial_swin.commands.values import Parser
from spatial_swin.data.pooled_rows import pooled_rows
from spatial_swin.data.pooled_tiles import BANDS
from spatial_swin.errors import AudioError, RunError
from spatial_swin.evaluating import evaluate
from spatial_swin.evaluation.domain_score import DomainScore
from spatial_swin.evaluation.opinions import KNOWN_HEAD, SECOND_OPINION
from spatial_swin.finished import open_finished
from spatial_swin.known_head import SAY, KnownHead, learn_head
from spatial_swin.modeling.pooled_network import PooledNetwork
from spatial_swin.prediction.predictor import load_predictor
from spatial_swin.recipe_keys import read_recipe
from spatial_swin.runs import RunFolder
from spatial_swin.shipped import MODELS, find_recipe


def tiny_model(folder: Path, seconds: float = 3.0) -> Path:
    """A Swin of 32 px with a domain score: what does not cohere below about 100 Hz is unlike what it learnt from."""
    write_certain_model(folder)
    tiles = tile_map("4x4", 32, 48_000, seconds)
    tiles.write(folder / "tiles.json")
    numbers = len(tiles.tiles) * BANDS * 4  # mean, spread and two percentiles a band, the lowest band last
    weights = np.zeros(numbers)
    weights[[tile.name for tile in tiles].index("laterality") * BANDS * 4 + (BANDS - 1) * 4] = 1.0
    score = DomainScore(np.full(numbers, 128.0), np.full(numbers, 64.0), weights, 0.0, 9.0, 1.0, {"heads": 30})
    (folder / "domain_score.json").write_text(json.dumps(score.as_record()))
    count = pooled_rows(torch.zeros(1, 1, 32, 32, dtype=torch.uint8), tiles).shape[1]
    PooledNetwork(["510", "514"], torch.zeros(count), torch.full((count,), 99.0)).save(folder / SECOND_OPINION)
    return folder


def tiny_recipe(folder: Path) -> str:
    """The recipe for a Swin of 32 px that learns nothing, in a second."""
    model = tiny_model(folder / "tiny")
    shares = {"train_share": 0.5, "validation_share": 0.25, "test_share": 0.25}
    recipe = {
        "Model": {"model_name_or_path": str(model), "image_size": 32, "head_only_epochs": 1},
        "Data": {"split_by": "programme", **shares, "augmentation": False, "trunk_cache_views": 1},
        "Trainer": {"num_train_epochs": 2, "warmup_epochs": 1, "use_cpu": True, "report_to": "none"},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    return str(folder / "tiny.yaml")


def parser_of_adapt() -> Parser:
    parser = Parser("adapt", "")
    adapt_command.add_arguments(parser)
    return parser


@pytest.fixture(scope="module")
def wish(tmp_path_factory: pytest.TempPathFactory) -> Adaptation:
    return Adaptation(("kemar",), count=8, songs=4, recipe=tiny_recipe(tmp_path_factory.mktemp("recipe")))


@pytest.fixture(scope="module")
def adapted(wish: Adaptation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("adapted") / "runs" / "kemar"
    adapt(wish, output, workers=1)
    return output


def wish_model(wish: Adaptation) -> str:
    return str(read_recipe(Path(wish.recipe))["Model"]["model_name_or_path"])


def test_a_calibrated_run_of_all_kinds_comes_out_and_no_trunk_cache_stays(
    wish: Adaptation, adapted: Path, capsys
) -> None:
    finished = open_finished(adapted)
    assert finished.class_names == ["100", "200", "510", "514"]
    assert finished.temperature is not None
    assert finished.tiles is not None
    assert finished.tiles.seconds == 3.0
    split = RunFolder(adapted).read_split()
    assert {sample.factors["kind"] for sample in split} == {"scene", "instruments", "speech", "stems", "upmix", "midi"}
    assert sum(sample.factors["kind"] == "midi" for sample in split) == 4 * 4  # four songs in four layouts
    assert {sample.factors["listener"] for sample in split} == {"kemar"}
    assert not (adapted / "trunk_cache").exists()
    assert {path.parent.parent.name for path in adapted.rglob("*.npy")} == {"arrivals"}
    assert len(list((adapted / "data" / "arrivals").rglob("*.npy"))) == 4 * (8 + 4)
    assert len(list((adapted / "data" / "in_rooms" / "arrivals").rglob("*.npy"))) == 4 * 2
    opinion = finished.load_second_opinion()  # taken over from the model it began from, and taught these heads
    given = open_finished(wish_model(wish)).load_second_opinion()
    assert opinion is not None
    assert given is not None
    assert opinion.network.layouts == given.network.layouts
    assert not all(torch.equal(t, given.network.state_dict()[n]) for n, t in opinion.network.state_dict().items())


def test_what_is_known_of_the_head_is_kept_where_it_is_of_use(
    wish: Adaptation, adapted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny model has learnt nothing, so that any knowledge is of use; one that is sure and wrong is not kept."""
    run = RunFolder(adapted)
    head = open_finished(adapted).load_known_head()
    assert head is not None
    assert list(head.layouts) == ["100", "200", "510", "514"]
    assert head.say == SAY
    before = (run.model / KNOWN_HEAD).read_bytes()
    assert adapting._know_head(wish, run)
    again = open_finished(adapted).load_known_head()
    assert again is not None
    assert np.array_equal(again.weights, head.weights)  # nothing is drawn

    def wrong(patterns: np.ndarray, heard: np.ndarray, labels: list[str], sample_rate: int) -> KnownHead:
        found = learn_head(patterns, heard, labels, sample_rate)
        return replace(found, weights=-found.weights, bias=-found.bias)

    try:
        monkeypatch.setattr("spatial_swin.known_head.learn_head", wrong)
        assert not adapting._know_head(wish, run)
        assert not (run.model / KNOWN_HEAD).exists()
    finally:
        (run.model / KNOWN_HEAD).write_bytes(before)


def test_evaluating_again_hears_what_was_noted_and_says_when_it_is_gone(adapted: Path, tmp_path: Path) -> None:
    shutil.copytree(adapted, tmp_path / "run")
    run, pictures = RunFolder(tmp_path / "run"), tmp_path / "run" / "data" / "pictures"
    said = run.read_predictions("test").probabilities
    evaluate(run, repredict=True, data_dir=pictures)
    assert run.read_predictions("test").probabilities == pytest.approx(said, abs=1e-6)
    (run.model / KNOWN_HEAD).rename(tmp_path / "aside")
    evaluate(run, repredict=True, data_dir=pictures)
    assert run.read_predictions("test").probabilities != pytest.approx(said, abs=1e-6)
    (tmp_path / "aside").rename(run.model / KNOWN_HEAD)
    shutil.rmtree(run.path / "data" / "arrivals")
    with pytest.raises(RunError, match=r"what the known head makes of the sound is not noted there"):
        evaluate(run, repredict=True, data_dir=pictures)


def test_what_is_noted_of_a_picture_is_what_its_sound_says_and_is_made_again_when_it_is_gone(
    wish: Adaptation, tmp_path: Path
) -> None:
    few = replace(wish, count=2, songs=0)
    order = replace(adapting._order(few, tmp_path, 1)[0], sound=True)
    adapting.fill(order)
    noted = sorted(tmp_path.rglob("*.npy"))
    assert len(noted) == 8
    path = "514/" + next(file for file in noted if file.parent.name == "514").with_suffix(".png").name
    sound, rate = soundfile.read((order.output / "sound" / path).with_suffix(".flac"), dtype="float32")
    heard = arrivals(sound.T, rate, ear_patterns(load_listener("kemar", rate)))
    assert read_arrivals(order.pictures, [path])[0] == pytest.approx(heard, abs=1e-3)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*") if file.name != "manifest.csv"}
    noted[0].unlink()
    adapting.fill(order)
    assert {file: file.read_bytes() for file in before} == before


def test_of_several_heads_none_is_known_and_responses_with_a_room_meet_no_other(
    wish: Adaptation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = replace(wish, listeners=("parametric:7", "parametric:8"))
    order, _ = adapting._order(two, tmp_path / "two", 1)
    assert (order.arrivals, two.in_rooms, adapting._order_in_rooms(two, order)) == (False, 0, None)
    order, _ = adapting._order(wish, tmp_path / "one", 1)
    rooms = adapting._order_in_rooms(wish, order)
    assert rooms is not None
    assert (rooms.arrivals, rooms.synthetic, rooms.settings.conditions) == (True, range(8, 10), ("room",))
    dry = load_listener("kemar", 48_000)
    echo = np.pad(dry.impulse_responses, ((0, 0), (0, 0), (0, 9_000)))
    monkeypatch.setattr(adapting, "load_listener", lambda *_: replace(dry, impulse_responses=echo))
    assert adapting._order_in_rooms(wish, order) is None


def test_predict_takes_the_result_as_any_model(adapted: Path, tmp_path: Path, capsys) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal((3 * 48_000, 2))
    soundfile.write(tmp_path / "take.wav", sound, 48_000)
    assert main(["predict", str(adapted), str(tmp_path / "take.wav"), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    said = load_predictor(adapted).of_sound(tmp_path / "take.wav").probabilities
    assert said.sum() == pytest.approx(1)
    assert list(found["files"][0]["probabilities"].values()) == pytest.approx(said.tolist(), abs=1e-6)  # six decimals


def test_what_is_not_binaural_is_flagged_by_the_inherited_score_at_the_threshold_of_these_heads(
    adapted: Path, tmp_path: Path, capsys
) -> None:
    """Independent noise in both ears; the threshold that was inherited would have let everything pass."""
    score = open_finished(adapted).domain_score
    assert score is not None
    assert (score.about["genuine"], score.about["heads"], score.about["regression_of_heads"]) == (36, 1, 30)
    assert score.threshold < 1.0
    assert RunFolder(adapted).read_metrics()["domain_score"] == score.about
    sound = 0.1 * np.random.default_rng(0).standard_normal((3 * 48_000, 2))
    soundfile.write(tmp_path / "take.wav", sound, 48_000)
    words = ["predict", str(adapted), str(tmp_path / "take.wav"), "--require_binaural", "true", "--format", "json"]
    assert main(words) == 4
    assert json.loads(capsys.readouterr().out)["files"][0]["in_domain"] is False


def test_a_score_of_other_pictures_is_not_inherited_and_a_damaged_one_is_said_before_rendering(
    wish: Adaptation, tmp_path: Path
) -> None:
    recipe = read_recipe(Path(wish.recipe))
    model = tiny_model(tmp_path / "model", seconds=2.0)
    recipe["Model"]["model_name_or_path"] = str(model)
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({part: dict(keys) for part, keys in recipe.items()}))
    other = Adaptation(("kemar",), count=8, recipe=str(tmp_path / "other.yaml"))
    assert adapting._heritage(other) == adapting.Heritage()
    assert adapting._heritage(wish).score is not None
    (model / "domain_score.json").write_text('{"mean": ')
    with pytest.raises(RunError, match=r"domain_score\.json: not readable"):
        adapt(other, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_same_call_shows_what_is_done_and_another_one_is_refused(
    wish: Adaptation, adapted: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapting, "fill", None)  # nothing is rendered again
    before = (adapted / "metrics.json").read_bytes()
    adapt(wish, adapted)
    shown = capsys.readouterr().out
    assert "this model is adapted" in shown
    assert "clips of 3 programmes never heard" in shown
    assert (adapted / "metrics.json").read_bytes() == before
    (adapted / "model" / "domain_score.json").unlink()  # as when it was killed in the middle of the last step
    adapt(wish, adapted)
    assert "this model is adapted" not in capsys.readouterr().out
    assert open_finished(adapted).domain_score is not None
    other = Adaptation(("parametric:7",), count=8, recipe=wish.recipe)
    with pytest.raises(RunError, match=r"this model was begun with --hrtf \['6cfdbca.* --seed 77"):
        adapt(other, adapted)


def test_what_was_stopped_before_the_end_is_continued_and_not_rendered_again(
    wish: Adaptation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed twice: once after half of the programmes, once before it was calibrated."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    half = Adaptation(wish.listeners, count=4, songs=0, recipe=wish.recipe)
    order, _ = adapting._order(half, tmp_path / "run", 1)
    adapting.fill(order)
    pictures = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert len(pictures) == 16
    monkeypatch.setattr("spatial_swin.evaluating.evaluate", killed)
    with pytest.raises(KeyboardInterrupt):
        adapt(wish, tmp_path / "run", workers=1)
    assert {path: path.stat().st_mtime_ns for path in pictures} == pictures
    monkeypatch.undo()
    monkeypatch.setattr(adapting, "_train", None)  # is not trained again
    run = adapt(wish, tmp_path / "run", workers=1)
    assert open_finished(run.path).temperature is not None


def test_two_at_once_are_not_let_into_one_folder(wish: Adaptation, tmp_path: Path) -> None:
    with RunFolder(tmp_path / "data").lock(), pytest.raises(RunError, match="another process"):
        adapt(wish, tmp_path)


def test_all_problems_are_named_at_once_and_nothing_is_left(tmp_path: Path, capsys) -> None:
    stems = tmp_path / "masters"
    stems.mkdir()
    soundfile.write(stems / "one.wav", np.zeros((48_000, 2)), 48_000)
    (tmp_path / "notes.sofa").write_text("no SOFA file")
    output = stems / "run"
    heads = [str(tmp_path / "gone.sofa"), str(tmp_path / "notes.sofa"), "parametric:many", "kemar"]
    words = ["adapt", "--hrtf", *heads, "--programmes", str(stems), "--output_dir", str(output)]
    assert main(words) == 1
    said = capsys.readouterr().err
    for sentence in (
        f"--output_dir {output}: lies in the folder of programmes {stems}; choose a folder outside of it",
        f"{stems}: holds 1 programme; give 8 or more",
        "gone.sofa: there is no listener",
        "notes.sofa: ",
        "listener parametric:many: ",
        "one.wav: ",
    ):
        assert sentence in said, said
    assert not output.exists()


def test_a_folder_of_programmes_that_is_none_is_said_with_the_heads(wish: Adaptation, tmp_path: Path) -> None:
    bad = Adaptation(("gone.sofa",), programmes=tmp_path / "none", recipe=wish.recipe)
    with pytest.raises(AudioError) as caught:
        adapt(bad, tmp_path / "run")
    assert f"{tmp_path / 'none'}: not a folder; give the one that holds the programmes" in str(caught.value)
    assert "gone.sofa: there is no listener" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_songs_of_the_package_go_with_synthetic_programmes_alone(tmp_path: Path, capsys) -> None:
    wish = Adaptation(("kemar",))
    assert len(wish.beside()) == COUNT
    assert {song.kind for song in wish.beside()} == {"midi"}
    assert {song.length(48_000) for song in wish.beside()} == {3 * 48_000}  # one clip each
    assert len(Adaptation(("kemar",), songs=3).beside()) == 3
    assert Adaptation(("kemar",), programmes=tmp_path).beside() == []
    for name in ("songs", "synthetic"):
        assert Adaptation(("kemar",)).made_of()[name] != Adaptation(("kemar",), songs=3, count=3).made_of()[name]
    words = ["adapt", "--hrtf", "kemar", "--output_dir", str(tmp_path / "run"), "--programmes", str(tmp_path)]
    assert main([*words, "--songs", "3"]) == 2
    assert "--songs goes with synthetic programmes; --programmes takes their place" in capsys.readouterr().err


def test_programmes_of_ones_own_are_spread_over_as_many_clips(wish: Adaptation, tmp_path: Path) -> None:
    """8 programmes of 60 s make about 40 clips of 3 s, wherever they lie."""
    silence = np.zeros((60 * 48_000, 2), np.float32)
    for number in range(8):
        soundfile.write(tmp_path / f"{number}.wav", silence, 48_000)
    order, problems = adapting._order(Adaptation(("kemar",), tmp_path, 40, recipe=wish.recipe), tmp_path / "run", 1)
    assert order.settings.cut.hop_seconds == pytest.approx(12)
    assert [problem.where for problem in problems] == [f"--output_dir {tmp_path / 'run'}"]


def test_a_head_is_known_by_its_content_and_a_modelled_one_by_its_version(tmp_path: Path) -> None:
    for name in ("a.sofa", "b.sofa"):
        (tmp_path / name).write_bytes(b"the same")
    assert identity(str(tmp_path / "a.sofa")) == identity(str(tmp_path / "b.sofa"))
    (tmp_path / "b.sofa").write_bytes(b"another")
    assert identity(str(tmp_path / "a.sofa")) != identity(str(tmp_path / "b.sofa"))
    assert identity("parametric:7") != identity("parametric:8")
    with pytest.raises(AudioError, match=r"c.sofa: cannot be read \(No such file or directory\); give a SOFA file"):
        identity(str(tmp_path / "c.sofa"))


def test_the_shipped_recipe_starts_from_a_model_that_ships_and_keeps_enough_to_calibrate_with() -> None:
    recipe = read_recipe(find_recipe(adapting.RECIPE))
    assert recipe["Model"]["model_name_or_path"] in MODELS
    assert recipe["Data"]["split_by"] == "programme"
    assert (
        recipe["Data"]["validation_share"] * adapting.PROGRAMMES * 4 >= 100
    )  # or the temperature is called uncertain


@pytest.mark.slow
def test_the_shipped_recipe_hears_a_head_well(tmp_path: Path) -> None:
    """With fewer programmes than it takes by itself; chance is 0.25."""
    run = adapt(Adaptation(("kemar",), count=80), tmp_path / "run")
    assert run.read_metrics()["test"]["accuracy"]["value"] > 0.7
