"""A finished model as a listener: pictures or recordings in, calibrated probabilities and verdicts out.

In goes a run folder or a plain model folder (as downloaded from the Hub) and then pictures as pixels, or sound files.
Sound takes the way it took before training: the same windows, loudness, cues and scales, window by window, so that
hours need no more memory than a minute. Nothing here trains, and no file is written.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from scipy import special
from transformers import AutoImageProcessor, SwinForImageClassification
from transformers.utils import logging

from spatial_swin.audio.clips import NOT_READABLE, Clip, Cut, Recording, clips, judge
from spatial_swin.audio.drawing import Drawn, Settings, draw
from spatial_swin.audio.manifest import TILES, pictures_folder
from spatial_swin.audio.tiles import TileMap
from spatial_swin.data.pictures import as_pixels
from spatial_swin.errors import AudioError, DataError, RunError
from spatial_swin.evaluation.calibration import apply_temperature
from spatial_swin.modeling.occlusion import normalise
from spatial_swin.runs import RunFolder

BATCH = 16  # windows or pictures a forward; 16 of 384 px take Swin-B about 2 GB on a CPU
TEMPERATURE = "temperature.json"


@dataclass(frozen=True)
class FrontEnd:
    """How sound became the pictures the model was trained with."""

    tiles: TileMap

    def settings(self, hop_seconds: float | None = None, minimum_seconds: float | None = None) -> Settings:
        """As `spatial-swin mosaic` was called; windows follow each other without overlap unless told otherwise.

        Raises AudioError for a hop or minimum that cannot work, or when this program draws other tiles than these.
        """
        seconds = self.tiles.seconds
        cut = Cut(
            seconds,
            seconds if hop_seconds is None else hop_seconds,
            seconds if minimum_seconds is None else minimum_seconds,
            self.tiles.sample_rate,
        )
        settings = Settings(cut, self.tiles.arrangement, self.tiles.size[0])
        if settings.tiles != self.tiles:
            raise AudioError(
                f"this version draws the arrangement {self.tiles.arrangement} with other places or scales than the "
                "model was trained with; use the version of spatial-swin that made the pictures"
            )
        return settings


@dataclass(frozen=True)
class Timeline:
    """What the model says of a recording, window by window and as a whole.

    starts [W] and seconds (length of a window) in seconds; windows float64 [W, K]; flags: of each window, joined by
    `+` (silent, clipped, short); minimum_confidence: below it `verdict` is None; mosaics: uint8 [H, W] a window, when
    they were asked for. Silent windows have no say, unless there are no others: then nothing has, and there is no
    verdict.
    """

    class_names: list[str]
    starts: np.ndarray
    seconds: float
    windows: np.ndarray
    flags: list[str]
    minimum_confidence: float = 0.0
    mosaics: list[np.ndarray] = field(default_factory=list)

    @property
    def heard(self) -> np.ndarray:
        """Which windows have a say, bool [W]."""
        return np.array(["silent" not in flags.split("+") for flags in self.flags], dtype=bool)

    @property
    def probabilities(self) -> np.ndarray:
        """The mean over the windows that have a say, float64 [K]; equal for all classes when none has."""
        heard = self.heard
        return (
            self.windows[heard].mean(axis=0)
            if heard.any()
            else np.full(len(self.class_names), 1 / len(self.class_names))
        )

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


@dataclass(frozen=True)
class Predictor:
    """A model with all it needs to judge a picture or a recording.

    temperature: 1.0 where none was fitted, then `calibrated` is False and the probabilities are the plain softmax;
    front_end: None when nothing says how sound became pictures. mean and std: of the saved processor, RGB in 0..1.
    """

    model: SwinForImageClassification
    class_names: list[str]
    image_size: int
    mean: list[float]
    std: list[float]
    temperature: float = 1.0
    calibrated: bool = False
    front_end: FrontEnd | None = None

    @torch.no_grad()
    def of_pixels(self, pixels: torch.Tensor) -> np.ndarray:
        """Probabilities float64 [B, K] of pictures uint8 [B, 3, S, S], as `data.pictures.read_pixels` gives them."""
        assert pixels.dtype == torch.uint8, pixels.dtype
        assert pixels.shape[1:] == (3, self.image_size, self.image_size), pixels.shape
        logits = self.model(normalise(pixels.to(self.model.device), self.mean, self.std)).logits
        plain = special.softmax(logits.double().cpu().numpy(), axis=1)
        return apply_temperature(plain, self.temperature) if self.calibrated else plain

    def of_sound(
        self,
        path: str | os.PathLike[str],
        hop_seconds: float | None = None,
        minimum_seconds: float | None = None,
        minimum_confidence: float = 0.0,
        keep_mosaics: bool = False,
        batch_size: int = BATCH,
        tell: Callable[[int], object] | None = None,
    ) -> Timeline:
        """The timeline of a recording, streamed: memory does not grow with its length (mosaics apart).

        Args:
            hop_seconds: from one window to the next (their length).
            minimum_seconds: what a last, shorter piece must have to be judged, filled with silence (their length).
            tell: called with the number of windows judged since the last call.

        Raises:
            AudioError: no two channels, silent, damaged, too short, of a low rate, or no front end is known.
        """
        settings = self.sound_settings(hop_seconds, minimum_seconds)
        recording = _recording(path)
        _require_good(recording, settings.cut)
        starts: list[float] = []
        flags: list[str] = []
        windows: list[np.ndarray] = []
        mosaics: list[np.ndarray] = []
        drawn = ((clip, draw(clip, settings)) for clip in clips(recording, settings.cut))
        while batch := list(islice(drawn, batch_size)):
            windows.append(self.of_pixels(torch.stack([self._pixels(one) for _, one in batch])))
            starts += [clip.start for clip, _ in batch]
            flags += ["+".join(one.flags) for _, one in batch]
            mosaics += [one.picture for _, one in batch] if keep_mosaics else []
            if tell is not None:
                tell(len(batch))
        assert windows, "what was judged long enough has a window"
        return Timeline(
            self.class_names,
            np.array(starts),
            settings.cut.seconds,
            np.concatenate(windows),
            flags,
            minimum_confidence,
            mosaics,
        )

    def window(
        self,
        path: str | os.PathLike[str],
        number: int,
        hop_seconds: float | None = None,
        minimum_seconds: float | None = None,
    ) -> Drawn:
        """One window's picture uint8 [H, W], levels and flags, as in `of_sound`; only that one is drawn.

        Raises:
            AudioError: the file cannot be read, or it has no such window.
        """
        settings = self.sound_settings(hop_seconds, minimum_seconds)
        clip: Clip | None = next(islice(clips(_recording(path), settings.cut), number, None), None)
        if clip is None:
            raise AudioError(f"{path}: has no window {number}")
        return draw(clip, settings)

    def window_pixels(self, path: str | os.PathLike[str], number: int) -> torch.Tensor:
        """The same window as the model sees it, uint8 [3, S, S]."""
        return self._pixels(self.window(path, number))

    def window_count(self, path: str | os.PathLike[str], hop_seconds: float | None = None) -> int | None:
        """About how many windows a recording has, from its header alone; None when that cannot be told."""
        import soundfile

        if self.front_end is None:
            return None
        try:
            found = soundfile.info(os.fspath(path))
        except (soundfile.SoundFileError, OSError):
            return None
        seconds = self.front_end.tiles.seconds
        return max(1, int((found.duration - seconds) / (hop_seconds or seconds) + 1e-6) + 1)

    def sound_settings(self, hop_seconds: float | None = None, minimum_seconds: float | None = None) -> Settings:
        """How a recording becomes pictures. Raises AudioError when nothing says how."""
        if self.front_end is None:
            raise AudioError(
                "nothing says how sound became the pictures this model was trained with (no tiles.json beside it), so "
                "it can judge pictures only; if they came from `spatial-swin mosaic` or `render`, give that data "
                "folder with --tiles"
            )
        return self.front_end.settings(hop_seconds, minimum_seconds)

    def _pixels(self, drawn: Drawn) -> torch.Tensor:
        return as_pixels(Image.fromarray(drawn.picture), self.image_size)


def _recording(path: str | os.PathLike[str]) -> Recording:
    path = Path(path)
    return Recording(path, "", path.stem, str(path))


def _require_good(recording: Recording, cut: Cut) -> None:
    """Raise AudioError with what keeps the recording from being judged; reads every sample once."""
    if recording.path.suffix.lower() in NOT_READABLE:
        raise AudioError(f"{recording}: {recording.path.suffix} cannot be read; convert it to WAV or FLAC")
    if not recording.path.is_file():
        raise AudioError(f"{recording}: not found")
    try:
        problem = judge(recording, cut)
    except OSError as error:
        raise AudioError(f"{recording}: cannot be read ({error.strerror}); copy or export it again") from None
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
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: cannot be read ({reason}); copy or export it again") from None


# -- loading --


def load_predictor(
    path: str | os.PathLike[str], device: str | torch.device | None = None, tiles: str | os.PathLike[str] | None = None
) -> Predictor:
    """The predictor of a run folder (its model/) or of a model folder, on `device` (a GPU when there is one).

    tiles: a tiles.json or a data folder, for a model folder that has none; a run folder older than that looks in its
    recipe's data_dir.

    Raises:
        RunError: not such a folder, or one that is unfinished or damaged.
        AudioError: a tile map that cannot be read.
    """
    root = Path(path)
    folder = _model_folder(root)
    logging.disable_progress_bar()
    try:
        model = SwinForImageClassification.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # safetensors, json and transformers each raise their own for a damaged file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunError(f"{folder}: the model cannot be loaded ({reason}); copy it again or train again") from None
    size = _require_our_processing(folder, model, processor)
    temperature = _temperature(folder)
    found = _tile_map(root, folder, tiles)
    try:
        model.eval().to(torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RunError(f"the model cannot be put on the device {device} ({reason}); use cpu") from None
    labels: Mapping[Any, str] = model.config.id2label or {}
    return Predictor(
        model,
        [labels[index] for index in range(len(labels))],
        size,
        [float(v) for v in processor.image_mean],
        [float(v) for v in processor.image_std],
        1.0 if temperature is None else temperature,
        temperature is not None,
        None if found is None else FrontEnd(found),
    )


def _model_folder(root: Path) -> Path:
    """Where the weights lie. Raises RunError for a folder that has none."""
    for folder in (root, root / "model"):
        if (folder / "config.json").is_file():
            return folder
    if RunFolder(root).recipe_file.is_file():
        raise RunError(f"{root}: there is no model in this run yet; let the training finish (the same command does)")
    raise RunError(f"{root}: neither a run folder nor a model folder (no recipe.yaml and no config.json)")


def _require_our_processing(folder: Path, model: SwinForImageClassification, processor: object) -> int:
    """The side of the model's pictures. Raises RunError when its processor does otherwise than this program."""
    size = model.config.image_size
    side = size if isinstance(size, int) else size[0]
    expected = {
        "size": {"height": side, "width": side},
        "resample": int(Image.Resampling.BICUBIC),
        "rescale_factor": 1 / 255,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
    }
    found = {name: getattr(processor, name, None) for name in expected}
    found["size"] = {name: found["size"][name] for name in ("height", "width")} if found["size"] else None
    other = [f"{name} {found[name]!r} (not {expected[name]!r})" for name in expected if found[name] != expected[name]]
    if other or getattr(processor, "do_center_crop", False):
        raise RunError(
            f"{folder}: its processor treats pictures otherwise than this program does: "
            f"{', '.join(other) or 'it crops'}; use transformers' own pipeline for this model"
        )
    return side


def _temperature(folder: Path) -> float | None:
    """The fitted temperature, None when `spatial-swin evaluate` never ran. Raises RunError for a damaged file."""
    file = folder / TEMPERATURE
    if not file.is_file():
        return None
    try:
        value = float(json.loads(file.read_text(encoding="utf-8"))["temperature"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file}: not readable ({error!r}); run `spatial-swin evaluate` on the run again") from None
    if not 0 < value < float("inf"):
        raise RunError(f"{file}: a temperature of {value} cannot be; run `spatial-swin evaluate` on the run again")
    return value


def _tile_map(root: Path, folder: Path, given: str | os.PathLike[str] | None) -> TileMap | None:
    """The tile map that was given, else the model's, else that of the data the run was trained on, else None."""
    if given is not None:
        return TileMap.read(pictures_folder(given) if Path(given).is_dir() else given)
    if (folder / TILES).is_file():
        return TileMap.read(folder)
    run = RunFolder(root)
    if folder != root and run.recipe_file.is_file():
        data_dir = (run.read_recipe().get("Data") or {}).get("data_dir")
        if data_dir and (pictures_folder(data_dir) / TILES).is_file():
            return TileMap.read(pictures_folder(data_dir))
    return None
