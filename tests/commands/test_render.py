"""`spatial-swin render`: a paired folder that is resumable, sharded, reproducible, and one list of what is wrong."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from tiny_songs import notes, song, write_soundfont

from spatial_swin.audio import paired
from spatial_swin.audio.hrtf import KEMAR_ASSET
from spatial_swin.audio.kinds import KINDS
from spatial_swin.audio.manifest import pictures_folder, read_rows
from spatial_swin.audio.tiles import TileMap
from spatial_swin.cli import main
from spatial_swin.data.factors import find_factors
from spatial_swin.data.folder import scan_folder
from spatial_swin.errors import Problem
from spatial_swin.shipped import ASSETS

RATE = 32_000  # the lowest there is: fast
FAST = ["--seconds", "0.5", "--sample_rate", str(RATE), "--size", "192"]
KEMAR_FILE = ASSETS / KEMAR_ASSET


def render(output: Path, *options: str, synthetic: int | None = 2, workers: int = 1) -> int:
    programmes = [] if synthetic is None else ["--synthetic", str(synthetic)]
    return main(["render", *programmes, "--output_dir", str(output), *FAST, "--workers", str(workers), *options])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that readers see, by its path."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith("."))
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("rendered")
    assert render(output, "--listeners", "kemar", "parametric:1") == 0
    return output


def test_every_programme_is_there_in_every_layout_for_every_listener(rendered: Path) -> None:
    rows = read_rows(rendered / "pictures" / "manifest.csv")
    assert Counter(row.label for row in rows) == {"100": 4, "200": 4, "510": 4, "514": 4}
    assert Counter(row.programme for row in rows) == {"synthetic0-000000": 8, "synthetic0-000001": 8}
    heard_by = {(row.listener, row.laboratory) for row in rows}
    assert heard_by == {("kemar", "MIT"), ("parametric0001", "parametric")}
    assert {row.recording for row in rows} == {row.programme for row in rows}
    assert {row.source for row in rows} == {"synthetic, nearest direction"}
    assert {row.kind for row in rows} == {"scene"}
    assert all(float(row.loudness_after) == pytest.approx(-23, abs=0.5) or "clipped" in row.flags for row in rows)
    assert rows[0].path == "100/synthetic0-000000_kemar_100_chunk0000.png"
    folder = scan_folder(rendered)
    assert {p.path for p in folder.pictures} == {row.path for row in rows}
    assert folder.class_names == ["100", "200", "510", "514"]


def test_pictures_sound_and_tile_map_fit_together(rendered: Path) -> None:
    tiles = TileMap.read(rendered / "pictures")
    assert (tiles.size, tiles.sample_rate, tiles.seconds) == ((192, 192), RATE, 0.5)
    for row in read_rows(rendered / "pictures" / "manifest.csv"):
        with Image.open(rendered / "pictures" / row.path) as picture:
            assert (picture.mode, picture.size) == ("L", (192, 192))
        sound, rate = soundfile.read(rendered / "sound" / Path(row.path).with_suffix(".flac"))
        assert (sound.shape, rate) == ((RATE // 2, 2), RATE)


def test_one_programme_looks_different_in_every_layout(rendered: Path) -> None:
    pictures = [
        np.asarray(Image.open(rendered / "pictures" / label / f"synthetic0-000001_kemar_{label}_chunk0000.png"), float)
        for label in ("100", "200", "510", "514")
    ]
    for first in range(4):
        for second in range(first):
            assert np.abs(pictures[first] - pictures[second]).mean() > 3


def test_shards_and_a_second_start_give_the_same_bytes(rendered: Path, tmp_path: Path) -> None:
    listeners = ["--listeners", "kemar", "parametric:1"]
    for part in ("2/2", "1/2"):
        assert render(tmp_path, *listeners, "--shard", part) == 0
    assert contents(tmp_path) == contents(rendered)


def test_a_part_that_has_not_ended_is_waited_for(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--listeners", "kemar", "parametric:1", "--shard"]
    with monkeypatch.context() as patched:
        patched.setattr(paired, "run_job", lambda *_, **__: Problem("programme", "is ill", "heal it"))
        assert render(tmp_path, *options, "2/2") == 1
    assert render(tmp_path, *options, "1/2") == 0
    assert "manifest.csv comes with the last of the 2 parts" in capsys.readouterr().out
    assert not (tmp_path / "pictures" / "manifest.csv").exists()
    assert render(tmp_path, *options, "2/2") == 0
    assert contents(tmp_path) == contents(rendered)


def test_parts_keep_the_rows_of_what_was_made_before(tmp_path: Path) -> None:
    options = ["--layouts", "100", "--sound", "false"]
    assert render(tmp_path, *options) == 0
    for part in ("1/2", "2/2"):
        assert render(tmp_path, *options, "--first_programme", "2", "--shard", part) == 0
    assert len(read_rows(tmp_path / "pictures" / "manifest.csv")) == 4


def test_sound_can_be_asked_for_later(tmp_path: Path) -> None:
    pictures = []
    for sound in ("false", "true"):
        assert render(tmp_path, "--layouts", "100", "--sound", sound, synthetic=1) == 0
        pictures.append({path: data for path, data in contents(tmp_path).items() if path.startswith("pictures")})
    assert pictures[0] == pictures[1]
    assert [p.name for p in tmp_path.rglob("*.flac")] == ["synthetic0-000000_kemar_100_chunk0000.flac"]


def test_an_output_folder_that_cannot_be_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert render(tmp_path / "file") == 1
    assert "render.json: cannot be written (a file has the name of its folder)" in capsys.readouterr().err


def test_what_is_there_is_kept_and_what_is_missing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(tmp_path, "--layouts", "100", "510") == 0
    before = contents(tmp_path)
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")}
    gone = tmp_path / "pictures" / "510" / "synthetic0-000001_kemar_510_chunk0000.png"
    gone.unlink()
    capsys.readouterr()
    assert render(tmp_path, "--layouts", "100", "510") == 0
    assert "2 renderings of 2 programmes" in capsys.readouterr().out  # one programme again, the other untouched
    assert contents(tmp_path) == before
    assert [p.name for p, at in times.items() if p.stat().st_mtime_ns == at and "000000" in p.name] != []
    assert render(tmp_path, "--layouts", "100", "510", synthetic=3) == 0  # a longer list goes on where this ended
    assert len(read_rows(tmp_path / "pictures" / "manifest.csv")) == 6


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(tmp_path, "--layouts", "100", "200", "--sound", "false", synthetic=1) == 0
    assert not (tmp_path / "sound").exists()
    assert json.loads((tmp_path / "render.json").read_text())["seed"] == 0
    assert render(tmp_path, "--layouts", "100", "200", "--seed", "1", synthetic=1) == 1
    assert "was begun with seed 0, now 1" in capsys.readouterr().err


def test_kinds_are_dealt_out_in_turn_and_are_a_factor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--layouts", "100", "--sound", "false"]
    assert render(tmp_path, *options, "--kinds", "scene", "speech", synthetic=3) == 0
    rows = read_rows(tmp_path / "pictures" / "manifest.csv")
    assert {(row.programme, row.kind) for row in rows} == {
        ("synthetic0-000000", "scene"),
        ("speech0-000001", "speech"),
        ("synthetic0-000002", "scene"),
    }
    paths = [row.path for row in rows]
    kinds = find_factors(tmp_path / "pictures", paths).groups("kind")
    assert Counter(kinds.values()) == {"scene": 2, "speech": 1}
    assert render(tmp_path, *options, "--kinds", "jazz") == 1
    assert "there is no kind 'jazz'; the kinds are scene, instruments, speech, stems, upmix" in capsys.readouterr().err
    assert render(tmp_path / "other", "--programmes", str(tmp_path), "--kinds", "speech", synthetic=None) == 2
    with pytest.raises(SystemExit):
        main(["render", "--help"])
    assert ", ".join(KINDS) in " ".join(capsys.readouterr().out.split())


def test_half_is_heard_in_a_drawn_condition_and_the_rest_as_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiling = ["--conditions", "noise:10", "level", "lfe", "rate"]
    assert render(tmp_path / "spoilt", "--sound", "false", *spoiling, synthetic=12) == 0
    assert render(tmp_path / "clean", "--sound", "false", synthetic=12) == 0
    rows = read_rows(tmp_path / "spoilt" / "pictures" / "manifest.csv")
    by_programme: dict[str, set[str]] = {}
    for row in rows:
        by_programme.setdefault(row.programme, set()).add(row.condition)
    assert all(len(conditions) == 1 for conditions in by_programme.values())  # so that it tells no layout
    found = Counter(condition for conditions in by_programme.values() for condition in conditions)
    assert 2 <= found["clean"] <= 10
    assert len({condition.split()[0] for condition in found}) >= 3
    pictures = tmp_path / "spoilt" / "pictures"
    groups = find_factors(pictures, [row.path for row in rows]).groups("condition")
    assert set(groups.values()) == set(found)
    for row in rows:
        spoilt, clean = (tmp_path / side / "pictures" / row.path for side in ("spoilt", "clean"))
        if row.condition == "clean" or (row.condition == "lfe off" and row.label in ("100", "200")):
            assert spoilt.read_bytes() == clean.read_bytes(), row
        elif row.condition.startswith(("noise", "rate")):
            assert spoilt.read_bytes() != clean.read_bytes(), row
    assert render(tmp_path / "spoilt", "--sound", "false", synthetic=12) != 0
    assert "conditions ['noise:10'" in capsys.readouterr().err
    assert render(tmp_path / "long", "--conditions", "seconds:1") != 0
    assert "changes the length of clips" in capsys.readouterr().err
    assert not (tmp_path / "long").exists()


def test_the_share_heard_in_a_condition_can_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, options = tmp_path / "out", ("--sound", "false", "--conditions", "level:+6", "level:-12")
    assert render(folder, *options, "--conditions_share", "1", synthetic=6) == 0
    found = {row.condition for row in read_rows(folder / "pictures" / "manifest.csv")}
    assert found == {"level +6", "level -12"}
    assert render(folder, *options, synthetic=6) != 0
    assert "conditions_share 1.0, now 0.5" in capsys.readouterr().err
    settings = json.loads((folder / "render.json").read_text())
    del settings["conditions_share"]  # as earlier versions wrote it: half
    (folder / "render.json").write_text(json.dumps(settings))
    assert render(folder, *options, "--conditions_share", "1", synthetic=6) != 0
    assert "conditions_share 0.5, now 1.0" in capsys.readouterr().err
    assert render(tmp_path / "none", "--conditions_share", "1") == 2
    assert "--conditions_share is for --conditions" in capsys.readouterr().err


def test_songs_need_a_soundfont_and_a_soundfont_songs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(tmp_path / "out", "--midi", str(tmp_path / "songs"), synthetic=None) == 2
    assert render(tmp_path / "out", "--soundfont", "font.sf2") == 2
    assert capsys.readouterr().err.count("--midi and --soundfont belong together") == 2


def test_what_is_wrong_with_songs_and_listeners_is_said_at_once_before_anything_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "bad.mid").write_bytes(b"MThd, or is it?")
    (tmp_path / "songs" / "good.mid").write_bytes(song(notes([60, 64])))
    monkeypatch.setenv("PATH", "")
    options = ["--midi", str(tmp_path / "songs"), "--soundfont", "no.sf2", "--listeners", "kemar", "nobody"]
    assert render(tmp_path / "out", *options, synthetic=None) == 1
    said = capsys.readouterr().err
    assert "Nothing was rendered (4 problems)" in said
    for what in (
        "listener nobody",
        "fluidsynth: this program is not installed",
        "no.sf2: there is no",
        "bad.mid: is of",
    ):
        assert what in said
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="fluidsynth is not installed")
def test_songs_are_played_once_and_rendered_as_programmes_of_their_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "good.mid").write_bytes(song(notes([60, 64]), notes([48], channel=1)))
    (tmp_path / "songs" / "bad.mid").write_bytes(b"")
    font = write_soundfont(tmp_path / "tone.sf2")
    given = ["--midi", str(tmp_path / "songs"), "--soundfont", str(font), "--song_seconds", "1.2"]
    options = [*given, "--skip_bad", "true"]
    assert render(tmp_path / "out", *options, synthetic=None) == 0
    assert "left out (1)" in capsys.readouterr().err
    rows = read_rows(tmp_path / "out" / "pictures" / "manifest.csv")
    assert {(row.programme, row.kind, row.source) for row in rows} == {("good", "midi", "midi, nearest direction")}
    assert {row.chunk for row in rows} == {"0", "1"}
    before = contents(tmp_path / "out")
    assert render(tmp_path / "out", *options, synthetic=None) == 0
    assert contents(tmp_path / "out") == before
    assert pictures_folder(tmp_path / "out") == tmp_path / "out" / "pictures"
    assert render(tmp_path / "out", *options, "--song_seconds", "1", synthetic=None) == 1
    assert "was made with another song_seconds" in capsys.readouterr().err


def test_heads_of_an_earlier_version_are_not_mixed_with_todays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--layouts", "100", "--sound", "false", "--listeners"]
    assert render(tmp_path, *options, "kemar", synthetic=1) == 0
    assert "parametric_listeners" not in json.loads((tmp_path / "render.json").read_text())
    assert render(tmp_path, *options, "parametric:1", synthetic=1) == 0  # added to a folder that had none
    assert render(tmp_path, *options, "kemar", synthetic=2) == 0
    settings = json.loads((tmp_path / "render.json").read_text())
    assert settings.pop("parametric_listeners") == 2
    (tmp_path / "render.json").write_text(json.dumps(settings))  # as folders of before have it
    assert render(tmp_path, *options, "kemar", synthetic=3) == 0
    assert render(tmp_path, *options, "parametric:1", synthetic=3) == 1
    assert "was begun with parametric_listeners 1, now 2" in capsys.readouterr().err


def test_a_population_of_listeners_can_be_drawn_from(tmp_path: Path) -> None:
    options = ["--listeners", "parametric:1-40", "--listeners_each", "1", "--layouts", "100", "--sound", "false"]
    assert render(tmp_path, *options, "--first_programme", "5", synthetic=4) == 0
    rows = read_rows(tmp_path / "pictures" / "manifest.csv")
    assert [row.programme for row in rows] == [f"synthetic0-00000{k}" for k in (5, 6, 7, 8)]
    assert len({row.listener for row in rows}) > 1


def test_measured_listeners_are_joined_by_virtual_heads_and_modelled_ones_are_not(tmp_path: Path) -> None:
    options = ["--listeners", "kemar", "parametric:1", "--virtual_heads", "2", "--layouts", "510", "--sound", "false"]
    assert render(tmp_path, *options, synthetic=1) == 0
    rows = read_rows(tmp_path / "pictures" / "manifest.csv")
    virtual = {"kemar": "MIT", "kemar-v1": "MIT", "kemar-v2": "MIT", "parametric0001": "parametric"}
    assert {row.listener: row.laboratory for row in rows} == virtual
    pictures = {(pictures_folder(tmp_path) / row.path).read_bytes() for row in rows}
    assert len(pictures) == 4


def test_a_file_that_is_called_as_a_virtual_head_is_named_and_nothing_is_rendered(tmp_path: Path, capsys) -> None:
    twin = tmp_path / "kemar-v1.sofa"
    shutil.copy(KEMAR_FILE, twin)
    options = ["--listeners", "kemar", "--hrtf", str(twin), "--virtual_heads", "1", "--layouts", "510"]
    assert render(tmp_path / "data", *options) == 1
    said = capsys.readouterr().err
    assert f"listener {twin}: would be called kemar-v1 in the names of pictures, as kemar~1 is; rename" in said
    assert not (tmp_path / "data").exists()


def masters(folder: Path) -> Path:
    """Two good masters of 1.3 s, one of three channels and one with NaN."""
    folder.mkdir()
    samples = 0.1 * np.random.default_rng(0).standard_normal((round(1.3 * RATE), 10))
    soundfile.write(folder / "one.wav", samples, RATE)
    soundfile.write(folder / "two.wav", samples[::-1], RATE)
    soundfile.write(folder / "three.wav", samples[:, :3], RATE)
    samples[100, 2] = np.inf
    soundfile.write(folder / "four.wav", samples, RATE, subtype="FLOAT")
    return folder


def test_all_that_is_wrong_comes_in_one_list_and_nothing_is_rendered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--programmes", str(masters(tmp_path / "masters")), "--listeners", "kemar", "nobody"]
    assert render(tmp_path / "out", *given, synthetic=None) == 1
    told = capsys.readouterr().err
    assert "Nothing was rendered (3 problems)" in told
    assert all(name in told for name in ("three.wav", "four.wav", "listener nobody"))
    assert not (tmp_path / "out").exists()


def test_the_rest_is_rendered_when_bad_ones_may_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--programmes", str(masters(tmp_path / "masters")), "--skip_bad", "true", "--minimum_seconds", "0.25"]
    assert render(tmp_path / "out", *given, "--layouts", "510", "514", synthetic=None) == 0
    assert "left out (2):" in capsys.readouterr().err
    rows = read_rows(tmp_path / "out" / "pictures" / "manifest.csv")
    assert Counter((row.programme, row.chunk, row.flags) for row in rows if row.label == "514") == {
        (name, chunk, "short" if chunk == "2" else ""): 1 for name in ("one", "two") for chunk in "012"
    }


def test_renderings_that_pass_for_silence_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "masters"
    folder.mkdir()
    samples = 0.1 * np.random.default_rng(1).standard_normal((RATE // 2, 10))
    for name, gain in (("loud", 1), ("quiet", 1e-3)):
        soundfile.write(folder / f"{name}.wav", gain * samples, RATE, subtype="FLOAT")
    given = ["--programmes", str(folder), "--layouts", "510", "514", "--sound", "false"]
    assert render(tmp_path / "out", *given, synthetic=None) == 0
    assert "WARNING: 2 of 4 renderings are below -50 LUFS" in capsys.readouterr().err
    assert render(tmp_path / "other", "--layouts", "514", "--sound", "false") == 0
    assert "WARNING" not in capsys.readouterr().err


def test_a_chunk_hears_the_end_of_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "masters"
    folder.mkdir()
    samples = 0.1 * np.random.default_rng(1).standard_normal((RATE, 10))
    soundfile.write(folder / "one.wav", samples, RATE, subtype="FLOAT")
    given = ["--programmes", str(folder), "--layouts", "514"]
    assert render(tmp_path / "halves", *given, synthetic=None) == 0
    assert main(["render", *given, "--output_dir", str(tmp_path / "whole"), *FAST, "--seconds", "1"]) == 0
    sounds = [
        soundfile.read(path)[0]
        for path in (
            tmp_path / "halves" / "sound" / "514" / "one_kemar_514_chunk0001.flac",
            tmp_path / "whole" / "sound" / "514" / "one_kemar_514_chunk0000.flac",
        )
    ]
    later = sounds[1][RATE // 2 :]
    gain = np.sum(sounds[0] * later) / np.sum(later**2)
    np.testing.assert_allclose(sounds[0], gain * later, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--layouts", "513"], "there is no layout '513'"),
        (["--sample_rate", "8000"], "8000 is not between"),
        (["--size", "101"], "does not divide"),
        (["--listeners", "parametric:x"], "parametric:x"),
    ],
)
def test_options_that_cannot_work_are_refused(
    options: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(tmp_path / "out", *options) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_finished_folder_is_left_as_it_is(rendered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(rendered)
    for workers in (1, 2):
        assert render(rendered, "--listeners", "kemar", "parametric:1", workers=workers) == 0
        assert "0 renderings of 2 programmes" in capsys.readouterr().out
    assert contents(rendered) == before


@pytest.mark.slow
def test_workers_end_when_their_command_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spatial_swin.cli", "render", "--synthetic", "40", "--output_dir", str(tmp_path)]
    started = subprocess.Popen([*command, *FAST, "--workers", "2"], stdout=subprocess.DEVNULL, start_new_session=True)
    _wait_for(lambda: any(tmp_path.rglob("*.png")))
    started.kill()
    started.wait()
    _wait_for(lambda: not _is_alive(started.pid))


def _wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this never came"
        time.sleep(0.1)


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_processes_do_not_change_a_byte(rendered: Path, tmp_path: Path) -> None:
    assert render(tmp_path, "--listeners", "kemar", "parametric:1", workers=2) == 0
    assert contents(tmp_path) == contents(rendered)


def test_a_killed_run_leaves_no_hidden_file_after_the_next(tmp_path: Path) -> None:
    ours = [
        ".render.0123abcd.json",
        "pictures/.manifest.0123abcd.csv",
        "pictures/100/.synthetic0-000001_kemar_100_chunk0000.0123abcd.png",
        "sound/100/.synthetic0-000000_kemar_100_chunk0000.0123abcd.flac",
    ]
    another = "pictures/100/.another_kemar_100_chunk0000.0123abcd.png"
    for name in (*ours, another):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    assert render(tmp_path, "--layouts", "100") == 0
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob(".*")] == [another]


def test_a_full_disk_is_one_sentence_and_what_was_made_stays_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--layouts", "100", "514"]
    assert render(tmp_path / "whole", *options) == 0
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in (tmp_path / "whole").rglob("*.flac"))
    capsys.readouterr()
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, limits[1]))
    try:
        assert render(tmp_path / "full", *options) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "rendering" not in line]
    assert "cannot be written" in line
    assert "free some space" in line
    for path in (path for path in (tmp_path / "full").rglob("*.*") if path.name != "manifest.csv"):
        assert path.read_bytes() == (tmp_path / "whole" / path.relative_to(tmp_path / "full")).read_bytes()
    assert render(tmp_path / "full", *options) == 0
    assert contents(tmp_path / "full") == contents(tmp_path / "whole")
