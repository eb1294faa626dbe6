"""The detector of the Python API: a model by its folder or Hub id, a recording as a file or an array, one answer.

    Detector.from_pretrained("runs/first")("take.wav")

It wraps `Predictor`: the same windows, loudness, cues and calibration as `spatial-swin predict`. Nothing is written
but, for an array, a temporary WAV, so that an array is heard exactly as the same samples in a file.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import torch

from spatial_swin.errors import AudioError
from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.domain import Domain
from spatial_swin.evaluation.steps import Step, steps_of
from spatial_swin.hub import fetch_model
from spatial_swin.prediction.asking import NOT_KNOWN, Asked
from spatial_swin.prediction.outside import outside
from spatial_swin.prediction.predictor import Predictor, Timeline, load_predictor
from spatial_swin.shipped import DETECTOR

AN_ARRAY = "the array"  # what messages call it


@dataclass(frozen=True)
class Heard:
    """What was heard in a recording.

    layout: the most probable label; None when the model abstains, or all is silent. confidence: its probability.
    probabilities: {label: probability}, calibrated where the model has a temperature. timeline: window by window.
    prediction_set: the labels that cannot be ruled out, the most probable first; None where the model has no sets.
    asked: whether the model should be asked about the recording at all: score, inside, reason.
    steps: the verdict as mono, stereo or surround, then as the layout of that family; empty without families.
    warnings: where the recording lies outside of what the model learnt from, a sentence each.
    """

    layout: str | None
    confidence: float
    probabilities: dict[str, float]
    timeline: Timeline = field(repr=False)
    prediction_set: list[str] | None = None
    steps: list[Step] = field(default_factory=list)
    asked: Asked = NOT_KNOWN
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, timeline: Timeline, sets: PredictionSets | None = None, warnings: Sequence[str] = ()) -> "Heard":
        """The answer of a timeline; probabilities as Python floats."""
        names, said = timeline.class_names, timeline.probabilities
        probabilities = dict(zip(names, said.tolist(), strict=True))
        labels = None if sets is None else sets.names(said, names)
        steps = steps_of(said, names, timeline.minimum_confidence) if timeline.heard.any() else []
        return cls(
            timeline.verdict,
            max(probabilities.values()),
            probabilities,
            timeline,
            labels,
            steps,
            timeline.asked,
            list(warnings),
        )


@dataclass(frozen=True)
class Detector:
    """Hears which loudspeaker layout a binaural recording was mixed for."""

    predictor: Predictor = field(repr=False)

    @classmethod
    def from_pretrained(
        cls,
        path_or_id: str | os.PathLike[str] = DETECTOR,
        device: str | torch.device | None = None,
        revision: str | None = None,
        tiles: str | os.PathLike[str] | None = None,
    ) -> "Detector":
        """The detector of a run folder, a model folder, or a model on the Hub (`me/spatial`), which is fetched once.

        Args:
            path_or_id: without one, the detector that ships.
            device: where the model runs (a GPU when there is one).
            revision: branch, tag or commit on the Hub.
            tiles: a tiles.json or a data folder, for a model that does not say how sound became its pictures.

        Raises:
            HubError: no such folder, and no such model on the Hub or no network.
            RunError: a run that is not finished, or a damaged model.
        """
        return cls(load_predictor(fetch_model(path_or_id, revision), device, tiles))

    @property
    def class_names(self) -> list[str]:
        """The labels that it knows, in the order of the logits."""
        return self.predictor.class_names

    @property
    def domain(self) -> Domain | None:
        """What it learnt from, None when nothing says so; `evaluation.domain_words.in_words` says it in words."""
        return self.predictor.domain

    def __call__(
        self,
        sound: str | os.PathLike[str] | np.ndarray,
        sample_rate: int | None = None,
        *,
        hop_seconds: float | None = None,
        minimum_seconds: float | None = None,
        minimum_confidence: float = 0.0,
    ) -> Heard:
        """What is heard in a binaural recording.

        Args:
            sound: a file, or samples [2, N] or [N, 2] with full scale 1, then with `sample_rate` in Hz.
            hop_seconds: from one window to the next (the length of a window when None).
            minimum_seconds: what a last, shorter piece must have to be judged (a whole window when None).
            minimum_confidence: below it the layout is None.

        Raises:
            AudioError: no two ears, silent, damaged, shorter than a window, or of a low rate.
        """
        if not isinstance(sound, np.ndarray):
            if sample_rate is not None:
                raise AudioError(f"{os.fspath(sound)}: a file has its own sample rate; leave sample_rate out")
            timeline = self.predictor.of_sound(sound, hop_seconds, minimum_seconds, minimum_confidence)
            return self._heard(timeline, Path(sound))
        frames = _frames(sound, sample_rate)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "array.wav"
            soundfile.write(file, frames, sample_rate, subtype="FLOAT")
            try:
                timeline = self.predictor.of_sound(file, hop_seconds, minimum_seconds, minimum_confidence)
                return self._heard(timeline, file)
            except AudioError as error:
                raise AudioError(*(str(line).replace(str(file), AN_ARRAY) for line in error.args)) from None

    def _heard(self, timeline: Timeline, file: Path) -> Heard:
        tiles, domain = self.predictor.tiles, self.predictor.domain
        assert tiles is not None, "a recording was judged"
        return Heard.of(timeline, self.predictor.sets, [thing.one for thing in outside(file, tiles, domain)])


def _frames(sound: np.ndarray, sample_rate: int | None) -> np.ndarray:
    """float32 [N, 2]. Raises AudioError for another shape, integers, or no sample rate."""
    if sample_rate is None:
        raise AudioError(f"{AN_ARRAY}: has no sample rate; give sample_rate=48_000, or whatever it is")
    if sound.ndim != 2 or 2 not in sound.shape:
        shape = "x".join(map(str, sound.shape))
        raise AudioError(f"{AN_ARRAY}: is {shape}; give the two ears as [2, N] or [N, 2]")
    if not np.issubdtype(sound.dtype, np.floating):
        raise AudioError(f"{AN_ARRAY}: is {sound.dtype}; give floats with full scale 1 (int16: divide by 32768)")
    return (sound.T if sound.shape[0] == 2 else sound).astype(np.float32)
