"""How far a small network on pooled cues gets on heads never heard, alone or beside a finished model.

    python scripts/pooled_network.py --learn clean spoilt --judge people elsewhere songs [--seeds 42 43 44] \\
        [--beside RUN] [--layouts 510 514] [--save] --output_dir runs/pooled

--learn and --judge are folders that `spatial-swin render` wrote. Every row of every tile becomes its mean, its spread
and three percentiles over time; two hidden layers follow. In training a picture is seen in --views views, with the
ears exchanged or not and the colours of programme and ears changed, by the package's own augmentation; when judging,
both ways round are averaged. With --beside the finished model RUN is judged too, and the network with a say of each of
--says in the answer, 1 being all of it in its --layouts. With --save the network of the first seed becomes the second
opinion of RUN, with the first of --says and a share of --dry for what it hears when late reverberation was taken away
(`scripts/dereverberation.py` shows what that is worth), the domain statement of RUN counts what it learnt from as
well, and `spatial-swin evaluate RUN --repredict true` then calibrates both.

Prints accuracy of all layouts, with 510 and 514 as one, and of 510 against 514, by laboratory and by condition, with
intervals over programmes and listeners; and the log loss, at the temperature that suits all that is judged best, as a
finished model is calibrated too: by its mean over folders one chooses a say. Writes results.json and the probabilities
of every seed to the output folder.
"""

import argparse
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from spatial_swin import files
from spatial_swin.audio.manifest import MANIFEST, PICTURES, Row, read_rows
from spatial_swin.audio.tiles import TileMap
from spatial_swin.audio.workers import in_processes
from spatial_swin.data.folder import pictures_of
from spatial_swin.data.pictures import read_pixels
from spatial_swin.data.pooled_rows import both_ways_round, in_views
from spatial_swin.evaluation.calibration import SMALLEST, apply_temperature, fit_temperature, item_nll
from spatial_swin.evaluation.domain import DOMAIN
from spatial_swin.evaluation.factorial import QUESTIONS, Answers, figures
from spatial_swin.evaluation.opinions import SECOND_OPINION, with_second_opinion
from spatial_swin.finished import open_finished
from spatial_swin.layouts import DEFAULT_LAYOUTS
from spatial_swin.learnt import FACTS, learnt_from
from spatial_swin.modeling.pooled_network import PooledNetwork
from spatial_swin.modeling.small_training import train
from spatial_swin.prediction.predictor import Predictor, load_predictor
from spatial_swin.reporting.tables import with_interval
from spatial_swin.runs import RunFolder, Sample
from spatial_swin.shipped import locate_model

BATCH, RATE = 128, 1e-3
RESAMPLES = 2000
CLASSES = list(DEFAULT_LAYOUTS)


@dataclass(frozen=True)
class Pictures:
    """N pictures: rows of their manifest, labels int [N], and features [views, N, ...] as a `Batch` makes them."""

    rows: list[Row]
    labels: np.ndarray
    features: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Some pictures of a folder; start: the number of the first one in it."""

    folder: Path
    rows: list[Row]
    start: int
    tiles: TileMap

    def features(self, views: int | None) -> np.ndarray:
        """float16 [views, B, F]; for None as they are and with ears exchanged."""
        size = self.tiles.size[0]
        pixels = torch.stack([read_pixels(self.folder / PICTURES / row.path, size) for row in self.rows])
        keys = range(self.start, self.start + len(self.rows))
        made = both_ways_round(pixels, self.tiles) if views is None else in_views(pixels, keys, self.tiles, views)
        return made.half().numpy()


def read(folders: list[Path], layouts: list[str], views: int | None, kind: type[Batch] = Batch) -> Pictures:
    """The pictures of these layouts in `views` views of training; for None as they are and with ears exchanged.

    One process a core makes the features, as `kind` has them.
    """
    batches = []
    for folder in folders:
        tiles = TileMap.read(folder / PICTURES)
        here = [row for row in read_rows(folder / PICTURES / MANIFEST) if row.label in layouts]
        batches += [kind(folder, here[k : k + BATCH], k, tiles) for k in range(0, len(here), BATCH)]
    rows = [row for batch in batches for row in batch.rows]
    made = in_processes(partial(kind.features, views=views), batches, len(os.sched_getaffinity(0)))
    features, at = np.empty(0), 0
    for part in tqdm(made, total=len(batches), desc="features", unit="batch", disable=None):
        if at == 0:
            features = np.empty((len(part), len(rows), *part.shape[2:]), part.dtype)
        features[:, at : at + part.shape[1]] = part
        at += part.shape[1]
    return Pictures(rows, np.array([CLASSES.index(row.label) for row in rows]), features)


def fit(learn: Pictures, layouts: list[str], epochs: int, seed: int) -> PooledNetwork:
    """A network for some layouts; the same seed gives the same one.

    Each epoch sees every picture once, in a view drawn for it.
    """
    torch.manual_seed(seed)
    features = torch.from_numpy(learn.features)
    labels = torch.tensor([layouts.index(CLASSES[label]) for label in learn.labels])
    some = features.flatten(0, 1)[torch.randperm(features[..., 0].numel())[:8000]].float()
    network = PooledNetwork(layouts, some.mean(0), some.std(0) + 1e-2)

    def seen(chosen: torch.Tensor) -> torch.Tensor:
        return features[torch.randint(len(features), chosen.shape), chosen].float()

    train(network, seen, labels, epochs, RATE, BATCH)
    return network


def by_model(predictor: Predictor, folders: list[Path]) -> np.ndarray:
    """What a finished model says of all pictures of the folders, by CLASSES: float64 [N, K]."""
    said = []
    for folder in folders:
        paths = [folder / PICTURES / row.path for row in read_rows(folder / PICTURES / MANIFEST)]
        for start in tqdm(range(0, len(paths), 64), desc=f"model on {folder}", disable=None):
            pixels = [read_pixels(path, predictor.image_size) for path in paths[start : start + 64]]
            said.append(predictor.of_pixels(torch.stack(pixels)))
    return np.concatenate(said)[:, [predictor.class_names.index(name) for name in CLASSES]]


def parts_of(pictures: Pictures, judged: list[str]) -> dict[str, np.ndarray]:
    """What figures are shown of, by name: each folder by laboratory and by condition, as masks [N]."""
    of = np.array(judged)
    parts: dict[str, np.ndarray] = {}
    for folder in dict.fromkeys(judged):
        laboratories = [row.laboratory for row in pictures.rows]
        conditions = [row.condition.partition(" ")[0] for row in pictures.rows]  # all rooms are one
        for values in map(np.array, (laboratories, conditions)):
            here = sorted(set(values[of == folder]))
            parts |= {f"{folder}, {name}": (of == folder) & (values == name) for name in here}
        parts[f"{folder}, all"] = of == folder
    return parts


def judge(pictures: Pictures, chosen: np.ndarray, judges: dict[str, np.ndarray]) -> dict[str, Any]:
    programmes = np.array([row.programme for row in pictures.rows])
    listeners = np.array([row.listener for row in pictures.rows])
    answers = Answers(CLASSES, pictures.labels, programmes, listeners, judges).of(chosen)
    return figures(answers, RESAMPLES, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learn", nargs="+", type=Path, required=True, help="folders to learn from")
    parser.add_argument("--judge", nargs="+", type=Path, required=True, help="folders to be judged on")
    parser.add_argument("--beside", metavar="RUN", help="a finished model beside which the network has a say")
    parser.add_argument("--layouts", nargs="+", choices=CLASSES, default=CLASSES, help="that the network learns")
    parser.add_argument("--says", nargs="+", type=float, default=[0.5, 1.0], help="shares of the network in an answer")
    parser.add_argument("--dry", type=float, default=0.0, help="share of what it hears dry in a sound, when saved (0)")
    parser.add_argument("--save", action="store_true", help="make the first seed the second opinion of RUN")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--views", type=int, default=4, help="views of every picture to learn from (4)")
    options = parser.parse_args()
    if (options.layouts != CLASSES or options.save) and not options.beside:
        parser.error("a network of some layouts, or one that is saved, needs --beside RUN, which says the rest")
    judged = [str(folder) for folder in options.judge for _ in read_rows(folder / PICTURES / MANIFEST)]
    learn, test = read(options.learn, options.layouts, options.views), read(options.judge, CLASSES, None)
    judges = judges_of(options, learn, test)
    results = show(test, judged, judges)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    files.write_json(options.output_dir / "results.json", {"learnt_from": len(learn.labels), "parts": results})
    tables: dict[str, Any] = {"labels": test.labels, "folders": judged, **judges}
    np.savez_compressed(options.output_dir / "probabilities.npz", **tables)


def show(test: Pictures, judged: list[str], judges: dict[str, np.ndarray]) -> dict[str, Any]:
    """Print what the judges got right, by parts, and their log losses; return the figures by part.

    judged: the folder of every picture. judges: name -> probabilities [N, K].
    """
    programmes = [row.programme for row in test.rows]
    fitted = {name: fit_temperature(test.labels, one, programmes, RESAMPLES).value for name, one in judges.items()}
    losses = {name: item_nll(test.labels, apply_temperature(one, fitted[name])) for name, one in judges.items()}
    results = {}
    for part, chosen in parts_of(test, judged).items():
        results[part] = judge(test, chosen, judges)
        print(f"{part} ({chosen.sum()} recordings)")
        for name in judges:
            asked = [(QUESTIONS[question], results[part][name][question]) for question in QUESTIONS]
            answers = "; ".join(f"{question} {with_interval(figure)}" for question, figure in asked)
            print(f"  {name}: {answers}; log loss {losses[name][chosen].mean():.3f}")
    folders = [np.array(judged) == folder for folder in dict.fromkeys(judged)]
    print("log loss, mean over folders (temperature)")
    for name, loss in losses.items():
        print(f"  {name}: {np.mean([loss[here].mean() for here in folders]):.4f} ({fitted[name]:.2f})")
    return results


def judges_of(options: argparse.Namespace, learn: Pictures, test: Pictures) -> dict[str, np.ndarray]:
    """Name -> probabilities [N, K] of everything that judges: the finished model, then every seed and their mean."""
    alone = None
    if options.beside:  # its Swin: an earlier network has no say
        swin = replace(load_predictor(locate_model(options.beside)), second_opinion=None)
        alone = by_model(swin, options.judge)
    said = {}
    for seed in options.seeds:
        network = fit(learn, options.layouts, options.epochs, seed)
        said[f"seed {seed}"] = network.shares(torch.from_numpy(test.features))
        if options.save and seed == options.seeds[0]:
            network.say, network.dry = options.says[0], options.dry
            give(network, RunFolder(Path(options.beside)), learn.rows)
    if len(said) > 1:
        said["mean of the seeds"] = np.mean(list(said.values()), axis=0)
    if alone is None:
        return said
    at = [CLASSES.index(name) for name in options.layouts]
    judges, logits = {options.beside: alone}, np.log(np.maximum(alone, SMALLEST))
    for name, one in said.items():
        for say in options.says:
            judges[f"{name}, with a say of {say:g}"] = np.exp(with_second_opinion(logits, one, at, say))
    return judges


def give(network: PooledNetwork, run: RunFolder, rows: list[Row]) -> None:
    """Make it the second opinion of a run, whose domain statement then counts what either learnt from."""
    network.save(run.model / SECOND_OPINION)
    finished, samples = open_finished(run.path), run.read_split()
    known = {sample.path for sample in samples}
    samples += [
        Sample(row.path, row.label, row.programme, "train", "", {name: str(getattr(row, name, "")) for name in FACTS})
        for row in rows
        if row.path not in known
    ]
    domain = learnt_from(samples, pictures_of(run), finished.tiles, finished.image_size)
    files.write_json(run.model / DOMAIN, domain.as_json())


if __name__ == "__main__":
    main()
