"""A whole run on a tiny random Swin: what moves in which phase, what the run folder holds, resuming, stopping,
refusing.
"""

import json
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
import transformers
from made_up_runs import read_confusion
from safetensors.torch import load_file
from transformers import SwinForImageClassification

from spatial_swin import preparing, training
from spatial_swin.config import load_recipe
from spatial_swin.errors import DataError, RecipeError, RunError, Stopped
from spatial_swin.modeling import swin
from spatial_swin.modeling.averaging import LEARNT, WeightAverage
from spatial_swin.modeling.callbacks import PhaseCallback, TerminationCallback
from spatial_swin.modeling.checkpoints import damage, last_checkpoint
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import RunFolder, Sample
from spatial_swin.training import fine_tune

STEPS_PER_EPOCH = 7  # 28 training pictures in batches of 4
Write = Callable[..., Path]


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.model / "model.safetensors")


def assert_same_run(one: RunFolder, other: RunFolder) -> None:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []
    last_a, last_b = last_checkpoint(one.checkpoints), last_checkpoint(other.checkpoints)
    assert last_a is not None
    assert last_b is not None
    assert last_a.name == last_b.name
    a, b = load_file(last_a / "model.safetensors"), load_file(last_b / "model.safetensors")
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


class Recorder:
    """Keeps the weights at the start, at every phase change and at the end of `train()`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.snapshots: dict[int, dict[str, torch.Tensor]] = {}
        self.modes: list[tuple[int, dict[int, bool]]] = []
        self.states: list[tuple[int, set[str]]] = []
        original = TwoPhaseTrainer.training_step

        def step(trainer: TwoPhaseTrainer, model: torch.nn.Module, *rest: object, **named: object) -> torch.Tensor:
            at = trainer.state.global_step
            self.snapshots[at] = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
            names = {p: name for name, p in trainer.model.named_parameters()}
            inner = trainer.optimizer.optimizer if hasattr(trainer.optimizer, "optimizer") else trainer.optimizer
            self.states.append((at, {names[p] for p in inner.state}))
            loss = original(trainer, model, *rest, **named)
            parts = swin.stages(trainer.model)
            self.modes.append((at, {k: any(m.training for mod in v for m in mod.modules()) for k, v in parts.items()}))
            return loss

        monkeypatch.setattr(TwoPhaseTrainer, "training_step", step)


def stage_of(name: str) -> str:
    if name.startswith("classifier"):
        return "head"
    if ".layers.3." in name or name.startswith("swin.layernorm"):
        return "stage 4"
    return "trunk"


@pytest.mark.parametrize("workers", [0, 2])
def test_only_the_head_moves_in_phase_1_and_the_trunk_never(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    record = Recorder(monkeypatch)
    run = fine_tune(load_recipe(write_recipe(dataloader_num_workers=workers, load_best_model_at_end=False)))
    start, boundary = record.snapshots[0], record.snapshots[2 * STEPS_PER_EPOCH]
    end = dict(SwinForImageClassification.from_pretrained(run.model).named_parameters())
    for name, first in start.items():
        stage = stage_of(name)
        assert torch.equal(first, boundary[name]) == (stage != "head"), f"phase 1, {name}"
        if stage == "trunk":
            assert torch.equal(first, end[name]), f"the trunk moved: {name}"
    moved = [name for name in start if stage_of(name) == "stage 4" and not torch.equal(start[name], end[name])]
    still = [name for name in start if stage_of(name) == "stage 4" and name not in moved]
    assert moved
    assert still == []


def test_frozen_stages_rest_in_eval_mode_and_keep_no_optimizer_state(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Recorder(monkeypatch)
    fine_tune(load_recipe(write_recipe()))
    for step, training_mode in record.modes:
        phase_2 = step >= 2 * STEPS_PER_EPOCH
        assert training_mode == {0: False, 1: False, 2: False, 3: False, 4: phase_2}
    for step, names in record.states:
        stages = {stage_of(name) for name in names}
        assert "trunk" not in stages
        assert ("stage 4" in stages) == (step > 2 * STEPS_PER_EPOCH)


def test_stages_3_and_4_can_learn_and_none_can(write_recipe: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for stages, moving in (([3, 4], {"2", "3"}), ([], set())):
        record = Recorder(monkeypatch)
        name = f"stages{len(stages)}"
        run = fine_tune(load_recipe(write_recipe(name, unfreeze_stages=stages, load_best_model_at_end=False)))
        end = dict(SwinForImageClassification.from_pretrained(run.model).named_parameters())
        moved = {
            n.split(".")[3] for n, p in record.snapshots[0].items() if ".layers." in n and not torch.equal(p, end[n])
        }
        assert moved == moving


def test_the_embeddings_learn_in_phase_2_as_stage_0(write_recipe: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Recorder(monkeypatch)
    run = fine_tune(load_recipe(write_recipe(unfreeze_stages=[0, 1, 2, 3, 4], load_best_model_at_end=False)))
    end = dict(SwinForImageClassification.from_pretrained(run.model).named_parameters())
    name = "swin.embeddings.patch_embeddings.projection.weight"
    assert torch.equal(record.snapshots[0][name], record.snapshots[2 * STEPS_PER_EPOCH][name])
    assert not torch.equal(record.snapshots[0][name], end[name])


def test_the_run_folder_holds_what_the_design_says(write_recipe: Write) -> None:
    run = fine_tune(load_recipe(write_recipe()))
    for name in ("recipe.yaml", "environment.json", "split.csv", "history.csv", "progress.json", "metrics.json"):
        assert (run.path / name).is_file(), name
    split = run.read_split()
    assert {s.split for s in split} == {"train", "validation", "test"}
    assert len(split) == 40
    history = run.read_history()
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert [row["phase"] for row in history] == [1, 1, 2, 2]
    assert [row["learning_rate_backbone"] > 0 for row in history] == [False, False, True, True]
    assert all(np.isfinite(row["train_loss"]) and row["seconds"] > 0 for row in history)
    for epoch in range(1, 5):
        matrix, names = read_confusion(run, epoch)
        assert names == ["100", "200", "510", "514"]
        assert matrix.sum() == sum(s.split == "validation" for s in split)
    test = run.read_predictions("test")
    assert test.paths == [s.path for s in split if s.split == "test"]
    assert run.read_metrics()["domain"] == json.loads((run.model / "domain.json").read_text())
    assert run.read_metrics()["domain"]["pictures"] == sum(sample.split != "test" for sample in run.read_split())
    assert run.read_metrics()["test"]["accuracy"]["value"] == (test.predicted == test.labels).mean()
    assert run.read_progress()["state"] == "finished"
    assert run.read_environment()["precision"] in ("fp32", "bf16", "fp16")
    assert not (run.path / ".model").exists()


def test_the_model_is_the_best_epochs_every_tensor_of_it(write_recipe: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best epoch is made to be the third of four; a partial restore would leave tensors of the fourth."""
    accuracies = iter([0.3, 0.4, 0.9, 0.5])
    original = TwoPhaseTrainer.evaluate

    def evaluate(trainer: TwoPhaseTrainer, *rest: object, **named: object) -> dict[str, float]:
        metrics = original(trainer, *rest, **named)
        metrics["eval_accuracy"] = next(accuracies)
        return metrics

    monkeypatch.setattr(TwoPhaseTrainer, "evaluate", evaluate)
    run = fine_tune(load_recipe(write_recipe(save_total_limit=None)))
    best = load_file(run.checkpoints / f"checkpoint-{3 * STEPS_PER_EPOCH}" / "model.safetensors")
    last = load_file(run.checkpoints / f"checkpoint-{4 * STEPS_PER_EPOCH}" / "model.safetensors")
    saved = weights(run)
    assert [name for name in saved if not torch.equal(saved[name], best[name])] == []
    assert any(not torch.equal(saved[name], last[name]) for name in saved)
    assert run.read_metrics()["best_epoch"] == 3


@pytest.mark.parametrize(
    "step", [3, STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH + 3, 3 * STEPS_PER_EPOCH]
)
def test_a_stopped_run_continues_bit_for_bit(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, step: int, whole_run: RunFolder
) -> None:
    """Stopped by SIGTERM before, at and after the phase boundary, at an epoch's end and within one."""
    recipe = write_recipe()
    with monkeypatch.context() as patch:
        patch.setattr(TerminationCallback, "_agreed", lambda self, args, at: at == step)
        with pytest.raises(Stopped) as stopped:
            fine_tune(load_recipe(recipe))
    assert stopped.value.exit_code == 143
    run = RunFolder(load_recipe(recipe).output_dir)
    assert run.state() == "stopped"
    assert_same_run(fine_tune(load_recipe(recipe)), whole_run)
    assert [row["epoch"] for row in run.read_history()] == [1, 2, 3, 4]


@pytest.fixture
def whole_run(write_recipe: Write) -> RunFolder:
    """The run that nothing stopped."""
    return fine_tune(load_recipe(write_recipe("whole")))


@pytest.mark.parametrize("step", [10, 17])
def test_a_killed_run_continues_from_its_last_whole_checkpoint(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, step: int, whole_run: RunFolder
) -> None:
    recipe = write_recipe()
    original = TwoPhaseTrainer.training_step

    def die(trainer: TwoPhaseTrainer, *rest: object, **named: object) -> torch.Tensor:
        if trainer.state.global_step == step:
            raise KeyboardInterrupt
        return original(trainer, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(TwoPhaseTrainer, "training_step", die)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(load_recipe(recipe))
    run = RunFolder(load_recipe(recipe).output_dir)
    cut_off = run.checkpoints / "checkpoint-99"  # as kill -9 leaves one: begun, without an end
    cut_off.mkdir()
    (cut_off / "model.safetensors").write_bytes(b"half")
    (cut_off / "trainer_state.json").write_text('{"global_step": 9')
    assert damage(cut_off)
    done = fine_tune(load_recipe(recipe))
    assert not cut_off.exists()
    assert_same_run(done, whole_run)


BOTH = {"layer_decay": 0.6, "ema_decay": 0.8, "unfreeze_stages": [3, 4]}


@pytest.mark.parametrize("step", [2 * STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH + 3])
def test_a_run_with_layer_decay_and_an_average_continues_bit_for_bit(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Stopped at the phase boundary and within phase 2."""
    with monkeypatch.context() as patch:
        patch.setattr(TerminationCallback, "_agreed", lambda self, args, at: at == step)
        with pytest.raises(Stopped):
            fine_tune(load_recipe(write_recipe(**BOTH)))
    run = fine_tune(load_recipe(write_recipe(**BOTH)))
    whole = fine_tune(load_recipe(write_recipe("whole", **BOTH)))
    assert_same_run(run, whole)
    ours, theirs = (load_file(one.checkpoints / f"checkpoint-{4 * STEPS_PER_EPOCH}" / LEARNT) for one in (run, whole))
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []
    figures = ("validation_loss", "train_loss")
    assert [[row[name] for name in figures] for row in run.read_history()] == [
        [row[name] for name in figures] for row in whole.read_history()
    ]


@pytest.mark.parametrize("best", [False, True])
def test_the_average_is_what_is_evaluated_and_saved(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch, best: bool
) -> None:
    """Against the average computed by hand from the weights after every step."""
    steps: list[dict[str, torch.Tensor]] = []  # first those that the average begins with
    evaluated: list[dict[str, torch.Tensor]] = []
    updated, predicted = WeightAverage.update, TwoPhaseTrainer.prediction_step

    def update(average: WeightAverage, step: int) -> None:
        if not steps:
            steps.append({name: average.averages[name].double() for name in average.averages})
        assert len(steps) == step
        steps.append({name: weights.detach().double() for name, weights in average.learnt.items()})
        updated(average, step)

    def prediction_step(trainer: TwoPhaseTrainer, *rest: object, **named: object) -> object:
        evaluated.append({name: weights.detach().double() for name, weights in trainer.model.named_parameters()})
        return predicted(trainer, *rest, **named)

    monkeypatch.setattr(WeightAverage, "update", update)
    monkeypatch.setattr(TwoPhaseTrainer, "prediction_step", prediction_step)
    run = fine_tune(load_recipe(write_recipe(ema_decay=0.8, load_best_model_at_end=best)))
    assert {stage_of(name) for name in steps[0]} == {"head", "stage 4"}  # what never learns is not kept twice
    saved = dict(SwinForImageClassification.from_pretrained(run.model).named_parameters())
    chosen = STEPS_PER_EPOCH * (run.read_metrics()["best_epoch"] if best else 4)
    for name in ("classifier.weight", "swin.encoder.layers.3.blocks.0.mlp.fc1.weight"):
        averages = [steps[0][name]]
        for number, weights in enumerate(steps[1:], start=1):
            kept = min(0.8, (1 + number) / (10 + number))
            averages.append(kept * averages[-1] + (1 - kept) * weights[name])
        assert torch.allclose(evaluated[0][name], averages[STEPS_PER_EPOCH], atol=1e-6)
        assert torch.allclose(saved[name].double(), averages[chosen], atol=1e-6)
    assert not torch.allclose(saved["classifier.weight"].double(), steps[chosen]["classifier.weight"], atol=1e-6)


def test_every_tensor_comes_back_from_a_checkpoint(write_recipe: Write) -> None:
    run = fine_tune(load_recipe(write_recipe()))
    torch.manual_seed(99)
    recipe = load_recipe(write_recipe())
    model = swin.build_model(recipe.model, ["100", "200", "510", "514"])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    folder = last_checkpoint(run.checkpoints)
    assert folder is not None
    swin.restore(model, folder)
    wanted = SwinForImageClassification.from_pretrained(folder).state_dict()
    assert [name for name in wanted if not torch.equal(model.state_dict()[name], wanted[name])] == []
    changed = [
        name for name in wanted if wanted[name].is_floating_point() and not torch.equal(before[name], wanted[name])
    ]
    assert any("attention" in name for name in changed)


def test_early_stopping_waits_for_phase_2(write_recipe: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accuracy never rises: with patience 1 and three head-only epochs the run must end after epoch 4, not 2."""
    original = TwoPhaseTrainer.evaluate

    def flat(trainer: TwoPhaseTrainer, *rest: object, **named: object) -> dict[str, float]:
        return original(trainer, *rest, **named)

    monkeypatch.setattr(TwoPhaseTrainer, "evaluate", flat)
    from spatial_swin.modeling import metrics

    call = metrics.LayoutMetrics.__call__
    monkeypatch.setattr(
        metrics.LayoutMetrics, "__call__", lambda self, outcome: {**call(self, outcome), "accuracy": 0.5}
    )
    run = fine_tune(load_recipe(write_recipe(num_train_epochs=8, head_only_epochs=3, early_stopping_patience=1)))
    assert [row["epoch"] for row in run.read_history()] == [1, 2, 3, 4]


def test_a_finished_run_is_refused_and_overwrite_starts_anew(write_recipe: Write) -> None:
    recipe = write_recipe(num_train_epochs=2, head_only_epochs=1)
    run = fine_tune(load_recipe(recipe))
    (run.path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="finished"):
        fine_tune(load_recipe(recipe))
    fine_tune(load_recipe(recipe, ["--overwrite", "true"]))
    assert (run.path / "notes.txt").read_text() == "mine"


def test_an_unfinished_run_of_another_recipe_is_refused(write_recipe: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TerminationCallback, "_agreed", lambda self, args, at: at == 2)
        with pytest.raises(Stopped):
            fine_tune(load_recipe(write_recipe()))
    with pytest.raises(RunError, match=r"(?s)learning_rate: was 0.001.*is 0.002"):
        fine_tune(load_recipe(write_recipe(learning_rate=2e-3)))


def test_pictures_that_changed_are_refused_on_resume(
    write_recipe: Write, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TerminationCallback, "_agreed", lambda self, args, at: at == 2)
        with pytest.raises(Stopped):
            fine_tune(load_recipe(write_recipe()))
    first, second = sorted((pictures / "100").iterdir())[:2]
    first.write_bytes(second.read_bytes())
    with pytest.raises(DataError, match=f"100/{first.name}: is not the picture"):
        fine_tune(load_recipe(write_recipe()))


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_last_checkpoint(
    write_recipe: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = TwoPhaseTrainer.compute_loss

    def explode(trainer: TwoPhaseTrainer, model: torch.nn.Module, *rest: object, **named: object) -> object:
        loss = original(trainer, model, *rest, **named)
        return loss * float("nan") if model.training and trainer.state.global_step >= 10 else loss

    monkeypatch.setattr(TwoPhaseTrainer, "compute_loss", explode)
    recipe = load_recipe(write_recipe())
    with pytest.raises(RunError, match=r"training loss became nan.*checkpoint-7"):
        fine_tune(recipe)
    run = RunFolder(recipe.output_dir)
    assert run.state() == "failed"
    kept = last_checkpoint(run.checkpoints)
    assert kept is not None
    assert all(torch.isfinite(t).all() for t in load_file(kept / "model.safetensors").values())
    assert not run.model.exists()


def test_a_second_process_in_the_same_folder_is_refused(write_recipe: Write) -> None:
    recipe = load_recipe(write_recipe())
    with RunFolder(recipe.output_dir).lock(), pytest.raises(RunError, match="another process"):
        fine_tune(recipe)


def test_a_folder_with_other_files_is_refused(write_recipe: Write) -> None:
    recipe = load_recipe(write_recipe())
    recipe.output_dir.mkdir(parents=True)
    (recipe.output_dir / "thesis.docx").write_text("do not touch")
    with pytest.raises(RunError, match=r"thesis\.docx"):
        fine_tune(recipe)


def test_labels_other_than_the_checkpoints_are_refused(write_recipe: Write, tmp_path: Path) -> None:
    run = fine_tune(load_recipe(write_recipe(num_train_epochs=2, head_only_epochs=1)))
    recipe = load_recipe(write_recipe())
    model = swin.build_model(recipe.model, ["a", "b", "c", "d"])
    with pytest.raises(RunError, match=r"'100'.*'a'"):
        swin.restore(model, run.model)


def test_a_split_that_is_given_is_used_as_it_is(write_recipe: Write, tmp_path: Path) -> None:
    first = fine_tune(load_recipe(write_recipe("one", num_train_epochs=2, head_only_epochs=1)))
    parts = {"train": "train", "validation": "test", "test": "validation"}
    given = [Sample(s.path, s.label, s.group, parts[s.split], s.sha256, s.factors) for s in first.read_split()]
    second = fine_tune(load_recipe(write_recipe("two", num_train_epochs=2, head_only_epochs=1)), given)
    assert second.read_split() == given


def test_class_weights_are_balanced_by_the_training_part(write_recipe: Write) -> None:
    recipe = load_recipe(write_recipe(class_weights=["balanced"]))
    split = [Sample(str(k), "a" if k < 6 else "b", str(k), "train", "") for k in range(8)]
    assert preparing.class_weights(recipe, split, ["a", "b"]) == [8 / 12, 8 / 4]
    with pytest.raises(RecipeError, match="3 numbers for 2 classes"):
        preparing.class_weights(load_recipe(write_recipe(class_weights=["1", "2", "3"])), split, ["a", "b"])


def test_phase_is_idempotent_past_the_boundary(write_recipe: Write) -> None:
    callback = PhaseCallback(load_recipe(write_recipe()))
    assert [callback.phase(epoch) for epoch in range(5)] == [1, 1, 2, 2, 2]


def test_the_libraries_log_and_draw_bars_again_after_a_run() -> None:
    theirs, data = transformers.utils.logging, datasets.utils.logging
    before = theirs.get_verbosity(), data.get_verbosity()
    theirs.enable_progress_bar()
    datasets.enable_progress_bars()
    try:
        theirs.set_verbosity_info()
        data.set_verbosity_info()
        with training.quiet_libraries():
            assert not theirs.is_progress_bar_enabled()
        assert (theirs.get_verbosity(), data.get_verbosity()) == (theirs.INFO, data.INFO)
        assert theirs.is_progress_bar_enabled()
        assert not datasets.are_progress_bars_disabled()
    finally:
        theirs.set_verbosity(before[0])
        data.set_verbosity(before[1])


def test_groups_in_more_than_one_part_are_warned_about_once(
    write_recipe: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    fine_tune(load_recipe(write_recipe(num_train_epochs=1, head_only_epochs=0, warmup_epochs=0)))
    assert capsys.readouterr().out.count("WARNING") == 1
