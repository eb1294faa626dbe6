"""Sound files of people, opened one way whatever reads them, with one sentence for everything that is wrong.

In goes a path, out comes a `Sound` to read block by block: by libsndfile, or by ffmpeg what phones and films have. It
is never held whole and never changed in level. It knows nothing of ears or classes.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from spatial_swin.audio import bw64, ffmpeg
from spatial_swin.errors import BadSound

READABLE = frozenset(
    [".wav", ".wave", ".flac", ".aif", ".aiff", ".aifc", ".caf", ".w64", ".rf64", ".ogg", ".oga", ".opus", ".mp3"]
)  # by libsndfile
BY_FFMPEG = frozenset([".m4a", ".aac", ".mp4", ".webm", ".wma", ".ac3", ".eac3"])
HEADERLESS = frozenset({".raw", ".pcm"})
SOUND_ENDINGS = READABLE | BY_FFMPEG | HEADERLESS | {".ac4"}  # what cannot be read of these is said by name
LOWEST_SAMPLE_RATE = 32_000  # Hz; below it nothing is left at 16 kHz
SILENT_PEAK = 1e-4  # -80 dB: nothing but the noise of a converter
BLOCK = 1 << 16  # frames read at a time
AGAIN = "copy or export it again"
CONVERT = "convert it to WAV or FLAC"


@dataclass(frozen=True)
class Sound:
    """An open file: sample_rate in Hz; frames as its header says, None where only decoding shows them; blocks float32
    [frames, channels], to be read once."""

    where: str
    channels: int
    sample_rate: int
    frames: int | None
    blocks: Iterator[np.ndarray]

    def peak(self) -> tuple[float, int]:
        """The largest size of a sample, and how many frames there are: reads every sample once.

        Raises BadSound for samples that are not finite, and for fewer than the header says.
        """
        peak, count = 0.0, 0
        for block in self.blocks:
            finite = np.isfinite(block)
            if not finite.all():
                start = (count + int(np.argmin(finite.all(axis=1)))) / self.sample_rate
                what = f"{np.count_nonzero(~finite)} NaN or infinite samples from {start:.3f} s on"
                raise BadSound(self.where, what, "repair it or leave it out")
            peak, count = max(peak, float(np.abs(block).max())), count + len(block)
        if self.frames is not None and count < self.frames:
            raise BadSound(self.where, f"truncated, {count} of {self.frames} samples", AGAIN)
        if not count:
            raise BadSound(self.where, "no samples (0 frames)", AGAIN)
        return peak, count


def in_memory(sound: np.ndarray, sample_rate: int, where: str = "") -> Sound:
    """Sound float32 [channels, N] as an open file would give it, in the same blocks."""
    channels, frames = sound.shape
    blocks = (np.ascontiguousarray(sound[:, start : start + BLOCK].T) for start in range(0, frames, BLOCK))
    return Sound(where, channels, sample_rate, frames, blocks)


def silence(peak: float) -> str | None:
    """What a sound with this peak is called when nothing can be heard in it."""
    if peak >= SILENT_PEAK:
        return None
    return "digital silence" if peak == 0 else f"silent, its peak is {20 * np.log10(peak):.0f} dB"


@contextmanager
def open_sound(path: Path, where: str | None = None) -> Iterator[Sound]:
    """Open a file, which messages call `where`. Raises BadSound when it cannot be used, also while it is read."""
    where = where or str(path)
    ending = path.suffix.lower()
    opened = False
    try:
        if path.stat().st_size == 0:
            raise BadSound(where, "empty file (0 bytes)", AGAIN)
        if ending in HEADERLESS:
            raise BadSound(where, "samples without a header, unknown sample rate and channels", CONVERT)
        if ending in BY_FFMPEG and not ffmpeg.is_installed():
            what = f"{ending} cannot be read without ffmpeg, which is not installed"
            raise BadSound(where, what, f"install ffmpeg, or {CONVERT}")
        if ending in BY_FFMPEG:
            with ffmpeg.decoded(path, BLOCK) as (channels, rate, blocks):
                opened = True
                yield _with_good_header(Sound(where, channels, rate, None, blocks))
        else:
            with bw64.opened(path) as file:
                opened = True
                if missing := _cut_off(path):
                    raise BadSound(where, f"truncated, {missing} bytes fewer than its header says", AGAIN)
                blocks = file.blocks(BLOCK, dtype="float32", always_2d=True)
                yield _with_good_header(Sound(where, file.channels, file.samplerate, file.frames, blocks))
    except (soundfile.SoundFileError, OSError) as error:  # compressed sound shows damage only when it is read
        reason = getattr(error, "strerror", None) or str(error).replace(repr(os.fsencode(path)), "it")
        reason = reason.removeprefix("Error : ").rstrip(".")
        what, do = (f"damaged or truncated ({reason})", AGAIN) if opened else (f"cannot be read ({reason})", CONVERT)
        raise BadSound(where, what, do) from error


def _with_good_header(sound: Sound) -> Sound:
    if sound.sample_rate < LOWEST_SAMPLE_RATE:
        do = f"record at {LOWEST_SAMPLE_RATE} Hz or more: elevation is heard up to 16 kHz"
        raise BadSound(sound.where, f"{sound.sample_rate} Hz", do)
    if sound.frames == 0:
        raise BadSound(sound.where, "no samples (0 frames)", AGAIN)
    return sound


def _cut_off(path: Path) -> int:
    """Bytes that the header of a RIFF file promises and the file does not have; 0 for others (they fail when read)."""
    with path.open("rb") as file:
        head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return 0
    promised = struct.unpack("<I", head[4:8])[0]
    return 0 if promised in (0, 0xFFFFFFFF) else max(0, promised + 8 - path.stat().st_size - 1)  # odd sizes are padded
