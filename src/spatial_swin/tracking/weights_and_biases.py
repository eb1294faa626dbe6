"""Track a run with Weights & Biases: never a question, never a wait, one run id however often a run is continued.

`wandb_access` decides whether it works online before wandb starts. wandb is imported only when a run is tracked with
it. Never sent: console output (it names local folders), git remotes, wandb's description of the machine, pictures of
the data.
"""

import contextlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from spatial_swin.config import Recipe
from spatial_swin.errors import RecipeError
from spatial_swin.runs import Predictions, RunFolder
from spatial_swin.tracking.tracker import TrackedFiles, Tracker, prediction_table
from spatial_swin.tracking.wandb_access import (
    OFF,
    OFFLINE,
    ONLINE,
    base_url,
    choose_mode,
    find_key,
    first_sentence,
    has_cache,
    refusal,
    writable_folder,
)

INIT_TIMEOUT = 30.0
CALL_TIMEOUT = 120.0  # of a call while training; longer and training goes on without wandb
FINISH_TIMEOUT = 600.0  # sending a model of 350 MB over 5 Mbit/s; what is left can be sent with `wandb sync`


class WandbTracker(Tracker):
    """A wandb run in the run folder's `wandb/`; x-axis of every metric is the epoch, its step the Trainer's.

    Raises:
        RecipeError: the server refuses the key.
    """

    name = "wandb"

    def __init__(self, recipe: Recipe, run: RunFolder) -> None:
        self.recipe, self.folder = recipe, run
        self.run: Any = None
        self.set_by_us: list[str] = []
        # read by wandb when it first wakes: our sentences are enough, and error reports would name local folders
        os.environ.setdefault("WANDB_SILENT", "true")
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self.key, self.key_from = find_key()
        self.mode, self.why = choose_mode(self.key, self.key_from)
        self.root: Path | None = None
        if self.mode != OFF:
            self.root, remark = writable_folder(run.path.resolve())
            self.why = "; ".join(filter(None, [self.why, remark]))
            if self.root is None:
                self.mode = OFF

    def start(self, config: Mapping[str, Any]) -> str:
        if self.mode == OFF:
            self.active = False
            return f"wandb: not used ({self.why})"
        assert self.root is not None
        # Artifacts wait beside the run until they are sent: the home folder may be read-only or small.
        self._set("WANDB_DATA_DIR", self.root / "wandb")
        if not has_cache():
            self._set("WANDB_CACHE_DIR", self.root / "wandb" / "cache")
        import wandb

        run_id = self.folder.read_tracking().get("wandb", {}).get("id") or secrets.token_hex(4)
        try:
            self.run = self._init(wandb, config, run_id)
        except wandb.errors.AuthenticationError as error:
            raise RecipeError(refusal(self.key_from, str(error))) from None
        except Exception as error:  # wandb's own, or its service gone
            if self.mode == OFFLINE:
                raise
            with contextlib.suppress(Exception):
                wandb.teardown()  # its service holds on to the id of the run that failed
            self.mode, self.why = OFFLINE, f"the server could not be used: {first_sentence(error)}"
            self.run = self._init(wandb, config, run_id)
        self.folder.write_tracking("wandb", {"id": self.run.id, "project": self.run.project, "name": self.run.name})
        self.patience = CALL_TIMEOUT if self.mode == ONLINE else None
        for axis in ("epoch", "step"):
            self.run.define_metric(axis, hidden=True)
        self.run.define_metric("*", step_metric="epoch")
        self.run.define_metric("step/*", step_metric="step")
        return self._about()

    def _init(self, wandb: Any, config: Mapping[str, Any], run_id: str) -> Any:
        trainer = self.recipe.trainer
        online = self.mode == ONLINE
        settings = wandb.Settings(
            mode=self.mode,
            api_key=self.key if online else None,
            base_url=base_url(),
            root_dir=str(self.root),
            silent=True,
            console="off",
            save_code=False,
            disable_git=True,
            disable_job_creation=True,
            label_disable=True,
            x_disable_meta=True,
            reinit="create_new",
            init_timeout=INIT_TIMEOUT,
            finish_timeout=FINISH_TIMEOUT,
        )
        return wandb.init(
            project=trainer.project,
            name=trainer.run_name or self.folder.path.name,
            tags=trainer.tags or None,
            id=run_id,
            resume="allow" if online else None,
            config=dict(config),
            settings=settings,
        )

    def _about(self) -> str:
        why = f" ({self.why})" if self.why else ""
        where = f"project {self.run.project}, run {self.run.name}"
        if self.mode == ONLINE:
            return f"wandb: online{why}, {where}: {self.run.url}"
        return f"wandb: offline{why}, {where}; `{self._sync()}` sends it"

    def _sync(self) -> str:
        """The command that sends every part of this run that is not sent yet, however often it was continued."""
        assert self.root is not None
        which = "--include-online {}/wandb/*run-*-{}" if self.mode == ONLINE else "{}/wandb/offline-run-*-{}"
        return "wandb sync " + which.format(os.path.relpath(self.root), self.run.id)

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        self.run.log({**scalars, "step": step}, step=step)

    def log_confusion(self, step: int, counts: np.ndarray, class_names: Sequence[str], image: Image.Image) -> None:
        import wandb

        by_class = zip(class_names, counts, strict=True)
        cells = [[true, said, int(n)] for true, row in by_class for said, n in zip(class_names, row, strict=True)]
        names = ["Actual", "Predicted", "nPredictions"]
        plot = wandb.plot_table(  # what wandb.plot.confusion_matrix makes, from counts instead of every prediction
            vega_spec_name="wandb/confusion_matrix/v1",
            data_table=wandb.Table(columns=list(names), data=cells),
            fields={name: name for name in names},
            string_fields={"title": "Validation confusion matrix"},
        )
        self.run.log({"confusion/plot": plot, "confusion/image": wandb.Image(image)}, step=step)

    def log_predictions(self, step: int, part: str, predictions: Predictions) -> None:
        import wandb

        columns, rows = prediction_table(predictions)
        self.run.log({f"predictions/{part}": wandb.Table(columns=list(columns), data=rows)}, step=step)

    def log_summary(self, step: int, scalars: Mapping[str, float]) -> None:
        self.run.summary.update(dict(scalars))

    def log_files(self, files: TrackedFiles) -> None:
        import wandb

        artifact = wandb.Artifact(f"{files.name}-{self.run.id}", type=files.kind, metadata=dict(files.facts))
        for name, path in files.files.items():
            # immutable: sent from where it lies, not copied first; a run folder's model does not change
            artifact.add_file(str(path), name=name, policy="immutable", skip_cache=True)
        self.run.log_artifact(artifact)

    def finish(self, exit_code: int) -> str:
        if self.mode == ONLINE:
            minutes = f"{FINISH_TIMEOUT / 60:.0f} minutes"
            print(f"wandb: sending what is left, for {minutes} at most; `{self._sync()}` sends what stays", flush=True)
        self.run.finish(exit_code=exit_code)
        for name in self.set_by_us:
            os.environ.pop(name, None)
        return ""

    def _set(self, name: str, folder: Path) -> None:
        """Set a variable that wandb reads, for the time of this run, where nobody has set it."""
        if name not in os.environ:
            os.environ[name] = str(folder)
            self.set_by_us.append(name)
