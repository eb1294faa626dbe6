"""Recordings: found, judged with their values, cut into chunks that are the sound itself."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from spatial_swin.audio.clips import Cut, Recording, bad_names, clips, clips_of, find_recordings, judge, overdriven
from spatial_swin.audio.sound_files import in_memory
from spatial_swin.errors import AudioError

RATE = 48_000
CUT = Cut(seconds=1.0, hop_seconds=1.0, minimum_seconds=1.0)


def noise(seconds: float, rate: int = RATE, channels: int = 2) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((round(seconds * rate), channels)).astype(np.float32)


def recording(path: Path, sound: np.ndarray | None = None, rate: int = RATE) -> Recording:
    path.parent.mkdir(parents=True, exist_ok=True)
    if sound is not None:
        soundfile.write(path, sound, rate, subtype="FLOAT" if path.suffix == ".wav" else None)
    return Recording(path, path.parent.name, path.stem, f"{path.parent.name}/{path.name}")


def test_recordings_are_found_below_class_folders(tmp_path):
    for name in ("510/b.oga", "510/day/a.FLAC", "100/c.aiff", "100/notes.txt", "100/.hidden.wav", "100/more.TXT"):
        recording(tmp_path / name).path.touch()
    (tmp_path / "readme.md").touch()
    recordings, passed_by = find_recordings(tmp_path)
    seen = [(r.label, r.name, r.source) for r in recordings]
    assert seen == [("100", "c", "100/c.aiff"), ("510", "b", "510/b.oga"), ("510", "day_a", "510/day/a.FLAC")]
    assert passed_by == {".txt": 2}


@pytest.mark.parametrize("name", ["510/two\nlines.wav", "510/\x1b[31mred.wav", "5\t10/a.wav", "510/\udcff.wav"])
def test_names_that_no_table_can_hold_are_named_as_escapes(tmp_path, name):
    recording(tmp_path / name).path.touch()
    (problem,) = bad_names(find_recordings(tmp_path)[0]).values()
    assert "control characters, or bytes that are not UTF-8" in problem.what
    assert str(problem).isprintable()


def test_sound_beside_the_class_folders_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(AudioError, match="no sound in class folders"):
        find_recordings(tmp_path)
    with pytest.raises(AudioError, match="not a folder"):
        find_recordings(tmp_path / "missing")
    (tmp_path / "loose.wav").touch()
    with pytest.raises(AudioError, match=r"loose\.wav: lies beside the class folders"):
        find_recordings(tmp_path)


def test_two_files_whose_pictures_would_have_one_name_are_a_problem(tmp_path):
    for name in ("510/a.wav", "510/a.flac", "514/a.wav"):
        recording(tmp_path / name).path.touch()
    problems = bad_names(find_recordings(tmp_path)[0])
    assert list(problems) == ["510/a.wav"]
    assert "510/a.flac" in str(problems["510/a.wav"])


@pytest.mark.parametrize(
    ("sound", "rate", "words"),
    [
        (noise(2, channels=1), RATE, "1 channel;"),
        (noise(2, channels=6), RATE, "6 channels;"),
        (noise(2, 16_000), 16_000, "16000 Hz"),
        (np.zeros((2 * RATE, 2)), RATE, "digital silence"),
        (1e-4 * noise(2), RATE, "silent, its peak is -"),
        (noise(0.5), RATE, "0.500 s, shorter than a chunk"),
        (np.zeros((0, 2)), RATE, "no samples"),
    ],
)
def test_a_bad_recording_is_named_with_its_value(tmp_path, sound, rate, words):
    problem = judge(recording(tmp_path / "510" / "x.wav", sound, rate), CUT)
    assert problem is not None
    assert problem.where == "510/x.wav"
    assert words in str(problem)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_named_with_their_time(tmp_path, value):
    sound = noise(3)
    sound[int(1.5 * RATE) :, 1][:7] = value
    problem = judge(recording(tmp_path / "510" / "x.wav", sound), CUT)
    assert problem is not None
    assert "7 NaN or infinite samples from 1.500 s on" in problem.what


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.6])
def test_empty_and_truncated_files_are_named(tmp_path, suffix, share):
    whole = recording(tmp_path / "510" / f"x{suffix}", noise(2))
    content = whole.path.read_bytes()
    whole.path.write_bytes(content[: int(share * len(content))])
    problem = judge(whole, CUT)
    assert problem is not None
    if share == 0.6:
        assert "truncated" in problem.what


def test_one_full_sample_is_no_overdriven_sound():
    sound = np.zeros((2, 100), np.float32)
    sound[1, 50:52] = -1
    assert not overdriven(sound)
    sound[1, 52] = -1
    assert overdriven(sound)


def test_what_is_no_sound_is_named_whatever_its_ending(tmp_path):
    for ending in (".wav", ".flac", ".m4a", ".raw"):
        path = tmp_path / "510" / f"x{ending}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not sound at all" * 10)
        problem = judge(recording(path), CUT)
        assert problem is not None
        assert ("unknown sample rate" if ending == ".raw" else "cannot be read") in problem.what
        assert str(tmp_path) not in str(problem)


def test_streamed_wav_files_without_a_length_are_not_called_truncated(tmp_path):
    good = recording(tmp_path / "510" / "x.wav", noise(2))
    content = bytearray(good.path.read_bytes())
    content[4:8] = struct.pack("<I", 0xFFFFFFFF)
    good.path.write_bytes(content)
    assert judge(good, CUT) is None


def test_good_recordings_have_no_problem(tmp_path):
    assert judge(recording(tmp_path / "510" / "x.flac", noise(2, 44_100), 44_100), CUT) is None


@pytest.mark.parametrize(
    ("hop", "minimum", "starts", "shorts"),
    [
        (1.0, 1.0, [0, 1, 2], [0, 0, 0]),
        (1.0, 0.25, [0, 1, 2, 3], [0, 0, 0, 1]),
        (0.5, 1.0, [0, 0.5, 1, 1.5, 2], [0, 0, 0, 0, 0]),
        (0.5, 0.75, [0, 0.5, 1, 1.5, 2, 2.5], [0, 0, 0, 0, 0, 1]),
        (1.5, 0.25, [0, 1.5, 3], [0, 0, 1]),
        (2.5, 1.0, [0, 2.5], [0, 0]),
    ],
)
def test_chunks_lie_where_hop_and_minimum_say(tmp_path, hop, minimum, starts, shorts):
    length = 3.5 if hop == 2.5 else 3.3
    sound = noise(length)
    found = list(clips(recording(tmp_path / "510" / "x.wav", sound), Cut(1.0, hop, minimum)))
    assert [clip.start for clip in found] == pytest.approx(starts)
    assert [clip.short for clip in found] == [bool(s) for s in shorts]
    for clip in found:
        begin = round(clip.start * RATE)
        part = sound[begin : begin + RATE].T
        np.testing.assert_array_equal(clip.sound[:, : part.shape[1]], part)
        assert not clip.sound[:, part.shape[1] :].any()
        assert clip.sound.shape == (2, RATE)


def test_streamed_resampling_equals_resampling_at_once(tmp_path):
    sound = noise(5, 44_100)
    found = list(clips(recording(tmp_path / "510" / "x.wav", sound, 44_100), CUT))
    whole = soxr.resample(sound, 44_100, RATE, quality="VHQ").T
    assert len(found) == 5
    together = np.concatenate([clip.sound for clip in found], axis=1)
    np.testing.assert_allclose(together, whole[:, : together.shape[1]], atol=1e-5)


@pytest.mark.parametrize(
    "values",
    [
        {"seconds": 0.0},
        {"seconds": -1.0},
        {"hop_seconds": 0.0},
        {"minimum_seconds": 11.0},
        {"sample_rate": 8_000},
        {"seconds": float("nan")},
    ],
)
def test_impossible_cuts_are_refused(values):
    with pytest.raises(AudioError, match=f"--{next(iter(values))}"):
        Cut(**values)


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_sound_in_memory_is_cut_as_its_file_is(tmp_path, rate):
    sound = noise(2.6, rate)
    cut = Cut(seconds=1.0, hop_seconds=0.7, minimum_seconds=0.3)
    from_file = list(clips(recording(tmp_path / "510" / "a.wav", sound, rate), cut))
    from_memory = list(clips_of(in_memory(sound.T, rate), cut))
    assert len(from_file) == len(from_memory) == 4
    for one, other in zip(from_file, from_memory, strict=True):
        assert np.array_equal(one.sound, other.sound)
        assert (one.start, one.short) == (other.start, other.short)
