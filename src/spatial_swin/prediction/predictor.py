"""A finished model as a listener: pictures as pixels or sound files in, calibrated probabilities and verdicts out.

Sound becomes pictures as it did before training: the same windows, loudness, cues and scales, window by window, so
that hours need no more memory than a minute. Nothing here trains, and no file is written.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import torch
from PIL import Image, UnidentifiedImageError

from spatial_swin.audio.clips import Cut, Recording, clips, judge
from spatial_swin.audio.drawing import Drawn, Settings, draw, draw_dry
from spatial_swin.audio.manifest import TILES
from spatial_swin.data.pictures import as_pixels, normalise
from spatial_swin.errors import AudioError, DataError
from spatial_swin.evaluation.calibration import apply_temperature, softmax
from spatial_swin.evaluation.combining import MEAN, combined
from spatial_swin.finished import FinishedModel, open_finished
from spatial_swin.modeling.quick_swin import QuickSwin
from spatial_swin.prediction.asking import NOT_KNOWN, Asked, Asking
from spatial_swin.second_opinion import SecondOpinion

if TYPE_CHECKING:
    from spatial_swin.known_head import KnownHead
    from spatial_swin.modeling.swin import Swin

BATCH = 16  # windows or pictures a forward; 16 of 384 px take Swin-B about 2 GB on a CPU


@dataclass(frozen=True)
class Timeline:
    """What the model says of a recording, window by window and as a whole.

    starts [W] and seconds (length of a window) in seconds; windows float64 [W, K]; flags: of each window, joined by
    `+` (silent, clipped, short); minimum_confidence: below it `verdict` is None; asked: whether the model should be
    asked at all; rule: how windows become one answer. Silent windows have no say; when all are silent there is no
    verdict.
    """

    class_names: list[str]
    starts: np.ndarray
    seconds: float
    windows: np.ndarray
    flags: list[str]
    minimum_confidence: float = 0.0
    asked: Asked = NOT_KNOWN
    rule: str = MEAN

    @property
    def heard(self) -> np.ndarray:
        """Which windows have a say, bool [W]."""
        return np.array(["silent" not in flags.split("+") for flags in self.flags], dtype=bool)

    @property
    def probabilities(self) -> np.ndarray:
        """Of the windows that have a say by the model's rule, float64 [K]; equal for all classes when none has."""
        heard, classes = self.heard, len(self.class_names)
        return combined(self.windows[heard], self.rule) if heard.any() else np.full(classes, 1 / classes)

    @property
    def verdict(self) -> str | None:
        """The most probable label, or None: all windows are silent, or it is below `minimum_confidence`."""
        return verdict_of(self.probabilities, self.class_names, self.minimum_confidence) if self.heard.any() else None

    @property
    def shares(self) -> dict[str, float]:
        """Share of the windows with a say whose most probable label is this one."""
        heard = self.windows[self.heard]
        counts = np.bincount(heard.argmax(axis=1), minlength=len(self.class_names)) / max(1, len(heard))
        return dict(zip(self.class_names, counts.tolist(), strict=True))


def verdict_of(probabilities: np.ndarray, class_names: list[str], minimum_confidence: float = 0.0) -> str | None:
    """The most probable label of [K], or None (abstained) when its probability is below `minimum_confidence`."""
    best = int(probabilities.argmax())
    return class_names[best] if probabilities[best] >= minimum_confidence else None


@dataclass(frozen=True, kw_only=True)
class Predictor(FinishedModel):
    """A finished model with its weights: it judges pictures and recordings.

    Without a temperature the probabilities are the plain softmax; without `tiles` it judges pictures only.
    second_opinion is None where the Swin answers alone. known_head: what an adapted model knows of its head; it has a
    say where there is sound, and none in what is said of a picture.
    """

    model: "QuickSwin | Swin"
    second_opinion: SecondOpinion | None = None
    known_head: "KnownHead | None" = None

    @cached_property
    def swin(self) -> "Swin":
        """The same model as transformers has it, for those who look inside; read when it is first asked for."""
        return self.load(self.model.device) if isinstance(self.model, QuickSwin) else self.model

    @torch.no_grad()
    def of_pixels(
        self, pixels: torch.Tensor, heard: np.ndarray | None = None, dry: torch.Tensor | None = None
    ) -> np.ndarray:
        """Probabilities float64 [B, K] of pictures uint8 [B, 3, S, S], as `data.pictures.read_pixels` gives them.

        heard: what the known head makes of their sound (`KnownHead.hear`), where there is any. dry: their pictures
        once more, of the sound with its late reverberation taken away, for a second opinion that hears it.
        """
        assert pixels.dtype == torch.uint8, pixels.dtype
        assert pixels.shape[1:] == (3, self.image_size, self.image_size), pixels.shape
        logits = self.model(normalise(pixels.to(self.model.device), self.mean, self.std)).logits
        said = logits.double().cpu().numpy()
        if self.second_opinion is not None:
            said = self.second_opinion.decide(said, pixels, dry)
        if self.known_head is not None and heard is not None:
            said = self.known_head.decide(said, heard, self.class_names)
        plain = softmax(said)
        return plain if self.temperature is None else apply_temperature(plain, self.temperature)

    def of_windows(self, windows: Sequence[Drawn]) -> np.ndarray:
        """Probabilities float64 [B, K] of windows of sound, drawn as this model has learnt them."""
        pixels, dry = self.pixels([one.picture for one in windows]), None
        heard = None if self.known_head is None else self.known_head.hear([one.sound for one in windows])
        if self.second_opinion is not None and self.second_opinion.hears_dry:
            settings = self.sound_settings()
            dry = self.pixels([draw_dry(one, settings) for one in windows])
        return self.of_pixels(pixels, heard, dry)

    def pixels(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        """Pictures uint8 [H, W] each as the model takes them, uint8 [B, 3, S, S]."""
        return torch.stack([as_pixels(Image.fromarray(picture), self.image_size) for picture in pictures])

    def of_sound(
        self,
        path: str | os.PathLike[str],
        hop_seconds: float | None = None,
        minimum_seconds: float | None = None,
        minimum_confidence: float = 0.0,
        batch_size: int = BATCH,
        each: Callable[[Sequence[Drawn]], object] | None = None,
        turn: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> Timeline:
        """The timeline of a recording, streamed: memory does not grow with its length.

        Args:
            hop_seconds: from one window to the next (their length).
            minimum_seconds: what a last, shorter piece must have to be judged, filled with silence (their length).
            each: called with the windows that were drawn and judged since the last call.
            turn: a context around the work on each batch, for who shares the model with others.

        Raises:
            AudioError: no two channels, silent, damaged, too short, of a low rate, or no front end is known.
        """
        settings = self.sound_settings(hop_seconds, minimum_seconds)
        recording = _recording(path)
        _require_good(recording, settings.cut)
        windows: list[np.ndarray] = []
        asking = Asking(self.domain_score, self.tiles)
        about: list[tuple[float, str]] = []  # start and flags of each window
        drawn = ((clip.start, draw(clip, settings)) for clip in clips(recording, settings.cut))
        while True:
            with turn():
                if not (batch := list(islice(drawn, batch_size))):
                    break
                windows.append(self.of_windows([one for _, one in batch]))
                for _, one in batch:
                    asking.see(one.picture)
            about += [(start, "+".join(one.flags)) for start, one in batch]
            if each is not None:
                each([one for _, one in batch])
        assert windows, "what was judged long enough has a window"
        starts, flags = zip(*about, strict=True)
        table = np.concatenate(windows)
        timeline = Timeline(
            self.class_names, np.array(starts), settings.cut.seconds, table, list(flags), minimum_confidence
        )
        return replace(timeline, asked=asking.answer(timeline.heard), rule=self.rule)

    def asked_of_picture(self, pixels: torch.Tensor, size: tuple[int, int]) -> Asked:
        """Whether the model should be asked about pixels uint8 [3, S, S] of a picture of `size` (width, height)."""
        if self.tiles is None or not size == self.tiles.size[::-1] == (self.image_size, self.image_size):
            return NOT_KNOWN  # resized cues are other numbers
        asking = Asking(self.domain_score, self.tiles)
        asking.see(pixels[0].numpy())
        return asking.answer(np.ones(1, bool))

    def window_count(self, path: str | os.PathLike[str], hop_seconds: float | None = None) -> int | None:
        """About how many windows a recording has, from its header alone; None when that cannot be known."""
        if self.tiles is None:
            return None
        try:
            duration = soundfile.info(os.fsencode(path)).duration
        except (soundfile.SoundFileError, OSError):
            return None
        seconds = self.tiles.seconds
        return max(1, int((duration - seconds) / (hop_seconds or seconds) + 1e-6) + 1)

    def sound_settings(self, hop_seconds: float | None = None, minimum_seconds: float | None = None) -> Settings:
        """How a recording becomes pictures: as `spatial-swin mosaic` was called, windows without overlap when None.

        Raises AudioError when nothing says how, for a hop or minimum that cannot work, or when this program draws
        other tiles than these.
        """
        if self.tiles is None:
            raise AudioError(
                f"nothing says how sound became the pictures this model was trained with (no {TILES} beside it), so "
                "it can judge pictures only; if they came from `spatial-swin mosaic` or `render`, give that data "
                "folder with --tiles"
            )
        seconds, tiles = self.tiles.seconds, self.tiles
        hop, minimum = (seconds if value is None else value for value in (hop_seconds, minimum_seconds))
        settings = Settings(Cut(seconds, hop, minimum, tiles.sample_rate), tiles.arrangement, tiles.size[0])
        if settings.tiles != tiles:
            raise AudioError(
                f"this version draws the arrangement {tiles.arrangement} with other places or scales than the "
                "model was trained with; use the version of spatial-swin that made the pictures"
            )
        return settings


def _recording(path: str | os.PathLike[str]) -> Recording:
    path = Path(path)
    return Recording(path, "", path.stem, str(path))


def _require_good(recording: Recording, cut: Cut) -> None:
    """Raise AudioError with what keeps the recording from being judged; reads every sample once."""
    if not recording.path.is_file():
        raise AudioError(f"{recording}: not found")
    problem = judge(recording, cut)
    if problem is not None:
        raise AudioError(str(problem))


def read_picture(path: str | os.PathLike[str], image_size: int) -> tuple[torch.Tensor, tuple[int, int]]:
    """A picture as uint8 [3, S, S] and its own size (width, height). Raises DataError saying what is wrong with it."""
    try:
        with Image.open(path) as picture:
            size = picture.size
            return as_pixels(picture, image_size), size
    except UnidentifiedImageError:
        raise DataError(f"{path}: not a picture, whatever its name says; export it again as PNG") from None
    except Exception as error:  # damaged headers make Pillow's decoders raise TypeError, KeyError, struct.error ...
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: cannot be read ({reason}); copy or export it again") from None


def load_predictor(
    path: str | os.PathLike[str], device: str | torch.device | None = None, tiles: str | os.PathLike[str] | None = None
) -> Predictor:
    """The predictor of a run folder or a model folder, on `device`; arguments and errors are those of `finished`."""
    finished = open_finished(path, tiles)
    return Predictor(
        **vars(finished),
        model=finished.load_quick(device),
        second_opinion=finished.load_second_opinion(),
        known_head=finished.load_known_head(),
    )
