"""Sound through a lossy codec and back, in memory: MP3, Opus and Vorbis by libsndfile, AAC by ffmpeg where it is.

In go float32 [2, N] and the name of a codec with its bit rate, out comes what a player would decode: as long, and in
time to the sample. Encoders run as their libraries set them, but for the coder of `audio.aac`. What this machine
cannot encode is found by trying it once.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from itertools import islice
from types import ModuleType

import numpy as np
import soundfile

from spatial_swin.audio import aac
from spatial_swin.audio.spoiling import resampled
from spatial_swin.audio.system_libsndfile import system_soundfile
from spatial_swin.errors import AudioError

BIT_RATES = (64, 96, 128, 192)  # kbit/s for both channels
AAC = "aac"
FORMATS = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS"), "vorbis": ("OGG", "VORBIS")}
CODECS = (*FORMATS, AAC)
QUICKER = ("mp3", "opus")  # through the machine's own libsndfile
RATES = {"opus": (48_000,)}  # Hz that a codec takes; others:
USUAL_RATES = (48_000, 44_100, 32_000)
BLOCK = 4096  # samples; libvorbis overflows its stack when it gets a long sound at once


def compression_level(codec: str, bit_rate: int) -> float:
    """libsndfile's level 0 (best) to 1 for a bit rate in kbit/s.

    MP3 (constant rate): the level runs linearly from 320 to 32 kbit/s. Opus: from 256 to 6 kbit/s a channel. Vorbis
    has no rate but a quality, 1 - level: the qualities that libvorbis calls 64, 96, 128 and 192 kbit/s. Measured over
    12 s of synthetic programmes: MP3 64.3, 96.4, 128.5, 192.8; Opus 65.7, 97.8, 130.2, 194.3; Vorbis 69.9, 100.6,
    125.0, 190.0, in each case nearer than the next setting.
    """
    if codec == "mp3":
        return (320 - bit_rate) / (320 - 32)
    if codec == "opus":
        return (256 - bit_rate / 2) / (256 - 6)
    return {64: 1.0, 96: 0.8, 128: 0.6, 192: 0.4}[bit_rate]


def through_codec(ears: np.ndarray, sample_rate: int, codec: str, bit_rate: int) -> tuple[np.ndarray, int]:
    """Sound [2, N] encoded and decoded: float32 of the same length in time, and its rate: the codec's, in Hz.

    Raises AudioError when the codec is missing, or fails.
    """
    return next(each_through_codec([ears], sample_rate, codec, bit_rate))


def each_through_codec(
    sounds: Iterable[np.ndarray], sample_rate: int, codec: str, bit_rate: int
) -> Iterator[tuple[np.ndarray, int]]:
    """What `through_codec` gives for each of many sounds, bit for bit and in order.

    Sounds are taken as results are asked for; for AAC up to `aac.AT_ONCE` of them share a start of ffmpeg.
    """
    if reason := missing(codec):
        raise AudioError(reason)
    rates = RATES.get(codec, USUAL_RATES)
    rate = sample_rate if sample_rate in rates else rates[0]
    waiting = iter(sounds)
    while some := list(islice(waiting, aac.AT_ONCE if codec == AAC else 1)):
        given = [ears.T if rate == sample_rate else resampled(ears, sample_rate, rate).T for ears in some]
        for samples, decoded in zip(given, _there_and_back(given, rate, codec, bit_rate), strict=True):
            result = np.zeros_like(samples)
            result[: len(decoded)] = decoded[: len(samples)]
            yield np.ascontiguousarray(result.T), rate


def _there_and_back(sounds: Sequence[np.ndarray], rate: int, codec: str, bit_rate: int) -> list[np.ndarray]:
    """Each of float32 [N, 2] as the decoder gives it: of about the length."""
    if codec == AAC:
        return aac.decode(aac.encode(sounds, rate, bit_rate))
    return [_decode(codec, encode(samples, rate, codec, bit_rate)) for samples in sounds]


def encode(samples: np.ndarray, sample_rate: int, codec: str, bit_rate: int) -> bytes:
    """The file of float32 [N, 2] at a rate that the codec takes. Raises AudioError when the encoder fails."""
    if codec == AAC:
        return aac.encode([samples], sample_rate, bit_rate)[0]
    file_format, subtype = FORMATS[codec]
    mode = "CONSTANT" if codec == "mp3" else None
    level = compression_level(codec, bit_rate)
    content, library = BytesIO(), library_of(codec)
    try:
        with library.SoundFile(content, "w", sample_rate, 2, subtype, None, file_format, True, level, mode) as file:
            for start in range(0, len(samples), BLOCK):
                file.write(samples[start : start + BLOCK])
    except library.SoundFileError as error:
        raise AudioError(f"libsndfile could not write {codec} ({error})") from error
    return content.getvalue()


def library_of(codec: str) -> ModuleType:
    """`soundfile` on the libsndfile that a codec of FORMATS goes through.

    MP3 and Opus take the machine's own where it has them: three times as fast as the wheel's, and the same sound.
    Vorbis sounds otherwise in other versions, and is as fast in the wheel's.
    """
    container, subtype = FORMATS[codec]
    own = system_soundfile() if codec in QUICKER else None
    return own if own is not None and subtype in own.available_subtypes(container) else soundfile


def encoder(codec: str) -> str:
    """What encodes and decodes a codec here, for people: `ffmpeg`, `libsndfile 1.2.0 of this machine`."""
    if codec == AAC:
        return "ffmpeg"
    library = library_of(codec)
    whose = "as soundfile has it" if library is soundfile else "of this machine"
    return f"libsndfile {library.__libsndfile_version__} {whose}"


def _decode(codec: str, content: bytes) -> np.ndarray:
    if codec == AAC:
        return aac.decode([content])[0]
    library = library_of(codec)
    try:
        samples, _ = library.read(BytesIO(content), dtype="float32", always_2d=True)
    except library.SoundFileError as error:
        raise AudioError(f"libsndfile could not read {codec} ({error})") from error
    return np.asarray(samples)


@lru_cache(maxsize=len(CODECS))
def missing(codec: str) -> str | None:
    """Why this machine cannot encode or decode a codec, None when it can: found by doing it, once a process."""
    if codec == AAC and shutil.which("ffmpeg") is None:
        return "there is no ffmpeg for AAC"
    short = np.zeros((BLOCK, 2), np.float32)
    try:
        came = len(_decode(codec, encode(short, USUAL_RATES[0], codec, BIT_RATES[0])))
    except AudioError as error:
        by = "this ffmpeg" if codec == AAC else f"libsndfile {library_of(codec).__libsndfile_version__}"
        return f"{by} has no {codec} ({str(error).rstrip('.')})"
    return None if came else f"nothing comes back from {codec}"
