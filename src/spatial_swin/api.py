"""The Python API: fine-tune by a recipe, render a programme, draw a mosaic, each in one call.

`import spatial_swin` gives these names beside `Detector`, `RunFolder` and `ThesisResultsAnalyzer`, and imports what
stands behind one of them when it is first used. The command line does the same with the same functions.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatial_swin.errors import AudioError, RecipeError, UsageError, raise_problems
from spatial_swin.runs import RunFolder

if TYPE_CHECKING:
    from spatial_swin.config import Recipe


def fine_tune(recipe: "str | os.PathLike[str] | Recipe", **keys: Any) -> RunFolder:
    """Fine-tune by a recipe, as `spatial-swin train` does, and return the finished run folder.

    Args:
        recipe: a YAML file, the name of a recipe that ships (`demo`), or a resolved `Recipe`.
        keys: keys of the recipe that win over the file: `data_dir="pictures", num_train_epochs=6`.

    The same call continues an unfinished run; a finished one is refused unless `overwrite=True`.

    Raises:
        RecipeError, DataError, RunError: something given is wrong; all of it is named.
    """
    from spatial_swin import files, training
    from spatial_swin.config import Recipe
    from spatial_swin.reporting.card import model_card

    if isinstance(recipe, Recipe):
        if keys:
            raise UsageError(f"a resolved recipe takes no keys ({', '.join(keys)}); give them where it is resolved")
        resolved = recipe
    else:
        resolved = _resolved(recipe, keys)
    if resolved.trainer.push_to_hub:
        raise UsageError("push_to_hub is for `spatial-swin train`; push a finished run with `spatial-swin push`")
    run = training.fine_tune(resolved)
    files.write_text(run.model / "README.md", model_card(run))
    return run


def _resolved(recipe: str | os.PathLike[str], keys: dict[str, Any]) -> "Recipe":
    from spatial_swin.config import resolve
    from spatial_swin.recipe_keys import heading_of, key_problems, read_recipe
    from spatial_swin.shipped import find_recipe

    file = find_recipe(recipe)
    given = read_recipe(file)
    raise_problems(RecipeError, key_problems("fine_tune", keys, None), "The keys cannot be used")
    for key, value in keys.items():
        given[heading_of(key)][key] = os.fspath(value) if isinstance(value, os.PathLike) else value
    return resolve(given, file.stem)


def render_programme(
    programme: int | str | os.PathLike[str] = 0,
    layouts: Sequence[str] = ("100", "200", "510", "514"),
    listener: str = "kemar",
    *,
    seconds: float = 3.0,
    start: float = 0.0,
    sample_rate: int = 48_000,
    seed: int = 0,
    kind: str = "scene",
) -> dict[str, np.ndarray]:
    """One programme in several layouts as a listener hears it: {code: float32 [2, N]}, all at -23 LUFS.

    Args:
        programme: the number of a synthetic programme, or a channel master, or a folder of stems.
        layouts: codes, as `spatial-swin render --layouts` takes them.
        listener: kemar, parametric:SEED, or a SOFA file.
        seconds: how much of it; start: from where on, for files.
        seed, kind: of a synthetic programme, and of places that are drawn.

    Raises:
        AudioError: an unknown layout, listener or kind; a file that is no programme or holds less than a layout needs.
    """
    from spatial_swin.audio.hrtf import load_listener
    from spatial_swin.audio.kinds import programme as synthetic
    from spatial_swin.audio.loudness import match_loudness
    from spatial_swin.audio.render import render_layouts
    from spatial_swin.layouts import find_layouts

    if not 0.25 <= seconds <= 600:
        raise AudioError(f"seconds: is {seconds:g}; give 0.25 to 600")
    found = find_layouts(layouts)
    heard_by = load_listener(listener, sample_rate)
    if isinstance(programme, int):
        scene = synthetic(kind, seed, programme, seconds, sample_rate)
    else:
        scene = _scene_of_files(Path(programme), found, seconds, start, sample_rate, seed)
    rendered = render_layouts(scene, found, [heard_by])
    return {layout.code: match_loudness(rendered[layout.code, heard_by.name], sample_rate)[0] for layout in found}


def _scene_of_files(path: Path, layouts: Any, seconds: float, start: float, sample_rate: int, seed: int) -> Any:
    from spatial_swin.audio.clips import Cut
    from spatial_swin.audio.programme import judge, programme_at

    if not path.exists():
        raise AudioError(f"{path}: no such programme; give a number, a channel master or a folder of stems")
    found = programme_at(path, seed)
    cut = Cut.of(seconds, None, None, sample_rate)
    raise_problems(AudioError, list(judge(found, layouts, cut)), "The programme cannot be rendered")
    first, count, length = round(start * sample_rate), cut.frames, found.length(sample_rate)
    if not 0 <= first <= length - count:
        raise AudioError(f"{path}: lasts {length / sample_rate:.2f} s, so {seconds:g} s cannot begin at {start:g} s")
    return found.scene(first, count, sample_rate)


def mosaic(sound: np.ndarray, sample_rate: int, *, arrangement: str = "4x4", size: int = 384) -> np.ndarray:
    """The picture of binaural cues that a model sees, uint8 [size, size], of sound [2, N] or [N, 2].

    The whole sound becomes one picture, brought to -23 LUFS first, as `spatial-swin mosaic` does with every window.

    Raises:
        AudioError: not two ears, a low sample rate, too short, samples that are not finite, or a size that the
            arrangement does not divide.
    """
    import torch

    from spatial_swin.audio.loudness import match_loudness
    from spatial_swin.audio.mosaic import mosaic as draw

    array = np.asarray(sound, dtype=np.float32)
    if array.ndim != 2 or 2 not in array.shape:
        shape = "x".join(map(str, array.shape))
        raise AudioError(f"the sound is {shape}; give the two ears as [2, N] or [N, 2]")
    ears = array if array.shape[0] == 2 else array.T
    if not np.isfinite(ears).all():
        raise AudioError("the sound holds NaN or infinite samples; repair it")
    matched, _ = match_loudness(ears, sample_rate)
    return draw(torch.from_numpy(matched)[None], sample_rate, arrangement, size)[0].numpy()
