"""The steps of `spatial-swin explain`: open the run, choose pictures, ask the model, put the answers together.

In goes a run folder, out comes a `reporting.explanation_pages.Explanation`. Only the wiring is here: relevance and
occlusion are `modeling`'s, numbers are `evaluation.explanation`'s, writing is `reporting.explanation_pages`'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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

    drawn: positions behind the means; chosen: (position, kind) with a figure each.
    """

    finished: FinishedModel
    model: Swin
    part: str
    root: Path
    predictions: Predictions
    train: list[Sample]
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
    wanted = {*(int(i) for i in drawn), *(i for i, _ in chosen)}
    shown = [split[predictions.paths[i]] for i in sorted(wanted)]
    require_same_pictures(root, [*shown, *train], advice="restore them, or say where they are with --data_dir")
    regions, masks, notes = _regions(finished)
    if len(drawn) < len(predictions):
        notes.append(f"means are over {len(drawn)} of {len(predictions)} pictures, drawn evenly over the classes")
    model = finished.load()
    return Subject(finished, model, part, root, predictions, train, drawn, chosen, regions, masks, notes)


def explain(subject: Subject, hide: bool, target: str, attention_share: float, batch_size: int) -> Explanation:
    """Relevance, and when `hide` is true occlusion, of the subject's pictures; target: none, predicted or true."""
    predictions, names = subject.predictions, subject.predictions.class_names
    positions = sorted({*(int(i) for i in subject.drawn), *(i for i, _ in subject.chosen)})
    place = {item: number for number, item in enumerate(positions)}
    drawn = np.array([place[int(i)] for i in subject.drawn], dtype=int)
    chosen = np.array([place[i] for i, _ in subject.chosen], dtype=int)
    labels = predictions.labels[positions]
    pictures = Pictures(subject.root, [predictions.paths[i] for i in positions], subject.finished.image_size)
    classes = {"none": None, "predicted": predictions.predicted[positions], "true": labels}[target]
    precision = occlusion.fitting_precision(subject.model.device)

    maps, probabilities = relevance_maps(subject, pictures, classes, attention_share, batch_size)
    shares = numbers.region_relevance(maps, subject.masks)
    train = Pictures(subject.root, [s.path for s in subject.train], subject.finished.image_size)
    usual = occlusion.mean_picture(tqdm(train, desc="mean picture", unit="picture", disable=None))
    falls = sample_falls = None
    if hide:
        answers = occlusion.occlude(
            subject.model,
            pictures,
            subject.masks,
            usual,
            subject.finished.mean,
            subject.finished.std,
            batch_size,
            precision,
        )
        falls = numbers.falls(labels[drawn], answers[:, drawn])
        likelihood = numbers.likelihoods(labels, answers)
        sample_falls = (likelihood[0] - likelihood[1:]).T[chosen]
    shown = [
        ShownSample(
            predictions.paths[i],
            kind,
            names[predictions.labels[i]],
            names[predictions.predicted[i]],
            float(predictions.probabilities[i].max()),
            float(predictions.probabilities[i, predictions.labels[i]]),
            _grey(pictures[place[i]]),
            maps[place[i]],
        )
        for i, kind in subject.chosen
    ]
    settings = {
        "part": subject.part,
        "relevance": "attention rollout" if target == "none" else f"class-weighted ({target})",
        "attention_share": attention_share,
        "regions": subject.kind,
        "occlusion": hide,
        "mean_of_train_pictures": len(train),
        "precision_of_occlusion": precision if hide else None,
        "sample_choice": "the most confident right answers, the most confident wrong ones and the smallest margins, "
        "in turn, classes in turn within each",
    }
    return Explanation(
        class_names=names,
        regions=subject.regions,
        areas=subject.masks.mean(axis=(1, 2)),
        items=np.array([len(drawn), *np.bincount(labels[drawn], minlength=len(names))]),
        relevance=numbers.class_means(labels[drawn], shares[drawn], len(names)),
        maps=numbers.class_means(labels[drawn], maps[drawn], len(names)),
        falls=falls,
        samples=shown,
        sample_relevance=shares[chosen],
        sample_falls=sample_falls,
        mean_picture=_grey(usual),
        settings=settings,
        notes=[*subject.notes, *_agreement(probabilities, predictions.probabilities[positions])],
    )


def relevance_maps(
    subject: Subject, pictures: Pictures, classes: np.ndarray | None, attention_share: float, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Maps float64 [N, h, w] and the model's probabilities float64 [N, K]."""
    device, maps, probabilities = subject.model.device, [], []
    done = 0
    with tqdm(total=len(pictures), desc="relevance", unit="picture", disable=None) as bar:
        for batch in occlusion.batches(pictures, batch_size):
            pixels = normalise(batch.to(device), subject.finished.mean, subject.finished.std)
            of = None if classes is None else torch.from_numpy(classes[done : done + len(batch)])
            found = relevance(subject.model, pixels, attention_share, of)
            maps.append(found.maps.cpu().numpy())
            probabilities.append(found.logits.double().softmax(dim=-1).cpu().numpy())
            done += len(batch)
            bar.update(len(batch))
    return np.concatenate(maps), np.concatenate(probabilities)


def _regions(finished: FinishedModel) -> tuple[list[Region], np.ndarray, list[str]]:
    """The tiles of the data set, or a grid of cells with a sentence saying so; masks bool [R, S, S]."""
    size = finished.image_size
    if finished.tiles is None:
        note = f"there is no {TILES}, so the regions are a grid of {numbers.GRID} x {numbers.GRID} cells"
        return *numbers.region_masks(numbers.grid_regions(size), size), [note]
    height, width = finished.tiles.size
    tiles = [Region(t.name, t.title, t.x, t.y, t.width, t.height) for t in finished.tiles]
    return *numbers.region_masks(numbers.scaled(tiles, width, height, size), size), []


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
