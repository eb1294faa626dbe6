"""Who judges a benchmark: a finished model, the boosting model on pooled cues, or both on the same pictures.

A run, a model folder or a folder of pictures goes in, `Judges` come out: what they know, how they see sound, and what
tells them from others. The model answers where pictures are drawn, in the worker processes; boosting is fitted once,
on the training pictures of the run (or all pictures of the folder), and answers in the process that began. Nothing
is stored: the same pictures give the same boosting model.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from spatial_swin.audio.clips import Cut
from spatial_swin.audio.drawing import Settings
from spatial_swin.audio.manifest import TILES
from spatial_swin.audio.tiles import TileMap
from spatial_swin.bench.seen import Seen, seen_by_run, seen_in_folder
from spatial_swin.data.folder import pictures_of, scan_folder
from spatial_swin.data.pooled_tiles import pooled_tiles
from spatial_swin.data.preflight import preflight, require_same_pictures
from spatial_swin.errors import AudioError, RunError
from spatial_swin.evaluation.baseline import fitted
from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.domain_words import in_words
from spatial_swin.files import sha256_of
from spatial_swin.prediction.predictor import Predictor, load_predictor
from spatial_swin.runs import RunFolder

MODEL, BASELINE = "model", "baseline"


@dataclass(frozen=True)
class Source:
    """Where judges come from.

    model: a run or model folder, None for boosting alone. data_dir: the pictures that boosting is trained on, None
    for those of the run where they were. tiles: as `load_predictor` takes it.
    """

    model: Path | None
    baseline: bool = False
    data_dir: Path | None = None
    tiles: Path | None = None
    device: str | None = None
    seed: int = 0

    def predictor(self) -> Predictor:
        """The model with its weights, opened once in a process."""
        assert self.model is not None
        return _predictor(self.model, self.device, self.tiles)


@lru_cache(maxsize=1)
def _predictor(model: Path, device: str | None, tiles: Path | None) -> Predictor:
    return load_predictor(model, device, tiles)


@dataclass(frozen=True)
class Boosting:
    """Gradient boosting on the pooled cues of `paths` below `root`, fitted when it is first asked.

    class_names: the order of its probabilities.
    """

    root: Path
    paths: Sequence[str]
    labels: Sequence[str]
    class_names: Sequence[str]
    seed: int

    @cached_property
    def model(self) -> Any:
        order = np.argsort(self.paths, kind="stable")
        features = pooled_tiles(self.root, [self.paths[k] for k in order])
        return fitted(features, np.array([self.labels[k] for k in order]), self.seed)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """float64 [K], the mean over windows [W, F]; equal for all classes when there is none."""
        result = np.full(len(self.class_names), 1 / len(self.class_names))
        if len(features):
            result[:] = 0
            at = [list(self.class_names).index(name) for name in self.model.classes_]
            result[at] = self.model.predict_proba(features).mean(axis=0)
        return result


@dataclass(frozen=True)
class Judges:
    """class_names: in the order of all probabilities. settings: how sound is seen. identity: what tells these judges
    from others, JSON-ready. boosting: None where it was not asked for. temperature, sets: of the model, or None."""

    source: Source
    class_names: list[str]
    settings: Settings
    identity: dict[str, Any]
    seen: Seen
    boosting: Boosting | None
    temperature: float | None
    sets: PredictionSets | None = None

    @property
    def names(self) -> list[str]:
        return [MODEL] * (self.source.model is not None) + [BASELINE] * (self.boosting is not None)


def open_judges(source: Source) -> Judges:
    """Open the model and find the pictures for boosting, whichever were asked for.

    Raises:
        RunError: the model is unfinished or damaged; boosting is asked for beside a model that is no run.
        AudioError: nothing says how sound became the pictures, or the model and the pictures disagree about it.
        DataError: the pictures cannot be found or read.
    """
    if source.model is None:
        return _boosting_alone(source)
    predictor = source.predictor()
    settings, run = predictor.sound_settings(), RunFolder(source.model)
    identity: dict[str, Any] = {MODEL: _weights_of(predictor.folder), "temperature": predictor.temperature}
    names, boosted = predictor.class_names, None
    if source.baseline:
        root, paths, labels, digest = _training_pictures(run, source.data_dir)
        if TileMap.beside(root) != predictor.tiles:
            raise AudioError(f"{root}: its {TILES} is not that of the model, so boosting would see other pictures")
        boosted = Boosting(root, paths, labels, names, source.seed)
        identity[BASELINE] = digest
    seen = replace(seen_by_run(run), statement=in_words(predictor.domain))
    return Judges(source, names, settings, identity, seen, boosted, predictor.temperature, predictor.sets)


def _boosting_alone(source: Source) -> Judges:
    assert source.data_dir is not None
    folder = scan_folder(source.data_dir)
    tiles = TileMap.beside(folder.root)
    if tiles is None:
        raise AudioError(
            f"{folder.root}: no {TILES} in it, so nothing says how sound becomes such pictures; give a folder that "
            "`spatial-swin render` or `mosaic` made"
        )
    cut = Cut(tiles.seconds, tiles.seconds, tiles.seconds, tiles.sample_rate)
    settings = Settings(cut, tiles.arrangement, tiles.size[0])
    if settings.tiles != tiles:
        raise AudioError(f"{folder.root / TILES}: this version draws {tiles.arrangement} otherwise; render again")
    paths, labels = [p.path for p in folder.pictures], [p.label for p in folder.pictures]
    sha256 = preflight(folder)
    digest = _digest([f"{path} {sha256[path]}" for path in paths])
    boosted = Boosting(folder.root, paths, labels, folder.class_names, source.seed)
    seen = seen_in_folder(folder.root, paths)
    return Judges(source, folder.class_names, settings, {BASELINE: digest}, seen, boosted, None)


def _training_pictures(run: RunFolder, data_dir: Path | None) -> tuple[Path, list[str], list[str], str]:
    """Where they are, their paths and labels as split.csv has them, and a digest of their content."""
    if not run.split_file.is_file():
        raise RunError(
            f"{run.path}: it has no split.csv, so nothing says which pictures the model was trained on; give a run "
            "folder, or judge boosting alone with `spatial-swin bench --data_dir PICTURES`"
        )
    samples = [sample for sample in run.read_split() if sample.split == "train"]
    root = pictures_of(run, data_dir)
    require_same_pictures(root, samples, advice="restore them, or say where they are with --data_dir")
    digest = _digest([f"{sample.path} {sample.sha256}" for sample in samples])
    return root, [sample.path for sample in samples], [sample.label for sample in samples], digest


def _weights_of(folder: Path) -> str:
    return _digest([sha256_of(path) for path in sorted(folder.glob("*.safetensors"))])


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]
