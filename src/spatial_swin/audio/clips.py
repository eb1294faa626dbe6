"""Binaural recordings in class folders: find them, judge them, cut them into chunks of equal length.

In goes a folder root/<label>/.../<name>.wav (or FLAC, AIFF, ...), out come `Recording`s, a list of everything that is
wrong with them, and, streamed, their chunks at one sample rate. Sound is never held whole and never changed in level.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from spatial_swin.errors import AudioError, Problem, raise_problems

READABLE = {".wav", ".wave", ".flac", ".aif", ".aiff", ".aifc", ".caf", ".w64", ".rf64", ".ogg", ".opus", ".mp3"}
HEADERLESS = {".raw", ".pcm"}
NOT_READABLE = {".m4a", ".aac", ".mp4", ".wma", ".ac3", ".ac4", ".eac3"}  # like those without a header: named as such
SOUND_ENDINGS = frozenset(READABLE | HEADERLESS | NOT_READABLE)  # what cannot be read of these is said when judged
LOWEST_SAMPLE_RATE = 32_000  # Hz; below it nothing is left at 16 kHz
FULL_SCALE = 0.999  # what three neighbouring samples at or above it say: the converter was overdriven
SILENT_PEAK = 1e-4  # -80 dB: nothing but the noise of a converter
BLOCK = 1 << 16  # frames read at a time
LONGEST, SHORTEST = 10.0, 0.25  # s of a sound that are shown when nothing is said; what the cues need


@dataclass(frozen=True)
class Recording:
    """One file of sound. name: its path below the class folder without suffix, joined by `_`; unique in its class."""

    path: Path
    label: str
    name: str
    source: str  # path below the folder of recordings, posix

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True)
class Cut:
    """How recordings become clips.

    seconds: of a clip; hop_seconds: from one start to the next; minimum_seconds: what a last, shorter piece must have
    to be kept (it is then filled with silence); sample_rate in Hz. Raises AudioError for values that cannot work.
    """

    seconds: float = 10.0
    hop_seconds: float = 10.0
    minimum_seconds: float = 10.0
    sample_rate: int = 48_000

    def __post_init__(self) -> None:
        wrong = []
        if not 0.25 <= self.seconds <= 600:
            wrong.append(f"--seconds {self.seconds:g} is not between 0.25 and 600")
        if self.hop_seconds < 0.05:
            wrong.append(f"--hop_seconds {self.hop_seconds:g} is less than 0.05")
        if not 0.25 <= self.minimum_seconds <= self.seconds:
            wrong.append(
                f"--minimum_seconds {self.minimum_seconds:g} is not between 0.25 and --seconds {self.seconds:g}"
            )
        if not LOWEST_SAMPLE_RATE <= self.sample_rate <= 192_000:
            wrong.append(f"--sample_rate {self.sample_rate} is not between {LOWEST_SAMPLE_RATE} and 192000 Hz")
        if wrong:
            raise AudioError("; ".join(wrong))

    @classmethod
    def of(cls, seconds: float, hop: float | None, minimum: float | None, sample_rate: int) -> "Cut":
        """A cut whose hop and minimum are whole clips where they are not given."""
        return cls(seconds, seconds if hop is None else hop, seconds if minimum is None else minimum, sample_rate)

    @property
    def frames(self) -> int:
        return round(self.seconds * self.sample_rate)


@dataclass(frozen=True)
class Clip:
    """One chunk: float32 [2, frames], its number, its start in seconds, and whether its end is filled with silence."""

    sound: np.ndarray
    index: int
    start: float
    short: bool


def find_recordings(root: Path) -> list[Recording]:
    """Every sound file below a class folder, sorted. Raises AudioError for a folder without any."""
    if not root.is_dir():
        raise AudioError(f"{root}: not a folder; give the one that holds a folder of recordings for every class")
    found = []
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if (
            path.suffix.lower() not in SOUND_ENDINGS
            or not path.is_file()
            or any(p.startswith(".") for p in inside.parts)
        ):
            continue
        if len(inside.parts) < 2:
            raise AudioError(f"{path}: lies beside the class folders; move it to {root}/<class>/{path.name}")
        name = "_".join((*inside.parts[1:-1], path.stem))
        found.append(Recording(path, inside.parts[0], name, inside.as_posix()))
    if not found:
        raise AudioError(f"{root}: no sound in class folders; put the recordings at {root}/<class>/<name>.wav")
    return found


def duplicate_names(recordings: list[Recording]) -> dict[str, Problem]:
    """A problem for every recording whose pictures would overwrite those of one before it, by source."""
    first: dict[tuple[str, str], Recording] = {}
    problems = {}
    for recording in recordings:
        other = first.setdefault((recording.label, recording.name), recording)
        if other is not recording:
            problems[recording.source] = Problem(str(recording), f"has the same name as {other}", "rename one of them")
    return problems


def _cut_off(path: Path) -> int:
    """Bytes that the header of a RIFF file promises and the file does not have; 0 for others (they fail when read)."""
    with path.open("rb") as file:
        head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return 0
    promised = struct.unpack("<I", head[4:8])[0]
    return 0 if promised in (0, 0xFFFFFFFF) else max(0, promised + 8 - path.stat().st_size - 1)  # odd sizes are padded


def judge(recording: Recording, cut: Cut) -> Problem | None:
    """What keeps a recording from becoming clips, or None; reads every sample once."""

    def problem(what: str, do: str) -> Problem:
        return Problem(str(recording), what, do)

    again = "copy or export it again"
    if recording.path.stat().st_size == 0:
        return problem("empty file (0 bytes)", again)
    if recording.path.suffix.lower() in HEADERLESS:
        return problem("samples without a header, unknown sample rate and channels", "convert it to WAV or FLAC")
    try:
        with soundfile.SoundFile(recording.path) as file:
            if file.channels != 2:
                return problem(
                    f"{file.channels} channel{'s' * (file.channels != 1)}", "give a binaural file of 2 channels"
                )
            if file.samplerate < LOWEST_SAMPLE_RATE:
                return problem(f"{file.samplerate} Hz", f"record at {LOWEST_SAMPLE_RATE} Hz or more: 16 kHz is needed")
            if file.frames == 0:
                return problem("no samples (0 frames)", again)
            if missing := _cut_off(recording.path):
                return problem(f"truncated, {missing} bytes fewer than its header says", again)
            return _judge_samples(file, cut, problem, again)
    except (soundfile.SoundFileError, OSError) as error:
        return problem(f"cannot be read ({error})".replace(f"'{recording.path}'", "it"), "convert it to WAV or FLAC")


def _judge_samples(
    file: soundfile.SoundFile, cut: Cut, problem: Callable[[str, str], Problem], again: str
) -> Problem | None:
    try:
        return _judge_blocks(file, cut, problem, again)
    except soundfile.SoundFileError as error:  # the header was good: compressed sound shows damage only here
        return problem(f"damaged or truncated ({str(error).removeprefix('Error : ').rstrip('.')})", again)


def _judge_blocks(
    file: soundfile.SoundFile, cut: Cut, problem: Callable[[str, str], Problem], again: str
) -> Problem | None:
    peak, count, promised = 0.0, 0, file.frames
    for block in file.blocks(BLOCK, dtype="float32"):
        bad = np.count_nonzero(~np.isfinite(block))
        if bad:
            where = (count + int(np.argmax(~np.isfinite(block).all(axis=1)))) / file.samplerate
            return problem(f"{bad} NaN or infinite samples from {where:.3f} s on", "repair it or leave it out")
        peak, count = max(peak, float(np.abs(block).max())), count + len(block)
    if count < promised:
        return problem(f"truncated, {count} of {promised} samples", again)
    if peak < SILENT_PEAK:
        level = "digital silence" if peak == 0 else f"silent, its peak is {20 * np.log10(peak):.0f} dB"
        return problem(level, "record it again or leave it out")
    seconds = count / file.samplerate
    if seconds + 1e-6 < cut.minimum_seconds:
        return problem(
            f"{seconds:.3f} s, shorter than a chunk", f"use --minimum_seconds {max(0.25, seconds // 0.25 * 0.25):g}"
        )
    return None


def overdriven(sound: np.ndarray) -> bool:
    """Whether three neighbouring samples of an ear [2, N] stand at or beyond full scale: flat tops, not one peak."""
    full = np.abs(sound) >= FULL_SCALE
    return bool((full[:, :-2] & full[:, 1:-1] & full[:, 2:]).any())


def _resampled(file: soundfile.SoundFile, sample_rate: int) -> Iterator[np.ndarray]:
    """Blocks [frames, 2] at `sample_rate`, the resampler's state carried from one to the next."""
    if file.samplerate == sample_rate:
        yield from file.blocks(BLOCK, dtype="float32")
        return
    stream = soxr.ResampleStream(file.samplerate, sample_rate, 2, dtype="float32", quality="VHQ")
    for block in file.blocks(BLOCK, dtype="float32"):
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty((0, 2), np.float32), last=True)


def clips(recording: Recording, cut: Cut) -> Iterator[Clip]:
    """The chunks of a recording in order, streamed. Raises AudioError when the file cannot be read to its end."""
    hop, minimum = round(cut.hop_seconds * cut.sample_rate), round(cut.minimum_seconds * cut.sample_rate)
    index, held, skip = 0, np.empty((0, 2), np.float32), 0

    def clip(samples: np.ndarray, short: bool) -> Clip:
        sound = np.zeros((2, cut.frames), np.float32)
        sound[:, : len(samples)] = samples.T
        return Clip(sound, index, index * hop / cut.sample_rate, short)

    try:
        with soundfile.SoundFile(recording.path) as file:
            for block in _resampled(file, cut.sample_rate):
                dropped = min(skip, len(block))
                held, skip = np.concatenate([held, block[dropped:]]), skip - dropped
                while len(held) >= cut.frames:
                    yield clip(held[: cut.frames], False)
                    index, skip, held = index + 1, max(0, hop - len(held)), held[hop:]
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioError(f"{recording}: cannot be read to its end ({error})") from error
    covered = index > 0 and len(held) <= cut.frames - hop  # overlapping clips: the last full one reached the end
    if minimum <= len(held) < cut.frames and not covered:
        yield clip(held, True)


def read_stretch(path: Path, start: float, seconds: float | None, sample_rate: int) -> np.ndarray:
    """`seconds` of a file (LONGEST when None) from `start` on, float32 [2, N] at `sample_rate`.

    Raises AudioError naming what is wrong.
    """
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    cut = Cut(seconds or LONGEST, minimum_seconds=SHORTEST, sample_rate=sample_rate)
    problem = judge(Recording(path, "", path.stem, str(path)), cut)
    raise_problems(AudioError, [problem] if problem else [], "The sound cannot be shown")
    with soundfile.SoundFile(path) as file:
        length = file.frames / file.samplerate
        if start < 0 or start + SHORTEST > length:
            raise AudioError(f"{path}: --start {start:g} leaves less than {SHORTEST} s of its {length:.2f} s")
        file.seek(round(start * file.samplerate))
        samples = file.read(round(cut.seconds * file.samplerate), dtype="float32")
        return soxr.resample(samples, file.samplerate, sample_rate, quality="VHQ").T
