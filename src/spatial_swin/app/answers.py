"""What the model says of one file and where it looked: a predictor and a path in, an `Answer` out.

A recording goes through the predictor's own windows and cues, a picture straight to the model. The pictures of the
windows are kept in a nameless file, so that the recording is not needed any more and hours of sound cost no more
memory than seconds. Relevance is that of one window, the one most sure of the verdict unless another is asked for.
Nothing here draws or knows the page; the model is used in turns (`turn`), one window at a time.
"""

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from PIL import Image

from spatial_swin.audio.drawing import Drawn
from spatial_swin.audio.sound_files import SOUND_ENDINGS
from spatial_swin.data.pictures import as_pixels, normalise
from spatial_swin.errors import AudioError, DataError
from spatial_swin.evaluation.combining import MEAN
from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.domain import Domain
from spatial_swin.evaluation.explanation import Region, region_masks, region_relevance
from spatial_swin.files import PICTURE_ENDINGS
from spatial_swin.prediction.asking import Asked
from spatial_swin.prediction.outside import outside
from spatial_swin.prediction.predictor import Predictor, read_picture

SHORTEST = 0.5  # of a window: what a recording, or its last piece, must have to be judged, the rest being silence
FLAGS = {
    "silent": "Below -50 LUFS, without a say in the verdict",
    "clipped": "Overdriven, so that some cues are those of the distortion",
    "short": "Shorter than a window and filled with silence",
}
Turn = Callable[[], AbstractContextManager[object]]


class Look(NamedTuple):
    """A window as the model saw it: picture uint8 [S, S, 3], relevance [h, w], shares [R] of `regions`."""

    picture: np.ndarray
    relevance: np.ndarray
    regions: list[Region]
    shares: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One file's verdict, and a look into one of its windows.

    probabilities: float64 [K] of the file; starts: [W] in seconds, windows: float64 [W, K] and heard: bool [W] (has a
    say) of its windows, of which a picture is one; seconds: length of a window; shown: the window that `look` is of;
    pictures: of all windows, None for a picture; notes: sentences on what was noticed; sets: of the
    model, if it has any; domain: what the model learnt from, None when nothing says so.
    """

    name: str
    class_names: list[str]
    probabilities: np.ndarray
    starts: np.ndarray
    seconds: float
    windows: np.ndarray
    heard: np.ndarray
    shown: int
    look: Look
    notes: list[str]
    pictures: "Pictures | None" = None
    sets: PredictionSets | None = None
    domain: Domain | None = None

    @property
    def rule(self) -> str:
        """How the windows became one answer."""
        return MEAN if self.sets is None else self.sets.windows.rule

    @property
    def about(self) -> str:
        """A sentence on how many windows agree."""
        if self.pictures is None:
            return "One picture."
        heard = self.windows[self.heard]
        if len(heard) == 1:
            return f"One window of {self.seconds:g} s."
        agree = int((heard.argmax(axis=1) == self.probabilities.argmax()).sum())
        return (
            f"{self.rule.capitalize()} of {len(heard)} windows of {self.seconds:g} s; {agree} of them say this layout."
        )


class Pictures:
    """The pictures of a recording's windows, uint8 [H, W] each, in a file without a name.

    It ends with the object, and with the process however that ends.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="spatial-swin-", buffering=0)  # noqa: SIM115  # ends with us
        self._shape = (0, 0)

    def add(self, drawn: Sequence[Drawn]) -> None:
        for one in drawn:
            height, width = one.picture.shape
            self._shape = height, width
            self._file.write(one.picture.tobytes())

    def __getitem__(self, number: int) -> Image.Image:
        size = math.prod(self._shape)
        content = os.pread(self._file.fileno(), size, number * size)
        return Image.fromarray(np.frombuffer(content, np.uint8).reshape(self._shape))


def answer(
    predictor: Predictor,
    path: Path,
    on_window: Callable[[], object] = lambda: None,
    turn: Turn = nullcontext,
    most_seconds: float = math.inf,
) -> Answer:
    """What the model says of a recording or a picture.

    Args:
        on_window: called after each window.
        turn: a context in which the model is ours, entered for each window.
        most_seconds: length of the longest recording that is judged.

    Raises:
        AudioError: a recording that cannot be judged: mono, silent, damaged, too short or long, of a low rate.
        DataError: a picture that cannot be read, or neither sound nor picture.
    """
    kind = path.suffix.lower()
    if kind in PICTURE_ENDINGS:
        return _of_picture(predictor, path, turn)
    if kind not in SOUND_ENDINGS:
        raise DataError(
            f"{path.name}: neither a recording nor a picture by its name; "
            "drop a WAV, FLAC, AIFF, OGG or MP3 file, or a PNG"
        )
    return _of_recording(predictor, path, on_window, turn, most_seconds)


def at_window(predictor: Predictor, given: Answer, number: int, turn: Turn = nullcontext) -> Answer:
    """The same answer showing window `number`, or the nearest that there is."""
    number = min(max(number, 0), len(given.starts) - 1)
    if number == given.shown or given.pictures is None:
        return given
    pixels = as_pixels(given.pictures[number], predictor.image_size)
    return replace(given, shown=number, look=_look(predictor, pixels, turn))


def _of_recording(
    predictor: Predictor, path: Path, on_window: Callable[[], object], turn: Turn, most_seconds: float
) -> Answer:
    least = _shortest(predictor)
    _require_length(path, least or 0.0, most_seconds)
    pictures = _new_pictures(path)

    def keep(drawn: Sequence[Drawn]) -> None:
        try:
            pictures.add(drawn)
        except OSError as error:
            raise _cannot_keep(path, error) from None
        on_window()

    timeline = predictor.of_sound(path, minimum_seconds=least, batch_size=1, each=keep, turn=turn)
    sure = np.where(timeline.heard, timeline.windows[:, int(timeline.probabilities.argmax())], -1.0)
    shown = int(sure.argmax())
    return Answer(
        name=path.name,
        class_names=predictor.class_names,
        probabilities=timeline.probabilities,
        starts=timeline.starts,
        seconds=timeline.seconds,
        windows=timeline.windows,
        heard=timeline.heard,
        shown=shown,
        look=_look(predictor, as_pixels(pictures[shown], predictor.image_size), turn),
        notes=[*_outside(predictor, path), *_remarks(predictor, timeline.flags, timeline.asked)],
        pictures=pictures,
        sets=predictor.sets,
        domain=predictor.domain,
    )


def _of_picture(predictor: Predictor, path: Path, turn: Turn) -> Answer:
    pixels, size = read_picture(path, predictor.image_size)
    with turn():  # verdict and look are one window's work
        windows = predictor.of_pixels(pixels[None])
        look = _look(predictor, pixels, nullcontext)
    return Answer(
        name=path.name,
        class_names=predictor.class_names,
        probabilities=windows[0],
        starts=np.zeros(1),
        seconds=0.0,
        windows=windows,
        heard=np.ones(1, dtype=bool),
        shown=0,
        look=look,
        notes=_remarks(predictor, [], predictor.asked_of_picture(pixels, size)),
        sets=predictor.sets,
        domain=predictor.domain,
    )


def _require_length(path: Path, least: float, most: float) -> None:
    try:
        seconds = soundfile.info(path).duration
    except (soundfile.SoundFileError, OSError):
        return  # the predictor says what is wrong with it
    if 0 < seconds < least:
        raise AudioError(f"{path.name}: {seconds:.2f} s of sound; the model needs at least {least:g} s")
    if seconds > most:
        raise AudioError(
            f"{path.name}: {seconds / 60:.1f} minutes of sound; this page takes at most {most / 60:g}; cut it, or use "
            "`spatial-swin predict`, which takes any length"
        )


def _new_pictures(path: Path) -> Pictures:
    try:
        return Pictures()
    except OSError as error:
        raise _cannot_keep(path, error) from None


def _cannot_keep(path: Path, error: OSError) -> AudioError:
    return AudioError(
        f"{path.name}: the server has no place for the pictures of its windows ({error.strerror}); make room, or set "
        "TMPDIR to a folder that can be written, and start the page again"
    )


def _shortest(predictor: Predictor) -> float | None:
    """Seconds that a window must have; None where no front end is known, which the predictor then says."""
    return None if predictor.tiles is None else max(0.25, SHORTEST * predictor.tiles.seconds)


def _look(predictor: Predictor, pixels: torch.Tensor, turn: Turn) -> Look:
    """Where the model looks in pixels uint8 [3, S, S]."""
    from spatial_swin.modeling.relevance import relevance  # needs transformers, which the page does not wait for

    with turn():
        prepared = normalise(pixels[None].to(predictor.model.device), predictor.mean, predictor.std)
        maps = relevance(predictor.swin, prepared).maps.cpu().numpy()
    regions, masks = region_masks(predictor.regions, predictor.image_size)
    return Look(pixels.permute(1, 2, 0).numpy(), maps[0], regions, region_relevance(maps, masks)[0])


def _outside(predictor: Predictor, path: Path) -> list[str]:
    """Where the recording lies outside of what the model learnt from, a sentence each."""
    assert predictor.tiles is not None, "a recording was judged"
    return [f"This recording {thing.one}." for thing in outside(path, predictor.tiles, predictor.domain)]


def _remarks(predictor: Predictor, flags: list[str], asked: Asked) -> list[str]:
    """Sentences on windows that are unlike the others, and on probabilities that were never calibrated."""
    counts = {flag: sum(flag in of_window.split("+") for of_window in flags) for flag in FLAGS}
    remarks = [f"{asked.sentence[0].upper()}{asked.sentence[1:]}."] if asked.sentence else []
    remarks += [f"{FLAGS[flag]}: {count} of {len(flags)} windows." for flag, count in counts.items() if count]
    if predictor.temperature is None:
        remarks.append("The probabilities are not calibrated: `spatial-swin evaluate` fits the temperature.")
    elif predictor.caution:
        remarks.append(f"Take the probabilities with care: {predictor.caution}.")
    if predictor.sets is not None and predictor.sets.caution:
        remarks.append(f"Take the set with care: {predictor.sets.caution}.")
    return remarks
