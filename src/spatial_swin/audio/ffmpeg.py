"""Sound that libsndfile cannot read, decoded by ffmpeg where it is installed: streamed, never held whole.

In goes a path, out come the channels, the sample rate and blocks of samples. Errors are raised as libsndfile's, so
that readers handle one kind. Only the file itself is opened: a playlist in it cannot reach the network.
"""

import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import soundfile

from spatial_swin.audio.pipes import end, receive

PATIENCE = 20.0  # s without a block before ffmpeg is ended
LONGEST = 24 * 3600  # s that are decoded of a file
PREFIXES = re.compile(r"^(\[[^\]]*\]\s*)+")  # such as [mov,mp4 @ 0x55d0]
AU_HEADER = struct.Struct(">4s5I")  # magic, offset of the samples, size, encoding (6: float32), sample rate, channels


def is_installed() -> bool:
    return shutil.which("ffmpeg") is not None


@contextmanager
def decoded(path: Path, block: int) -> Iterator[tuple[int, int, Iterator[np.ndarray]]]:
    """Channels, sample rate in Hz, and blocks float32 [block or fewer, channels] of the first sound track of a file.

    Raises soundfile.SoundFileRuntimeError: there is no sound, it is damaged, or ffmpeg stands still.
    """
    source = ["-protocol_whitelist", "file,pipe", "-i", f"file:{path.absolute()}", "-map", "0:a:0", "-t", str(LONGEST)]
    command = ["ffmpeg", "-nostdin", "-v", "error", "-xerror", *source, "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, bufsize=0
        )
        assert process.stdout is not None
        try:
            magic, offset, _, _, rate, channels = AU_HEADER.unpack(_bytes(process, AU_HEADER.size, complaints))
            if magic != b".snd" or not channels or not rate:
                raise soundfile.SoundFileRuntimeError("ffmpeg gave no sound")
            _bytes(process, offset - AU_HEADER.size, complaints)
            yield channels, rate, _blocks(process, block, channels, complaints)
        finally:
            end(process)


def _bytes(process: "subprocess.Popen[bytes]", count: int, complaints: IO[bytes]) -> bytearray:
    """`count` bytes of what ffmpeg says; raises what it complains of when they do not come."""
    content = _upto(process, count)
    if len(content) < count:
        raise soundfile.SoundFileRuntimeError(_complaint(complaints))
    return content


def _upto(process: "subprocess.Popen[bytes]", count: int) -> bytearray:
    assert process.stdout is not None
    content = bytearray(count)
    try:
        del content[receive(process.stdout, memoryview(content), PATIENCE) :]
    except TimeoutError:
        raise soundfile.SoundFileRuntimeError(f"ffmpeg gave nothing for {PATIENCE:g} s") from None
    return content


def _blocks(
    process: "subprocess.Popen[bytes]", block: int, channels: int, complaints: IO[bytes]
) -> Iterator[np.ndarray]:
    while samples := _upto(process, 4 * channels * block):
        whole = len(samples) // (4 * channels) * channels
        yield np.frombuffer(samples, ">f4", whole).astype(np.float32).reshape(-1, channels)
    if process.wait(PATIENCE):
        raise soundfile.SoundFileRuntimeError(_complaint(complaints))


def _complaint(complaints: IO[bytes]) -> str:
    """The first line that ffmpeg wrote, without the addresses in front of it."""
    complaints.seek(0)
    lines = complaints.read(100_000).decode(errors="replace").strip().splitlines()
    return PREFIXES.sub("", lines[0]) if lines else "ffmpeg gave no sound"
