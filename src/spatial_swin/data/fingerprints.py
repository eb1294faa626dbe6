"""One look at every picture: hash, thumbnail and file-level statistics, enough to find copies and cheap shortcuts.

In goes a list of picture files (and, when known, the boxes of the tiles that show level); out comes one `Fingerprints`
table, N rows. `identical` and `near_identical` find copies in it without comparing every pair. Pictures are decoded
once, in threads (Pillow lets the interpreter go while it decodes); pixels are never kept.
"""

import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from spatial_swin.errors import DataError, Problem, raise_problems
from spatial_swin.keyed_random import keyed_generator

THUMBNAIL = 32  # pixels per side: a tile of a 4x4 mosaic keeps 8x8 of them
FLOOR = 4  # grey levels of 255: at or below it a pixel shows nothing (0 is the bottom of a fixed scale; JPEG rings)
ACTIVE_ROW = 8.0  # mean grey level at which a row counts as having signal: 3 % of the scale
STATISTICS = {
    "level": ("mean_level", "spread", "minimum", "maximum"),
    "silence": ("silent_columns", "dark_share"),
    "bandwidth": ("top_row", "bottom_row"),
    "format": ("width", "height", "bits"),
    "file size": ("bytes",),
}
COLUMNS = tuple(name for family in STATISTICS.values() for name in family)

# Two pictures are near-identical when, after the mean picture of the set is taken away (all mosaics share their
# layout), what is left correlates at least so much and the thumbnails differ by at most so many grey levels.
NEAR_COSINE = 0.985
NEAR_DIFFERENCE = 3.0
PLAIN = 2.0  # grey levels RMS: a picture this close to the mean picture has no pattern of its own to correlate
BANDS, BITS = 20, 14  # at cosine 0.985 one bit agrees with p = 0.945, a band with 0.45, one of 20 bands with 0.99999
BUCKET_BLOCK = 2048
# Steady sounds in mono differ so little that thumbnails do not tell them apart, but their fine detail does: on
# rendered mosaics, different recordings of one listener correlate up to 0.93, copies (JPEG at quality 50, noise of
# 8 grey levels, another size) from 0.98.
DETAIL_SIDE = 96
SAME_DETAIL = 0.96
NO_DETAIL = 1.0  # grey levels RMS: below it there is no detail to compare, and the thumbnails decide

Box = tuple[int, int, int, int]  # x, y, width, height in pixels


@dataclass(frozen=True)
class Fingerprints:
    """sha256: N hex strings; thumbnails: uint8 [N, 32 * 32]; statistics: float64 [N, len(COLUMNS)], see STATISTICS."""

    sha256: list[str]
    thumbnails: np.ndarray
    statistics: np.ndarray

    def column(self, name: str) -> np.ndarray:
        """One statistic: float64 [N, 1]."""
        return self.statistics[:, [COLUMNS.index(name)]]

    def family(self, name: str) -> np.ndarray:
        """The statistics of one family of STATISTICS: float64 [N, F]."""
        return self.statistics[:, [COLUMNS.index(column) for column in STATISTICS[name]]]


def fingerprint(
    root: str | os.PathLike[str],
    paths: Sequence[str],
    boxes: Sequence[Box] = (),
    size: tuple[int, int] | None = None,
    workers: int | None = None,
) -> Fingerprints:
    """Look at every picture once. Raises DataError listing every file that cannot be read.

    boxes: where level is shown (x, y, width, height) in pictures of `size` (width, height); the whole picture when
    there are none or when a picture has another size.
    """
    workers = workers or os.cpu_count() or 1
    files = [Path(root) / path for path in paths]

    def look(file: Path) -> tuple[str, np.ndarray, list[float]] | str:
        try:
            return _look(file, boxes, size)
        except (
            Exception
        ) as error:  # damaged headers make Pillow's decoders raise TypeError, KeyError, struct.error ...
            return f"cannot be read as a picture ({error})"

    with ThreadPoolExecutor(workers) as pool:
        looks = dict(
            zip(paths, tqdm(pool.map(look, files), total=len(files), desc="pictures", disable=None), strict=True)
        )
    advice = "replace or remove it"
    problems = [Problem(path, entry, advice) for path, entry in looks.items() if isinstance(entry, str)]
    raise_problems(DataError, problems, f"Pictures in {root} cannot be read")
    if not looks:
        raise DataError(f"{root}: there is no picture to look at")
    digests, thumbnails, statistics = zip(*looks.values(), strict=True)
    return Fingerprints(list(digests), np.stack(thumbnails), np.array(statistics))


def identical(sha256: Sequence[str]) -> list[list[int]]:
    """Rows with the same bytes, in lists of two or more."""
    rows_of: dict[str, list[int]] = {}
    for row, digest in enumerate(sha256):
        rows_of.setdefault(digest, []).append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def near_identical(thumbnails: np.ndarray, groups: Sequence[str]) -> list[tuple[int, int, float]]:
    """Pairs of rows of different groups that look the same: (row, row, mean difference in grey levels), closest first.

    thumbnails: uint8 [N, D]. Rows whose thumbnails are equal to the byte are left to `identical` when their files are
    equal too. Candidates come from random hyperplanes (Charikar 2002): pictures that agree in all the bits of one of
    BANDS bands share a bucket, and only pairs in a bucket are compared.
    """
    group_codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    mean = thumbnails.mean(axis=0, dtype=np.float64).astype(np.float32)
    residuals = thumbnails.astype(np.float32) - mean
    lengths = np.linalg.norm(residuals, axis=1)
    plain = lengths <= PLAIN * np.sqrt(thumbnails.shape[1])
    unit = residuals / np.maximum(lengths, 1e-6)[:, None]
    unit[plain] = 0
    generator = keyed_generator("near-identical pictures", thumbnails.shape[1])
    planes = generator.standard_normal((thumbnails.shape[1], BANDS * BITS)).astype(np.float32)
    signs = (residuals @ planes > 0).reshape(len(residuals), BANDS, BITS)
    codes = signs @ (1 << np.arange(BITS))  # [N, BANDS]
    pairs: dict[tuple[int, int], float] = {}
    for bucket in [*_buckets(codes, ~plain), np.flatnonzero(plain)]:
        for i, j in _close_pairs(bucket, unit, group_codes, bool(plain[bucket].any())):
            difference = float(np.abs(thumbnails[i].astype(np.int16) - thumbnails[j]).mean())
            if difference <= NEAR_DIFFERENCE:
                pairs[i, j] = difference
    return sorted(((i, j, difference) for (i, j), difference in pairs.items()), key=lambda pair: (pair[2], *pair[:2]))


def same_detail(root: str | os.PathLike[str], pairs: Sequence[tuple[str, str]]) -> list[bool]:
    """Whether the two pictures of each pair of paths agree in their fine detail, not only in their thumbnails."""
    details = {path: _detail(Path(root) / path) for path in sorted({path for pair in pairs for path in pair})}

    def agree(one: np.ndarray, other: np.ndarray) -> bool:
        lengths = np.linalg.norm(one), np.linalg.norm(other)
        if max(lengths) <= NO_DETAIL * DETAIL_SIDE:
            return True
        return bool(min(lengths) > 0 and np.vdot(one, other) >= SAME_DETAIL * lengths[0] * lengths[1])

    return [agree(details[one], details[other]) for one, other in pairs]


def _detail(file: Path) -> np.ndarray:
    """What a picture has beyond its 3x3 means: float32 [96, 96], without the mean."""
    with Image.open(file) as opened:
        grey = opened.convert("L").resize((DETAIL_SIDE, DETAIL_SIDE), Image.Resampling.BOX)
    pixels = np.asarray(grey, dtype=np.float32)
    coarse = pixels.reshape(DETAIL_SIDE // 3, 3, DETAIL_SIDE // 3, 3).mean(axis=(1, 3))
    return pixels - np.kron(coarse, np.ones((3, 3), np.float32))


def _buckets(codes: np.ndarray, usable: np.ndarray) -> list[np.ndarray]:
    """Rows that share the code of a band, for every band; rows that are not usable are in none."""
    rows = np.flatnonzero(usable)
    buckets = []
    for band in range(codes.shape[1]):
        order = rows[np.argsort(codes[rows, band], kind="stable")]
        ends = np.flatnonzero(np.diff(codes[order, band])) + 1
        buckets += [bucket for bucket in np.split(order, ends) if len(bucket) > 1]
    return buckets


def _close_pairs(bucket: np.ndarray, unit: np.ndarray, group_codes: np.ndarray, plain: bool) -> list[tuple[int, int]]:
    """Pairs (i < j) of a bucket in different groups whose residuals correlate; in blocks, so memory stays bounded."""
    pairs = []
    groups = group_codes[bucket]
    if (groups == groups[:1]).all():
        return []
    for start in range(0, len(bucket), BUCKET_BLOCK):
        block = slice(start, start + BUCKET_BLOCK)
        close = np.ones((len(bucket[block]), len(bucket)), dtype=bool)
        if not plain:
            close = unit[bucket[block]] @ unit[bucket].T >= NEAR_COSINE
        close &= groups[block, None] != groups[None, :]
        near = ((int(bucket[start + a]), int(bucket[b])) for a, b in np.argwhere(close))
        pairs += [(i, j) for i, j in near if i < j]
    return pairs


def _look(file: Path, boxes: Sequence[Box], size: tuple[int, int] | None) -> tuple[str, np.ndarray, list[float]]:
    content = file.read_bytes()
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        image: Image.Image = opened
        bits = {"1": 1, "L": 8, "P": 8, "RGB": 24, "RGBA": 32, "LA": 16}.get(image.mode, 16)
        if image.mode.startswith("I"):  # 16 bit: Pillow would clip at 255, not scale
            image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
        grey = image if image.mode == "L" else image.convert("L")
    small = grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    pixels = np.asarray(grey)
    shown = [pixels[y : y + h, x : x + w] for x, y, w, h in boxes] if boxes and size == grey.size else [pixels]
    measured = np.mean([_level_statistics(part) for part in shown], axis=0)
    digest = hashlib.sha256(content).hexdigest()
    return digest, np.asarray(small).reshape(-1), [*measured, *grey.size, bits, len(content)]


def _level_statistics(pixels: np.ndarray) -> list[float]:
    """Level, silence and bandwidth of one map, uint8 [H, W] with low frequency at the bottom, as in STATISTICS."""
    counts = np.bincount(pixels.reshape(-1), minlength=256)
    values = np.arange(256)
    total = pixels.size
    mean = float(counts @ values / total)
    spread = max(0.0, float(counts @ values**2) / total - mean**2) ** 0.5
    seen = np.flatnonzero(counts)
    silent = float((pixels.max(axis=0) <= FLOOR).mean())
    active = np.flatnonzero(pixels.mean(axis=1) >= ACTIVE_ROW)
    height = pixels.shape[0]
    top = 1 - active[0] / height if len(active) else 0.0
    bottom = 1 - (active[-1] + 1) / height if len(active) else 0.0
    dark = float(counts[: FLOOR + 1].sum() / total)
    return [mean, spread, float(seen[0]), float(seen[-1]), silent, dark, top, bottom]
