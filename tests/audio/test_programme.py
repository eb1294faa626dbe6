"""Programmes of a user: masters, mono files and stems are recognised, judged all at once, and read piece by piece."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_swin.audio.clips import Cut
from spatial_swin.audio.programme import chunk_starts, find_programmes, judge, read_piece
from spatial_swin.audio.render import loudspeaker_signals
from spatial_swin.errors import AudioError
from spatial_swin.layouts import ALIASES, DEFAULT_LAYOUTS, LAYOUTS, find_layouts

RATE = 48_000
FOUR = find_layouts(DEFAULT_LAYOUTS)
CUT = Cut(1.0, 1.0, 1.0, RATE)


def sound(channels: int, seconds: float = 2.0, seed: int = 0, rate: int = RATE) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * rate), channels))


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


def found(root: Path, seed: int = 0):
    programmes, problems = find_programmes(root, seed)
    assert not problems, [str(p) for p in problems]
    return {programme.name: programme for programme in programmes}


def test_a_ten_channel_master_is_5_1_4_and_downmixes_as_documented(tmp_path: Path) -> None:
    samples = sound(10)
    write(tmp_path / "My film_1.wav", samples)
    scene = found(tmp_path)["My-film-1"].scene(0, 2 * RATE, RATE)
    channels = dict(zip(LAYOUTS["514"].names, samples.T.astype(np.float32), strict=True))
    placed = [channels[speaker.name] for speaker in LAYOUTS["514"].placed]
    np.testing.assert_allclose(loudspeaker_signals(scene, LAYOUTS["514"]), placed, atol=1e-6)
    np.testing.assert_array_equal(scene.lfe, channels["LFE1"])
    left = channels["M+030"] + 0.7071 * (channels["U+030"] + channels["M+000"])
    left += 0.7071 * (channels["M+110"] + 0.7071 * channels["U+110"])
    np.testing.assert_allclose(loudspeaker_signals(scene, LAYOUTS["200"])[0], left, atol=1e-4)


def test_mono_files_named_by_loudspeaker_are_the_same_master(tmp_path: Path) -> None:
    samples = sound(10)
    write(tmp_path / "one.wav", samples)
    aliases = {name: alias for alias, name in ALIASES.items()}
    for name, channel in zip(LAYOUTS["514"].names, samples.T, strict=True):
        write(tmp_path / "two" / f"take_{aliases[name]}.wav", channel)
        write(tmp_path / "three" / f"{name}.wav", channel)
    programmes = found(tmp_path)
    assert [programmes[name].layout for name in ("one", "two", "three")] == ["514"] * 3
    signals = [loudspeaker_signals(p.scene(0, RATE, RATE), LAYOUTS["510"]) for p in programmes.values()]
    for other in signals[1:]:
        np.testing.assert_allclose(other, signals[0], atol=1e-6)


def test_stems_stand_where_they_are_said_to_or_are_drawn_by_the_seed(tmp_path: Path) -> None:
    for name in ("drums.wav", "flute_az-120_el+45.wav", "voice.wav"):
        write(tmp_path / "song" / name, sound(1))
    (tmp_path / "song" / "stems.csv").write_text("file,azimuth,elevation,gain_db\nvoice.wav,-10,5,-6\n")
    drums, flute, voice = found(tmp_path)["song"].tracks
    assert (flute.azimuth, flute.elevation, flute.gain) == (-120, 45, 1)
    assert (voice.azimuth, voice.elevation, voice.gain) == (-10, 5, pytest.approx(0.501, abs=1e-3))
    assert drums == found(tmp_path)["song"].tracks[0]
    drawn = {found(tmp_path, seed)["song"].tracks[0].azimuth for seed in range(5)}
    assert len(drawn) == 5


def test_a_stem_that_ends_early_is_followed_by_silence(tmp_path: Path) -> None:
    write(tmp_path / "song" / "a_az0.wav", sound(1, 1.0))
    write(tmp_path / "song" / "b_az90.wav", sound(1, 2.0))
    scene = found(tmp_path)["song"].scene(0, 2 * RATE, RATE)
    assert not scene.stems[0].signal[RATE:].any()
    assert scene.stems[1].signal[RATE:].all()


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 48_000), (96_000, 48_000), (48_000, 44_100), (48_000, 48_000)])
def test_pieces_fit_together_at_any_rate(tmp_path: Path, rate: int, wanted: int) -> None:
    path = write(tmp_path / "a.wav", sound(2, 1.5, rate=rate), rate)
    whole = read_piece(path, 0, round(1.5 * wanted), wanted)
    for start in (0, 1, 12_345, 40_001):
        piece = read_piece(path, start, 9_000, wanted)
        np.testing.assert_allclose(piece, whole[:, start : start + 9_000], atol=1e-4)
    assert not read_piece(path, 2 * wanted, 100, wanted).any()


@pytest.mark.parametrize(
    ("seconds", "cut", "expected"),
    [
        (3.0, CUT, [(0, False), (RATE, False), (2 * RATE, False)]),
        (2.7, CUT, [(0, False), (RATE, False)]),
        (2.7, Cut(1.0, 1.0, 0.5, RATE), [(0, False), (RATE, False), (2 * RATE, True)]),
        (2.0, Cut(1.0, 0.5, 0.5, RATE), [(0, False), (RATE // 2, False), (RATE, False)]),
        (0.6, Cut(1.0, 1.0, 0.5, RATE), [(0, True)]),
        (0.4, Cut(1.0, 1.0, 0.5, RATE), []),
    ],
)
def test_chunks(seconds: float, cut: Cut, expected: list[tuple[int, bool]]) -> None:
    assert chunk_starts(round(seconds * RATE), cut) == expected


def test_everything_that_cannot_be_a_programme_is_told_at_once(tmp_path: Path) -> None:
    write(tmp_path / "good.wav", sound(10))
    write(tmp_path / "three.wav", sound(3))
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("hello, I am not a sound")
    write(tmp_path / "slow.wav", sound(10, rate=8_000), 8_000)
    write(tmp_path / "a b.wav", sound(10))
    write(tmp_path / "a_b.wav", sound(10))
    cut = write(tmp_path / "cut.wav", sound(10))
    cut.write_bytes(cut.read_bytes()[:-50_000])
    (tmp_path / "nothing").mkdir()
    for name in ("L", "R", "Ls"):
        write(tmp_path / "channels" / f"{name}.wav", sound(1))
    write(tmp_path / "stereo" / "piano.wav", sound(2))
    write(tmp_path / "rates" / "a.wav", sound(1))
    write(tmp_path / "rates" / "b.wav", sound(1), 44_100)
    write(tmp_path / "table" / "a.wav", sound(1))
    (tmp_path / "table" / "stems.csv").write_text("file,azimuth,elevation\nb.wav,0,0\n")
    programmes, problems = find_programmes(tmp_path, 0)
    assert [p.name for p in programmes] == ["a-b", "good"]
    told = {Path(p.where.split(",")[0]).name: p.what for p in problems}
    expected = {
        "a_b.wav": "would be called a-b",
        "channels": "for 5.1.0 missing LFE1, M+000, M-110, too many none",
        "cut.wav": "truncated, 49999 bytes",
        "empty.wav": "empty file (0 bytes)",
        "nothing": "holds no sound",
        "rates": "sample rates differ (44100, 48000 Hz)",
        "slow.wav": "8000 Hz",
        "stereo": "piano.wav is not mono",
        "stems.csv": "no file 'b.wav'",
        "text.wav": "cannot be read",
        "three.wav": "3 channels",
    }
    assert told.keys() == expected.keys()
    assert {name: expected[name] in told[name] for name in expected} == dict.fromkeys(expected, True), told


def test_samples_are_judged_too(tmp_path: Path) -> None:
    broken = sound(10)
    broken[RATE + 480, 3] = np.nan
    write(tmp_path / "nan.wav", broken)
    write(tmp_path / "quiet.wav", np.zeros((2 * RATE, 10)))
    write(tmp_path / "short.wav", sound(10, 0.7))
    write(tmp_path / "surround.wav", sound(6))
    write(tmp_path / "good.wav", sound(10))
    told = {name: [p.what for p in judge(programme, FOUR, CUT)] for name, programme in found(tmp_path).items()}
    assert told == {
        "good": [],
        "nan": ["1 NaN or infinite samples from 1.010 s on"],
        "quiet": ["digital silence"],
        "short": ["lasts 0.700 s, less than a chunk of 1 s"],
        "surround": ["is a master of 5.1.0, which holds less than 514"],
    }
    assert not list(judge(found(tmp_path)["surround"], find_layouts(["100", "200", "510"]), CUT))


def test_a_compressed_master_that_ends_too_early_is_named_and_not_read_on(tmp_path: Path) -> None:
    for name in ("L", "R"):
        write(tmp_path / "stereo" / f"{name}.flac", sound(1))
    cut = tmp_path / "stereo" / "R.flac"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (problem,) = judge(found(tmp_path)["stereo"], find_layouts(["200"]), CUT)
    assert problem.where == str(cut)
    assert "truncated" in problem.what


def test_a_folder_without_programmes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no programme in it"):
        find_programmes(tmp_path, 0)
    with pytest.raises(AudioError, match="not a folder"):
        find_programmes(tmp_path / "missing", 0)
