"""BW64 files: samples as libsndfile reads them elsewhere, and headers that cannot be, in one sentence."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_masters import RATE, chunk, write_bw64

from spatial_swin.audio import bw64
from spatial_swin.audio.programme import read_piece
from spatial_swin.audio.sound_files import open_sound
from spatial_swin.errors import BadSound

SOUND = (0.3 * np.random.default_rng(0).standard_normal((5_000, 3))).clip(-0.99, 0.99)


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_samples_of_bw64_are_those_of_the_same_wav(tmp_path: Path, bits: int) -> None:
    path, plain = write_bw64(tmp_path / "a.wav", SOUND, bits=bits), tmp_path / "b.wav"
    soundfile.write(plain, SOUND, RATE, subtype={16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}[bits])
    for start, count in ((0, 5_000), (1_234, 500), (4_900, 300)):
        piece = read_piece(path, start, count, RATE)
        np.testing.assert_allclose(piece, read_piece(plain, start, count, RATE), atol=2 ** (1 - bits) + 1e-7)
    with open_sound(path) as sound:
        assert (sound.channels, sound.sample_rate, sound.frames) == (3, RATE, 5_000)
        assert sound.peak() == (pytest.approx(np.abs(SOUND).max(), abs=1e-4), 5_000)


def test_chunks_are_found_in_all_three_kinds(tmp_path: Path) -> None:
    extra = [chunk(b"junk", b"abc"), chunk(b"chna", b"1234567")]
    for kind in bw64.KINDS:
        path = write_bw64(tmp_path / "a.wav", SOUND, extra, kind=kind)
        assert bw64.read_chunks(path).content(b"chna") == b"1234567"
        assert bw64.read_chunks(path).content(b"axml") == b""


def test_the_samples_end_where_their_chunk_ends(tmp_path: Path) -> None:
    path = write_bw64(tmp_path / "a.wav", SOUND, [chunk(b"axml", bytes(range(100)))])
    with bw64.opened(path) as file:
        assert file.frames == 5_000
        assert len(file.read()) == 5_000


def damaged(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"ds64" + struct.pack("<I", 28), b"ds64" + struct.pack("<I", 20), "'ds64' has 20 bytes, fewer than 28"),
        (struct.pack("<Q", 60_000), struct.pack("<Q", 2**60), "'data' has 1152921504606846976 bytes by its header"),
        (b"fmt ", b"fm__", "there is no chunk 'fmt' of 16 bytes or more"),
        (b"data", b"dada", "'dada' has 4294967295 bytes by its header"),
        (struct.pack("<HH", 12, 32), struct.pack("<HH", 13, 32), "3 channels of 32 bits at 48000 Hz in frames of 13"),
        (struct.pack("<II", RATE, 12 * RATE), b"\xff" * 8, "3 channels of 32 bits at 4294967295 Hz"),
        (struct.pack("<HH", 12, 32), struct.pack("<HH", 12, 20), "samples of 20 bits in format 0x0003"),
    ],
)
def test_a_header_that_cannot_be_is_said_in_one_sentence(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    path = damaged(write_bw64(tmp_path / "a.wav", SOUND), old, new)
    with pytest.raises(BadSound) as caught, open_sound(path):
        pass
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_bw64_that_was_cut_off_is_named(tmp_path: Path) -> None:
    path = write_bw64(tmp_path / "a.wav", SOUND)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadSound, match="'data' has 60000 bytes by its header, and 59900 are left"), open_sound(path):
        pass


def test_more_metadata_than_anybody_needs_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bw64.OURS, b"axml", 100)
    chunks = bw64.read_chunks(write_bw64(tmp_path / "a.wav", SOUND, [chunk(b"axml", bytes(101))]))
    with pytest.raises(BadSound, match="'axml' has 101 bytes, more than 100"):
        chunks.content(b"axml")


def test_what_follows_the_chunks_of_a_plain_wav_may_be_anything(tmp_path: Path) -> None:
    path = write_bw64(tmp_path / "a.wav", SOUND, [b"ID3\x04 this is no chunk"], kind=b"RIFF")
    assert b"data" in bw64.read_chunks(path).places
