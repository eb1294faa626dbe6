"""TensorBoard and trackio: the same scalars, confusion images and final figures as wandb gets, on this machine.

TensorBoard writes to the run folder's `tensorboard/`; trackio to its own store (TRACKIO_DIR, else the user's cache),
in which the runs of a project can be compared. A Space is made only where the recipe names one in `trackio_space_id`.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from spatial_swin.config import Recipe
from spatial_swin.modeling.checkpoints import checkpoints_in, step_of
from spatial_swin.runs import Predictions, RunFolder
from spatial_swin.tracking.tracker import Tracker, is_writable, prediction_table


class TensorBoardTracker(Tracker):
    """Event files in `tensorboard/`; the step is the Trainer's, so that wall time and epoch are both to be had."""

    name = "tensorboard"

    def __init__(self, recipe: Recipe, run: RunFolder) -> None:
        self.recipe, self.folder = recipe, run
        self.writer: Any = None

    def start(self, config: Mapping[str, Any]) -> str:
        from torch.utils.tensorboard import SummaryWriter

        # purge_step: what a killed run wrote after its last checkpoint is written again and must not count twice
        step = max(map(step_of, checkpoints_in(self.folder.checkpoints)), default=0)
        self.writer = SummaryWriter(log_dir=str(self.folder.tensorboard), purge_step=step + 1)
        if not step:
            self.writer.add_text("recipe", f"```yaml\n{yaml.safe_dump(dict(config), sort_keys=False)}```", 0)
        return f"tensorboard: `tensorboard --logdir {self.folder.tensorboard}` shows it"

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def log_confusion(self, step: int, counts: np.ndarray, class_names: Sequence[str], image: Image.Image) -> None:
        self.writer.add_image("confusion/image", np.asarray(image), step, dataformats="HWC")

    log_summary = log

    def finish(self, exit_code: int) -> str:
        self.writer.close()
        return ""


class TrackioTracker(Tracker):
    """A local trackio run; a continued run goes on under the name it began with."""

    name = "trackio"

    def __init__(self, recipe: Recipe, run: RunFolder) -> None:
        self.recipe, self.folder = recipe, run
        self.run: Any = None

    def start(self, config: Mapping[str, Any]) -> str:
        with _without_words():
            import trackio
            from trackio.utils import TRACKIO_DIR

            if not is_writable(Path(TRACKIO_DIR)):  # trackio itself would drop every figure and go on
                self.active = False
                return f"trackio: not used ({TRACKIO_DIR} cannot be written; set TRACKIO_DIR to a folder that can)"
            trainer = self.recipe.trainer
            stored = self.folder.read_tracking().get("trackio", {})
            self.run = trackio.init(
                project=stored.get("project") or trainer.project,
                name=stored.get("name") or trainer.run_name or self.folder.path.name,
                resume="allow" if stored else "never",
                space_id=trainer.trackio_space_id,
                private=trainer.hub_private_repo,
                bucket_id=trainer.trackio_bucket_id,
                config={**config, "tags": list(trainer.tags)},
                embed=False,
            )
        self.folder.write_tracking("trackio", {"name": self.run.name, "project": self.run.project})
        where = f"Space {trainer.trackio_space_id}" if trainer.trackio_space_id else "local"
        return (
            f"trackio: {where}, project {self.run.project}, run {self.run.name}; "
            f"`trackio show --project {self.run.project}` shows it"
        )

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        self.run.log(dict(scalars), step=step)

    def log_confusion(self, step: int, counts: np.ndarray, class_names: Sequence[str], image: Image.Image) -> None:
        import trackio

        self.run.log({"confusion/image": trackio.Image(image)}, step=step)

    def log_predictions(self, step: int, part: str, predictions: Predictions) -> None:
        import trackio

        columns, rows = prediction_table(predictions)
        self.run.log({f"predictions/{part}": trackio.Table(columns=columns, data=rows)}, step=step)

    log_summary = log

    def finish(self, exit_code: int) -> str:
        with _without_words():
            import trackio

            trackio.finish()
        return ""


@contextlib.contextmanager
def _without_words() -> Any:
    """trackio prints how to open its page at length; our own sentence says it."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
