"""Training from the trunk cache is training: the same losses as without it, to the bit where nothing is rounded.

And the cache is reused when everything matches, filled anew where anything differs, and never trusted when damaged.
"""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SwinConfig, SwinForImageClassification, pipeline

from spatial_swin.cli import main
from spatial_swin.config import load_recipe
from spatial_swin.errors import RecipeError, RunError, Stopped
from spatial_swin.modeling.callbacks import TerminationCallback
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import RunFolder
from spatial_swin.training import fine_tune
from spatial_swin.trunk import filling, shards, store

Write = Callable[..., Path]
VIEWS = 3
TRAIN, VALIDATION = 28, 8  # pictures of the tiny recipe
OUTPUTS = TRAIN * VIEWS + VALIDATION
EXACT = {"trunk_cache_views": VIEWS, "trunk_cache_precision": "fp32"}


class Bench:
    """Trains the tiny recipe and keeps the loss of every step, and what was computed to fill the cache."""

    def __init__(self, write_recipe: Write, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.write_recipe, self.cache, self.monkeypatch = write_recipe, folder / "cache", monkeypatch
        self.losses: list[float] = []
        self.computed: list[tuple[str, int]] = []

    def recipe(self, name: str, **changes: object) -> Path:
        given = {"trunk_cache_dir": str(self.cache), "per_device_eval_batch_size": 4, "load_best_model_at_end": False}
        return self.write_recipe(name, **{**given, **changes})

    def train(self, name: str, samples: object = None, **changes: object) -> RunFolder:
        self.losses, self.computed = [], []
        step, write = TwoPhaseTrainer.training_step, store.write_shard

        def keep_loss(trainer: TwoPhaseTrainer, *rest: object, **named: object) -> torch.Tensor:
            loss = step(trainer, *rest, **named)
            self.losses.append(float(loss))
            return loss

        def keep_entries(folder: Path, store: str, entries: list[tuple[str, int]], array: np.ndarray) -> object:
            self.computed += entries
            return write(folder, store, entries, array)

        with self.monkeypatch.context() as patch:
            patch.setattr(TwoPhaseTrainer, "training_step", keep_loss)
            patch.setattr(store, "write_shard", keep_entries)
            return fine_tune(load_recipe(self.recipe(name, **changes)), samples)

    def shards(self) -> list[Path]:
        return sorted(self.cache.rglob("*.bin"))


@pytest.fixture
def bench(write_recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(write_recipe, tmp_path, monkeypatch)


@pytest.fixture
def checkpoint(tiny_swin: Path, tmp_path: Path) -> str:
    """The tiny Swin with weights on disk: the same trunk for every seed."""
    torch.manual_seed(0)
    SwinForImageClassification(SwinConfig.from_json_file(tiny_swin)).save_pretrained(tmp_path / "weights")
    return str(tmp_path / "weights")


@pytest.fixture
def uncached(bench: Bench) -> list[float]:
    """Losses of the run that computes every view anew."""
    bench.train("uncached", augmentation_views=VIEWS)
    return bench.losses


# -- exact --


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dataloader_num_workers": 2, "dataloader_persistent_workers": True},
        {"unfreeze_stages": [3, 4]},
        {"unfreeze_stages": []},
        {"gradient_accumulation_steps": 2},
        {"augmentation": False},
    ],
    ids=str,
)
def test_cached_and_uncached_losses_are_equal_to_the_bit(bench: Bench, changes: dict[str, object]) -> None:
    """Four epochs in batches that are reshuffled, stochastic depth on, views in another order for every picture."""
    first = bench.train("uncached", augmentation_views=VIEWS, **changes)
    wanted = bench.losses
    second = bench.train("cached", **EXACT, **changes)
    assert bench.losses == wanted
    assert len(set(wanted)) > len(wanted) // 2
    one, two = first.read_history(), second.read_history()
    assert [row["validation_loss"] for row in one] == [row["validation_loss"] for row in two]
    for part in ("validation", "test"):
        a, b = first.read_predictions(part), second.read_predictions(part)
        assert np.array_equal(a.probabilities, b.probabilities)


def test_views_are_another_experiment_than_drawing_anew(bench: Bench, uncached: list[float]) -> None:
    bench.train("anew")
    assert bench.losses != uncached


@pytest.mark.parametrize(("stored", "tolerance"), [("fp16", 2e-4), ("bf16", 2e-3)])
def test_losses_differ_by_the_storage_precision_only(
    bench: Bench, uncached: list[float], stored: str, tolerance: float
) -> None:
    bench.train("cached", trunk_cache_views=VIEWS, trunk_cache_precision=stored)
    difference = np.abs(np.array(bench.losses) - uncached)
    assert 0 < difference.max() < tolerance


@pytest.mark.skipif(not torch.cpu._is_avx512_bf16_supported(), reason="this CPU has no bf16")
def test_in_bf16_nothing_is_lost_at_all(bench: Bench) -> None:
    bench.train("uncached", augmentation_views=VIEWS, bf16=True)
    wanted = bench.losses
    run = bench.train("cached", trunk_cache_views=VIEWS, bf16=True)
    assert run.read_environment()["precision"] == "bf16"
    assert bench.losses == wanted


# -- reused, or not --


def test_seeds_and_repeats_share_the_cache(bench: Bench, checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    bench.train("one", model_name_or_path=checkpoint, split_seed=1, **EXACT)
    first = bench.losses
    assert len(bench.computed) == OUTPUTS
    capsys.readouterr()
    bench.train("two", model_name_or_path=checkpoint, split_seed=1, seed=8, **EXACT)
    assert bench.computed == []
    assert "all 92 outputs" in capsys.readouterr().out
    assert bench.losses != first


def test_folds_compute_only_what_other_folds_did_not(bench: Bench, checkpoint: str) -> None:
    bench.train("one", model_name_or_path=checkpoint, split_seed=1, **EXACT)
    shared = set(bench.computed)
    run = bench.train("two", model_name_or_path=checkpoint, split_seed=2, **EXACT)
    split = run.read_split()
    wanted = {(s.sha256, view) for s in split if s.split == "train" for view in range(VIEWS)}
    wanted |= {(s.sha256, shards.PLAIN) for s in split if s.split == "validation"}
    assert 0 < len(bench.computed) < OUTPUTS
    assert set(bench.computed) == wanted - shared


@pytest.mark.parametrize(
    "changes", [{"rotation_degrees": 10.0}, {"augmentation_views_seed": 1}, {"horizontal_flip": 0.0}], ids=str
)
def test_another_draw_fills_its_own_views_and_reuses_plain_pictures(
    bench: Bench, checkpoint: str, changes: dict[str, object]
) -> None:
    bench.train("one", model_name_or_path=checkpoint, **EXACT)
    bench.train("two", model_name_or_path=checkpoint, **EXACT, **changes)
    assert len(bench.computed) == TRAIN * VIEWS


def test_more_views_compute_only_the_new_ones(bench: Bench, checkpoint: str) -> None:
    bench.train("one", model_name_or_path=checkpoint, **EXACT)
    bench.train("two", model_name_or_path=checkpoint, **{**EXACT, "trunk_cache_views": VIEWS + 2})
    assert sorted({view for _, view in bench.computed}) == [VIEWS, VIEWS + 1]


def test_another_weight_of_the_trunk_fills_its_own_cache(bench: Bench, checkpoint: str) -> None:
    bench.train("one", model_name_or_path=checkpoint, **EXACT)
    model = SwinForImageClassification.from_pretrained(checkpoint)
    model.swin.encoder.layers[2].blocks[1].mlp.fc2.bias.data[0] += 1e-3
    model.save_pretrained(checkpoint)
    bench.train("two", model_name_or_path=checkpoint, **EXACT)
    assert len(bench.computed) == OUTPUTS


def test_another_precision_fills_its_own_cache(bench: Bench, checkpoint: str) -> None:
    bench.train("one", model_name_or_path=checkpoint, **EXACT)
    bench.train("two", model_name_or_path=checkpoint, **{**EXACT, "trunk_cache_precision": "fp16"})
    assert len(bench.computed) == OUTPUTS


def test_other_bytes_of_a_file_are_another_picture(bench: Bench, checkpoint: str, pictures: Path) -> None:
    run = bench.train("one", model_name_or_path=checkpoint, **EXACT)
    split = run.read_split()
    changed = next(s for s in split if s.split == "train")
    with Image.open(pictures / changed.path) as picture:
        array = np.array(picture)
    array[3, 3] ^= 1
    Image.fromarray(array).save(pictures / changed.path)
    bench.train("two", model_name_or_path=checkpoint, split_seed=7, **EXACT)
    assert sorted(view for _, view in bench.computed) == list(range(VIEWS))
    assert len({sha256 for sha256, _ in bench.computed}) == 1
    assert bench.computed[0][0] != changed.sha256


def test_a_damaged_shard_is_computed_again(
    bench: Bench, checkpoint: str, uncached: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    bench.train("one", model_name_or_path=checkpoint, **EXACT)
    wanted = bench.losses
    damaged = max(bench.shards(), key=lambda path: path.stat().st_size)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 4
    damaged.write_bytes(content)
    bench.train("two", model_name_or_path=checkpoint, **EXACT)
    assert "is damaged (the checksum is another); it is removed and computed again" in caplog.text
    assert len(bench.computed) == TRAIN * VIEWS
    assert bench.losses == wanted


# -- stopped, killed, refused --


KILLED = """
import os, signal, sys
from spatial_swin.config import load_recipe
from spatial_swin.trunk import store
from spatial_swin.training import fine_tune
import torch

torch.set_num_threads(1)
store.SHARD_BYTES = 20_000
write, written = store.write_shard, []

def die(folder, *rest):
    if len(written) == 3:
        (folder / ".abc.half.bin").write_bytes(b"half of a shard")
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(write(folder, *rest))

store.write_shard = die
fine_tune(load_recipe(sys.argv[1]))
"""


def test_a_run_killed_while_filling_continues_with_what_was_finished(
    bench: Bench, uncached: list[float], tmp_path: Path
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(bench.recipe("cached", **EXACT))]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert len(bench.shards()) == 4  # three whole ones, and what was cut off
    bench.train("cached", **EXACT)
    assert 0 < len(bench.computed) < OUTPUTS
    assert list(bench.cache.rglob(".abc*")) == []
    assert bench.losses == uncached


def test_sigterm_while_filling_keeps_what_was_computed(bench: Bench, uncached: list[float]) -> None:
    compute, calls = filling.compute, []

    def signalled(*arguments: object) -> torch.Tensor:
        calls.append(arguments)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return compute(*arguments)  # type: ignore[arg-type]

    with bench.monkeypatch.context() as patch:
        patch.setattr(filling, "compute", signalled)
        with pytest.raises(Stopped, match="20 of 92 outputs done; the same command continues") as stopped:
            bench.train("cached", **EXACT)
    assert stopped.value.exit_code == 143
    assert len(bench.computed) == 20
    assert RunFolder(bench.cache.parent / "runs" / "cached").state() == "stopped"
    bench.train("cached", **EXACT)
    assert len(bench.computed) == OUTPUTS - 20
    assert bench.losses == uncached


def test_a_disk_that_gets_full_is_said_and_the_run_continues_later(bench: Bench, uncached: list[float]) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with bench.monkeypatch.context() as patch:
        patch.setattr(shards.os, "fsync", full)
        with pytest.raises(RunError, match=r"the disk of .* is full"):
            bench.train("cached", **EXACT)
    assert bench.shards() == []
    bench.train("cached", **EXACT)
    assert bench.losses == uncached


def test_too_little_room_is_said_before_anything_is_computed(bench: Bench) -> None:
    with pytest.raises(RunError, match=r"36 pictures in 3 views need .* trunk_cache_max_gb is 1e-05; 0?.*would fit"):
        bench.train("cached", **EXACT, trunk_cache_max_gb=1e-5)
    assert bench.shards() == []


def test_a_folder_that_cannot_be_written_is_said(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RunError, match="choose another trunk_cache_dir"):
        bench.train("cached", **{**EXACT, "trunk_cache_dir": str(tmp_path / "file" / "below")})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"train_all_stages": True}, "train_all_stages freezes none"),
        ({"unfreeze_stages": [1, 2, 3, 4]}, "reaches down to stage 1"),
        ({"augmentation_views": 5}, "augmentation_views: is 5, trunk_cache_views is 3"),
        ({"trunk_cache_precision": "fp8"}, "use auto, fp16, bf16 or fp32"),
        ({"trunk_cache_views": -1}, "is -1; give a number from 0"),
    ],
)
def test_a_recipe_that_leaves_no_trunk_to_store_is_refused(
    bench: Bench, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(RecipeError, match=reason):
        load_recipe(bench.recipe("refused", **{**EXACT, **changes}))


def test_a_checkpoint_with_another_trunk_is_refused(bench: Bench, checkpoint: str) -> None:
    with bench.monkeypatch.context() as patch:
        patch.setattr(TerminationCallback, "_agreed", lambda self, args, at: at == 10)
        with pytest.raises(Stopped):
            bench.train("cached", model_name_or_path=checkpoint, **EXACT)
    model = SwinForImageClassification.from_pretrained(checkpoint)
    model.swin.encoder.layers[0].blocks[0].mlp.fc1.bias.data[0] += 1e-3
    model.save_pretrained(checkpoint)
    with pytest.raises(RunError, match="its frozen stages are no longer those of"):
        bench.train("cached", model_name_or_path=checkpoint, **EXACT)


@pytest.mark.parametrize(("step", "workers"), [(3, 0), (17, 2)])
def test_a_stopped_run_continues_to_the_bit(bench: Bench, uncached: list[float], step: int, workers: int) -> None:
    """Within an epoch, before and after the boundary of the phases: the rest of the epoch reads its own views."""
    changes = {**EXACT, "dataloader_num_workers": workers}
    with bench.monkeypatch.context() as patch:
        patch.setattr(TerminationCallback, "_agreed", lambda self, args, at: at == step)
        with pytest.raises(Stopped):
            bench.train("cached", **changes)
    before = bench.losses
    bench.train("cached", **changes)
    assert before + bench.losses == uncached


PROCESSES = """
import sys
import torch
from spatial_swin.config import load_recipe
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.trunk import store
from spatial_swin.training import fine_tune

torch.set_num_threads(1)
recipe, output, folder = sys.argv[1:4]
step, write, losses, entries = TwoPhaseTrainer.training_step, store.write_shard, [], []

def keep_loss(trainer, *rest, **named):
    losses.append(step(trainer, *rest, **named))
    return losses[-1]

def keep_entries(place, store, what, array):
    entries.extend(what)
    return write(place, store, what, array)

TwoPhaseTrainer.training_step, store.write_shard = keep_loss, keep_entries
fine_tune(load_recipe(recipe, ["--output_dir", output, *sys.argv[4:]]))
rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
torch.save((torch.stack(losses), entries), f"{folder}/{rank}.pt")
"""


@pytest.mark.slow
def test_two_processes_fill_a_part_each_and_train_as_without_a_cache(bench: Bench, tmp_path: Path) -> None:
    """Both ranks read from what both have written; the losses of each rank are those of the same run uncached."""
    script = tmp_path / "run.py"
    script.write_text(PROCESSES)
    recipe = bench.recipe("two", per_device_train_batch_size=2, ddp_backend="gloo")
    kept = {}
    for name, extra in (("uncached", ["--augmentation_views", "3"]), ("cached", ["--trunk_cache_views", "3"])):
        folder = tmp_path / f"kept_{name}"
        folder.mkdir()
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            "2",
            str(script),
            str(recipe),
            str(tmp_path / "runs" / name),
            str(folder),
            *extra,
            "--trunk_cache_precision",
            "fp32",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        kept[name] = [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]
    filled = [entries for _, entries in kept["cached"]]
    assert len(filled[0]) + len(filled[1]) == OUTPUTS
    assert min(map(len, filled)) > OUTPUTS // 3
    assert not set(filled[0]) & set(filled[1])
    for rank in (0, 1):
        assert torch.equal(kept["cached"][rank][0], kept["uncached"][rank][0])


# -- what comes out --


def test_the_saved_model_is_an_ordinary_one(bench: Bench, pictures: Path) -> None:
    run = bench.train("cached", **EXACT)
    classify = pipeline("image-classification", model=str(run.model), device="cpu")
    test = run.read_predictions("test")
    for path, probabilities in zip(test.paths, test.probabilities, strict=True):
        scores = {answer["label"]: answer["score"] for answer in classify(str(pictures / path), top_k=None)}
        assert [scores[name] for name in test.class_names] == pytest.approx(probabilities.tolist(), abs=1e-5)


def test_the_cache_is_listed_and_removed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.train("cached", **EXACT)
    capsys.readouterr()
    place = ["--trunk_cache_dir", str(bench.cache)]
    assert main(["cache", "ls", *place]) == 0
    listed = capsys.readouterr().out
    assert "stage 4" in listed
    assert f" {TRAIN * VIEWS} " in listed
    name = next(bench.cache.iterdir()).name
    assert main(["cache", "rm", name[:10], *place]) == 0
    assert "removed 1 store" in capsys.readouterr().out
    assert main(["cache", "rm", "zzz", *place]) == 2
    assert main(["cache", "rm", "all", *place]) == 0
    assert list(bench.cache.iterdir()) == []
    assert main(["cache", "ls", *place]) == 0
    assert "no stores" in capsys.readouterr().out
