"""The stores that one run needs: which trunk, which pictures, which draws, in which precision.

From a built Trainer and its recipe come the stores of the trunk cache that fit them, and which of their entries the
run needs. All that the numbers depend on is in a store's key, here and nowhere else: any difference makes another
store. Nothing is computed here but the output of a few pictures, to choose the storage precision.
"""

import ast
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import kornia
import PIL
import torch
import transformers

from spatial_swin import keyed_random
from spatial_swin.config import Recipe
from spatial_swin.data import augment, augment_sound, pictures
from spatial_swin.data.augment_sound import SoundAugmentationArguments, asks_for_sound
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import Sample
from spatial_swin.trunk import forward
from spatial_swin.trunk.dataset import STORED
from spatial_swin.trunk.folders import cache_root
from spatial_swin.trunk.shards import PLAIN, Entry
from spatial_swin.trunk.store import TrunkStore

PROBED = 4  # pictures that the storage precision is chosen with
SMALL = 16_000  # bytes: an output of which fp32 costs nothing worth saving


@dataclass
class TrunkCache:
    """The stores of one run and what it needs from them."""

    plain: TrunkStore
    drawn: TrunkStore | None  # None when the recipe draws nothing: then every view is the plain one
    views: tuple[int, ...]  # that a training picture is needed in
    stored: str
    computed: torch.dtype
    cut: int
    shape: tuple[int, ...]  # of one entry

    @property
    def stores(self) -> list[TrunkStore]:
        return [store for store in (self.drawn, self.plain) if store is not None]

    @property
    def entry_bytes(self) -> int:
        return int(torch.Size(self.shape).numel()) * STORED[self.stored].itemsize

    def store_of(self, view: int) -> TrunkStore:
        return self.plain if view == PLAIN or self.drawn is None else self.drawn

    def wanted(self, parts: Sequence[Sequence[Sample]]) -> dict[TrunkStore, set[Entry]]:
        """All entries that the run needs, by store; `parts` are the training and the validation pictures."""
        needed: dict[TrunkStore, set[Entry]] = {store: set() for store in self.stores}
        for members, views in zip(parts, (self.views, (PLAIN,)), strict=True):
            for view in views:
                needed[self.store_of(view)] |= {(sample.sha256, view) for sample in members}
        return needed


def open_cache(
    trainer: TwoPhaseTrainer, recipe: Recipe, cut: int, members: Sequence[Sample], dataset: Any
) -> TrunkCache:
    """The stores of this trunk, precision and augmentation; a few pictures give the shape and the precision."""
    first = sorted(range(len(members)), key=lambda row: members[row].sha256)[:PROBED]
    pixels = torch.stack([dataset[row]["pixel_values"] for row in first]).to(trainer.args.device)
    output = compute(trainer, cut, pixels, [], None)
    stored = choose_storage(output, recipe.data.trunk_cache_precision)
    data, model = recipe.data, trainer.model
    processor: Any = trainer.processing_class
    key = {
        "trunk": forward.trunk_fingerprint(model, cut),
        "cut": cut,
        "config": forward.trunk_config(model),
        "preprocessing": {
            name: json.loads(processor.to_json_string())[name]
            for name in ("size", "resample", "image_mean", "image_std", "rescale_factor")
        },
        "precision": recipe.precision,
        "computed": str(output.dtype),
        "stored": stored,
        "device": trainer.args.device.type,
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, kornia)} | {"pillow": PIL.__version__},
        "code": _code(pictures, forward),
        "draws": None,
    }
    about = {"model": recipe.model.model_name_or_path, "entry_shape": list(output.shape[1:])}
    root = cache_root(data.trunk_cache_dir).resolve()
    plain = TrunkStore(root, key, about)
    draws = _draws(trainer, recipe)
    views = tuple(range(data.trunk_cache_views)) if draws else (PLAIN,)
    drawn = TrunkStore(root, {**key, "draws": draws}, about) if draws else None
    return TrunkCache(plain, drawn, views, stored, output.dtype, cut, tuple(output.shape[1:]))


def _draws(trainer: TwoPhaseTrainer, recipe: Recipe) -> dict[str, Any] | None:
    """All that decides what a view looks like; None when the recipe draws nothing."""
    data = recipe.data
    sound = asks_for_sound(data)
    if not (data.augmentation or sound):
        return None
    values = asdict(data)
    picture_keys = {f.name for f in fields(augment.AugmentationArguments)}
    sound_keys = {f.name for f in fields(SoundAugmentationArguments)}
    return {
        "seed": data.augmentation_views_seed,
        "picture": {name: values[name] for name in picture_keys} if data.augmentation else None,
        "sound": {name: values[name] for name in sound_keys} if sound else None,
        "tiles": asdict(trainer.tile_map) if sound else None,
        "code": _code(augment, augment_sound, keyed_random),
    }


def _code(*modules: Any) -> str:
    """A hash of what the modules do: of their syntax, so that comments and layout count nothing."""
    syntax = [ast.dump(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))) for module in modules]
    return hashlib.sha256("\n".join(syntax).encode()).hexdigest()


def choose_storage(output: torch.Tensor, wish: str) -> str:
    """fp16, bf16 or fp32 for a trunk's output [B, ...], as asked for; `auto`:

    as it was computed where that takes 16 bits (nothing is lost) or is small, else the 16 bits that err less on it.
    """
    native = {dtype: name for name, dtype in STORED.items()}[output.dtype]
    if wish != "auto":
        return wish
    if native != "fp32" or output[0].numel() * output.element_size() <= SMALL:
        return native
    return min(("fp16", "bf16"), key=lambda stored: storage_error(output, stored))


def storage_error(output: torch.Tensor, stored: str) -> float:
    """Relative root mean square error of storing `output`; infinite when a value exceeds what can be stored."""
    exact = output.double()
    error = float((output.to(STORED[stored]).double() - exact).square().mean().sqrt())
    return error / max(float(exact.square().mean().sqrt()), 1e-300) if error == error else float("inf")


@torch.no_grad()
def compute(
    trainer: TwoPhaseTrainer, cut: int, pixels: torch.Tensor, keys: Sequence[int], view: int | None
) -> torch.Tensor:
    """The trunk's output of uint8 pictures [B, 3, S, S] in one view (None: plain), in the precision of the run."""
    shown = trainer.shown(pixels, keys, view)
    with trainer.accelerator.autocast():
        return forward.trunk_output(trainer.model, shown, cut)
