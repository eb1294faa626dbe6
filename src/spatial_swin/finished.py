"""A finished model, opened in one place: a run folder or a model folder in, all that its users need of it out.

What is light is read and checked at once, without torch, so that reports can use it: labels, processor, temperature,
tile map, and what the model learnt from (worked out of the split for a run that did not note it). The weights follow
when `load` is called. Whatever is damaged is refused with the same sentence in every verb. Nothing here trains or
writes, asks a question, or runs code that lies in the folder.
"""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from spatial_swin.audio.manifest import pictures_folder
from spatial_swin.audio.tiles import TileMap
from spatial_swin.data.folder import pictures_of
from spatial_swin.errors import DataError, RunError
from spatial_swin.evaluation.calibration import FEW_ITEMS, HIGHEST, LOWEST, Temperature, caution
from spatial_swin.evaluation.combining import MEAN
from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.domain import DOMAIN, Domain
from spatial_swin.evaluation.domain_score import DomainScore
from spatial_swin.evaluation.explanation import Region, grid_regions, scaled
from spatial_swin.evaluation.opinions import KNOWN_HEAD
from spatial_swin.learnt import learnt_from
from spatial_swin.runs import RunFolder

if TYPE_CHECKING:
    import torch

    from spatial_swin.known_head import KnownHead
    from spatial_swin.modeling.quick_swin import QuickSwin
    from spatial_swin.modeling.swin import Swin
    from spatial_swin.second_opinion import SecondOpinion

Model = TypeVar("Model", "QuickSwin", "Swin")
T = TypeVar("T")

CONFIG = "config.json"
PROCESSOR = "preprocessor_config.json"
TEMPERATURE = "temperature.json"
SETS = "sets.json"
DOMAIN_SCORE = "domain_score.json"
PROCESSORS = ("ViTImageProcessor", "ViTImageProcessorPil", "ViTImageProcessorFast")  # names of the one we save
BICUBIC = 3  # as Pillow and the processor's file number it


@dataclass(frozen=True, kw_only=True)
class FinishedModel:
    """What is known of a model without its weights.

    folder: where config.json and the weights lie. class_names: in the order of the logits. image_size: side of the
    pictures in pixels. mean, std: of the saved processor, RGB in 0..1. temperature: None when `spatial-swin evaluate`
    has fitted none; caution: a sentence on why not to trust it, empty without a reason. sets: prediction sets, None
    where none were fitted; domain_score: of whether to ask it, None where none was fitted. tiles: how sound became the
    pictures, and domain: what it learnt from, None when nothing says so.
    """

    folder: Path
    class_names: list[str]
    image_size: int
    mean: list[float]
    std: list[float]
    temperature: float | None
    tiles: TileMap | None
    caution: str = ""
    sets: PredictionSets | None = None
    domain_score: DomainScore | None = None
    domain: Domain | None = None

    @property
    def rule(self) -> str:
        """How the windows of a recording become one answer (`evaluation.combining`)."""
        return MEAN if self.sets is None else self.sets.windows.rule

    @property
    def regions(self) -> list[Region]:
        """The cue tiles in the model's own pictures, or the cells of a grid when nothing says where cues lie."""
        if self.tiles is None:
            return grid_regions(self.image_size)
        height, width = self.tiles.size
        tiles = [Region(t.name, t.title, t.x, t.y, t.width, t.height) for t in self.tiles]
        return scaled(tiles, width, height, self.image_size)

    def load(self, device: "str | torch.device | None" = None) -> "Swin":
        """The model in float32 and eval mode on `device` (a GPU when there is one).

        Raises:
            RunError: weights that are missing, cut, not finite or of another model; no such device.
        """
        from spatial_swin.modeling.swin import read_weights

        return _put(read_weights(self.folder).eval(), device)

    def load_quick(self, device: "str | torch.device | None" = None) -> "QuickSwin | Swin":
        """The model for who only asks it, without the seconds that importing transformers takes.

        It is transformers' where the folder is unusual; errors are those of `load`.
        """
        from spatial_swin.modeling.quick_swin import QuickSwin

        quick = QuickSwin.read(self.folder)
        return self.load(device) if quick is None else _put(quick, device)

    def load_second_opinion(self) -> "SecondOpinion | None":
        """The network that has a say in the answers, None where the Swin is alone. Raises RunError for damage."""
        from spatial_swin.second_opinion import read_second_opinion

        return read_second_opinion(self.folder, self.class_names, self.tiles, self.image_size)

    def load_known_head(self) -> "KnownHead | None":
        """What an adapted model knows of its head, None for a model of many. Raises RunError for damage."""
        if not (self.folder / KNOWN_HEAD).is_file():
            return None
        from spatial_swin.known_head import read_known_head

        return read_known_head(self.folder, self.class_names)


def open_finished(
    path: str | os.PathLike[str],
    tiles: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    refit: bool = False,
) -> FinishedModel:
    """Open a run folder (its model/) or a model folder (as downloaded from the Hub).

    Args:
        tiles: a tiles.json or a data folder, for a model folder that has no tile map of its own.
        data_dir: where the pictures of a run are now, when they have moved: an older run finds its tile map there.
        refit: a temperature and sets are about to be fitted, so that those there are neither read nor refused.

    Raises:
        RunError: not such a folder, or one that is unfinished or damaged.
        AudioError: a tile map that cannot be read.
    """
    root = Path(path)
    folder = _model_folder(root)
    config = _read_json(folder / CONFIG)
    if config.get("model_type") != "swin":
        raise _damaged(folder / CONFIG, f"the model_type is {config.get('model_type')!r}, not 'swin'")
    size = config.get("image_size")
    side = size[0] if isinstance(size, list) and size else size
    if not isinstance(side, int) or size not in (side, [side, side]):
        raise _damaged(folder / CONFIG, f"image_size is {size!r}, not the side of a square in pixels")
    mean, std = _normalisation(folder / PROCESSOR, side)
    tile_map = _tile_map(root, folder, tiles, data_dir)
    temperature, doubt = (None, "") if refit else _temperature(folder / TEMPERATURE)
    return FinishedModel(
        folder=folder,
        class_names=_class_names(folder / CONFIG, config.get("id2label")),
        image_size=side,
        mean=mean,
        std=std,
        temperature=temperature,
        caution=doubt,
        sets=None if refit else _sets(folder / SETS, temperature),
        domain_score=None if refit else _domain_score(folder / DOMAIN_SCORE),
        tiles=tile_map,
        domain=_domain(root, folder, tile_map, side, data_dir),
    )


def _put(model: Model, device: "str | torch.device | None") -> Model:
    """The model on `device`, or on a GPU when there is one. Raises RunError where there is no such device."""
    import torch

    wanted, movable = device or ("cuda" if torch.cuda.is_available() else "cpu"), cast(Any, model)
    try:
        return cast(Model, movable.to(torch.device(wanted)))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RunError(f"the model cannot be put on the device {wanted} ({reason}); use cpu") from None


def is_model(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a run or a model, finished or not, whole or damaged."""
    root = Path(path)
    return any(file.is_file() for file in (root / CONFIG, root / "model" / CONFIG, RunFolder(root).recipe_file))


def temperature_record(fitted: Temperature) -> dict[str, Any]:
    """What temperature.json says of a fitted temperature."""
    return {
        "temperature": fitted.value,
        "fitted_on": "validation",
        "items": fitted.items,
        "groups": fitted.groups,
        "low": fitted.low,
        "high": fitted.high,
        "nll_before": fitted.nll_before,
        "nll_after": fitted.nll_after,
    }


def _damaged(file: Path, what: str) -> RunError:
    return RunError(f"{file}: {what}; copy the model's folder again, or train again")


def _model_folder(root: Path) -> Path:
    """Where the weights lie. Raises RunError for a folder that has none."""
    for folder in (root, root / "model"):
        if (folder / CONFIG).is_file():
            return folder
    if RunFolder(root).recipe_file.is_file():
        raise RunError(f"{root}: there is no model in this run yet; let the training finish (the same command does)")
    raise RunError(f"{root}: neither a run folder nor a model folder (no recipe.yaml and no config.json)")


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _damaged(file, "there is no such file") from None
    except (OSError, ValueError) as error:
        raise _damaged(file, f"not readable as JSON ({error})") from None
    if not isinstance(content, dict):
        raise _damaged(file, f"holds a {type(content).__name__}, not an object")
    return content


def _class_names(file: Path, labels: Any) -> list[str]:
    """The labels in the order of the logits. Raises RunError for gaps, doubles and what is no label."""
    if not isinstance(labels, dict) or not labels:
        raise _damaged(file, "it has no id2label, so nothing says which class is which")
    numbers = [str(number) for number in range(len(labels))]
    if set(labels) != set(numbers):
        raise _damaged(file, f"id2label numbers its {len(labels)} classes {', '.join(labels)}, not 0, 1, 2 ...")
    names = [labels[number] for number in numbers]
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise _damaged(file, f"id2label names its classes {names}; each must be a name of its own")
    return names


def _normalisation(file: Path, side: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation. Raises RunError when the processor differs from this program."""
    stored = _read_json(file)
    kind = stored.get("image_processor_type")
    if kind not in PROCESSORS:
        raise _damaged(file, f"the image_processor_type is {kind!r}, not {PROCESSORS[0]!r}")
    expected = {
        "size": {"height": side, "width": side},
        "resample": BICUBIC,
        "rescale_factor": 1 / 255,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
    }
    others = [
        f"{name} {stored.get(name)!r} (not {value!r})" for name, value in expected.items() if stored.get(name) != value
    ]
    if others or stored.get("do_center_crop"):
        raise RunError(
            f"{file}: this processor does not treat pictures as this program does: "
            f"{', '.join(others) or 'it crops'}; use transformers' own pipeline for this model"
        )
    try:
        mean, std = ([float(value) for value in stored[name]] for name in ("image_mean", "image_std"))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(file, f"the normalisation cannot be read ({error!r})") from None
    if (
        len(mean) != 3
        or len(std) != 3
        or not all(map(math.isfinite, mean))
        or not all(0 < value < 1e6 for value in std)
    ):
        raise _damaged(file, f"a mean of {mean} and a deviation of {std} cannot be those of RGB")
    return mean, std


def _stored(file: Path, of: Callable[[Any], T], command: str = "spatial-swin evaluate") -> T | None:
    """What `of` makes of a JSON file beside the weights, None without one.

    Raises RunError, with the `command` that writes it again, when it is damaged.
    """
    if not file.exists():
        return None
    try:
        return of(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{file}: not readable ({error!r}); run `{command}` on the run again") from None


def _temperature(file: Path) -> tuple[float | None, str]:
    """The fitted temperature and the caution that goes with it, None when `spatial-swin evaluate` never ran.

    Raises RunError for a damaged file.
    """
    known = _stored(file, _numbers)
    if known is None:
        return None, ""
    value, items, groups, low, high = known
    if not LOWEST <= value <= HIGHEST:
        raise RunError(
            f"{file}: a temperature of {value:g} is outside {LOWEST:g} to {HIGHEST:g}; run `spatial-swin evaluate` on "
            "the run again"
        )
    return value, caution(value, items, groups, low, high)


def _numbers(stored: dict[str, Any]) -> tuple[float, int, int | None, float | None, float | None]:
    """Temperature, items, groups, and both ends of the interval, of what temperature.json holds."""
    value = float(stored["temperature"])  # first: of what is no object this is a TypeError
    low, high = (stored.get(key) if stored.get(key) is None else float(stored[key]) for key in ("low", "high"))
    items, groups = int(stored.get("items", FEW_ITEMS)), stored.get("groups")
    return value, items, None if groups is None else int(groups), low, high


def _sets(file: Path, temperature: float | None) -> PredictionSets | None:
    """The prediction sets, None where none were fitted. Raises RunError for damage and for another temperature."""
    sets = _stored(file, PredictionSets.of_record)
    if sets is not None and (temperature is None or not math.isclose(sets.temperature, temperature, rel_tol=1e-6)):
        beside = "there is none" if temperature is None else f"it is {temperature:g}"
        raise RunError(
            f"{file}: fitted at the temperature {sets.temperature:g}, but in {TEMPERATURE} {beside}; run "
            "`spatial-swin evaluate` on the run again"
        )
    return sets


def _domain_score(file: Path) -> DomainScore | None:
    """The domain score, None where none was fitted. Raises RunError for a damaged file."""
    return _stored(file, DomainScore.of_record, "spatial-swin evaluate --domain_score true")


def domain_of(
    run: RunFolder, tiles: TileMap | None, image_size: int, data_dir: str | os.PathLike[str] | None = None
) -> Domain:
    """What a run learnt from, of its split, and of the manifest beside its pictures where they are still there.

    Raises RunError for a split that is missing or damaged.
    """
    samples = run.read_split()
    try:
        pictures = pictures_of(run, data_dir)
    except (DataError, RunError):
        pictures = None
    return learnt_from(samples, pictures, tiles, image_size)


def _domain(
    root: Path, folder: Path, tiles: TileMap | None, side: int, data_dir: str | os.PathLike[str] | None
) -> Domain | None:
    """The statement beside the weights, else that of an older run's split, else None. Raises RunError when damaged."""
    if (file := folder / DOMAIN).is_file():
        stored = _read_json(file)
        try:
            return Domain.of_json(stored)
        except DataError as error:
            raise _damaged(file, str(error)) from None
    try:
        return domain_of(RunFolder(root), tiles, side, data_dir)
    except RunError:  # a model folder has no split; of a damaged one those speak who need it
        return None


def _tile_map(
    root: Path, folder: Path, given: str | os.PathLike[str] | None, data_dir: str | os.PathLike[str] | None
) -> TileMap | None:
    """The tile map that was given, else the model's, else that of the data the run was trained on, else None."""
    if given is not None:
        return TileMap.read(pictures_folder(given) if Path(given).is_dir() else given)
    run = RunFolder(root)
    if (own := TileMap.beside(folder)) or not run.recipe_file.is_file():
        return own
    try:
        return TileMap.beside(pictures_of(run, data_dir))
    except (DataError, RunError):  # its data is no longer here: then it judges pictures only
        return None
