"""Splits: every row in one part, no group in two, the same whatever the order of the rows, errors with counts."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial_swin.data.factors import find_factors
from spatial_swin.data.splits import (
    assign_parts,
    copies_across,
    describe_split,
    divide,
    fold_samples,
    hold_out_validation,
    k_folds,
    shared_groups,
    split_samples,
)
from spatial_swin.errors import DataError
from spatial_swin.runs import Sample

SHARES = (0.7, 0.2, 0.1)


@dataclass
class FakePicture:
    path: str
    label: str
    part: str | None = None


@dataclass
class FakeFolder:
    root: Path
    class_names: list[str]
    pictures: list[FakePicture]


def folder_of(root: Path, paths: list[str], parts: bool = False) -> FakeFolder:
    pictures = [FakePicture(p, p.split("/")[-2], p.split("/")[0] if parts else None) for p in paths]
    return FakeFolder(root, sorted({p.label for p in pictures}), pictures)


def paired(programmes: int = 10, chunks: int = 4) -> list[Sample]:
    """Every programme in both classes."""
    return [
        Sample(f"{label}/p{programme}_chunk{chunk}.png", label, f"p{programme}", "", "")
        for label in ("100", "200")
        for programme in range(programmes)
        for chunk in range(chunks)
    ]


@st.composite
def rows_in_groups(draw: st.DrawFn) -> list[Sample]:
    """Groups of any size and any mixture of classes, with enough of each class to be divided."""
    classes = draw(st.integers(2, 4))
    sizes = draw(st.lists(st.integers(1, 9), min_size=6 * classes, max_size=12 * classes))
    mixed = draw(st.booleans())
    samples = []
    for group, size in enumerate(sizes):
        for row in range(size):
            label = (group + (row if mixed else 0)) % classes
            samples.append(Sample(f"{label}/{group}_{row}.png", str(label), f"g{group}", "", ""))
    return samples


@settings(max_examples=60, deadline=None)
@given(rows_in_groups(), st.integers(0, 5))
def test_no_group_is_ever_in_two_parts_and_every_row_is_in_exactly_one(samples: list[Sample], seed: int) -> None:
    result = divide(samples, SHARES, seed, by_group=True)
    assert shared_groups(result) == []
    assert sorted(s.path for s in result) == sorted(s.path for s in samples)
    for part in ("train", "validation", "test"):
        assert {s.label for s in result if s.split == part} == {s.label for s in samples}


@settings(max_examples=30, deadline=None)
@given(rows_in_groups(), st.booleans(), st.randoms())
def test_the_order_of_the_rows_changes_nothing(samples: list[Sample], by_group: bool, random: object) -> None:
    shuffled = list(samples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert divide(samples, SHARES, 3, by_group) == divide(shuffled, SHARES, 3, by_group)


@settings(max_examples=30, deadline=None)
@given(rows_in_groups(), st.integers(2, 4))
def test_no_group_is_ever_in_two_folds(samples: list[Sample], folds: int) -> None:
    groups = [s.group for s in samples]
    chosen = k_folds([s.label for s in samples], groups, folds, (0,))
    assert set(chosen) == set(range(folds))
    for group in set(groups):
        assert len({fold for fold, g in zip(chosen, groups, strict=True) if g == group}) == 1


def test_the_seed_decides_and_another_seed_decides_otherwise() -> None:
    assert divide(paired(), SHARES, 1, True) == divide(paired(), SHARES, 1, True)
    tested = {
        frozenset(s.group for s in divide(paired(), SHARES, seed, True) if s.split == "test") for seed in range(8)
    }
    assert len(tested) > 2


def test_stratified_parts_have_the_shares_asked_for_in_every_class() -> None:
    labels = ["a"] * 1873 + ["b"] * 100 + ["c"] * 3
    chosen = assign_parts(labels, None, SHARES, (0,))
    assert [Counter(chosen[np.array(labels) == label]) for label in "abc"] == [
        {0: 1311, 1: 375, 2: 187},
        {0: 70, 1: 20, 2: 10},
        {0: 1, 1: 1, 2: 1},
    ]


@pytest.mark.parametrize("n", range(3, 40))
def test_a_class_of_three_or_more_is_in_every_part(n: int) -> None:
    counts = np.bincount(assign_parts(["a"] * n, None, SHARES, (0,)), minlength=3)
    assert counts.sum() == n
    assert counts.min() >= 1
    assert counts[0] >= counts[1] >= counts[2]


def test_class_shares_of_many_groups_come_out_within_one_point() -> None:
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 300, 6000)
    labels = np.array(["a", "b", "c", "d"])[generator.integers(0, 4, 6000)]
    chosen = assign_parts(list(labels), [str(g) for g in groups], SHARES, (0,))
    for label in "abcd":
        shares = np.bincount(chosen[labels == label]) / (labels == label).sum()
        np.testing.assert_allclose(shares, SHARES, atol=0.01)


def test_an_optimum_that_can_be_counted_by_hand_is_found() -> None:
    # class a in groups of 5, 4, 3, 2, 2, 2, 1, 1: halves of 10 and 10 exist only by the right choice
    sizes = [5, 4, 3, 2, 2, 2, 1, 1]
    groups = [str(g) for g, size in enumerate(sizes) for _ in range(size)]
    chosen = assign_parts(["a"] * 20, groups, [0.5, 0.5], (0,))
    assert np.bincount(chosen).tolist() == [10, 10]


def test_folds_differ_by_at_most_one_row_a_class() -> None:
    chosen = k_folds(["a"] * 103 + ["b"] * 52, None, 5, (0,))
    for member in (chosen[:103], chosen[103:]):
        counts = np.bincount(member, minlength=5)
        assert counts.max() - counts.min() <= 1


def test_too_few_pictures_of_a_class_are_counted_in_the_error() -> None:
    with pytest.raises(DataError, match=r"class b: 2 pictures for 3 parts .*a: 9, b: 2|a: 9, b: 2.*\n.*class b: 2"):
        assign_parts(["a"] * 9 + ["b"] * 2, None, SHARES, (0,))


def test_too_few_groups_are_told_for_all_classes_at_once_as_in_the_reference_study() -> None:
    # 510 has only contents 4 and 5, 514 only one here: no split by content can test both
    labels = ["100"] * 8 + ["510"] * 8 + ["514"] * 8
    groups = [f"ac{i % 4}" for i in range(8)] + [f"ac{4 + i % 2}" for i in range(8)] + ["ac9"] * 8
    with pytest.raises(DataError) as caught:
        assign_parts(labels, groups, SHARES, (0,), ("train", "validation", "test"))
    assert "100: 4, 510: 2, 514: 1" in str(caught.value)
    assert "class 510: 2 groups for 3 parts (train, validation, test)" in str(caught.value)
    assert "class 514: 1 groups" in str(caught.value)


def test_groups_tied_to_one_another_are_an_error_that_names_the_class() -> None:
    # every class has two groups, but the three groups pairwise tie the classes: two parts cannot both have all
    labels = ["a", "b", "b", "c", "c", "a"]
    groups = ["1", "1", "2", "2", "3", "3"]
    with pytest.raises(DataError, match="no division by group puts every class"):
        assign_parts(labels, groups, [0.5, 0.5], (0,))


@pytest.mark.parametrize("shares", [(0.7, -0.2, 0.5), (0, 0, 0), (float("nan"), 0.5, 0.5)])
def test_shares_that_are_no_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match="shares"):
        assign_parts(["a"] * 10, None, shares, (0,))


def test_nothing_to_divide_is_an_error() -> None:
    with pytest.raises(DataError, match="no picture"):
        assign_parts([], None, SHARES, (0,))


def test_a_share_of_zero_leaves_the_part_empty() -> None:
    assert set(assign_parts(["a"] * 10, None, (0.8, 0.2, 0), (0,))) == {0, 1}


def test_a_picture_split_of_chunks_shares_groups_and_says_so() -> None:
    by_picture = divide(paired(), SHARES, 0, by_group=False)
    assert shared_groups(by_picture)
    assert "WARNING" in describe_split(by_picture)
    assert "WARNING" not in describe_split(divide(paired(), SHARES, 0, by_group=True))


def test_the_description_reports_the_largest_difference_of_class_shares() -> None:
    samples = [Sample(f"a/{i}", "a", f"a{i}", "train" if i < 5 else "test", "") for i in range(10)]
    samples += [Sample(f"b/{i}", "b", f"b{i}", "train" if i < 9 else "test", "") for i in range(10)]
    assert "at most 20.0%" in describe_split(samples)  # train has 70 % of all, 50 % of a, 90 % of b
    assert "MORE THAN the tolerance" in describe_split(samples)


def test_a_folder_is_split_by_the_factor_asked_for(tmp_path: Path) -> None:
    paths = [f"{label}/p{p}_{who}_chunk{c}.png" for label in "ab" for p in range(5) for who in "XYZ" for c in range(2)]
    factors = find_factors(tmp_path, paths, r"p(?P<programme>\d)_(?P<listener>[XYZ])_chunk(?P<chunk>\d)")
    hashes = dict.fromkeys(paths, "")
    folder = folder_of(tmp_path, paths)
    by_programme = split_samples(folder, hashes, factors, SHARES, 0, "programme")  # type: ignore[arg-type]
    assert {s.group for s in by_programme} == set("01234")
    assert shared_groups(by_programme) == []
    by_picture = split_samples(folder, hashes, factors, SHARES, 0, "none")  # type: ignore[arg-type]
    assert shared_groups(by_picture)  # groups are the recordings, and they are in two parts
    assert by_picture[0].factors["listener"] == "X"


def test_ready_parts_are_taken_as_they_are(tmp_path: Path) -> None:
    paths = [f"{part}/a/x_chunk{i}.png" for i, part in enumerate(("train", "train", "validation", "test"))]
    folder = folder_of(tmp_path, paths, parts=True)
    result = split_samples(folder, dict.fromkeys(paths, ""), find_factors(tmp_path, paths))  # type: ignore[arg-type]
    assert {s.path: s.split for s in result} == {p: p.split("/")[0] for p in paths}
    assert shared_groups(result) == ["a/x"]


def test_ready_parts_without_validation_take_it_out_of_train_by_group(tmp_path: Path) -> None:
    paths = [f"train/{label}/{r}_chunk{c}.png" for label in "ab" for r in range(9) for c in range(2)]
    paths += ["test/a/20_chunk1.png", "test/b/20_chunk1.png"]
    folder = folder_of(tmp_path, paths, parts=True)
    factors, hashes = find_factors(tmp_path, paths), dict.fromkeys(paths, "")
    result = split_samples(folder, hashes, factors, SHARES, 0, "recording")  # type: ignore[arg-type]
    assert Counter(s.split for s in result) == {"train": 28, "validation": 8, "test": 2}
    assert shared_groups(result) == []


def test_ready_parts_without_train_are_an_error(tmp_path: Path) -> None:
    paths = ["test/a/x.png", "validation/a/y.png"]
    folder = folder_of(tmp_path, paths, parts=True)
    with pytest.raises(DataError, match="without train"):
        split_samples(folder, dict.fromkeys(paths, ""), find_factors(tmp_path, paths))  # type: ignore[arg-type]


def test_every_sample_is_tested_by_exactly_one_fold_and_chooses_nothing_there() -> None:
    folds = fold_samples(paired(), 5, 0, by_group=True)
    tested = [s.path for fold in folds for s in fold if s.split == "test"]
    assert sorted(tested) == sorted(s.path for s in paired())
    for fold in folds:
        assert shared_groups(fold) == []
        assert {s.split for s in fold} == {"train", "validation", "test"}
        assert len(fold) == len(paired())


def test_repeats_divide_otherwise_and_are_repeatable() -> None:
    first, second = fold_samples(paired(), 5, 0, True, repeat=0), fold_samples(paired(), 5, 0, True, repeat=1)
    assert first != second
    assert first == fold_samples(paired(), 5, 0, True, repeat=0)


def test_one_fold_is_refused() -> None:
    with pytest.raises(DataError, match="at least 2"):
        fold_samples(paired(), 1, 0, True)


def test_validation_taken_out_of_train_keeps_groups_whole() -> None:
    result = hold_out_validation(paired(), 0.2, (0,), by_group=True)
    assert Counter(s.split for s in result) == {"train": 64, "validation": 16}
    assert shared_groups(result) == []


def copied(*pairs: tuple[str, str]) -> list[Sample]:
    """`paired` with bytes of their own, but for the pairs of paths given, which share theirs."""
    bytes_of = {path: min(pair) for pair in pairs for path in pair}
    return [replace(sample, sha256=bytes_of.get(sample.path, sample.path)) for sample in paired()]


@pytest.mark.parametrize("seed", range(6))
def test_copies_are_kept_in_one_part_of_a_split_by_group(seed: int) -> None:
    samples = copied(("100/p0_chunk0.png", "100/p1_chunk2.png"), ("200/p1_chunk1.png", "200/p7_chunk0.png"))
    result = divide(samples, SHARES, seed, by_group=True)
    assert copies_across(result) == []
    assert shared_groups(result) == []
    assert len({s.split for s in result if s.group in ("p0", "p1", "p7")}) == 1
    for fold in fold_samples(samples, 3, seed, by_group=True):
        assert copies_across(fold) == []


def test_copies_that_tie_too_many_groups_are_named() -> None:
    one = replace(paired()[0], path="100/p0_black.png", sha256="black")
    samples = copied() + [replace(one, group=f"p{k}", path=f"100/p{k}_black.png") for k in range(10)]
    with pytest.raises(DataError, match=r"100/p0_black.png and 100/p1_black.png have the same bytes"):
        divide(samples, SHARES, 0, by_group=True)


def test_copies_in_a_split_by_picture_are_one_warning() -> None:
    samples = [
        replace(s, group=s.path)
        for s in copied(*((f"100/p{k}_chunk0.png", f"100/p{k}_chunk1.png") for k in range(10)))
    ]
    result = divide(samples, SHARES, 0, by_group=False)
    pairs = copies_across(result)
    assert pairs
    text = describe_split(result)
    assert text.count("WARNING") == 1
    assert f"the bytes of one in another, e.g. {pairs[0][0].path} ({pairs[0][0].split}) and {pairs[0][1].path}" in text


def test_copies_across_ready_parts_are_refused_where_groups_matter(tmp_path: Path) -> None:
    paths = [f"{part}/{label}/{part}{k}.png" for part in ("train", "val", "test") for label in "ab" for k in range(3)]
    folder = folder_of(tmp_path, paths, parts=True)
    for picture in folder.pictures:
        picture.part = {"val": "validation"}.get(str(picture.part), picture.part)
    hashes = {path: path for path in paths} | {"test/a/test1.png": "train/a/train0.png"}
    factors = find_factors(tmp_path, paths)
    with pytest.raises(
        DataError, match=r"test/a/test1.png \(test\) and train/a/train0.png \(train\) have the same bytes"
    ):
        split_samples(folder, hashes, factors, SHARES, 0, "recording")  # type: ignore[arg-type]
    assert len(split_samples(folder, hashes, factors, SHARES, 0, "none")) == 18  # type: ignore[arg-type]
