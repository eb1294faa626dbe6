"""Check every file of a folder once, before hours are spent on it: each is decoded whole and its bytes are hashed.

In goes a `PictureFolder`, out comes the SHA-256 of every picture. No file is changed, and none is left out unless that
is asked for: all problems of all files come in one list. What passes is converted to RGB without loss of a grey step:
grey and two-level pictures (the value three times), palettes (their colours), CMYK and YCbCr (as Pillow does), opaque
alpha (dropped).
"""

import hashlib
import io
import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError
from tqdm.auto import tqdm

from spatial_swin import files
from spatial_swin.data.folder import FEWEST, PictureFolder
from spatial_swin.errors import DataError, Problem, raise_problems
from spatial_swin.runs import Sample

CONVERTED = frozenset({"RGB", "L", "1", "P", "CMYK", "YCbCr"})
TRANSPARENT = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


def preflight(folder: PictureFolder, workers: int | None = None) -> dict[str, str]:
    """path -> hex SHA-256 of every picture in `folder`.

    workers: threads; one per core when None. Pillow decodes and hashlib hashes outside the interpreter's lock.

    Raises:
        DataError: files that are empty, truncated, no pictures, too large to be honest, animated, transparent, or
            deeper than 8 bits; every one of them, with what to do.
    """
    sha256, problems = _look(folder, workers)
    raise_problems(DataError, problems, f"Pictures that cannot be used, of {len(folder.pictures)} in {folder.root}")
    return sha256


def usable_pictures(
    folder: PictureFolder, workers: int | None = None, *, skip_bad: bool
) -> tuple[PictureFolder, dict[str, str]]:
    """The folder to train on and `preflight`'s hashes. skip_bad: without the pictures that it would refuse; how many
    they are and what is wrong with them is printed.

    Raises DataError as `preflight`, or when a class keeps fewer pictures than a folder must have.
    """
    if not skip_bad:
        return folder, preflight(folder, workers)
    sha256, problems = _look(folder, workers)
    left = [picture for picture in folder.pictures if picture.path in sha256]
    counts = Counter(picture.label for picture in left)
    few = [name for name in folder.class_names if counts[name] < FEWEST]
    heading = f"Too few pictures are left of {', '.join(few)} without those that cannot be used"
    raise_problems(DataError, problems if few else [], heading)
    if problems:
        print(f"left out ({len(problems)} of {len(folder.pictures)} pictures):", flush=True)
        print(*(f"  - {problem}" for problem in problems), sep="\n", flush=True)
    return replace(folder, pictures=left), sha256


def _look(folder: PictureFolder, workers: int | None) -> tuple[dict[str, str], list[Problem]]:
    paths = [picture.path for picture in folder.pictures]
    with warnings.catch_warnings(), ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; what matters is a Problem
        checks = pool.map(lambda path: _check(folder, path), paths)
        bar = tqdm(checks, total=len(paths), desc="checking pictures", unit="file", disable=None, leave=False)
        outcomes = list(bar)
    sha256 = {path: outcome for path, outcome in zip(paths, outcomes, strict=True) if isinstance(outcome, str)}
    return sha256, [outcome for outcome in outcomes if isinstance(outcome, Problem)]


def require_same_pictures(
    root: Path, samples: Sequence[Sample], sha256: Mapping[str, str] | None = None, advice: str = "restore them"
) -> None:
    """Raise DataError naming every picture of a split that `root` no longer has, or has with other bytes.

    sha256: path -> hash of what lies there, as `preflight` gives it; when None the pictures are read here.
    """
    problems = []
    for sample in tqdm(
        samples, desc="checking pictures", unit="file", disable=sha256 is not None or None, leave=False
    ):
        try:
            digest = files.sha256_of(root / sample.path) if sha256 is None else sha256[sample.path]
        except (FileNotFoundError, KeyError):
            problems.append(Problem(sample.path, "is in the split and not in the data", "put it back"))
            continue
        except OSError as error:
            problems.append(Problem(sample.path, f"cannot be read ({error.strerror})", "fix its permissions"))
            continue
        if sample.sha256 and digest != sample.sha256:
            problems.append(Problem(sample.path, "is not the picture the split was made with", "restore it"))
    raise_problems(DataError, problems, f"The pictures in {root} are not those of the split; {advice}")


def _check(folder: PictureFolder, path: str) -> Problem | str:
    try:
        content = (folder.root / path).read_bytes()
    except OSError as error:
        return Problem(path, f"cannot be read ({error.strerror})", "correct its permissions")
    if not content:
        return Problem(path, "is empty (0 bytes)", "make it again or remove it")
    try:
        with Image.open(io.BytesIO(content)) as picture:
            if problem := _unusable(path, picture):
                return problem
            picture.load()
            if picture.has_transparency_data and min(picture.convert("RGBA").getchannel("A").tobytes()) < 255:
                advice = "flatten it on a colour of your choice"
                return Problem(path, f"has transparent places ({picture.mode})", advice)
    except Image.DecompressionBombError:
        return _bomb(path)
    except UnidentifiedImageError:
        return Problem(path, "is not a picture that can be read", "make it again or remove it")
    except Exception as error:  # damaged headers make Pillow's decoders raise TypeError, KeyError, struct.error ...
        return Problem(path, f"is damaged ({error})", "make it again or remove it")
    return hashlib.sha256(content).hexdigest()


def _unusable(path: str, picture: ImageFile.ImageFile) -> Problem | None:
    """What the header already shows: a bomb, an animation, or samples that 8 bits cannot hold."""
    if picture.width * picture.height > (Image.MAX_IMAGE_PIXELS or float("inf")):
        return _bomb(path)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        return Problem(path, f"is animated ({frames} frames)", "save one frame")
    # Pillow opens coloured PNG and TIFF of 16 bits as 8-bit RGB and drops the lower byte without a word
    deep = picture.format in ("PNG", "TIFF") and ";16" in str(picture.tile)
    if picture.mode in CONVERTED | TRANSPARENT and not deep:
        return None
    depth = "16 or 32 bits per sample" if deep or picture.mode.startswith(("I", "F")) else "an unknown kind of samples"
    return Problem(path, f"has {depth} (mode {picture.mode})", "scale it to 8 bits yourself: clipping would change it")


def _bomb(path: str) -> Problem:
    limit = f"{Image.MAX_IMAGE_PIXELS or 0:,}"
    return Problem(path, f"claims more than {limit} pixels", "scale it down if it is honest, else remove it")
