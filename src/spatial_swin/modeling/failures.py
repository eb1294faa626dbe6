"""What a training that ran out of memory or disk says: one sentence with numbers to go on with."""

import errno
import os
from pathlib import Path

from accelerate.utils.memory import should_reduce_batch_size

from spatial_swin import files
from spatial_swin.config import Recipe
from spatial_swin.errors import RunError, UntrainableError

LEAST_FREE = 1 << 20  # bytes: below this, what torch says of its archives is the disk's fault


def in_words(error: BaseException, recipe: Recipe, folder: Path, *, evaluating: bool) -> RunError | None:
    """The sentence for an error that the machine's limits explain; None for any other.

    folder: the run folder. evaluating: the error came from the validation or test part, not from a training step.
    """
    if isinstance(error, MemoryError) or (isinstance(error, Exception) and should_reduce_batch_size(error)):
        return UntrainableError(_out_of_memory(error, recipe, evaluating=evaluating))
    if _disk_is_full(error, folder):
        return RunError(
            f"{folder}: the disk is full; what was finished before is kept. Free some space and give the same command "
            "again: it continues from the last checkpoint"
        )
    return None


def _out_of_memory(error: BaseException, recipe: Recipe, *, evaluating: bool) -> str:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    trainer = recipe.trainer
    if evaluating:
        batch, key = trainer.per_device_eval_batch_size, "per_device_eval_batch_size"
        advice = f"--{key} {batch // 2}" if batch > 1 else "a smaller --image_size or model"
        return f"out of memory while evaluating with {key} {batch} ({reason}); give the same command with {advice}"
    batch, accumulation = trainer.per_device_train_batch_size, trainer.gradient_accumulation_steps
    using = f"per_device_train_batch_size {batch} and gradient_accumulation_steps {accumulation}"
    if batch == 1:
        return f"out of memory with {using} ({reason}); choose a smaller --image_size, or a smaller model"
    smaller = max(size for size in range(1, batch // 2 + 1) if batch % size == 0)
    return (
        f"out of memory with {using} ({reason}); give the same command with --per_device_train_batch_size {smaller} "
        f"--gradient_accumulation_steps {accumulation * batch // smaller}: each step still learns from as many "
        "pictures"
    )


def _disk_is_full(error: BaseException, folder: Path) -> bool:
    """safetensors and torch wrap what the disk says, torch without saying why."""
    if getattr(error, "errno", None) in files.NO_ROOM or os.strerror(errno.ENOSPC) in str(error):
        return True
    if isinstance(error, RuntimeError) and ("file write failed" in str(error) or "PytorchStreamWriter" in str(error)):
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize < LEAST_FREE
    return False
