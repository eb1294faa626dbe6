"""The chunks of a RIFF, RF64 or BW64 file (ITU-R BS.2088), and the samples of a BW64, which libsndfile does not open.

In goes a path, out come what `chna` and `axml` hold, and where and how the samples lie. Sizes are believed only as far
as the file reaches. Samples are decoded by libsndfile, block by block like those of every other file. It knows nothing
of what the metadata say.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

import soundfile

from spatial_swin.errors import BadSound

KINDS = (b"RIFF", b"RF64", b"BW64")
OURS = {b"ds64": 1 << 20, b"fmt ": 1 << 16, b"chna": 4 << 20, b"axml": 64 << 20}  # bytes at most of what is held
MOST_CHUNKS = 10_000
IN_DS64 = 0xFFFFFFFF  # a 32-bit size that stands for the 64 bits in the ds64 chunk
EXTENSIBLE = 0xFFFE
SUBTYPES = {(1, 16): "PCM_16", (1, 24): "PCM_24", (1, 32): "PCM_32", (3, 32): "FLOAT", (3, 64): "DOUBLE"}
HIGHEST_RATE = 1_000_000  # Hz
AGAIN = "export it again"


@dataclass(frozen=True)
class Chunks:
    """kind: RIFF, RF64 or BW64; places: (first byte, bytes) of every chunk by its name, the first of each name."""

    path: Path
    kind: bytes
    places: dict[bytes, tuple[int, int]]

    def content(self, name: bytes) -> bytes:
        """The bytes of a chunk, empty where there is none. Raises BadSound for more of them than anybody needs."""
        at, size = self.places.get(name, (0, 0))
        if size > OURS[name]:
            what = f"its chunk {_shown(name)} has {size} bytes, more than {OURS[name]}"
            raise BadSound(str(self.path), what, AGAIN)
        with self.path.open("rb") as file:
            file.seek(at)
            return file.read(size)


def is_wave(path: Path) -> bool:
    """Whether a file begins as one of the RIFF family does."""
    return _kind(path) in KINDS


def is_bw64(path: Path) -> bool:
    return _kind(path) == b"BW64"


def _kind(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] if head[8:] == b"WAVE" else b""


def read_chunks(path: Path) -> Chunks:
    """Find the chunks of a file. Raises BadSound, in one sentence, for sizes that cannot be.

    What stands behind the chunks of a RIFF file need not be one: players pass it by, and so does this.
    """
    with path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        head = file.read(12)
        if head[:4] not in KINDS or head[8:] != b"WAVE":
            raise BadSound(str(path), "is no RIFF, RF64 or BW64 file", AGAIN)
        places: dict[bytes, tuple[int, int]] = {}
        wide: dict[bytes, int] = {}
        at = 12
        for _ in range(MOST_CHUNKS):
            if at + 8 > length:
                return Chunks(path, head[:4], places)
            file.seek(at)
            name, size = struct.unpack("<4sI", file.read(8))
            size = wide.get(name, size) if size == IN_DS64 else size
            if at + 8 + size > length:
                if head[:4] == b"RIFF" and name not in OURS:
                    return Chunks(path, head[:4], places)
                what = (
                    f"damaged: its chunk {_shown(name)} has {size} bytes by its header, and {length - at - 8} are left"
                )
                raise BadSound(str(path), what, AGAIN)
            if name == b"ds64":
                wide = _wide_sizes(path, file, size)
            places.setdefault(name, (at + 8, size))
            at += 8 + size + size % 2
    raise BadSound(str(path), f"damaged: has more than {MOST_CHUNKS} chunks", AGAIN)


def _shown(name: bytes) -> str:
    return repr(name.decode("latin-1").strip())


def _wide_sizes(path: Path, file: BinaryIO, size: int) -> dict[bytes, int]:
    """64-bit sizes by chunk: ds64 holds those of the file and of data, and a table of others."""
    content = file.read(min(size, OURS[b"ds64"]))
    if len(content) < 28:
        raise BadSound(str(path), f"damaged: its chunk 'ds64' has {size} bytes, fewer than 28", AGAIN)
    sizes = {b"data": struct.unpack_from("<Q", content, 8)[0]}
    count = min(struct.unpack_from("<I", content, 24)[0], (len(content) - 28) // 12)
    for row in range(count):
        name, wide = struct.unpack_from("<4sQ", content, 28 + 12 * row)
        sizes[name] = wide
    return sizes


@contextmanager
def opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """A sound file, open for reading: BW64 as well as everything that libsndfile knows.

    Raises BadSound for a BW64 whose header cannot be, soundfile.SoundFileError as `soundfile` does, and OSError.
    """
    if not is_bw64(path):
        with soundfile.SoundFile(os.fsencode(path)) as file:
            yield file
        return
    chunks = read_chunks(path)
    channels, rate, subtype = _format(chunks)
    with (
        _Samples(path, *chunks.places[b"data"]) as samples,  # their bytes alone, which need no header
        soundfile.SoundFile(samples, "r", rate, channels, subtype, "LITTLE", "RAW") as file,
    ):
        yield file


def _format(chunks: Chunks) -> tuple[int, int, str]:
    """(channels, sample rate, subtype as soundfile names it)."""
    where, content = str(chunks.path), chunks.content(b"fmt ")
    if len(content) < 16 or b"data" not in chunks.places:
        missing = "'data'" if b"data" not in chunks.places else "'fmt' of 16 bytes or more"
        raise BadSound(where, f"damaged: there is no chunk {missing}", AGAIN)
    tag, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", content)
    if tag == EXTENSIBLE and len(content) >= 26:
        tag = struct.unpack_from("<H", content, 24)[0]
    if (tag, bits) not in SUBTYPES:
        what = f"holds samples of {bits} bits in format {tag:#06x}"
        raise BadSound(where, what, "export it as PCM of 16, 24 or 32 bits, or as 32-bit float")
    if not channels or not 0 < rate <= HIGHEST_RATE or frame != channels * bits // 8:
        what = f"damaged: {channels} channels of {bits} bits at {rate} Hz in frames of {frame} bytes"
        raise BadSound(where, what, AGAIN)
    return channels, rate, SUBTYPES[tag, bits]


class _Samples(RawIOBase):
    """The bytes of a chunk as a file of their own."""

    def __init__(self, path: Path, at: int, size: int) -> None:
        self.file, self.start, self.size = path.open("rb"), at, size
        self.file.seek(at)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: self.start, os.SEEK_CUR: self.file.tell(), os.SEEK_END: self.start + self.size}[whence]
        return self.file.seek(base + offset) - self.start

    def tell(self) -> int:
        return self.file.tell() - self.start

    def readinto(self, buffer: Any) -> int:
        left = max(0, self.size - self.tell())
        return self.file.readinto(memoryview(buffer)[:left])

    def close(self) -> None:
        self.file.close()
        super().close()
