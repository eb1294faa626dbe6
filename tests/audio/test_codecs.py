"""Codecs: as long as before, in time to the sample, near the rate asked for; what is missing is said."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_swin.audio import aac, codecs, system_libsndfile
from spatial_swin.audio.codecs import BIT_RATES, CODECS, each_through_codec, encode, missing, through_codec
from spatial_swin.errors import AudioError

RATE = 48_000


@pytest.fixture(scope="module")
def ears() -> np.ndarray:
    """A second of pink noise, differing between the ears, with pulses in it."""
    generator = np.random.default_rng(0)
    spectrum = np.fft.rfft(generator.standard_normal((2, RATE))) / np.sqrt(np.arange(1, RATE // 2 + 2))
    sound = np.fft.irfft(spectrum, RATE)
    sound[:, ::6_000] += 20 * np.abs(sound).std()
    return (0.05 * sound / sound.std()).astype(np.float32)


def lag(sound: np.ndarray, other: np.ndarray) -> int:
    """By how many samples `other` comes later."""
    size = 2 * len(sound)
    correlation = np.fft.irfft(np.fft.rfft(other, size) * np.fft.rfft(sound, size).conj())
    return int((correlation.argmax() + len(sound)) % size - len(sound))


@pytest.mark.parametrize("bit_rate", [BIT_RATES[0], BIT_RATES[-1]])
@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_keeps_length_and_time(codec: str, bit_rate: int, ears: np.ndarray) -> None:
    if reason := missing(codec):
        pytest.skip(reason)
    decoded, rate = through_codec(ears, RATE, codec, bit_rate)
    assert rate == RATE
    assert decoded.shape == ears.shape
    assert decoded.dtype == np.float32
    for before, after in zip(ears, decoded, strict=True):
        assert lag(before, after) == 0
        assert np.corrcoef(before, after)[0, 1] > 0.8
    assert np.std(decoded - ears) > 1e-3 * np.std(ears)


@pytest.mark.parametrize("codec", CODECS)
def test_more_bits_are_a_larger_file_and_a_smaller_error(codec: str, ears: np.ndarray) -> None:
    if reason := missing(codec):
        pytest.skip(reason)
    long = np.tile(ears.T, (3, 1))
    rates = [len(encode(long, RATE, codec, bit_rate)) * 8 / 3_000 for bit_rate in (64, 192)]
    np.testing.assert_allclose(rates, (64, 192), rtol=0.35 if codec == "vorbis" else 0.15)  # Vorbis has no rate
    coarse, fine = (through_codec(ears, RATE, codec, bit_rate)[0] - ears for bit_rate in (64, 192))
    assert np.std(fine) < np.std(coarse)


@pytest.mark.parametrize(("codec", "rate", "expected"), [("opus", 44_100, 48_000), ("mp3", 44_100, 44_100)])
def test_a_rate_that_a_codec_does_not_take_becomes_one_that_it_does(
    codec: str, rate: int, expected: int, ears: np.ndarray
) -> None:
    decoded, found = through_codec(ears[:, :44_100], rate, codec, 128)
    assert found == expected
    assert decoded.shape == (2, expected)


def test_aac_of_many_sounds_is_that_of_each_and_starts_ffmpeg_twice(
    ears: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := missing("aac"):
        pytest.skip(reason)
    sounds = [ears[:, :9_000], ears[::-1, 5_000:12_000], 0.1 * ears[:, 20_000:30_000]]  # of other lengths
    alone = [through_codec(one, RATE, "aac", 64) for one in sounds]
    starts, run = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *given, **options: starts.append(1) or run(*given, **options))
    together = list(each_through_codec(iter(sounds), RATE, "aac", 64))
    assert len(starts) == 2
    for (one, rate), (other, other_rate) in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
        assert rate == other_rate == RATE


def test_sounds_are_taken_as_they_are_asked_for(ears: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(aac, "AT_ONCE", 2)
    monkeypatch.setattr(codecs, "missing", lambda codec: None)
    monkeypatch.setattr(codecs, "_there_and_back", lambda sounds, *_: list(sounds))
    for codec, expected in (("aac", 2), ("vorbis", 1)):
        taken.clear()
        sounds = (taken.append(k) or ears[:, : 100 + k] for k in range(3))
        results = each_through_codec(sounds, RATE, codec, 64)
        assert next(results)[0].shape == (2, 100)
        assert len(taken) == expected
        assert [one.shape[1] for one, _ in results] == [101, 102]


@pytest.mark.parametrize("codec", codecs.QUICKER)
def test_the_libsndfile_of_the_machine_gives_what_that_of_the_wheel_gives(
    codec: str, ears: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other versions of libopus may round otherwise: then it sounds the same all the same."""
    if codecs.library_of(codec) is soundfile:
        pytest.skip("this machine has no libsndfile of its own with this codec")
    assert codecs.encoder(codec).endswith("of this machine")
    own, _ = through_codec(ears, RATE, codec, 96)
    monkeypatch.setattr(codecs, "system_soundfile", lambda: None)
    assert codecs.library_of(codec) is soundfile
    wheels, _ = through_codec(ears, RATE, codec, 96)
    assert np.std(own - wheels) < 1e-3 * np.std(wheels)


def test_without_a_libsndfile_of_the_machine_there_is_no_second_soundfile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load = system_libsndfile.system_soundfile.__wrapped__
    (tmp_path / "libsndfile.so.1").write_bytes(b"no library")
    monkeypatch.setattr(system_libsndfile, "library_path", lambda: None)
    assert load() is None
    monkeypatch.setattr(system_libsndfile, "library_path", lambda: tmp_path / "libsndfile.so.1")
    assert load() is None
    monkeypatch.undo()
    if (found := load()) is not None:
        assert found is not soundfile
        assert found._snd is not soundfile._snd
        assert soundfile.available_formats()


@pytest.fixture
def forgetful() -> object:
    """What was found missing in this test is forgotten after it."""
    missing.cache_clear()
    yield
    missing.cache_clear()


@pytest.mark.usefixtures("forgetful")
def test_a_codec_that_libsndfile_does_not_have_is_named(monkeypatch: pytest.MonkeyPatch, ears: np.ndarray) -> None:
    monkeypatch.setitem(codecs.FORMATS, "mp3", ("WAV", "G721_32"))  # of one channel only
    assert f"libsndfile {codecs.library_of('mp3').__libsndfile_version__} has no mp3" in str(missing("mp3"))
    assert missing("vorbis") is None
    with pytest.raises(AudioError, match="has no mp3"):
        through_codec(ears, RATE, "mp3", 64)


@pytest.mark.usefixtures("forgetful")
def test_without_ffmpeg_there_is_no_aac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert missing("aac") == "there is no ffmpeg for AAC"


@pytest.mark.usefixtures("forgetful")
def test_an_ffmpeg_without_the_encoder_is_named_with_its_complaint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text("#!/bin/sh\necho 'Unknown encoder aac' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert missing("aac") == "this ffmpeg has no aac (ffmpeg failed (Unknown encoder aac))"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", r"ffmpeg failed \(exit code 3\)"),
        ("exit 0", r"ffmpeg failed \(it wrote nothing\)"),
        ("exec sleep 5", "ffmpeg gave nothing for 0.2 s"),
    ],
)
def test_an_ffmpeg_that_gives_nothing_is_an_error(
    script: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ears: np.ndarray
) -> None:
    (tmp_path / "ffmpeg").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    if "sleep" in script:
        monkeypatch.setattr(aac, "PATIENCE", 0.2)
    with pytest.raises(AudioError, match=said):
        aac.encode([ears.T], RATE, 64)


def test_a_folder_that_takes_no_files_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ears: np.ndarray
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(AudioError, match=r"ffmpeg could not be used with a temporary folder \(.*gone"):
        aac.encode([ears.T], RATE, 64)
