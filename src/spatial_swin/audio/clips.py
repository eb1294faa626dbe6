"""Binaural recordings in class folders: find them, judge them, cut them into chunks of equal length.

In goes a folder root/<label>/.../<name>.wav (or FLAC, AIFF, ...), out come `Recording`s, a list of everything that is
wrong with them, and, streamed, their chunks at one sample rate. Sound is never held whole and never changed in level.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from spatial_swin import files
from spatial_swin.audio.sound_files import LOWEST_SAMPLE_RATE, SOUND_ENDINGS, Sound, open_sound, silence
from spatial_swin.errors import AudioError, BadSound, Problem, printable, raise_problems

FULL_SCALE = 0.999  # what three neighbouring samples at or above it say: the converter was overdriven
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


def find_recordings(root: Path) -> tuple[list[Recording], Counter[str]]:
    """Every sound file below a class folder, sorted; of the other files there, how many have which ending.

    Raises AudioError for a folder without any sound, and for one that cannot be listed.
    """
    if not root.is_dir():
        raise AudioError(f"{root}: not a folder; give the one that holds a folder of recordings for every class")
    recordings, passed_by = [], Counter[str]()
    for path in files.files_below(root):
        inside = path.relative_to(root)
        if path.suffix.lower() not in SOUND_ENDINGS:
            passed_by[printable(path.suffix.lower()) or "no ending"] += len(inside.parts) > 1
            continue
        if len(inside.parts) < 2:
            raise AudioError(f"{path}: lies beside the class folders; move it to {root}/<class>/{path.name}")
        name = "_".join((*inside.parts[1:-1], path.stem))
        recordings.append(Recording(path, inside.parts[0], name, inside.as_posix()))
    if not recordings:
        raise AudioError(f"{root}: no sound in class folders; put the recordings at {root}/<class>/<name>.wav")
    return recordings, +passed_by


def bad_names(recordings: list[Recording]) -> dict[str, Problem]:
    """A problem for every recording with a name that no table can hold, or the name of one before it, by source."""
    first: dict[tuple[str, str], Recording] = {}
    problems = {}
    for recording in recordings:
        other = first.setdefault((recording.label, recording.name), recording)
        if printable(recording.source) != recording.source:
            what = "its name or its folder's holds control characters, or bytes that are not UTF-8"
            problems[recording.source] = Problem(recording.source, what, "rename it")
        elif other is not recording:
            problems[recording.source] = Problem(str(recording), f"has the same name as {other}", "rename one of them")
    return problems


def judge(recording: Recording, cut: Cut) -> Problem | None:
    """What keeps a recording from becoming clips, or None; reads every sample once."""
    where = str(recording)
    try:
        with open_sound(recording.path, where) as sound:
            if (count := sound.channels) != 2:
                do = "give a binaural file of 2 channels"
                return Problem(where, f"{count} channel{'s' * (count != 1)}", do)
            peak, frames = sound.peak()
    except BadSound as error:
        return error.problem
    if level := silence(peak):
        return Problem(where, level, "record it again or leave it out")
    seconds = frames / sound.sample_rate
    if seconds + 1e-6 < cut.minimum_seconds:
        return Problem(where, f"{seconds:.3f} s, shorter than a chunk", shorter_minimum(seconds))
    return None


def shorter_minimum(seconds: float) -> str:
    """What to do about a sound of `seconds` that is shorter than a chunk."""
    return f"use --minimum_seconds {max(0.25, seconds // 0.25 * 0.25):g} or leave it out"


def overdriven(sound: np.ndarray) -> bool:
    """Whether three neighbouring samples of an ear [2, N] stand at or beyond full scale: flat tops, not one peak."""
    full = np.abs(sound) >= FULL_SCALE
    return bool((full[:, :-2] & full[:, 1:-1] & full[:, 2:]).any())


def _resampled(sound: Sound, sample_rate: int) -> Iterator[np.ndarray]:
    """Blocks [frames, channels] at `sample_rate`, the resampler's state carried from one to the next."""
    if sound.sample_rate == sample_rate:
        yield from sound.blocks
        return
    stream = soxr.ResampleStream(sound.sample_rate, sample_rate, sound.channels, dtype="float32", quality="VHQ")
    for block in sound.blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty((0, sound.channels), np.float32), last=True)


def clips(recording: Recording, cut: Cut) -> Iterator[Clip]:
    """The chunks of a recording in order, streamed. Raises AudioError when the file cannot be read to its end."""
    with open_sound(recording.path, str(recording)) as sound:
        yield from clips_of(sound, cut)


def clips_of(sound: Sound, cut: Cut) -> Iterator[Clip]:
    """The chunks of an open sound in order, streamed, brought to the rate of `cut`."""
    hop, minimum = round(cut.hop_seconds * cut.sample_rate), round(cut.minimum_seconds * cut.sample_rate)
    index, held, skip = 0, np.empty((0, 2), np.float32), 0

    def clip(samples: np.ndarray, short: bool) -> Clip:
        piece = np.zeros((2, cut.frames), np.float32)
        piece[:, : len(samples)] = samples.T
        return Clip(piece, index, index * hop / cut.sample_rate, short)

    for block in _resampled(sound, cut.sample_rate):
        dropped = min(skip, len(block))
        held, skip = np.concatenate([held, block[dropped:]]), skip - dropped
        while len(held) >= cut.frames:
            yield clip(held[: cut.frames], False)
            index, skip, held = index + 1, max(0, hop - len(held)), held[hop:]
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
    with open_sound(path) as sound:
        first, most, count, pieces = round(start * sound.sample_rate), round(cut.seconds * sound.sample_rate), 0, []
        for block in sound.blocks:
            pieces.append(block[max(0, first - count) : max(0, first + most - count)])
            count += len(block)
    samples, length = np.concatenate(pieces), count / sound.sample_rate
    if start < 0 or start + SHORTEST > length:
        raise AudioError(f"{path}: --start {start:g} leaves less than {SHORTEST} s of its {length:.2f} s")
    return soxr.resample(samples, sound.sample_rate, sample_rate, quality="VHQ").T
