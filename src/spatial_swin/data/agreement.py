"""Whether pictures are those that a recipe is for: how many seconds of sound each holds, and how many pixels.

In go the folder of the pictures and two numbers of the recipe, out come lines for the console. Seconds that differ are
refused: what a trunk learnt of 3 s means nothing at 10 s, and no resizing mends that. Pixels that differ are scaled,
which a line says. What no tile map tells cannot be compared, which a line says too. No picture is opened.
"""

import math
from pathlib import Path

from spatial_swin.audio.manifest import TILES
from spatial_swin.audio.tiles import TileMap
from spatial_swin.errors import DataError


def agreement(folder: Path, image_size: int, clip_seconds: float | None) -> list[str]:
    """What a person should know before these pictures are trained on; nothing when they are what the recipe is for.

    Args:
        folder: where the class folders lie, and tiles.json if there is one.
        image_size: side of the pictures that the model sees, in pixels.
        clip_seconds: what a picture should hold, None when the recipe does not care.

    Raises:
        DataError: the pictures hold another length of sound.
        AudioError: a tiles.json that cannot be read.
    """
    tiles = TileMap.beside(folder)
    if tiles is None:
        return [_unknown(folder, clip_seconds)] if clip_seconds is not None else []
    if clip_seconds is not None and not math.isclose(tiles.seconds, clip_seconds, rel_tol=1e-6):
        raise DataError(
            f"{folder / TILES}: each of these pictures holds {tiles.seconds:g} s of sound, and the recipe is for "
            f"{clip_seconds:g} s; make them with --seconds {clip_seconds:g} --size {image_size}, or pass "
            f"--clip_seconds {tiles.seconds:g} to train on these all the same"
        )
    height, width = tiles.size
    if (height, width) == (image_size, image_size):
        return []
    return [
        f"The pictures are {width} x {height}; the model sees them scaled to {image_size} x {image_size}, as "
        f"`predict` will. Made with --size {image_size} they need no scaling."
    ]


def _unknown(folder: Path, clip_seconds: float) -> str:
    return (
        f"There is no {TILES} in {folder}: whether its pictures hold the {clip_seconds:g} s that the recipe is for is "
        "not known, and the model will judge pictures only."
    )
