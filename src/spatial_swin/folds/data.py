"""The recipe's data as `crossval` and `generalise` need it: checked, its factors known, divided or not yet."""

import os
from collections.abc import Sequence

from spatial_swin.config import Recipe
from spatial_swin.data.factors import Factors, factor_table, find_factors
from spatial_swin.data.folder import PictureFolder, scan_folder
from spatial_swin.data.preflight import usable_pictures
from spatial_swin.data.splits import describe_split, split_samples
from spatial_swin.errors import DataError, Problem, RecipeError, UsageError, raise_problems
from spatial_swin.folds.runs import seed_of
from spatial_swin.runs import Sample


def require_no_split_file(recipe: Recipe) -> None:
    """Raise RecipeError for a recipe that asks for a split of its own where folds are made."""
    if recipe.data.split_file is not None:
        raise RecipeError(
            f"split_file: is {recipe.data.split_file}, but folds divide the pictures themselves; leave it out here "
            "(--split_file none)"
        )


def require_one_process() -> None:
    """Folds are spread by --jobs; a launcher with several processes would train each fold several times."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("start this with one process, not with a launcher of several; folds are spread with --jobs")


def load_samples(recipe: Recipe, split_by: str) -> list[Sample]:
    """The recipe's data, checked and divided by its shares; the factors are shown once."""
    data = recipe.data
    folder, factors, sha256 = _checked(recipe, [split_by])
    shares = (data.train_share, data.validation_share, data.test_share)
    samples = split_samples(folder, sha256, factors, shares, seed_of(recipe), split_by)
    print(describe_split(samples), flush=True)
    return samples


def load_undivided(recipe: Recipe, factor_names: Sequence[str]) -> tuple[list[Sample], Factors]:
    """The data, checked, recordings as groups and no parts, and its factors.

    Raises DataError when one of `factor_names` does not exist, or is not known of every picture: what has no value
    could be of the very listener or laboratory that is left out.
    """
    folder, factors, sha256 = _checked(recipe, factor_names, known=True)
    groups = factors.groups()
    samples = [
        Sample(p.path, p.label, groups[p.path], "", sha256[p.path], dict(factors.values[p.path]))
        for p in sorted(folder.pictures, key=lambda picture: picture.path)
    ]
    return samples, factors


def _checked(
    recipe: Recipe, needed: Sequence[str], *, known: bool = False
) -> tuple[PictureFolder, Factors, dict[str, str]]:
    require_no_split_file(recipe)
    data = recipe.data
    folder = scan_folder(data.data_dir)
    factors = find_factors(folder.root, [picture.path for picture in folder.pictures], data.factors, data.manifest)
    print(factor_table(factors), flush=True)
    for name in needed:
        factors.groups(name)  # a factor that does not exist is an error before every file is read
    if known:
        gaps = (_gap(factors, name) for name in needed)
        raise_problems(DataError, list(filter(None, gaps)), "What is not known cannot be left out")
    folder, sha256 = usable_pictures(folder, data.preflight_workers, skip_bad=data.skip_bad)
    return folder, factors, sha256


def _gap(factors: Factors, name: str) -> Problem | None:
    """A problem when a factor has no value for some pictures."""
    without = sorted(path for path, value in factors.groups(name).items() if not value)
    if not without:
        return None
    what = f"is not known of {len(without)} of {len(factors.values)} pictures, the first is {without[0]}"
    return Problem(f"factor {name}", what, f"fill it in where it comes from ({factors.origin}), or remove them")
