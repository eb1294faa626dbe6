"""Experiments on heads never heard: what is removed is gone, and a head that is judged is never learnt from."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import cue_alignment as alignment
import cue_experiments as experiments
from cue_material import Material, Recordings

FEATURES = 16 * 8 * 4
PEOPLE = ["LISTEN-1", "LISTEN-2", "LISTEN-3"]


@pytest.fixture
def pooled() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (40, FEATURES)).astype(np.float32)


def recordings(jobs: list[tuple[int, str]]) -> Recordings:
    names = np.array([f"synthetic0-{number:06d}" for number, _ in jobs])
    count = len(jobs)
    labels = np.arange(count) % 4
    return Recordings(np.zeros((count, 1)), np.zeros((count, 1)), labels, names, np.array([name for _, name in jobs]))


def test_a_louder_band_changes_nothing_where_its_own_mean_is_removed(pooled: np.ndarray) -> None:
    louder = pooled.reshape(40, 16, 8, 4).copy()
    louder[:, 0, 3, [0, 2, 3]] += 20  # level of the left ear, one band
    assert alignment.equalised(louder.reshape(pooled.shape)) == pytest.approx(alignment.equalised(pooled), abs=1e-3)
    louder[:, 6, 3, [0, 2, 3]] += 20  # coherence is no level
    assert not np.allclose(alignment.equalised(louder.reshape(pooled.shape)), alignment.equalised(pooled), atol=1)


def test_a_brighter_tile_changes_nothing_where_its_mean_is_removed(pooled: np.ndarray) -> None:
    brighter = pooled.reshape(40, 16, 8, 4).copy()
    brighter[:, 6, :, [0, 2, 3]] += 20
    found = alignment.without_tile_means(brighter.reshape(pooled.shape))
    assert found == pytest.approx(alignment.without_tile_means(pooled), abs=1e-3)


def test_coral_gives_means_and_spread_of_what_is_judged() -> None:
    learning = np.random.default_rng(0).normal(0, 30, (400, 3))
    judged = learning @ np.diag([1, 2, 3]) + 50
    moved = alignment.coral(learning, judged)
    assert moved.mean(0) == pytest.approx(judged.mean(0))
    wanted = learning.std(0) * np.sqrt((np.array([1, 4, 9]) + 1) / 2)  # the identity is added to both
    assert moved.std(0) == pytest.approx(wanted, rel=0.03)


def test_what_tells_the_listener_is_dropped_and_the_listener_is_guessed_by_it() -> None:
    draw, listeners = np.random.default_rng(0), np.repeat(["a", "b", "c"], 20)
    values, labels = draw.normal(size=(60, 4)), np.tile(np.arange(4), 15)
    values[:, 2] += 9 * (np.repeat(np.arange(3), 20) - 1)
    values[:, 1] += 50 * labels  # a layout is no listener
    assert alignment.untelling(values, labels, listeners, 0.25).tolist() == [0, 1, 3]
    assert (alignment.guess_of_head(values, listeners)(values).argmax(1) == np.repeat(np.arange(3), 20)).all()


def test_centred_recordings_of_every_listener_have_no_mean(pooled: np.ndarray) -> None:
    listeners = np.repeat(["a", "b"], 20)
    moved = alignment.centred(pooled, listeners)
    assert max(abs(moved[listeners == name].mean(0)).max() for name in "ab") < 1e-3


def test_each_programme_is_taken_once_and_a_judged_head_is_never_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    real = recordings([(number, "CIPIC-1") for number in range(12)])
    theirs = recordings([(number, name) for number in range(1, 12, 2) for name in PEOPLE])
    test = recordings([(0, name) for name in [*PEOPLE, "CIPIC-2"]])
    learnt: list[set[str]] = []

    def answer(train: Recordings, judged: Recordings, seed: int) -> np.ndarray:
        assert len(set(train.programmes)) == len(train.programmes) == 12
        learnt.append(set(train.listeners))
        return np.full((len(judged.labels), 4), float(len(learnt)))

    monkeypatch.setattr(experiments, "boosted", answer)
    table = experiments.with_another_laboratory(Material(real, real, test, lambda kind: theirs, 1, 0))
    for name, row in zip(PEOPLE, table, strict=False):
        assert learnt[int(row[0]) - 1] == {"CIPIC-1", *PEOPLE} - {name}
    assert table[3, 0] == 2  # a head of no fold has the mean of the three


def test_windows_of_a_recording_are_averaged_and_others_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    test = recordings([(0, "a")] * 8 + [(0, "b")] * 4)  # two windows of four layouts, one of another head
    monkeypatch.setattr(experiments, "boosted", lambda *_: np.arange(48.0).reshape(12, 4))
    table = experiments.over_windows(Material(test, test, test, lambda kind: test, 1, 0))
    assert table[0] == pytest.approx(table[4])
    assert table[:, 0].tolist() == [8, 12, 16, 20, 8, 12, 16, 20, 32, 36, 40, 44]
