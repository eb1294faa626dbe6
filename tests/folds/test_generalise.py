"""The generalisation matrix around a made-up trainer: what each scheme leaves out, rows, drops, impossible schemes."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fold_fakes as fakes
import pytest

from spatial_swin.errors import DataError
from spatial_swin.folds.generalise import generalise
from spatial_swin.folds.runs import FoldRun, Work
from spatial_swin.folds.schemes import RANDOM, Scheme, scheme_folds, schemes_for
from spatial_swin.runs import Sample

SCORES = {
    "random_chunk": 0.9,
    "leave_recording": 0.85,
    "leave_listener": 0.7,
    "leave_programme": 0.6,
    "leave_both": 0.5,
}


def by_scheme(fold: FoldRun) -> None:
    fakes.write_run(fold, SCORES[fold.output_dir.parent.name] + 0.01 * int(fold.name[-1]))


def matrix(output: Path, train: Callable[[FoldRun], None] = by_scheme, **changes: Any) -> list[dict[str, Any]]:
    options = {"samples": fakes.paired_samples(), "factors": ["listener", "programme"], "folds": 3, **changes}
    work = Work(output, train, lambda fold: [])
    return generalise(fakes.fake_recipe(), work=work, **options)


def parts(split: list[Sample], name: str) -> tuple[set[str], set[str]]:
    def values(part: tuple[str, ...]) -> set[str]:
        chosen = [sample for sample in split if sample.split in part]
        return {sample.group if name == "recording" else sample.factors[name] for sample in chosen}

    return values(("train", "validation")), values(("test",))


def test_the_rows_are_random_recording_each_factor_and_both() -> None:
    names = [scheme.name for scheme in schemes_for(["listener", "content"])]
    assert names == [RANDOM, "leave-recording", "leave-listener", "leave-content", "leave-both"]
    assert [scheme.name for scheme in schemes_for(["listener"])] == [RANDOM, "leave-recording", "leave-listener"]


@pytest.mark.parametrize("scheme", schemes_for(["listener", "programme"])[1:], ids=lambda scheme: scheme.name)
def test_what_a_scheme_leaves_out_is_never_in_training(scheme: Scheme) -> None:
    folds = scheme_folds(fakes.paired_samples(), scheme, 3, 0)
    assert len(folds) == 3
    for split in folds:
        for name in scheme.leaves_out:
            known, tested = parts(split, name)
            assert not known & tested
        assert {s.split for s in split} == {"train", "validation", "test"}
        assert {s.label for s in split if s.split == "test"} == {"100", "200"}
    tested_paths = [s.path for split in folds for s in split if s.split == "test"]
    assert len(tested_paths) == len(set(tested_paths))


def test_leaving_a_listener_out_leaves_its_virtual_heads_out_too() -> None:
    def renamed(sample: Sample) -> Sample:  # L0, L0-v1, L1, L1-v1, ...
        number = int(sample.factors["listener"][1:])
        listener = f"L{number // 2}" + ("-v1" if number % 2 else "")
        return replace(sample, factors={**sample.factors, "listener": listener})

    samples = [renamed(sample) for sample in fakes.paired_samples(listeners=8)]
    for seed in range(3):
        for split in scheme_folds(samples, Scheme("leave-listener", ("listener",)), 4, seed):
            known, tested = ({name[:2] for name in names} for names in parts(split, "listener"))
            assert len(tested) == 1
            assert not known & tested


def test_random_chunks_do_share_recordings() -> None:
    known, tested = parts(scheme_folds(fakes.paired_samples(), Scheme(RANDOM), 3, 0)[0], "recording")
    assert known & tested


def test_leaving_one_factor_out_tests_every_picture_and_both_leaves_the_half_new_ones_aside() -> None:
    one = scheme_folds(fakes.paired_samples(), Scheme("leave-listener", ("listener",)), 3, 0)
    assert sum(s.split == "test" for split in one for s in split) == len(fakes.paired_samples())
    both = scheme_folds(fakes.paired_samples(), Scheme("leave-both", ("listener", "programme")), 3, 0)
    assert all(len(split) < len(fakes.paired_samples()) for split in both)


def test_few_values_give_fewer_folds() -> None:
    assert len(scheme_folds(fakes.paired_samples(listeners=2), Scheme("leave-listener", ("listener",)), 5, 0)) == 2


def test_a_factor_with_one_value_cannot_be_left_out() -> None:
    with pytest.raises(DataError, match=r"leave-listener needs two or more values in every class.*listener: 1"):
        scheme_folds(fakes.paired_samples(listeners=1), Scheme("leave-listener", ("listener",)), 3, 0)


def test_the_matrix_has_the_drop_against_random_with_its_interval(tmp_path: Path) -> None:
    rows = {row["scheme"]: row for row in matrix(tmp_path)}
    assert list(rows) == [RANDOM, "leave-recording", "leave-listener", "leave-programme", "leave-both"]
    assert rows[RANDOM]["accuracy"] == pytest.approx(0.92)
    assert rows[RANDOM]["drop"] is None
    listener = rows["leave-listener"]
    assert listener["drop"] == pytest.approx(0.2)
    assert listener["drop_low"] < 0.2 < listener["drop_high"]
    assert listener["low"] < 0.72 < listener["high"]
    with open(tmp_path / "generalisation.csv", newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["scheme"] for row in written] == list(rows)
    assert float(written[2]["drop"]) == pytest.approx(0.2)
    assert (tmp_path / "generalisation.png").is_file()
    assert (tmp_path / "generalisation.pdf").is_file()


def test_the_baseline_stands_beside_the_deep_model_with_its_own_drop(tmp_path: Path) -> None:
    def baseline(fold: FoldRun) -> dict[str, Any]:
        tested = sum(sample.split == "test" for sample in fold.samples)
        return {"accuracy": 0.5, "macro_f1": 0.5, "items": tested, "train_items": len(fold.samples) - tested}

    rows = matrix(tmp_path, baseline=baseline)
    boosting = [row for row in rows if row["model"] == "gradient boosting"]
    assert len(boosting) == 5
    assert [row["drop"] for row in boosting[1:]] == [0, 0, 0, 0]


def test_an_impossible_scheme_is_left_out_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = matrix(tmp_path, samples=fakes.paired_samples(listeners=1))
    impossible = {row["scheme"]: row["note"] for row in rows if row["accuracy"] is None}
    assert set(impossible) == {"leave-listener", "leave-both"}
    assert "needs two or more values" in impossible["leave-listener"]
    assert "leave-listener is not possible" in capsys.readouterr().out
    assert "leave-listener" in (tmp_path / "generalisation.csv").read_text()


def test_a_matrix_interrupted_and_resumed_trains_only_what_is_left(tmp_path: Path) -> None:
    trained: list[str] = []

    def breaks(fold: FoldRun) -> None:
        trained.append(fold.name)
        if len(trained) == 4:
            raise KeyboardInterrupt
        by_scheme(fold)

    with pytest.raises(KeyboardInterrupt):
        matrix(tmp_path / "a", breaks)
    matrix(tmp_path / "a", breaks)
    assert len(trained) == 16
    matrix(tmp_path / "b")
    assert (tmp_path / "a/generalisation.csv").read_bytes() == (tmp_path / "b/generalisation.csv").read_bytes()
