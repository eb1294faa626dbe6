"""Pictures pooled to a few hundred numbers: what a simple model needs to know of a mosaic of cues.

In go pictures, from a folder or as arrays, and, when known, where their tiles are; out comes mean, spread and two
percentiles of every band of every tile. Bands are equal parts of a tile's height (frequency or lag), pooled over time.
Whether both channels are the same is read off the picture too. Nothing is learned here.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from spatial_swin.audio.tiles import TileMap
from spatial_swin.data.fingerprints import Box

BANDS = 8
GRID = 4  # tiles a side where no tile map says otherwise
PERCENTILES = (10, 90)
SAME = 2  # grey levels between two ears that count as none


def pooled_tiles(root: str | os.PathLike[str], paths: Sequence[str], workers: int | None = None) -> np.ndarray:
    """Features of every picture below `root`: float32 [N, tiles * BANDS * 4], on the scale of grey levels."""
    return pooled_with_channels(root, paths, workers)[0]


def pooled_with_channels(
    root: str | os.PathLike[str], paths: Sequence[str], workers: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """As `pooled_tiles`, and which pictures have two equal channels (`same_channels`): bool [N]."""
    tiles = TileMap.beside(root)

    def pool(path: str) -> tuple[np.ndarray, bool]:
        with Image.open(Path(root) / path) as image:
            picture = np.asarray(image.convert("L"))
        return pooled_picture(picture, tiles), tiles is not None and same_channels(picture, tiles)

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool_of_threads:
        found = list(tqdm(pool_of_threads.map(pool, paths), total=len(paths), desc="pooled cues", disable=None))
    return np.stack([features for features, _ in found]), np.array([same for _, same in found])


def pooled_picture(picture: np.ndarray, tiles: TileMap | None) -> np.ndarray:
    """Features of grey pixels [H, W]: float32 [tiles * BANDS * 4]; of a grid when `tiles` is not of that size."""
    pixels = picture.astype(np.float32)
    fits = tiles is not None and tiles.size == pixels.shape
    boxes = [(t.x, t.y, t.width, t.height) for t in tiles] if tiles is not None and fits else grid(*pixels.shape)
    cut = [pixels[y : y + h, x : x + w] for x, y, w, h in boxes]
    if len({tile.shape for tile in cut}) == 1 and cut[0].shape[0] % BANDS == 0:  # all at once, the same numbers
        return _pool_bands(np.stack(cut).reshape(len(cut) * BANDS, -1)).reshape(-1)
    return np.concatenate([pool_tile(tile) for tile in cut])


def same_channels(picture: np.ndarray, tiles: TileMap) -> bool:
    """Whether grey pixels [H, W] are of a sound with two equal channels; False where the tiles do not show it."""
    names = {tile.name for tile in tiles}
    if not {"magnitude_left", "magnitude_right", "laterality"} <= names or picture.shape != tiles.size:
        return False
    left, right, side = (
        picture[tiles[name].rows, tiles[name].columns].astype(np.int16)
        for name in ("magnitude_left", "magnitude_right", "laterality")
    )
    return bool(side.max() <= SAME and np.abs(left - right).max() <= SAME)


def _pool_bands(bands: np.ndarray) -> np.ndarray:
    """Bands [N, pixels] -> float32 [N, 4]: mean, standard deviation, percentiles."""
    marks = np.percentile(bands, PERCENTILES, axis=1)
    return np.stack([bands.mean(axis=1), bands.std(axis=1), *marks], axis=1).astype(np.float32)


def pool_tile(pixels: np.ndarray) -> np.ndarray:
    """One tile [H, W] -> float32 [BANDS * 4]: mean, standard deviation, percentiles, band by band."""
    bands = [band for band in np.array_split(pixels, BANDS) if band.size]
    if len({band.size for band in bands}) == 1:  # all at once: eight times as fast, and the same numbers
        marks = np.percentile(np.stack([band.ravel() for band in bands]), PERCENTILES, axis=1).T
    else:
        marks = np.stack([np.percentile(band, PERCENTILES) for band in bands])
    rows = [[band.mean(), band.std(), *row] for band, row in zip(bands, marks, strict=True)]
    return np.asarray(rows, dtype=np.float32).reshape(-1)


def grid(height: int, width: int) -> list[Box]:
    """A picture in GRID x GRID boxes, for pictures without a tile map."""
    down, across = height // GRID, width // GRID
    return [(x * across, y * down, across, down) for y in range(GRID) for x in range(GRID)]
