"""Choose a run's trackers from `report_to`, before anything is computed, so that what cannot work is known at once.

Those named in `OURS` are tracked by our own classes, which know phases, classes and the run folder; the Trainer's
integrations of the same name are taken out. Any other word of `report_to` stays the Trainer's. To add a tracker, write
its `Tracker` in a module of this package and name it in `OURS`; nothing else changes.
"""

from collections.abc import Callable
from importlib.util import find_spec

from transformers import Trainer
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, get_available_reporting_integrations

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
    asked = set(recipe.trainer.report_to or []) & INTEGRATION_TO_CALLBACK.keys()
    theirs = ["flyte", *get_available_reporting_integrations()] if asked - OURS.keys() else []  # flyte is never listed
    missing = [name for name in sorted(asked) if (find_spec(name) is None if name in OURS else name not in theirs)]
    ways = {name: "pip install 'spatial-swin[track]'" for name in OURS}
    problems = [
        Problem("report_to", f"{name} is not installed", f"{ways.get(name, f'pip install {name}')}, or leave it out")
        for name in missing
    ]
    raise_problems(RecipeError, problems, "The run cannot be tracked")
    return Trackers([make(recipe, run) for name, make in OURS.items() if name in asked])


def remove_theirs(trainer: Trainer) -> None:
    """Take the Trainer's own callbacks of these trackers out: they send absolute paths, and no classes."""
    for name in OURS:
        trainer.remove_callback(INTEGRATION_TO_CALLBACK[name])
