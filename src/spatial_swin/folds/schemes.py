"""Ways of leaving something out: random chunks, whole recordings, whole listeners or programmes, both at once.

In go samples whose groups are their recordings, and the name of a scheme; out come folds, each a complete split that
training takes as it is. What a scheme leaves out is never seen in training; the epoch is chosen on other recordings of
the training part. Nothing is trained or scored here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spatial_swin.data.factors import whole
from spatial_swin.data.splits import fold_samples, hold_out_validation, k_folds, tie_copies
from spatial_swin.errors import DataError
from spatial_swin.runs import Sample

RANDOM = "random chunk"
RECORDING = "leave-recording"


@dataclass(frozen=True)
class Scheme:
    """name: as in the matrix. leaves_out: the factors whose values are new in the test part (random chunks: none)."""

    name: str
    leaves_out: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return self.name.replace(" ", "_").replace("-", "_")


def schemes_for(factors: Sequence[str]) -> list[Scheme]:
    """The rows of the matrix: random, recording, each factor, and the first two factors at once."""
    rows = [Scheme(RANDOM), Scheme(RECORDING, ("recording",))]
    rows += [Scheme(f"leave-{name}", (name,)) for name in factors]
    if len(factors) >= 2:
        rows.append(
            Scheme("leave-both" if len(factors) == 2 else f"leave-{factors[0]}-and-{factors[1]}", tuple(factors[:2]))
        )
    return rows


def scheme_folds(
    samples: Sequence[Sample], scheme: Scheme, folds: int, seed: int, validation_share: float = 0.2
) -> list[list[Sample]]:
    """Folds of one scheme; fewer than `folds` where a class has fewer values of what is left out.

    Samples that are new in one of two factors only are in no part of that fold. Raises DataError when the scheme is
    impossible: a class with fewer than two values, or a fold without some class in training or test.
    """
    ordered = sorted(samples, key=lambda sample: sample.path)
    if not scheme.leaves_out or scheme.leaves_out == ("recording",):
        return fold_samples(ordered, folds, seed, bool(scheme.leaves_out), validation_share=validation_share)
    labels = [sample.label for sample in ordered]
    sha256 = [sample.sha256 for sample in ordered]
    columns = ([whole(name, sample.factors[name]) for sample in ordered] for name in scheme.leaves_out)
    values = [tie_copies(column, sha256) for column in columns]
    count = min(folds, *(_fewest(labels, column) for column in values))
    if count < 2:
        each = zip(scheme.leaves_out, values, strict=True)
        counted = "; ".join(f"{name}: {_fewest(labels, column)}" for name, column in each)
        raise DataError(f"{scheme.name} needs two or more values in every class, and a class has only {counted}")
    each = zip(scheme.leaves_out, values, strict=True)
    held = np.stack([k_folds(labels, column, count, (seed, "scheme", name)) for name, column in each])
    result = []
    for fold in range(count):
        test = [replace(s, split="test") for s, out in zip(ordered, (held == fold).all(axis=0), strict=True) if out]
        rest = [s for s, out in zip(ordered, (held == fold).any(axis=0), strict=True) if not out]
        _require_classes(scheme, fold, set(labels), test, rest)
        inner = _with_validation(rest, validation_share, seed, scheme.name, fold)
        result.append(sorted([*inner, *test], key=lambda sample: sample.path))
    return result


def _with_validation(rest: Sequence[Sample], share: float, seed: int, name: str, fold: int) -> list[Sample]:
    """Choose the epoch on other recordings; on other pictures where a class has one recording left."""
    key = (seed, "scheme validation", name, fold)
    try:
        return hold_out_validation(rest, share, key, by_group=True)
    except DataError:
        return hold_out_validation(rest, share, key, by_group=False)


def _fewest(labels: Sequence[str], values: Sequence[str]) -> int:
    return min(len({v for v, y in zip(values, labels, strict=True) if y == label}) for label in set(labels))


def _require_classes(
    scheme: Scheme, fold: int, classes: set[str], test: Sequence[Sample], rest: Sequence[Sample]
) -> None:
    for part, members in (("test", test), ("training", rest)):
        missing = sorted(classes - {sample.label for sample in members})
        if missing:
            raise DataError(f"{scheme.name}, fold {fold + 1}: no {', '.join(missing)} is left in {part}")
