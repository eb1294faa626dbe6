"""The Trainer of two phases: transformers' Trainer with what a half-frozen Swin needs.

Batches come in as uint8 pictures with their samples' keys; augmentation and normalisation happen here, on the device,
keyed by (seed, epoch or view, sample). One Trainer, one `train()`. What differs from transformers' Trainer, and why:

- named parameter groups with their own schedules, made while everything that will ever learn requires gradients;
- frozen stages stay in eval mode although `model.train()` is called every step;
- checkpoints are loaded by `from_pretrained` and strictly (`swin.restore`), for resume and for the best model;
- with ema_decay, what is evaluated and saved is the average of the weights (`averaging`);
- a loss that is not finite stops the run before anything is saved over the last good checkpoint;
- it never pushes to the Hub, because it would upload its whole output_dir; `spatial_swin.publishing` does.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_utils import rotate_checkpoints

from spatial_swin.config import Recipe, TwoPhaseTrainingArguments
from spatial_swin.data.augment import View
from spatial_swin.data.augment_sound import augment_batch
from spatial_swin.data.pictures import normalise
from spatial_swin.data.views import ViewSampler, view_of
from spatial_swin.errors import UntrainableError
from spatial_swin.modeling import checkpoints, schedule, swin
from spatial_swin.modeling.averaging import WeightAverage


class TwoPhaseTrainer(Trainer):
    """Fine-tune the head, then the head and the unfrozen stages.

    Args:
        recipe: the resolved recipe.
        folder: where the checkpoints lie.
        tile_map: where each cue lies in the picture; only the sound augmentations need it.
        class_weights: float [K] weights of the classes in the loss, or None.
        mean, std: three numbers each, the normalisation the saved processor states.
        All other arguments are the Trainer's.
    """

    model: swin.Swin
    args: TwoPhaseTrainingArguments

    def __init__(
        self,
        recipe: Recipe,
        *,
        folder: Path,
        mean: list[float],
        std: list[float],
        tile_map: Any = None,
        class_weights: list[float] | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(args=recipe.trainer, **arguments)
        self.recipe, self.folder, self.tile_map = recipe, folder, tile_map
        self.mean = torch.tensor(mean, device=self.args.device).view(1, 3, 1, 1)
        self.std = torch.tensor(std, device=self.args.device).view(1, 3, 1, 1)
        self.class_weights = None if class_weights is None else torch.tensor(class_weights, device=self.args.device)
        self.model_accepts_loss_kwargs = False
        self.loss_is_scaled_for_ga = False
        self.updates_per_epoch = 1
        self.view_keys: list[int] | None = None  # of each row, where rows are asked for as (row, view)
        self.check_restored: Callable[[str], None] | None = None  # called with the checkpoint that was loaded
        self.epoch_loss = torch.zeros((), device=self.args.device)
        self.epoch_batches = 0
        self.average: WeightAverage | None = None  # with ema_decay, while it trains
        self.epoch_right = torch.zeros(2, device=self.args.device)  # pictures rightly recognised, and all of them
        self.remarks: list[str] = []  # what metrics.json must say of this run beside its figures

    # -- what a step computes --

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The Trainer's own, in its own order; rows with stored views are asked for in the view of the epoch."""
        loader: Any = super().get_train_dataloader()
        if self.view_keys is not None:
            rows, views = loader.get_sampler(), self.recipe.data.views
            loader.set_sampler(ViewSampler(rows, self.view_keys, views, self.args.seed, self.epoch_now))
        return loader

    def prepared_pixels(self, inputs: dict[str, torch.Tensor], training: bool) -> torch.Tensor:
        """uint8 [B, 3, S, S] -> normalised float32 [B, 3, S, S], augmented when training."""
        keys: list[int] = inputs["sample_key"].tolist() if training else []
        return self.shown(inputs["pixel_values"], keys, self.view_now(keys) if training else None)

    def shown(self, pixels: torch.Tensor, keys: Sequence[int], view: View | None) -> torch.Tensor:
        """One view of each picture, normalised: uint8 [B, 3, S, S] -> float32; None shows them plain."""
        if view is None:
            return normalise(pixels, self.mean, self.std)
        data = self.recipe.data
        seed = data.augmentation_views_seed if data.views else self.args.seed
        augmented = augment_batch(pixels, keys, view, seed, data, self.tile_map)
        return normalise(augmented, self.mean, self.std, white=1)

    def view_now(self, keys: Sequence[int]) -> View:
        """The view of each sample in this epoch; the epoch itself when every epoch draws anew."""
        epoch, views = self.epoch_now(), self.recipe.data.views
        return [view_of(key, epoch, views, self.args.seed) for key in keys] if views else epoch

    def epoch_now(self) -> int:
        """Whole epochs done, by the step: exact, also when resumed in the middle of an epoch."""
        return self.state.global_step // self.updates_per_epoch

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Cross-entropy with label smoothing and class weights; the same for training and validation curves."""
        training = model.training
        if training:
            swin.rest_frozen(self.accelerator.unwrap_model(model))
        if "trunk" in inputs:  # from the trunk cache
            logits = model(trunk=inputs["trunk"]).logits
        else:
            logits = model(pixel_values=self.prepared_pixels(inputs, training)).logits
        if training:
            right = (logits.detach().argmax(dim=-1) == inputs["labels"]).sum()
            self.epoch_right += torch.stack([right, right.new_tensor(len(logits))])
        smoothing = self.args.label_smoothing_factor
        loss = functional.cross_entropy(
            logits.float(), inputs["labels"], self.class_weights, label_smoothing=smoothing
        )
        return (loss, {"logits": logits}) if return_outputs else loss

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        loss = super().training_step(*arguments, **named)
        self.epoch_loss += loss * self.current_gradient_accumulation_steps  # the Trainer has divided by it
        self.epoch_batches += 1
        return loss

    def drain_epoch(self) -> tuple[float, float]:
        """Mean training loss and accuracy since the last call, over all processes.

        The accuracy is that of the answers given while learning: augmented pictures, dropped paths, weights that move.
        """
        mean = self.accelerator.reduce(self.epoch_loss / max(1, self.epoch_batches), reduction="mean").item()
        right, pictures = self.accelerator.reduce(self.epoch_right, reduction="sum").tolist()
        self.epoch_loss.zero_()
        self.epoch_right.zero_()
        self.epoch_batches = 0
        return mean, right / max(1.0, pictures)

    # -- optimizer and schedule --

    def set_initial_training_values(self, *arguments: Any, **named: Any) -> Any:
        values = super().set_initial_training_values(*arguments, **named)
        self.updates_per_epoch = values[1]
        return values

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            # everything that will ever learn must require gradients now, for the groups and for DDP (made next);
            # PhaseCallback freezes it again when training begins
            swin.set_learning(self.model, swin.learning_stages(self.recipe.model, phase=2))
            names = {name for name, _ in self.model.named_parameters()} - schedule.no_decay_names(self.model)
            rates = self.args.learning_rate, self.args.backbone_learning_rate
            groups = schedule.parameter_groups(
                self.model, names, *rates, self.args.weight_decay, self.args.layer_decay
            )
            optimizer_class, settings = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = optimizer_class(groups, **settings)
            if self.args.ema_decay and self.average is None:  # else it comes from the checkpoint
                learning = [name for name, parameter in self.model.named_parameters() if parameter.requires_grad]
                self.average = WeightAverage(self.model, learning, self.args.ema_decay)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:
        warmup_steps = round(self.args.warmup_epochs * self.updates_per_epoch)
        if self.args.lr_scheduler_type != "cosine":
            self.args.warmup_steps = warmup_steps
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            chosen = optimizer or self.optimizer
            assert chosen is not None
            self.lr_scheduler = schedule.cosine_schedule(
                chosen, warmup_steps, num_training_steps, self.args.minimum_learning_rate
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    # -- checkpoints --

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.folder)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """The Trainer's, then its seal, and only then do older checkpoints go.

        The seal holds the running sums of the epoch on each process (loss, batches, pictures right, pictures), so that
        history.csv is exact after a stop.
        """
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            with self.shown_average():
                super()._save_checkpoint(model, trial)
        finally:
            self.args.save_total_limit = limit
        batches = torch.tensor(float(self.epoch_batches), device=self.args.device)
        mine = torch.cat([torch.stack([self.epoch_loss, batches]), self.epoch_right])
        sums = self.accelerator.gather(mine).view(-1, len(mine)).tolist()
        if self.args.should_save:
            written = self.folder / f"checkpoint-{self.state.global_step}"
            if self.average is not None:
                self.average.save_learnt(written)
            checkpoints.seal(written, {"epoch_sums": sums, "remarks": self.remarks})
            rotate_checkpoints(str(self.folder), limit, self.state.best_model_checkpoint)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        swin.restore(self.model, resume_from_checkpoint)
        if self.check_restored is not None:
            self.check_restored(resume_from_checkpoint)
        if self.args.ema_decay:
            folder = Path(resume_from_checkpoint)
            self.average = WeightAverage.from_checkpoint(self.model, folder, self.args.ema_decay)
        sealed = checkpoints.read_seal(Path(resume_from_checkpoint))
        self.remarks = sealed.get("remarks", [])
        sums = sealed.get("epoch_sums", [])
        if len(sums) == self.args.world_size:  # else it is the end of an epoch, where they are 0
            loss, batches, *right = sums[self.args.process_index]
            self.epoch_loss.fill_(loss)
            self.epoch_batches = round(batches)
            if right:  # of an earlier version there is none: the accuracy is then that of the rest of the epoch
                self.epoch_right.copy_(torch.tensor(right))

    def shown_average(self) -> AbstractContextManager[None]:
        """The model is the average of its weights inside, where there is one."""
        return nullcontext() if self.average is None else self.average.shown()

    def _finalize_training(self, *arguments: Any, **named: Any) -> Any:
        if self.average is not None:  # the model for good; load_best_model_at_end puts the best in its place
            self.average.give()
            self.average = None
        return super()._finalize_training(*arguments, **named)  # type: ignore[no-untyped-call]

    def _init_training_state(self, *arguments: Any, **named: Any) -> tuple[int, int]:
        trained = super()._init_training_state(*arguments, **named)
        self.settle_best()
        return trained

    def _load_best_model(self) -> None:
        self.settle_best()
        if self.state.best_model_checkpoint is not None:
            swin.restore(self.model, self.state.best_model_checkpoint)

    def settle_best(self) -> None:
        """Let the best checkpoint be one that is there and whole, also after the run folder has moved.

        Where it is not, the best of the others takes its place, and `remarks` says so.
        """
        if not self.state.best_global_step:
            return
        best = self.folder / f"checkpoint-{self.state.best_global_step}"
        reason = checkpoints.damage(best) if best.is_dir() else "missing"
        if reason is None:
            self.state.best_model_checkpoint = str(best)
            return
        scores = self._scores()
        sign = 1 if self.args.greater_is_better else -1
        other = checkpoints.best_whole(self.folder, {step: sign * score for step, score in scores.items()})
        step = checkpoints.step_of(other) if other else None
        self.state.best_model_checkpoint = str(other) if other else None
        self.state.best_global_step, self.state.best_metric = step, scores.get(step) if step else None
        instead = f"{other.name} is the best that is whole" if other else "the epochs that follow decide"
        self.remarks.append(f"the best checkpoint, {best.name}, is lost ({reason}); {instead}")

    def _scores(self) -> dict[int, float]:
        """The metric that chooses the best epoch, by step."""
        key = f"eval_{self.args.metric_for_best_model}"
        return {int(entry["step"]): entry[key] for entry in self.state.log_history if key in entry}

    # -- the Hub: with push_to_hub true these would be called at the start, at every save and at the end --

    def init_hf_repo(self, *_: Any, **__: Any) -> None:
        return

    def push_to_hub(self, *_: Any, **__: Any) -> None:  # type: ignore[override]
        return

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        return

    # -- losses that are not finite --

    def _maybe_log_save_evaluate(self, tr_loss: torch.Tensor, grad_norm: Any, *arguments: Any, **named: Any) -> None:
        if self.control.should_log or self.control.should_evaluate or self.control.should_save:
            self._require_finite("training loss", tr_loss)
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *arguments, **named)

    def evaluate(self, *arguments: Any, **named: Any) -> dict[str, float]:
        with self.shown_average():
            metrics = super().evaluate(*arguments, **named)
        loss = next((value for key, value in metrics.items() if key.endswith("_loss")), 0.0)
        self._require_finite("validation loss", torch.tensor(loss, device=self.args.device))
        return metrics

    def _require_finite(self, what: str, loss: torch.Tensor) -> None:
        """Raise UntrainableError on every process when the loss of any is not finite; called before it is saved."""
        total = self.accelerator.reduce(loss.detach().float(), reduction="sum").item()
        if math.isfinite(total):
            return
        last = checkpoints.last_checkpoint(self.folder)
        kept = f"the last good checkpoint is {last}" if last else "no checkpoint had been saved yet"
        raise UntrainableError(
            f"{what} became {total} by step {self.state.global_step}; {kept}. Lower learning_rate and "
            "backbone_learning_rate, or use bf16 instead of fp16, and run again with a new --output_dir"
        )
