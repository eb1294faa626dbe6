"""What happens between the Trainer's steps: the phases, early stopping, the run folder's diary, the console, SIGTERM.

Each callback does one thing and takes what it needs in its constructor. None of them keeps state that a resumed run
would miss: phase and patience are derived from the step and the log, history is read back from the run folder.
"""

import os
import signal
import socket
import sys
import threading
import time
from typing import Any

import psutil
import torch
from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from spatial_swin.config import Recipe
from spatial_swin.metric_names import CLASS_METRICS, Shown, epoch_figures, names
from spatial_swin.modeling import swin
from spatial_swin.modeling.metrics import LayoutMetrics
from spatial_swin.modeling.schedule import phase_of_epoch
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.runs import RunFolder

PROGRESS_EVERY = 2.0  # seconds between two writes of progress.json
STOP_EPSILON = 1e-9


class TrainerBound(TrainerCallback):
    """A callback that asks its Trainer for steps and rates; bound after the Trainer is built."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.trainer: TwoPhaseTrainer | None = None

    def epoch(self, state: TrainerState) -> int:
        """Whole epochs done, from the step: exact, also when resumed in the middle of an epoch."""
        assert self.trainer is not None
        return state.global_step // self.trainer.updates_per_epoch

    def phase(self, epoch: int) -> int:
        """The phase of the epoch that follows `epoch` whole ones."""
        return phase_of_epoch(epoch, self.recipe.model.head_only_epochs)


class PhaseCallback(TrainerBound):
    """Freezes and unfreezes by the epoch; idempotent, so a run resumed past the boundary is in the right phase."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        assert self.trainer is not None
        swin.set_learning(self.trainer.model, swin.learning_stages(self.recipe.model, self.phase(self.epoch(state))))

    on_epoch_begin = on_train_begin


class AverageCallback(TrainerBound):
    """Takes every step into the average of the weights, where the recipe has one; before evaluating and saving."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        assert self.trainer is not None
        if self.trainer.average is not None:
            self.trainer.average.update(state.global_step)


class PatienceCallback(TrainerBound):
    """Early stopping that counts epochs of phase 2 only, from the log, so that resuming changes nothing."""

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        patience = self.recipe.trainer.early_stopping_patience
        if patience is not None and self.waited(state) >= patience:
            control.should_training_stop = True

    def waited(self, state: TrainerState) -> int:
        """Phase-2 epochs since the metric was last better than ever before."""
        key = f"eval_{self.recipe.trainer.metric_for_best_model}"
        sign = 1 if self.recipe.trainer.greater_is_better else -1
        best, waited = -float("inf"), 0
        for entry in state.log_history:
            if key not in entry:
                continue
            if sign * entry[key] > best + STOP_EPSILON:
                best, waited = sign * entry[key], 0
            elif self.phase(round(entry["epoch"]) - 1) == 2:
                waited += 1
        return waited


class DiaryCallback(TrainerBound):
    """Writes history.csv, confusion/ and progress.json; has `console` print each epoch in one line."""

    def __init__(self, recipe: Recipe, run: RunFolder, metrics: LayoutMetrics, console: "ConsoleCallback") -> None:
        super().__init__(recipe)
        self.run, self.metrics, self.console = run, metrics, console
        self.rows: list[dict[str, Any]] = []
        self.began = self.epoch_began = self.last_written = time.monotonic()
        self.first_step = 0
        self.train_seconds = 0.0
        self.running = False

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.began, self.first_step = time.monotonic(), state.global_step
        done = self.epoch(state)
        if done and state.is_world_process_zero and self.run.history_file.is_file():
            self.rows = self.run.read_history_to(done)
        self.write_progress(state, "running")

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.epoch_began = time.monotonic()
        self.epoch_first_step = state.global_step
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Show that the run lives, in the steps of training, of evaluation and of the predictions at the end."""
        if self.running and time.monotonic() - self.last_written > PROGRESS_EVERY:
            self.write_progress(state, "running")

    on_prediction_step = on_step_end

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.train_seconds = time.monotonic() - self.epoch_began

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        assert self.trainer is not None
        trained = self.trainer.drain_epoch()  # a collective call: on every process
        if not state.is_world_process_zero or not self.trainer.is_in_train:
            return
        row = self._row(state, given["metrics"], *trained)
        if self.rows and self.rows[-1]["epoch"] == row["epoch"]:
            self.rows.pop()
        self.rows.append(row)
        self.run.write_history(self.rows)
        self.run.write_confusion(row["epoch"], self.metrics.confusion, self.metrics.class_names)
        self.write_progress(state, "running")
        self.console.tell_epoch(row, state, is_best=self._best()["epoch"] == row["epoch"])

    def _row(
        self, state: TrainerState, metrics: dict[str, float], train_loss: float, train_accuracy: float
    ) -> dict[str, Any]:
        assert self.trainer is not None
        assert self.trainer.optimizer is not None
        epoch = -(-state.global_step // self.trainer.updates_per_epoch)  # an epoch cut short by max_steps counts
        phase = self.phase(epoch - 1)
        rates = {group["name"].partition(".")[0]: group["lr"] for group in self.trainer.optimizer.param_groups}
        learning = phase == 2 or self.recipe.model.train_all_stages
        steps = state.global_step - self.epoch_first_step
        pictures = steps * self.trainer.get_total_train_batch_size(self.trainer.args)
        of_classes = [f"{kind}_{label}" for label in self.metrics.class_names for kind in CLASS_METRICS]
        return {
            "epoch": epoch,
            "phase": phase,
            "step": state.global_step,
            "train_loss": train_loss,
            "train_accuracy": train_accuracy,
            "validation_loss": metrics["eval_loss"],
            "validation_cross_entropy": metrics["eval_cross_entropy"],
            **{f"validation_{name}": metrics[f"eval_{name}"] for name in names(Shown.EPOCH)},
            **{name: metrics[f"eval_{name}"] for name in of_classes},
            "learning_rate_head": rates["head"],
            "learning_rate_backbone": rates.get("backbone", 0.0) if learning else 0.0,
            "seconds": round(time.monotonic() - self.epoch_began, 3),
            "images_per_second": round(pictures / max(self.train_seconds, 1e-9), 3),
            "memory_gb": round(peak_memory() / 1e9, 3),
        }

    def _best(self) -> dict[str, Any]:
        key = f"validation_{self.recipe.trainer.metric_for_best_model}"
        sign = 1 if self.recipe.trainer.greater_is_better else -1
        return max(self.rows, key=lambda row: sign * row.get(key, 0.0))

    def tell_filling(self, done: int, total: int) -> None:
        """Note in progress.json how far this process has filled the trunk cache, before the first step."""
        assert self.trainer is not None
        self.write_progress(self.trainer.state, "running", trunk_cache={"done": done, "outputs": total})

    def write_progress(self, state: TrainerState, name: str, **more: Any) -> None:
        """Write progress.json (main process only): state, epoch, step, ETA, best so far, pid."""
        if not state.is_world_process_zero:
            return
        self.last_written = time.monotonic()
        self.running = name == "running"
        done = state.global_step - self.first_step
        per_step = (time.monotonic() - self.began) / done if done else None
        best = self._best() if self.rows else None
        progress = {
            "state": name,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "epoch": round(state.global_step / (self.trainer.updates_per_epoch if self.trainer else 1), 3),
            "epochs": self.recipe.trainer.num_train_epochs,
            "step": state.global_step,
            "steps": state.max_steps,
            "phase": self.phase(self.epoch(state)) if self.trainer else 1,
            "eta_seconds": None if per_step is None else round(per_step * (state.max_steps - state.global_step), 1),
            "best": best and {key: best[key] for key in ("epoch", "validation_accuracy")},
            "last": self.rows[-1] if self.rows else None,
            **more,
        }
        try:
            self.run.write_progress(progress)
        except OSError as error:  # a full disk: hours of training are worth more than a note about them
            print(f"{self.run.progress_file} cannot be written ({error.strerror}); going on", file=sys.stderr)


class ConsoleCallback(TrainerBound):
    """One line per epoch and, on a terminal, a bar within it."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.bar: tqdm | None = None

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_local_process_zero and self.trainer is not None:
            epoch = self.epoch(state)
            self.bar = tqdm(
                total=self.trainer.updates_per_epoch,
                initial=state.global_step - epoch * self.trainer.updates_per_epoch,
                desc=f"epoch {epoch + 1}/{self.recipe.trainer.num_train_epochs:g}, phase {self.phase(epoch)}",
                unit="step",
                leave=False,
                disable=None,
            )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.bar is not None:
            self.bar.update()

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def tell_epoch(self, row: dict[str, Any], state: TrainerState, is_best: bool) -> None:
        epochs = f"{self.recipe.trainer.num_train_epochs:g}"
        words = [
            f"epoch {row['epoch']:>{len(epochs)}}/{epochs}  phase {row['phase']}",
            f"loss {row['train_loss']:.4f}  validation loss {row['validation_loss']:.4f}",
            epoch_figures(row, separator="  "),
            f"rates {row['learning_rate_head']:.1e}/{row['learning_rate_backbone']:.1e}",
            f"{row['seconds']:.1f} s  {row['images_per_second']:.1f} pictures/s",
            *(["best"] if is_best else []),
        ]
        tqdm.write("  ".join(words), file=sys.stdout)
        sys.stdout.flush()


class TerminationCallback(TrainerBound):
    """On SIGTERM: finish the step, save a checkpoint, stop. `terminated` says so afterwards, on every process."""

    AGREE_EVERY = 10  # steps between two agreements of several processes; one process reacts at once

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.signalled = False
        self.terminated = False
        self.previous: Any = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGTERM, self._note)

    def _note(self, *_: Any) -> None:
        self.signalled = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._agreed(args, state.global_step):
            self.terminated = True
            control.should_save = self._within_epoch(state)  # at its end the epoch is evaluated and saved as always
            control.should_training_stop = True

    def _within_epoch(self, state: TrainerState) -> bool:
        assert self.trainer is not None
        return bool(state.global_step % self.trainer.updates_per_epoch)

    def _agreed(self, args: TrainingArguments, step: int) -> bool:
        if args.world_size == 1:
            return self.signalled
        if step % self.AGREE_EVERY:
            return False
        assert self.trainer is not None
        flag = torch.tensor(float(self.signalled), device=args.device)
        return bool(self.trainer.accelerator.reduce(flag, reduction="sum").item() > 0)

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.terminated and self._within_epoch(state):  # half an epoch is not evaluated: resuming changes nothing
            control.should_evaluate = control.should_save = control.should_log = False

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGTERM, self.previous)


def peak_memory() -> float:
    """Bytes: the most CUDA memory allocated since the epoch began, or this process's resident memory on a CPU."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated())
    return float(psutil.Process().memory_info().rss)
