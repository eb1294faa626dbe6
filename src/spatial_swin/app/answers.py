"""What the model says of one file and where it looked: a predictor and a path in, an `Answer` out.

A recording goes through the predictor's own windows and cues, a picture straight to the model. Relevance is that of
one window, the one most sure of the verdict unless another is asked for; only that window's pixels are kept, so that
three hours of sound cost no more memory than three seconds. Nothing here draws or knows the page.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from PIL import Image

from spatial_swin.audio.clips import SOUND_ENDINGS
from spatial_swin.data.pictures import as_pixels, normalise
from spatial_swin.errors import AudioError, DataError
from spatial_swin.evaluation.explanation import Region, region_masks, region_relevance
from spatial_swin.files import PICTURE_ENDINGS
from spatial_swin.modeling.relevance import relevance
from spatial_swin.prediction.predictor import Predictor, Timeline, read_picture

SHORTEST = 0.5  # of a window: what a recording, or its last piece, must have to be judged, the rest being silence
FLAGS = {
    "silent": "Below -50 LUFS, without a say in the verdict",
    "clipped": "Overdriven, so that some cues are those of the distortion",
    "short": "Shorter than a window and filled with silence",
}


@dataclass(frozen=True)
class Answer:
    """One file's verdict, and a look into one of its windows.

    probabilities: float64 [K] of the file; starts: [W] in seconds, windows: float64 [W, K] and heard: bool [W] (has a
    say) of its windows, of which a picture is one; seconds: length of a window; shown: the window that picture uint8
    [S, S, 3], relevance [h, w] and shares [R] of `regions` belong to; notes: sentences on what was noticed.
    """

    path: Path
    is_sound: bool
    class_names: list[str]
    probabilities: np.ndarray
    starts: np.ndarray
    seconds: float
    windows: np.ndarray
    heard: np.ndarray
    shown: int
    picture: np.ndarray
    relevance: np.ndarray
    regions: list[Region]
    shares: np.ndarray
    notes: list[str]

    @property
    def about(self) -> str:
        """A sentence on how many windows agree."""
        if not self.is_sound:
            return "One picture."
        heard = self.windows[self.heard]
        if len(heard) == 1:
            return f"One window of {self.seconds:g} s."
        agree = int((heard.argmax(axis=1) == self.probabilities.argmax()).sum())
        return f"Mean of {len(heard)} windows of {self.seconds:g} s; {agree} of them say this layout."


def answer(predictor: Predictor, path: Path, tell: Callable[[int], object] | None = None) -> Answer:
    """What the model says of a recording or a picture; `tell` is called with the number of windows just judged.

    Raises:
        AudioError: a recording that cannot be judged: mono, silent, damaged, too short, of a low rate.
        DataError: a picture that cannot be read, or neither sound nor picture.
    """
    kind = path.suffix.lower()
    if kind in PICTURE_ENDINGS:
        pixels, _ = read_picture(path, predictor.image_size)
        windows = predictor.of_pixels(pixels[None])
        return Answer(
            path,
            False,
            predictor.class_names,
            windows[0],
            np.zeros(1),
            0.0,
            windows,
            np.ones(1, dtype=bool),
            0,
            notes=_remarks(predictor, []),
            **_looked(predictor, pixels),
        )
    if kind not in SOUND_ENDINGS:
        raise DataError(
            f"{path.name}: neither a recording nor a picture by its name; "
            "drop a WAV, FLAC, AIFF, OGG or MP3 file, or a PNG"
        )
    timeline = _timeline(predictor, path, tell)
    sure = np.where(timeline.heard, timeline.windows[:, int(timeline.probabilities.argmax())], -1.0)
    shown = int(sure.argmax())
    return Answer(
        path,
        True,
        predictor.class_names,
        timeline.probabilities,
        timeline.starts,
        timeline.seconds,
        timeline.windows,
        timeline.heard,
        shown,
        notes=_remarks(predictor, timeline.flags),
        **_look_at(predictor, path, shown),
    )


def at_window(predictor: Predictor, given: Answer, number: int) -> Answer:
    """The same answer showing window `number`, read from its file again. Raises AudioError when that is gone."""
    number = min(max(number, 0), len(given.starts) - 1)
    if number == given.shown:
        return given
    return replace(given, shown=number, **_look_at(predictor, given.path, number))


def _timeline(predictor: Predictor, path: Path, tell: Callable[[int], object] | None) -> Timeline:
    least = _shortest(predictor)
    if least is not None:
        try:
            seconds = soundfile.info(path).duration
        except (soundfile.SoundFileError, OSError):
            seconds = least  # what is wrong with it is said below
        if 0 < seconds < least:
            raise AudioError(f"{path.name}: {seconds:.2f} s of sound; the model needs at least {least:g} s")
    return predictor.of_sound(path, minimum_seconds=least, tell=tell)


def _shortest(predictor: Predictor) -> float | None:
    """Seconds that a window must have; None where no front end is known, which the predictor then says."""
    return None if predictor.tiles is None else max(0.25, SHORTEST * predictor.tiles.seconds)


def _look_at(predictor: Predictor, path: Path, number: int) -> dict[str, Any]:
    drawn = predictor.window(path, number, minimum_seconds=_shortest(predictor))
    return _looked(predictor, as_pixels(Image.fromarray(drawn.picture), predictor.image_size))


def _looked(predictor: Predictor, pixels: torch.Tensor) -> dict[str, Any]:
    """picture, relevance, regions and shares of an Answer: pixels uint8 [3, S, S]."""
    prepared = normalise(pixels[None].to(predictor.model.device), predictor.mean, predictor.std)
    maps = relevance(predictor.model, prepared).maps.cpu().numpy()
    regions, masks = region_masks(predictor.regions, predictor.image_size)
    return {
        "picture": pixels.permute(1, 2, 0).numpy(),
        "relevance": maps[0],
        "regions": regions,
        "shares": region_relevance(maps, masks)[0],
    }


def _remarks(predictor: Predictor, flags: list[str]) -> list[str]:
    """Sentences on windows that are unlike the others, and on probabilities that were never calibrated."""
    counts = {flag: sum(flag in of_window.split("+") for of_window in flags) for flag in FLAGS}
    said = [f"{FLAGS[flag]}: {count} of {len(flags)} windows." for flag, count in counts.items() if count]
    if predictor.temperature is None:
        said.append("The probabilities are not calibrated: `spatial-swin evaluate` fits the temperature.")
    return said
