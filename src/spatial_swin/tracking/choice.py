"""Choose a run's trackers from `report_to`, before anything is computed, so that what cannot work is known at once.

Those named in `OURS` are tracked by our own classes, which know phases, classes and the run folder; the Trainer's
integrations of the same name are taken out. Any other word of `report_to` stays the Trainer's. To add a tracker, write
its `Tracker` in a module of this package and name it in `OURS`; nothing else changes.
"""

from collections.abc import Callable
from importlib.util import find_spec

from transformers import Trainer
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from spatial_swin.config import Recipe
from spatial_swin.errors import Problem, RecipeError, raise_problems
from spatial_swin.runs import RunFolder
from spatial_swin.tracking.boards import TensorBoardTracker, TrackioTracker
from spatial_swin.tracking.tracker import Tracker, Trackers
from spatial_swin.tracking.weights_and_biases import WandbTracker

OURS: dict[str, Callable[[Recipe, RunFolder], Tracker]] = {
    "wandb": WandbTracker,
    "tensorboard": TensorBoardTracker,
    "trackio": TrackioTracker,
}


def choose_tracking(recipe: Recipe, run: RunFolder) -> Trackers:
    """The trackers of this run, not yet started.

    Raises:
        RecipeError: a tracker is not installed, or wandb's server refuses the key.
    """
    asked = [name for name in OURS if name in (recipe.trainer.report_to or [])]
    missing = [
        Problem("report_to", f"{name} is not installed", "pip install 'spatial-swin[track]', or leave it out")
        for name in asked
        if find_spec(name) is None
    ]
    raise_problems(RecipeError, missing, "The run cannot be tracked")
    return Trackers([OURS[name](recipe, run) for name in asked])


def remove_theirs(trainer: Trainer) -> None:
    """Take the Trainer's own callbacks of these trackers out: they send absolute paths, and no classes."""
    for name in OURS:
        trainer.remove_callback(INTEGRATION_TO_CALLBACK[name])
