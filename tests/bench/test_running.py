"""A benchmark as a whole: what an item is, that only the set decides a number, and that a stop costs nothing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_swin import files
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.synthesis import synthetic_scene
from spatial_swin.bench import running
from spatial_swin.bench.judges import Source
from spatial_swin.bench.plan import SEED, Order
from spatial_swin.bench.running import bench
from spatial_swin.errors import AudioError, RunError
from spatial_swin.layouts import find_layouts
from spatial_swin.prediction.predictor import load_predictor
from spatial_swin.reporting.chapters_bench import warnings
from spatial_swin.runs import RunFolder

RATE = 48_000
ORDER = Order(["kemar", "parametric:3"], ["ears"], synthetic=2, kinds=["scene"])
RESULTS = ("bench.csv", "bench.json")


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


@pytest.fixture(scope="module")
def whole(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 programmes x 2 listeners x 2 conditions x 4 layouts, model and boosting, in one go."""
    output = tmp_path_factory.mktemp("whole")
    done = bench(ORDER, Source(run.path, baseline=True), output, workers=1, resamples=50)
    assert (done.judged, done.waiting) == (32, 0)
    assert (output / "bench_conditions.pdf").is_file()
    assert (output / "bench.html").stat().st_size > 10_000
    return output


def rows_of(output: Path) -> list[dict[str, str]]:
    return files.read_csv(output / "bench.csv")


def test_an_item_is_judged_as_predict_judges_its_file(run: RunFolder, whole: Path, tmp_path: Path) -> None:
    predictor = load_predictor(run.path, "cpu")
    scene, listener = synthetic_scene(SEED, 1, 0.5, RATE), load_listener("parametric:3", RATE)
    heads = [load_listener("kemar", RATE), listener]  # the longest response decides the size of the transform
    rendered = render_layouts(scene, find_layouts(["200", "514"]), heads)
    for condition, order in (("clean", slice(None)), ("ears exchanged", slice(None, None, -1))):
        for label in ("200", "514"):
            ears, _ = match_loudness(rendered[label, listener.name], RATE)
            soundfile.write(tmp_path / "a.wav", ears[order].T, RATE, subtype="FLOAT")
            (row,) = (
                row
                for row in rows_of(whole)
                if (row["programme"], row["listener"], row["condition"], row["label"])
                == (f"synthetic{SEED}-000001", "parametric0003", condition, label)
            )
            said = predictor.of_sound(tmp_path / "a.wav").probabilities
            assert np.array([float(row[f"p_{name}"]) for name in predictor.class_names]) == pytest.approx(
                said, abs=1e-5
            )
            assert row["prediction"] == predictor.class_names[int(said.argmax())]


def test_every_combination_is_there_once_with_its_factors(whole: Path) -> None:
    rows = rows_of(whole)
    keys = {(r["programme"], r["listener"], r["condition"], r["label"]) for r in rows}
    assert len(keys) == len(rows) == 2 * 2 * 2 * 4
    assert {(r["listener"], r["laboratory"]) for r in rows} == {("kemar", "MIT"), ("parametric0003", "parametric")}
    assert {r["kind"] for r in rows} == {"scene"}
    assert {r["windows"] for r in rows} == {"1"}


def test_listeners_met_in_training_are_named_and_counted_apart(whole: Path) -> None:
    results = json.loads((whole / "bench.json").read_text())
    assert {(r["listener"], r["seen"]) for r in rows_of(whole)} == {("kemar", "listener"), ("parametric0003", "")}
    assert results["seen"]["listeners"] == {"kemar": "kemar"}
    assert results["seen"]["statement"].startswith("The model learnt from 5 programmes")
    new, met = (entry for entry in results["figures"] if entry["factor"] == "all")
    assert (new["value"], new["items"], met["value"], met["items"]) == (
        "never met in training",
        8,
        "met in training",
        8,
    )
    conditions = [entry for entry in results["figures"] if entry["factor"] == "condition"]
    assert [(entry["value"], entry["items"]) for entry in conditions] == [("clean", 8), ("ears exchanged", 8)]
    assert results["seen"]["counts"]["programme"].keys() == {f"synthetic0-{k:06d}" for k in range(5)}  # not the test


def test_neither_workers_nor_shards_change_a_number(run: RunFolder, whole: Path, tmp_path: Path) -> None:
    source = Source(run.path, baseline=True)
    first = bench(ORDER, source, tmp_path, workers=1, shard=(2, 3), resamples=50)
    assert (first.judged, first.waiting, first.results) == (8, 3, None)
    assert not (tmp_path / "bench.json").exists()
    bench(ORDER, source, tmp_path, workers=1, shard=(1, 3), resamples=50)
    last = bench(ORDER, source, tmp_path, workers=1, shard=(3, 3), resamples=50)
    assert last.results is not None
    assert content(tmp_path) == content(whole)


@pytest.mark.slow
def test_two_processes_give_the_bytes_of_one(run: RunFolder, whole: Path, tmp_path: Path) -> None:
    bench(ORDER, Source(run.path, baseline=True), tmp_path, workers=2, resamples=50)
    assert content(tmp_path) == content(whole)


def test_a_killed_benchmark_goes_on_where_it_stopped(
    run: RunFolder, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, source = running.Answering.__call__, Source(run.path, baseline=True)
    asked: list[str] = []

    def killed(self, task):
        asked.append(task.file)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return original(self, task)

    monkeypatch.setattr(running.Answering, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        bench(ORDER, source, tmp_path, workers=1, resamples=50)
    kept = sorted(path.relative_to(tmp_path / "items").as_posix() for path in tmp_path.glob("items/*/*"))
    assert kept == sorted(asked[:2])
    damaged = tmp_path / "items" / kept[0]
    damaged.write_text(damaged.read_text()[:-40])  # a row that was cut
    leftover = damaged.with_name(f".{damaged.stem}.0123abcd.csv")  # of a write that was killed
    leftover.write_text("half")
    monkeypatch.setattr(running.Answering, "__call__", original)
    done = bench(ORDER, source, tmp_path, workers=1, resamples=50)
    assert done.judged == 3 * 8
    assert not leftover.exists()
    assert content(tmp_path) == content(whole)


def test_conditions_can_be_added_and_nothing_else(run: RunFolder, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "b")
    source, more = Source(run.path, baseline=True), ["ears", "level:+6"]
    done = bench(replace(ORDER, conditions=more), source, tmp_path / "b", workers=1, resamples=50)
    assert done.judged == 16
    before = content(tmp_path / "b")
    with pytest.raises(AudioError) as refused:
        bench(replace(ORDER, listeners=["kemar"], seed=1), Source(run.path), tmp_path / "b", workers=1)
    said = str(refused.value)
    assert "baseline was " in said
    assert "now none" in said
    assert f"seed was {SEED}, now 1" in said
    assert "conditions now without level +6" in said
    assert "listeners now without parametric0003" in said
    assert "programmes now without synthetic" in said
    assert content(tmp_path / "b") == before


def test_long_sounds_are_the_mean_over_their_windows(run: RunFolder, tmp_path: Path) -> None:
    order = Order(["kemar"], ["seconds:1"], synthetic=1)
    bench(order, Source(run.path, baseline=True), tmp_path, workers=1, resamples=10)
    longer = [row for row in rows_of(tmp_path) if row["condition"] == "seconds 1"]
    assert [row["windows"] for row in longer] == ["2"] * 4
    scene, kemar = synthetic_scene(SEED, 0, 1.0, RATE), load_listener("kemar", RATE)
    ears, _ = match_loudness(render_layouts(scene, find_layouts(["510"]), [kemar])["510", "kemar"], RATE)
    soundfile.write(tmp_path / "a.wav", ears.T, RATE, subtype="FLOAT")
    timeline = load_predictor(run.path, "cpu").of_sound(tmp_path / "a.wav")
    said = np.array([float(longer[2][f"p_{name}"]) for name in timeline.class_names])
    assert said == pytest.approx(timeline.windows.mean(axis=0), abs=1e-5)


def test_a_model_that_does_not_know_how_sound_becomes_pictures_is_refused(run: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(run.model, tmp_path / "model")
    (tmp_path / "model" / "tiles.json").unlink()
    with pytest.raises(AudioError, match="it can judge pictures only"):
        bench(ORDER, Source(tmp_path / "model"), tmp_path / "out", workers=1)
    with pytest.raises(RunError, match=r"it has no split\.csv"):
        bench(ORDER, Source(run.model, baseline=True), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_of_a_model_folder_alone_it_is_not_known_what_training_had(run: RunFolder, tmp_path: Path) -> None:
    done = bench(Order(["kemar"], synthetic=1), Source(run.model), tmp_path, workers=1, resamples=10)
    assert done.results is not None
    assert {row["seen"] for row in rows_of(tmp_path)} == {"not known"}
    assert done.results["basis"] == "not known whether met in training"
    (warned,) = warnings(done.results)
    assert warned.startswith("Nothing tells which listeners and programmes training had")


def test_boosting_is_judged_alone_on_pictures_of_a_folder(run: RunFolder, whole: Path, tmp_path: Path) -> None:
    data = Path(run.read_recipe()["Data"]["data_dir"])
    order = Order(["parametric:3"], synthetic=1)
    done = bench(order, Source(None, baseline=True, data_dir=data.parent), tmp_path, workers=1, resamples=10)
    assert done.results is not None
    assert done.results["judges"] == ["baseline"]
    row = rows_of(tmp_path)[0]
    assert "prediction" not in row
    assert sum(float(row[f"baseline_p_{name}"]) for name in ("100", "200", "510", "514")) == pytest.approx(1)
    assert done.results["seen"]["counts"]["listener"] == {"kemar": 24}
    (data / "tiles.json").rename(data.parent / "tiles.json")
    try:
        with pytest.raises(AudioError, match=r"no tiles\.json in it"):
            bench(order, Source(None, baseline=True, data_dir=data), tmp_path / "other", workers=1)
    finally:
        (data.parent / "tiles.json").rename(data / "tiles.json")


def test_boosting_answers_as_it_does_on_the_same_pictures_in_files(run: RunFolder, whole: Path) -> None:
    """Its probabilities of a picture it was trained on: the training programmes, rendered again by the benchmark."""
    from spatial_swin.bench.judges import open_judges

    judges = open_judges(Source(run.path, baseline=True))
    assert judges.boosting is not None
    assert judges.boosting.probabilities(np.zeros((0, 0))).tolist() == [0.25] * 4  # nothing was heard
    again = open_judges(Source(run.path, baseline=True)).boosting
    assert again is not None
    features = np.random.default_rng(0).uniform(0, 255, (3, 16 * 8 * 4))
    assert np.array_equal(again.probabilities(features), judges.boosting.probabilities(features))
    assert judges.boosting.probabilities(features) == pytest.approx(
        judges.boosting.model.predict_proba(features).mean(0)
    )


def test_a_programme_of_training_is_counted_apart(run: RunFolder, tmp_path: Path) -> None:
    done = bench(
        Order(["parametric:3"], synthetic=1, kinds=["scene"], seed=0),
        Source(run.path),
        tmp_path,
        workers=1,
        resamples=10,
    )
    assert done.results is not None
    assert {row["seen"] for row in rows_of(tmp_path)} == {"programme"}
    assert done.results["basis"] == "met in training"  # nothing else is left
    assert done.results["seen"]["programmes"] == ["synthetic0-000000"]


def test_a_benchmark_in_the_run_itself_brings_the_card_up_to_date(run: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    mine, order = RunFolder(tmp_path / "run"), Order(["parametric:3"], synthetic=1, kinds=["scene"])
    bench(order, Source(mine.path), tmp_path / "elsewhere", workers=1, resamples=10)
    assert not (mine.model / "README.md").exists()
    bench(order, Source(mine.path), mine.bench, workers=1, resamples=10)
    assert "## Where it holds" in (mine.model / "README.md").read_text()
