"""Track a run with Weights & Biases: never a question, never a wait, one run id however often a run is continued.

How it works is decided before wandb starts: online with a key that the server accepts, offline without a key or
without network, not at all when WANDB_MODE or WANDB_DISABLED says so. A key that the server refuses is an error before
anything is computed. wandb is imported only when a run is tracked with it. Never sent: console output (it names local
folders), git remotes, wandb's description of the machine, pictures of the data.
"""

import base64
import contextlib
import json
import netrc
import os
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from spatial_swin.config import Recipe
from spatial_swin.errors import RecipeError
from spatial_swin.runs import Predictions, RunFolder
from spatial_swin.tracking.tracker import TrackedFiles, Tracker

ANSWER_WITHIN = 10.0  # seconds for the server's first answer
INIT_TIMEOUT = 30.0
CALL_TIMEOUT = 120.0  # of a call while training; longer and training goes on without wandb
FINISH_TIMEOUT = 600.0  # sending a model of 350 MB over 5 Mbit/s; what is left can be sent with `wandb sync`
OFF, OFFLINE, ONLINE = "disabled", "offline", "online"


class WandbTracker(Tracker):
    """A wandb run in the run folder's `wandb/`; x-axis of every metric is the epoch, its step the Trainer's.

    Raises:
        RecipeError: the server refuses the key.
    """

    name = "wandb"

    def __init__(self, recipe: Recipe, run: RunFolder) -> None:
        self.recipe, self.folder = recipe, run
        self.run: Any = None
        self.data_dir: str | None = None
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
        self.data_dir = os.environ.get("WANDB_DATA_DIR")
        os.environ["WANDB_DATA_DIR"] = self.data_dir or str(self.root / "wandb")
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

        cells = [
            [true, predicted, int(counts[i, j])]
            for i, true in enumerate(class_names)
            for j, predicted in enumerate(class_names)
        ]
        names: list[str | int] = ["Actual", "Predicted", "nPredictions"]
        plot = wandb.plot_table(  # what wandb.plot.confusion_matrix makes, from counts instead of every prediction
            vega_spec_name="wandb/confusion_matrix/v1",
            data_table=wandb.Table(columns=names, data=cells),
            fields={str(name): str(name) for name in names},
            string_fields={"title": "Validation confusion matrix"},
        )
        self.run.log({"confusion/plot": plot, "confusion/image": wandb.Image(image)}, step=step)

    def log_predictions(self, step: int, part: str, predictions: Predictions) -> None:
        import wandb

        names = predictions.class_names
        columns: list[str | int] = [
            "file",
            "group",
            "label",
            "prediction",
            "correct",
            *(f"p_{name}" for name in names),
        ]
        rows = [
            [path, group, names[y], names[z], bool(y == z), *map(float, probabilities)]
            for path, group, y, z, probabilities in zip(
                predictions.paths,
                predictions.groups,
                predictions.labels,
                predictions.predicted,
                predictions.probabilities,
                strict=True,
            )
        ]
        self.run.log({f"predictions/{part}": wandb.Table(columns=columns, data=rows)}, step=step)

    def log_summary(self, step: int, values: Mapping[str, float]) -> None:
        self.run.summary.update(dict(values))

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
        if self.data_dir is None:
            os.environ.pop("WANDB_DATA_DIR", None)
        return ""


# -- chosen before wandb starts --


def choose_mode(key: str | None, key_from: str) -> tuple[str, str]:
    """How wandb is to work, and why where that is not plain. Raises RecipeError when the server refuses the key."""
    wish = os.environ.get("WANDB_MODE", "").lower()
    if os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes"):
        return OFF, "WANDB_DISABLED is set"
    if wish == OFF:
        return OFF, "WANDB_MODE is disabled"
    if wish in (OFFLINE, "dryrun"):
        return OFFLINE, "WANDB_MODE is offline"
    if not key_from:
        return OFFLINE, "no key: `wandb login` or WANDB_API_KEY"
    answer = ask_server(base_url(), key)
    if answer == "refused":
        raise RecipeError(refusal(key_from, ""))
    return (ONLINE, "") if answer == "accepted" else (OFFLINE, answer)


def refusal(key_from: str, reason: str) -> str:
    return (
        f"wandb: {base_url()} does not accept the key in {key_from}{reason and f' ({first_sentence(reason)})'}; "
        "set the right one, or track later with WANDB_MODE=offline, or not at all with --report_to none"
    )


def find_key() -> tuple[str | None, str]:
    """The key and where it stands, found without asking: in the environment or in netrc; (None, "") without one.

    With an identity token wandb logs in by itself: (None, its variable).
    """
    if os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return None, "WANDB_IDENTITY_TOKEN_FILE"
    if key := os.environ.get("WANDB_API_KEY"):
        return key, "WANDB_API_KEY"
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        hosts = netrc.netrc(path).hosts
    except (OSError, netrc.NetrcParseError):
        return None, ""
    ours = urlsplit(base_url()).netloc
    named = [host for host in hosts if host == ours] or [host for host in hosts if "wandb" in host]
    return (hosts[named[0]][2], str(path)) if named and hosts[named[0]][2] else (None, "")


def base_url() -> str:
    """The server: WANDB_BASE_URL, else what `wandb login --host` left in wandb's settings, else wandb's own."""
    if url := os.environ.get("WANDB_BASE_URL"):
        return url.rstrip("/")
    import wandb

    return str(wandb.setup().settings.base_url).rstrip("/")


def ask_server(url: str, key: str | None, within: float = ANSWER_WITHIN) -> str:
    """`accepted`, `refused`, or a sentence on why the server cannot be used; never later than `within` seconds.

    In a thread, because looking up a name can take minutes on a node without network. Proxies of the environment are
    used.
    """
    answer = [f"no answer from {url} within {within:g} s"]
    thread = threading.Thread(target=lambda: answer.__setitem__(0, _answer(url, key, within)), daemon=True)
    thread.start()
    thread.join(within)
    return answer[0]


def _answer(url: str, key: str | None, within: float) -> str:
    headers = {"Content-Type": "application/json", "User-Agent": "spatial-swin"}
    if key:
        headers["Authorization"] = "Basic " + base64.b64encode(f"api:{key}".encode()).decode()
    question = json.dumps({"query": "query Viewer { viewer { id } }"}).encode()
    try:
        request = urllib.request.Request(f"{url}/graphql", data=question, headers=headers)
        with urllib.request.urlopen(request, timeout=within) as response:
            viewer = json.load(response)["data"]["viewer"]
        return "accepted" if viewer or not key else "refused"
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return "refused" if key else "accepted"
        return f"{url} answers {error.code}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"no answer from {url}: {first_sentence(getattr(error, 'reason', error))}"


def writable_folder(run: Path) -> tuple[Path | None, str]:
    """Where wandb writes: WANDB_DIR, else the run folder; the next one, with a remark, where it cannot."""
    wished = os.environ.get("WANDB_DIR")
    candidates = [Path(wished), run] if wished else [run]
    failed = []
    for folder in candidates:
        try:
            (folder / "wandb").mkdir(parents=True, exist_ok=True)
            if not os.access(folder / "wandb", os.W_OK | os.X_OK):
                raise PermissionError
        except OSError:
            failed.append(f"{folder / 'wandb'} cannot be written")
            continue
        return folder, "; ".join(failed)
    return None, "; ".join(failed) + "; mend its rights or set WANDB_DIR"


def first_sentence(error: object) -> str:
    return " ".join(str(error).split())[:160].rstrip(".")
