"""The steps of `spatial-swin explain`: open the run, choose pictures, ask the model, put the answers together.

In goes a run folder, out comes a `reporting.explanation_pages.Explanation`. Only the wiring is here: relevance and
occlusion are `modeling`'s, numbers are `evaluation.explanation`'s, writing is `reporting.explanation_pages`'.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from spatial_swin.audio.manifest import TILES
from spatial_swin.data.folder import pictures_of
from spatial_swin.data.pictures import normalise, read_pixels
from spatial_swin.data.preflight import require_same_pictures
from spatial_swin.errors import RunError
from spatial_swin.evaluation import explanation as numbers
from spatial_swin.evaluation.calibration import apply_temperature
from spatial_swin.evaluation.explanation import Region
from spatial_swin.finished import FinishedModel, open_finished
from spatial_swin.modeling import occlusion
from spatial_swin.modeling.relevance import relevance
from spatial_swin.modeling.swin import Swin
from spatial_swin.reporting.explanation_pages import Explanation
from spatial_swin.reporting.figures_explanation import ShownSample
from spatial_swin.runs import Predictions, RunFolder, Sample

TRAIN_PICTURES = 100  # behind the mean picture: its error is then a tenth of a pixel's own spread
SEED = 0
DIFFERENT = 0.05  # a probability further from the stored one than bf16 explains


class Pictures(Sequence[Tensor]):
    """Pictures read when asked for, so that a part of any size fits in memory."""

    def __init__(self, root: Path, paths: Sequence[str], image_size: int) -> None:
        self.root, self.paths, self.image_size = root, paths, image_size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, item):  # type: ignore[no-untyped-def]  # one position, never a slice
        return read_pixels(self.root / self.paths[item], self.image_size)


@dataclass(frozen=True)
class Subject:
    """What is explained: the model, the predictions of the part, which of them, and where their pictures are.

    positions: the items that the model is asked about, ascending; drawn: those of them behind the means; chosen:
    (position, kind) of those with a figure of their own; train: pictures behind the mean picture.
    """

    finished: FinishedModel
    model: Swin
    part: str
    root: Path
    predictions: Predictions
    train: list[Sample]
    positions: list[int]
    drawn: np.ndarray
    chosen: list[tuple[int, str]]
    regions: list[Region]
    masks: np.ndarray
    notes: list[str]

    @property
    def kind(self) -> str:
        """What the regions are."""
        return "cells" if self.finished.tiles is None else "tiles"

    @property
    def about(self) -> str:
        return (
            f"{len(self.drawn)} of {len(self.predictions)} pictures of the {self.part} part for the means, "
            f"{len(self.chosen)} shown; {len(self.regions)} {self.kind}; {self.model.device}"
        )

    def places(self, items: Iterable[int]) -> np.ndarray:
        """Where `items` stand among the positions, int64."""
        return np.searchsorted(self.positions, np.array(list(items), dtype=int))

    def pictures(self, paths: Sequence[str]) -> Pictures:
        return Pictures(self.root, paths, self.finished.image_size)


def open_run(path: Path, part: str, data_dir: Path | None, samples: int, limit: int | None) -> Subject:
    """Read the run, choose the pictures, check that they are those the run was made with, load the model.

    Raises:
        RunError: no run folder, no model, no predictions of this part. DataError: pictures that are gone or changed.
    """
    run = RunFolder(path).require()
    finished = open_finished(path, data_dir=data_dir)
    predictions = run.read_predictions(part)
    split = {sample.path: sample for sample in run.read_split()}
    if strange := [item for item in predictions.paths if item not in split]:
        raise RunError(
            f"{run.predictions_file(part)}: {strange[0]} is not in split.csv; run `spatial-swin evaluate` again"
        )
    root = pictures_of(run, data_dir)
    chosen = numbers.choose_samples(predictions.labels, predictions.probabilities, samples)
    drawn = numbers.draw_items(predictions.paths, predictions.labels, limit, SEED)
    train = [sample for sample in split.values() if sample.split == "train"]
    of_train = numbers.draw_items([s.path for s in train], np.zeros(len(train), dtype=int), TRAIN_PICTURES, SEED)
    train = [train[i] for i in of_train]
    positions = sorted({*(int(i) for i in drawn), *(i for i, _ in chosen)})
    asked = [split[predictions.paths[i]] for i in positions]
    require_same_pictures(root, [*asked, *train], advice="restore them, or say where they are with --data_dir")
    regions, masks = numbers.region_masks(finished.regions, finished.image_size)
    notes = []
    if finished.tiles is None:
        notes.append(f"there is no {TILES}, so the regions are a grid of {numbers.GRID} x {numbers.GRID} cells")
    if len(drawn) < len(predictions):
        notes.append(f"means are over {len(drawn)} of {len(predictions)} pictures, drawn evenly over the classes")
    model = finished.load()
    return Subject(finished, model, part, root, predictions, train, positions, drawn, chosen, regions, masks, notes)


def explain(subject: Subject, hide: bool, target: str, attention_share: float, batch_size: int) -> Explanation:
    """Relevance, and when `hide` is true occlusion, of the subject's pictures; target: none, predicted or true."""
    predictions, names = subject.predictions, subject.predictions.class_names
    labels, drawn = predictions.labels[subject.positions], subject.places(subject.drawn)
    pictures = subject.pictures([predictions.paths[i] for i in subject.positions])
    classes = {"none": None, "predicted": predictions.predicted[subject.positions], "true": labels}[target]
    maps, probabilities = relevance_maps(subject, pictures, classes, attention_share, batch_size)
    shares = numbers.region_relevance(maps, subject.masks)
    train = subject.pictures([sample.path for sample in subject.train])
    usual = occlusion.mean_picture(tqdm(train, desc="mean picture", unit="picture", disable=None))
    precision = occlusion.fitting_precision(subject.model.device) if hide else None
    falls = sample_falls = None
    chosen = subject.places(i for i, _ in subject.chosen)
    if precision is not None:
        mean, std = subject.finished.mean, subject.finished.std
        answers = occlusion.occlude(subject.model, pictures, subject.masks, usual, mean, std, batch_size, precision)
        groups = [predictions.groups[i] for i in subject.drawn]
        falls = numbers.falls(labels[drawn], answers[:, drawn], groups)
        likelihood = numbers.likelihoods(labels, answers)
        sample_falls = (likelihood[0] - likelihood[1:]).T[chosen]
    return Explanation(
        class_names=names,
        regions=subject.regions,
        areas=subject.masks.mean(axis=(1, 2)),
        items=np.array([len(drawn), *np.bincount(labels[drawn], minlength=len(names))]),
        relevance=numbers.class_means(labels[drawn], shares[drawn], len(names)),
        maps=numbers.class_means(labels[drawn], maps[drawn], len(names)),
        falls=falls,
        samples=_samples(subject, pictures, maps),
        sample_relevance=shares[chosen],
        sample_falls=sample_falls,
        mean_picture=_grey(usual),
        settings=_settings(subject, target, attention_share, precision),
        notes=[*subject.notes, *_agreement(probabilities, predictions.probabilities[subject.positions])],
    )


def _samples(subject: Subject, pictures: Pictures, maps: np.ndarray) -> list[ShownSample]:
    """The pictures with a figure of their own."""
    predictions, names = subject.predictions, subject.predictions.class_names
    samples = []
    for (item, kind), place in zip(subject.chosen, subject.places(i for i, _ in subject.chosen), strict=True):
        label, row = predictions.labels[item], predictions.probabilities[item]
        if subject.finished.temperature is not None:  # as `predict`, the app and the report say it
            row = apply_temperature(row[None], subject.finished.temperature)[0]
        answer, confidence = names[predictions.predicted[item]], float(row.max())
        grey, path = _grey(pictures[place]), predictions.paths[item]
        samples.append(ShownSample(path, kind, names[label], answer, confidence, float(row[label]), grey, maps[place]))
    return samples


def _settings(subject: Subject, target: str, attention_share: float, precision: str | None) -> dict[str, Any]:
    """What a reader has to know of how it was made; precision: of the occlusion, None without it."""
    return {
        "part": subject.part,
        "relevance": "attention rollout" if target == "none" else f"class-weighted ({target})",
        "attention_share": attention_share,
        "regions": subject.kind,
        "occlusion": precision is not None,
        "mean_of_train_pictures": len(subject.train),
        "precision_of_occlusion": precision,
        "sample_choice": "the most confident right answers, the most confident wrong ones and the smallest margins, "
        "in turn, classes in turn within each",
    }


def relevance_maps(
    subject: Subject, pictures: Pictures, classes: np.ndarray | None, attention_share: float, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Maps float64 [N, h, w] and the model's probabilities float64 [N, K]."""
    mean, std = subject.finished.mean, subject.finished.std
    maps, probabilities, done = [], [], 0
    with tqdm(total=len(pictures), desc="relevance", unit="picture", disable=None) as bar:
        for batch in occlusion.batches(pictures, batch_size):
            of = None if classes is None else torch.from_numpy(classes[done : done + len(batch)])
            answer = relevance(
                subject.model, normalise(batch.to(subject.model.device), mean, std), attention_share, of
            )
            maps.append(answer.maps.cpu().numpy())
            probabilities.append(answer.logits.double().softmax(dim=-1).cpu().numpy())
            done += len(batch)
            bar.update(len(batch))
    return np.concatenate(maps), np.concatenate(probabilities)


def _grey(picture: Tensor) -> np.ndarray:
    return picture.float().mean(dim=0).round().to(torch.uint8).numpy()


def _agreement(probabilities: np.ndarray, stored: np.ndarray) -> list[str]:
    """A note when the model no longer says what predictions/<part>.csv says."""
    apart = float(np.abs(probabilities - stored).max())
    if apart <= DIFFERENT:
        return []
    return [
        f"the model's probabilities differ from the stored predictions by up to {apart:.2f}; "
        "run `spatial-swin evaluate`"
    ]
