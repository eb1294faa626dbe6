"""The verb: where it writes, who judges, and what it says without having judged anything."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from spatial_swin.audio.kinds import KINDS
from spatial_swin.bench import running
from spatial_swin.bench.judges import Source
from spatial_swin.bench.plan import SEED, Order
from spatial_swin.cli import main


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What the workings were asked for, instead of doing it."""
    calls: list[tuple] = []

    def bench(order, source, output, workers, shard, resamples):
        calls.append((order, source, output, workers, shard, resamples))
        return running.Done(SimpleNamespace(skipped={"codec aac-64": "there is no ffmpeg"}), waiting=3)

    monkeypatch.setattr(running, "bench", bench)
    return calls


def test_a_run_is_judged_into_its_own_folder(asked, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").write_text("Model: {}\n")
    words = ["--listeners", "kemar", "sofa", "--conditions", "noise:20", "ears", "--shard", "2/4", "--workers", "3"]
    assert main(["bench", str(run), *words]) == 0
    order, source, output, workers, shard, resamples = asked[0]
    assert order == Order(["kemar", "sofa"], ["noise:20", "ears"], [], None, 20, tuple(KINDS), SEED, False)
    assert source == Source(run)
    assert (output, workers, shard, resamples) == (run / "bench", 3, (2, 4), 2_000)
    said = capsys.readouterr()
    assert "skipped codec aac-64: there is no ffmpeg" in said.err
    assert f"open {run / 'bench'}; the results come with the last of 3 tasks of other shards" in said.out


def test_without_a_model_boosting_judges_alone(asked, tmp_path):
    assert main(["bench", "--data_dir", str(tmp_path / "data"), "--output_dir", str(tmp_path / "out")]) == 0
    assert asked[0][1] == Source(None, True, tmp_path / "data")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give a MODEL, or --data_dir with pictures"),
        (["--data_dir", "data"], "data is no run folder: say where to write with --output_dir"),
        (["model"], "model is no run folder: say where to write with --output_dir"),
        (["--data_dir", "data", "--output_dir", "data/b"], "lies in the data folder data"),
        (["model", "--programmes", "songs", "--kinds", "scene", "--output_dir", "b"], "--kinds is for synthetic"),
        (["model", "--programmes", "songs", "--output_dir", "songs/b"], "lies in the data folder songs"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(asked, tmp_path, monkeypatch, capsys, words, said):
    for name in ("data", "model", "songs"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *words]) == 2
    assert said in capsys.readouterr().err
    assert asked == []
    assert sorted(Path().rglob("*")) == [Path("data"), Path("model"), Path("songs")]
