"""Who trains, who validates, who tests: stratified by class, and by group so that no group is in two parts.

In go class labels, groups and shares (or pictures and their factors); out comes a part for every picture, as
`runs.Sample` rows that are written to split.csv and are the only truth from then on. Groups that share a picture (the
same bytes) go to one part too. The result depends on the seed, the paths, the labels, the groups and on which bytes
are the same, never on the order of the rows. Nothing here opens a picture.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spatial_swin.data.factors import WITHOUT, Factors
from spatial_swin.data.group_search import ABSENT, TypeSearch
from spatial_swin.errors import DataError, Problem, printable, raise_problems
from spatial_swin.keyed_random import Key, keyed_generator
from spatial_swin.runs import SPLITS, Sample

if TYPE_CHECKING:
    from spatial_swin.data.folder import PictureFolder

TOLERANCE = (
    0.05  # of a class: how far its share of a part may be from the share asked for before the description says so
)
STARTS = 8  # greedy starts before the best one is taken


def split_samples(
    folder: "PictureFolder",
    sha256: Mapping[str, str],
    factors: Factors,
    shares: Sequence[float] = (0.7, 0.2, 0.1),
    seed: int = 0,
    split_by: str | None = None,
) -> list[Sample]:
    """Divide a folder into train, validation and test; one Sample per picture, in the order of the paths.

    split_by: the factor no value of which may be in two parts (recording, listener, programme, ...); None or "none"
    divides picture by picture. A sample's group is that factor, else its recording. Folders that come divided are
    taken as they are; when they have no validation part, one is taken out of train.
    Raises DataError when a class has too few pictures or groups, with the counts, and when a factor is to be kept
    whole and the same bytes are in two of the folders' own parts.
    """
    by = None if split_by is None or split_by.lower() in WITHOUT else split_by
    groups = factors.groups(by)
    pictures = sorted(folder.pictures, key=lambda picture: picture.path)
    samples = [
        Sample(p.path, p.label, groups[p.path], p.part or "", sha256[p.path], dict(factors.values[p.path]))
        for p in pictures
    ]
    if not samples or not all(sample.split for sample in samples):
        return divide(samples, shares, seed, by_group=by is not None)
    complete = _complete(samples, shares, seed, by is not None)
    if by and (pairs := copies_across(complete)):
        one, other = pairs[0]
        raise DataError(
            f"{one.path} ({one.split}) and {other.path} ({other.split}) have the same bytes, so what is tested was "
            f"trained on ({_counted(len(pairs), 'such pair')}); keep one of each, or pass --split_by none to go on"
        )
    return complete


def divide(
    samples: Sequence[Sample], shares: Sequence[float], seed: int, by_group: bool, parts: Sequence[str] = SPLITS
) -> list[Sample]:
    """The samples, sorted by path, with `split` set to one of `parts`; by group, or picture by picture."""
    ordered = sorted(samples, key=lambda sample: sample.path)
    chosen = _assign(ordered, by_group, shares, (seed, "split"), parts)
    return [replace(sample, split=parts[part]) for sample, part in zip(ordered, chosen, strict=True)]


def _assign(
    samples: Sequence[Sample], by_group: bool, shares: Sequence[float], key: Sequence[Key], parts: Sequence[str]
) -> np.ndarray:
    """`assign_parts` of samples, by group with copies kept together, or picture by picture."""
    labels = [sample.label for sample in samples]
    if not by_group:
        return assign_parts(labels, None, shares, key, parts)
    tied = tie_copies([sample.group for sample in samples], [sample.sha256 for sample in samples])
    try:
        return assign_parts(labels, tied, shares, key, parts)
    except DataError as error:
        first: dict[str, Sample] = {}
        for sample in samples:
            twin = first.setdefault(sample.sha256 or sample.path, sample)
            if twin.group != sample.group:
                why = f"  {twin.path} and {sample.path} have the same bytes, which ties their groups; keep one of them"
                raise DataError(*error.args, why) from None
        raise


def tie_copies(groups: Sequence[str], sha256: Sequence[str]) -> list[str]:
    """The groups [N], those that share a picture under the name of the first of them; an empty hash is unknown."""
    root = {group: group for group in groups}

    def whole(group: str) -> str:
        while root[group] != group:
            root[group] = root[root[group]]  # halves the way for the next
            group = root[group]
        return group

    first: dict[str, str] = {}
    for group, digest in zip(groups, sha256, strict=True):
        low, high = sorted((whole(group), whole(first.setdefault(digest, group) if digest else group)))
        root[high] = low
    return [whole(group) for group in groups]


def copies_across(samples: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """Pairs of samples with the same bytes in two parts: for each sample that has one, the first in another part."""
    seen: dict[str, Sample] = {}
    known = (sample for sample in samples if sample.sha256)
    return [(one, other) for other in known if (one := seen.setdefault(other.sha256, other)).split != other.split]


def parts_of_groups(samples: Sequence[Sample]) -> dict[str, set[str]]:
    """{group: the parts it is in}, sorted; more than one is a leak."""
    parts: dict[str, set[str]] = {}
    for sample in samples:
        parts.setdefault(sample.group, set()).add(sample.split)
    return dict(sorted(parts.items()))


def shared_groups(samples: Sequence[Sample]) -> list[str]:
    """The groups that are in more than one part, sorted: a leak."""
    return [group for group, parts in parts_of_groups(samples).items() if len(parts) > 1]


def describe_split(samples: Sequence[Sample], tolerance: float = TOLERANCE) -> str:
    """Sizes, groups and class shares of a split in a few lines, and how far class shares are from even.

    A class is even when its share of every part is the part's share of all pictures.
    """
    total = Counter(sample.label for sample in samples)
    lines, worst = [], (0.0, "", "")
    for part in dict.fromkeys([*SPLITS, *(sample.split for sample in samples)]):
        members = [sample for sample in samples if sample.split == part]
        if not members:
            continue
        share, counts = len(members) / len(samples), Counter(sample.label for sample in members)
        groups = len({sample.group for sample in members})
        classes = ", ".join(f"{label}: {counts[label]}" for label in sorted(total))
        lines.append(f"  {part:<10} {len(members):>7} pictures ({share:.1%}), {groups} groups; {classes}")
        worst = max([worst, *((abs(counts[label] / total[label] - share), label, part) for label in total)])
    verdict = "within" if worst[0] <= tolerance else "MORE THAN"
    where = f" ({worst[1]} in {worst[2]})" if worst[1] else ""
    lines.append(
        f"  class shares differ from even by at most {worst[0]:.1%}{where}, {verdict} the tolerance {tolerance:.0%}"
    )
    leaks = shared_groups(samples)
    if pairs := copies_across(samples):
        same = f"{pairs[0][0].path} ({pairs[0][0].split}) and {pairs[0][1].path} ({pairs[0][1].split})"
        lines.append(
            f"  WARNING: {_counted(len(pairs), 'picture')} of one part {'has' if len(pairs) == 1 else 'have'} the "
            f"bytes of one in another, e.g. {same}. Keep one of each, or pass --split_by to keep them together."
        )
    if leaks:
        named = ", ".join(leaks[:5]) + (", ..." if len(leaks) > 5 else "")
        lines.append(
            f"  WARNING: {len(leaks)} groups are in more than one part: {named}. Scores will be too high; pass "
            "--split_by recording (or programme, listener) for a split that can be defended."
        )
    return "\n".join(map(printable, lines))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def assign_parts(
    labels: Sequence[str],
    groups: Sequence[str] | None,
    shares: Sequence[float],
    key: Sequence[Key],
    parts: Sequence[str] | None = None,
) -> np.ndarray:
    """A part for every row: int64 [N] in 0..len(shares)-1; every class is in every part.

    labels: N class names; groups: N group names, or None to divide row by row; shares: relative sizes (0 for an empty
    part); key: what the division is drawn from; parts: names for messages. The rows are taken as given: sort them
    first for a result that does not depend on their order.
    Raises DataError with the counts when a class has fewer rows (or groups) than there are parts to fill.
    """
    weights = np.asarray(shares, dtype=np.float64)
    if len(weights) == 0 or not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise DataError(f"shares {list(shares)}: they must be numbers of 0 or more, not all 0")
    if not len(labels):
        raise DataError("there is no picture to divide")
    filled = np.flatnonzero(weights > 0)
    weights = weights[filled] / weights[filled].sum()
    names = [parts[int(part)] if parts else str(part) for part in filled]
    classes, label_codes = np.unique(np.asarray(labels), return_inverse=True)
    if groups is None:
        chosen = _divide_rows(classes, label_codes, weights, key, names)
    else:
        group_names, group_codes = np.unique(np.asarray(groups), return_inverse=True)
        counts = np.zeros((len(group_names), len(classes)), dtype=np.int64)
        np.add.at(counts, (group_codes, label_codes), 1)
        chosen = _divide_groups(classes, counts, weights, key, names)[group_codes]
    return filled[chosen]


def k_folds(labels: Sequence[str], groups: Sequence[str] | None, folds: int, key: Sequence[Key]) -> np.ndarray:
    """The fold that tests every row: int64 [N] in 0..folds-1, stratified, no group in two folds. As `assign_parts`."""
    return assign_parts(labels, groups, *_equal_parts(folds, key))


def sample_folds(samples: Sequence[Sample], folds: int, seed: int, by_group: bool, repeat: int = 0) -> np.ndarray:
    """`k_folds` of samples that are sorted by path, for `crossval`, `generalise` and `baseline` alike."""
    return _assign(samples, by_group, *_equal_parts(folds, (seed, "folds", repeat)))


def _equal_parts(folds: int, key: Sequence[Key]) -> tuple[list[float], Sequence[Key], list[str]]:
    if folds < 2:
        raise DataError(f"--folds {folds}: cross-validation needs at least 2 folds")
    return [1.0] * folds, key, [f"fold {fold + 1}" for fold in range(folds)]


def fold_samples(
    samples: Sequence[Sample], folds: int, seed: int, by_group: bool, repeat: int = 0, validation_share: float = 0.2
) -> list[list[Sample]]:
    """The splits of one repeat of k-fold: every sample is in `test` of exactly one fold.

    Inside a fold, `validation_share` of what is not tested chooses the best epoch, so that the tested pictures choose
    nothing. Leave a held-out test part out of `samples` before calling.
    """
    ordered = sorted(samples, key=lambda sample: sample.path)
    tested = sample_folds(ordered, folds, seed, by_group, repeat)
    result = []
    for fold in range(folds):
        test = [replace(s, split="test") for s, f in zip(ordered, tested, strict=True) if f == fold]
        rest = [s for s, f in zip(ordered, tested, strict=True) if f != fold]
        inner = hold_out_validation(rest, validation_share, (seed, "fold validation", repeat, fold), by_group)
        result.append(sorted([*inner, *test], key=lambda sample: sample.path))
    return result


def hold_out_validation(samples: Sequence[Sample], share: float, key: Sequence[Key], by_group: bool) -> list[Sample]:
    """The samples with `split` train or, for `share` of them, validation."""
    ordered = sorted(samples, key=lambda sample: sample.path)
    chosen = _assign(ordered, by_group, (1 - share, share), key, SPLITS[:2])
    return [replace(sample, split=SPLITS[part]) for sample, part in zip(ordered, chosen, strict=True)]


def _complete(samples: list[Sample], shares: Sequence[float], seed: int, by_group: bool) -> list[Sample]:
    """Samples of folders that come divided: as they are, with a validation part out of train when there is none."""
    present = {sample.split for sample in samples}
    if "train" not in present:
        raise DataError(f"the folders come divided into {', '.join(sorted(present))}, without train; add train/")
    if "validation" in present or shares[1] <= 0:
        return samples
    train = [sample for sample in samples if sample.split == "train"]
    held = hold_out_validation(train, shares[1] / (shares[0] + shares[1]), (seed, "split"), by_group)
    return sorted([*held, *(s for s in samples if s.split != "train")], key=lambda sample: sample.path)


def _divide_rows(
    classes: np.ndarray, codes: np.ndarray, weights: np.ndarray, key: Sequence[Key], names: Sequence[str]
) -> np.ndarray:
    sizes = np.bincount(codes, minlength=len(classes))
    _require(classes, sizes, len(weights), "pictures", names)
    chosen = np.empty(len(codes), dtype=np.int64)
    for code, size in enumerate(sizes):
        generator = keyed_generator(*key, str(classes[code]))
        parts = np.repeat(np.arange(len(weights)), _apportion(int(size), weights, generator))
        chosen[np.flatnonzero(codes == code)] = generator.permutation(parts)
    return chosen


def _apportion(size: int, weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Whole numbers in the proportion of `weights`, by largest remainder, each at least 1; ties drawn."""
    exact = size * weights
    counts = np.floor(exact).astype(np.int64)
    order = np.lexsort((generator.random(len(weights)), counts - exact))
    counts[order[: size - counts.sum()]] += 1
    while (counts == 0).any():
        counts[counts.argmax()] -= 1
        counts[counts.argmin()] += 1
    return counts


def _divide_groups(
    classes: np.ndarray, counts: np.ndarray, weights: np.ndarray, key: Sequence[Key], names: Sequence[str]
) -> np.ndarray:
    """A part for every group, int64 [G], from counts int64 [G, K] of pictures per class."""
    _require(classes, (counts > 0).sum(axis=0), len(weights), "groups", names)
    types, type_of, multiplicity = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
    type_of = type_of.reshape(-1)
    best, best_cost = None, np.inf
    for start in range(STARTS):
        search = TypeSearch(types, multiplicity, weights, keyed_generator(*key, "start", start))
        search.improve()
        if search.cost < best_cost:
            best, best_cost = search.placed, search.cost
        if search.largest_deviation() <= TOLERANCE / 2:
            break
    assert best is not None
    if best_cost >= ABSENT:
        lacking = classes[((best.T @ types) == 0).any(axis=0)]
        held = "; ".join(
            f"{name}: {(counts[:, k] > 0).sum()} groups" for k, name in enumerate(classes) if name in lacking
        )
        raise DataError(
            f"no division by group puts every class into {', '.join(names)} ({held}): its groups are too few or "
            "tied to one another; use fewer parts or folds, another factor for --split_by, or add recordings"
        )
    chosen = np.empty(len(counts), dtype=np.int64)
    generator = keyed_generator(*key, "members")
    for kind in range(len(types)):
        parts = np.repeat(np.arange(len(weights)), best[kind])
        chosen[np.flatnonzero(type_of == kind)] = generator.permutation(parts)
    return chosen


def _require(classes: np.ndarray, available: np.ndarray, needed: int, unit: str, names: Sequence[str]) -> None:
    """Raise DataError for all classes with fewer `unit` than parts."""
    advice = (
        "add more, use fewer parts or folds, or leave the class out"
        if unit == "pictures"
        else "add recordings, use fewer parts or folds, or divide by another factor (--split_by)"
    )
    problems = [
        Problem(f"class {name}", f"{count} {unit} for {needed} parts ({', '.join(names)})", advice)
        for name, count in zip(classes, available, strict=True)
        if count < needed
    ]
    counts = ", ".join(f"{name}: {count}" for name, count in zip(classes, available, strict=True))
    raise_problems(DataError, problems, f"The data cannot be divided as asked; {unit} by class: {counts}")
