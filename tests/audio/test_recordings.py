"""From a folder of recordings to one of pictures: manifest, same bytes, shards, resuming, all problems at once."""

import resource
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from spatial_swin.audio.clips import Cut, Recording
from spatial_swin.audio.drawing import Settings
from spatial_swin.audio.manifest import read_rows
from spatial_swin.audio.recordings import _convert, convert_folder
from spatial_swin.audio.tiles import TileMap
from spatial_swin.errors import AudioError, WriteError

RATE = 48_000
SETTINGS = Settings(Cut(0.5, 0.5, 0.5), size=192)


def details(recording: Recording) -> dict[str, str]:
    return {"programme": recording.name, "source": recording.source}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    root = tmp_path / "recordings"
    for label in ("100", "510"):
        (root / label).mkdir(parents=True)
        for take in range(2):
            sound = generator.standard_normal((int(1.1 * RATE), 2)) * 0.1
            soundfile.write(root / label / f"take{take}.wav", sound, RATE)
    return root


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_pictures_manifest_and_tile_map_fit_together(recordings, tmp_path):
    output = tmp_path / "pictures"
    done = convert_folder(recordings, output, SETTINGS, details, workers=2)
    rows = read_rows(output / "manifest.csv")
    assert done.complete
    assert len(rows) == len(done.rows) == 8
    assert [row.path for row in rows[:2]] == ["100/take0_chunk0000.png", "100/take0_chunk0001.png"]
    assert {row.recording for row in rows} == {"100/take0", "100/take1", "510/take0", "510/take1"}
    for row in rows:
        assert row.path.startswith(f"{row.label}/")
        assert float(row.loudness_after) == pytest.approx(-23, abs=0.05)
        assert float(row.loudness_before) > -23
        with Image.open(output / row.path) as picture:
            assert (picture.mode, picture.size) == ("L", (192, 192))
    assert TileMap.read(output) == SETTINGS.tiles
    others = {name for name in content(output) if not name.endswith(".png")}
    assert others == {"manifest.csv", "tiles.json"}  # nothing that makes imagefolder forget the class folders


def test_the_number_of_threads_does_not_change_a_byte(recordings, tmp_path):
    convert_folder(recordings, tmp_path / "one", SETTINGS, details, workers=1)
    convert_folder(recordings, tmp_path / "four", SETTINGS, details, workers=4)
    assert content(tmp_path / "one") == content(tmp_path / "four")


def test_shards_together_make_the_same_folder(recordings, tmp_path):
    convert_folder(recordings, tmp_path / "whole", SETTINGS, details)
    parts = [convert_folder(recordings, tmp_path / "parts", SETTINGS, details, shard=(i, 3)) for i in (3, 1, 2)]
    assert [part.complete for part in parts] == [False, False, True]
    whole, merged = content(tmp_path / "whole"), content(tmp_path / "parts")
    assert whole.items() <= merged.items()


def test_a_stopped_run_continues_where_it_was(recordings, tmp_path, monkeypatch):
    output = tmp_path / "pictures"
    made = []
    convert_one = "spatial_swin.audio.recordings._convert"

    def stops_at_the_third(recording, *rest):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(recording.source)
        return _convert(recording, *rest)

    monkeypatch.setattr(convert_one, stops_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        convert_folder(recordings, output, SETTINGS, details, workers=1)
    assert not (output / "manifest.csv").exists()
    first = list(made)
    journal = next(output.glob(".*.unfinished"))
    journal.write_text(journal.read_text() + '{"recording": "cut o')  # stopped in the middle of a line

    def notes(recording, *rest):
        made.append(recording.source)
        return _convert(recording, *rest)

    made.clear()
    monkeypatch.setattr(convert_one, notes)
    convert_folder(recordings, output, SETTINGS, details, workers=1)
    assert set(made).isdisjoint(first)
    assert len(made) == 2
    monkeypatch.undo()
    convert_folder(recordings, tmp_path / "at_once", SETTINGS, details)
    assert content(output) == content(tmp_path / "at_once")


def test_a_finished_folder_is_not_made_again_unless_told(recordings, tmp_path):
    output = tmp_path / "pictures"
    convert_folder(recordings, output, SETTINGS, details)
    with pytest.raises(AudioError, match="--overwrite true"):
        convert_folder(recordings, output, SETTINGS, details)
    longer = Settings(Cut(1.0, 1.0, 1.0), size=192)
    convert_folder(recordings, output, longer, details, overwrite=True)
    assert len(list(output.rglob("*.png"))) == len(read_rows(output / "manifest.csv")) == 4


def test_shards_with_other_settings_are_refused(recordings, tmp_path):
    convert_folder(recordings, tmp_path / "parts", SETTINGS, details, shard=(1, 2))
    with pytest.raises(AudioError, match="other settings"):
        convert_folder(recordings, tmp_path / "parts", Settings(SETTINGS.cut, size=224), details, shard=(2, 2))


def test_all_problems_come_at_once_before_any_picture(recordings, tmp_path):
    soundfile.write(recordings / "100" / "mono.wav", np.ones(RATE), RATE)
    soundfile.write(recordings / "510" / "silent.wav", np.zeros((RATE, 2)), RATE)
    (recordings / "510" / "empty.wav").touch()
    output = tmp_path / "pictures"
    with pytest.raises(AudioError) as caught:
        convert_folder(recordings, output, SETTINGS, details)
    for name in (
        "100/mono.wav: 1 channel",
        "510/silent.wav: digital silence",
        "510/empty.wav: empty file",
        "3 problems",
    ):
        assert name in str(caught.value)
    assert not list(tmp_path.rglob("*.png"))
    done = convert_folder(recordings, output, SETTINGS, details, skip_bad=True)
    assert len(done.problems) == 3
    assert len(done.rows) == 8


def test_a_folder_of_nothing_but_bad_recordings_fails_even_when_skipping(tmp_path):
    (tmp_path / "in" / "100").mkdir(parents=True)
    (tmp_path / "in" / "100" / "empty.wav").touch()
    with pytest.raises(AudioError, match="No recording can become a picture"):
        convert_folder(tmp_path / "in", tmp_path / "out", SETTINGS, details, skip_bad=True)


def test_silent_short_and_clipped_chunks_are_flagged(tmp_path):
    root = tmp_path / "in" / "510"
    root.mkdir(parents=True)
    sound = 0.1 * np.random.default_rng(0).standard_normal((int(1.3 * RATE), 2))
    sound[RATE // 2 : RATE] = 0
    soundfile.write(root / "x.wav", sound, RATE)
    spike = np.random.default_rng(0).standard_normal((RATE // 2, 2)) * 0.003
    spike[100] = 0.9
    soundfile.write(root / "spike.wav", spike, RATE)
    overdriven = np.clip(np.random.default_rng(0).standard_normal((RATE // 2, 2)) * 4, -1, 1)
    soundfile.write(root / "overdriven.wav", overdriven, RATE)
    done = convert_folder(tmp_path / "in", tmp_path / "out", Settings(Cut(0.5, 0.5, 0.25), size=192), details)
    flags = {row.path: row.flags for row in done.rows}
    assert flags == {
        "510/x_chunk0000.png": "",
        "510/x_chunk0001.png": "silent",
        "510/x_chunk0002.png": "short",
        "510/spike_chunk0000.png": "clipped",
        "510/overdriven_chunk0000.png": "clipped",
    }
    silent = next(row for row in done.rows if row.flags == "silent")
    assert (silent.loudness_before, silent.loudness_after) == ("", "")


def test_a_killed_run_leaves_no_hidden_file_after_the_next(recordings, tmp_path):
    output = tmp_path / "pictures"
    (output / "510").mkdir(parents=True)
    ours = [output / "510" / ".take0_chunk0001.0123abcd.png", output / ".manifest.0123abcd.csv"]
    another = output / "510" / ".somebody_else_chunk0001.0123abcd.png"
    for path in (*ours, another):
        path.write_bytes(b"half")
    convert_folder(recordings, output, SETTINGS, details, workers=1)
    assert [path for path in output.rglob(".*") if path.is_file()] == [another]


def test_a_full_disk_is_one_sentence_and_what_was_made_stays_whole(recordings, tmp_path):
    output = tmp_path / "pictures"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    convert_folder(recordings, tmp_path / "whole", SETTINGS, details, workers=1)
    sizes = sorted(path.stat().st_size for path in (tmp_path / "whole").rglob("*.png"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (sizes[-1] - 1, limits[1]))
    try:
        with pytest.raises(WriteError, match=r"chunk000\d\.png: cannot be written \(.*\); free some space"):
            convert_folder(recordings, output, SETTINGS, details, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for path in output.rglob("*.png"):
        assert path.read_bytes() == (tmp_path / "whole" / path.relative_to(output)).read_bytes()
    convert_folder(recordings, output, SETTINGS, details, workers=1)
    assert content(output) == content(tmp_path / "whole")


def test_what_no_ending_calls_sound_is_counted(recordings, tmp_path):
    for name in ("100/notes.txt", "510/cover.jpg", "510/more.TXT"):
        (recordings / name).touch()
    done = convert_folder(recordings, tmp_path / "pictures", SETTINGS, details, workers=1)
    assert done.passed_by == {".txt": 2, ".jpg": 1}
