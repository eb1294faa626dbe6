"""A finished run in, its model with its card on the Hugging Face Hub.

What goes up is on a list (`collect`), and everything on it is searched for tokens and folders of this machine before
the first request. Never uploaded: checkpoints, training_args.bin, recipe, split, predictions, pictures, or the name of
any file of the data set. The token comes from the environment or from `hf auth login`; nothing asks for one.

The hub library tries again by itself, with growing waits, where it uploads; it does not where it makes a repository,
checks the card and commits. `_patiently` does it there, with the same waits.
"""

import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from spatial_swin.audio.manifest import TILES
from spatial_swin.errors import HubError, Problem, RunError, UsageError, raise_problems
from spatial_swin.evaluation.domain import DOMAIN
from spatial_swin.evaluation.opinions import KNOWN_HEAD, SECOND_OPINION
from spatial_swin.finished import CONFIG, DOMAIN_SCORE, PROCESSOR, SETS, TEMPERATURE, open_finished, temperature_record
from spatial_swin.runs import RunFolder

T = TypeVar("T")
WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json")
WAITS = (1.0, 2.0, 4.0, 8.0, 8.0)  # seconds, as huggingface_hub's own backoff
PASSING = (408, 429, 500, 502, 503, 504)  # answers that may be another one a moment later
# Seconds to connect, to read, to write, to wait for a connection; the library's own client never gives up.
TIMEOUT = (10.0, 120.0, 120.0, 120.0)
LONGEST_HEAD = 100_000_000  # bytes; what the safetensors format allows
SECRET_NAMES = re.compile(r"(TOKEN|API_KEY|SECRET|PASSWORD)$")
TOKEN_LIKE = re.compile(rb"\bhf_[A-Za-z0-9]{20,}")
HOME_LIKE = re.compile(rb"(?:/home/|/Users/|[A-Za-z]:\\+Users\\+)[\w.@-]+")


@dataclass(frozen=True)
class Destination:
    """Where a model goes: repository, whether a new one is private (None: as the account decides), branch."""

    model_id: str
    private: bool | None = None
    revision: str | None = None

    @classmethod
    def of(
        cls, run: RunFolder, model_id: str | None = None, private: bool | None = None, revision: str | None = None
    ) -> "Destination":
        """What was given, and where nothing was, what the run's recipe says (hub_model_id, hub_private_repo, ...).

        Raises UsageError when neither names a repository, or the name cannot be one.
        """
        recipe = run.read_recipe().get("Trainer") or {}
        model_id = model_id or recipe.get("hub_model_id")
        if private is None and recipe.get("hub_private_repo") is not None:
            private = str(recipe["hub_private_repo"]).lower() == "true"
        if not model_id:
            raise UsageError("where to? Give --hub_model_id your-name/your-model; the run's recipe names none")
        check_model_id(str(model_id))
        return cls(str(model_id), private, revision or recipe.get("hub_revision"))

    def command(self, run: RunFolder) -> str:
        """The line that pushes `run` here."""
        words = ["spatial-swin", "push", str(run.path), "--hub_model_id", self.model_id]
        if self.private is not None:
            words += ["--private", str(self.private).lower()]
        if self.revision:
            words += ["--revision", self.revision]
        return shlex.join(words)


@dataclass(frozen=True)
class Upload:
    """One file of the repository: its name there; its content as a file, or as bytes made for the Hub."""

    name: str
    content: Path | bytes

    @property
    def size(self) -> int:
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)

    def words(self) -> bytes:
        """What a person could read in it: all of it, of weights the head."""
        if isinstance(self.content, bytes):
            return self.content
        with open(self.content, "rb") as file:
            if self.content.suffix == ".safetensors":
                return file.read(min(int.from_bytes(file.read(8), "little"), LONGEST_HEAD))
            return file.read()


def check_model_id(model_id: str) -> None:
    """Raise UsageError when `model_id` cannot be the name of a repository."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(model_id)
    except HFValidationError:
        raise UsageError(f"--hub_model_id {model_id!r}: write it as your-name/your-model") from None


def collect(run: RunFolder, model_id: str, license_name: str | None = None, resamples: int = 10_000) -> list[Upload]:
    """Everything that goes up for `run`, in the order of the list, searched for what must not.

    Raises RunError when the run is not finished or lacks part of its model, or when a file holds a token or names a
    folder of this machine.
    """
    _require_finished(run)
    from spatial_swin.reporting.card import card_of
    from spatial_swin.reporting.evidence import gather

    evidence = gather(run.path, resamples, examples=False)
    names = sorted(path.name for path in run.model.iterdir() if WEIGHTS.fullmatch(path.name))
    names += [
        CONFIG,
        PROCESSOR,
        *(name for name in (TILES, SECOND_OPINION, KNOWN_HEAD, DOMAIN_SCORE) if (run.model / name).is_file()),
    ]
    uploads = [Upload(name, run.model / name) for name in names]
    if evidence.domain is not None:
        uploads.append(Upload(DOMAIN, f"{json.dumps(evidence.domain.as_json(), indent=2)}\n".encode()))
    if evidence.temperature:
        record = json.dumps(temperature_record(evidence.temperature), indent=2)
        uploads.append(Upload(TEMPERATURE, f"{record}\n".encode()))
    if evidence.sets:
        uploads.append(Upload(SETS, f"{json.dumps(evidence.sets.as_record(), indent=2)}\n".encode()))
    if evidence.metrics:
        uploads.append(Upload("confusion_matrix.png", _confusion_figure(evidence.metrics, evidence.class_names)))
    card = card_of(evidence, model_id, license_name, {upload.name for upload in uploads})
    uploads.append(Upload("README.md", card.encode()))
    _require_nothing_private(run, uploads)
    return uploads


def _require_finished(run: RunFolder) -> None:
    state = run.require().state()
    if state != "finished":
        reason = f"the training is {state}" if state else "no training has finished here"
        raise RunError(f"{run.path}: {reason}; only a finished run is pushed (the command that began it continues it)")
    open_finished(run.path, refit=True).load("cpu")


def _confusion_figure(metrics: dict[str, Any], class_names: list[str]) -> bytes:
    import numpy as np

    from spatial_swin.reporting import style
    from spatial_swin.reporting.figures_classes import confusion_matrix

    picture = BytesIO()
    with style.thesis_style():
        confusion_matrix(np.array(metrics["confusion"]), class_names).savefig(
            picture, format="png", metadata={"Software": None}
        )
    return picture.getvalue()


def _require_nothing_private(run: RunFolder, uploads: Sequence[Upload]) -> None:
    """Raise RunError naming each file that holds a token or a folder of this machine; tokens are not repeated."""
    secrets = {value for name, value in os.environ.items() if SECRET_NAMES.search(name) and len(value) >= 16}
    secrets |= {token} if (token := _token()) else set()
    data_dir = str((run.read_recipe().get("Data") or {}).get("data_dir") or "")
    folders = {str(Path.home()), str(run.path.resolve())}
    if data_dir:
        folders |= {str(Path(data_dir).resolve())} | ({data_dir} if Path(data_dir).is_absolute() else set())
    folders.discard("/")
    problems = []
    for upload in uploads:
        words = upload.words()
        if TOKEN_LIKE.search(words) or any(secret.encode() in words for secret in secrets):
            problems.append(Problem(upload.name, "holds an access token", "take it out, and revoke the token"))
        named = {
            folder
            for folder in folders
            if re.search(rb"(?<![\w.-])" + re.escape(folder.encode()) + rb"(?![\w-])", words)
        }
        if home := HOME_LIKE.search(words):
            named.add(home[0].decode(errors="replace"))
        if named:
            what = f"names a folder of the machine that trained ({min(named)})"
            problems.append(Problem(upload.name, what, "take it out of the run folder's file, and push again"))
    raise_problems(RunError, problems, f"{run.path}: not pushed, because the world would read this")


def _token() -> str | None:
    """The token that the hub library would use, or None."""
    from huggingface_hub import get_token

    try:
        return get_token()
    except Exception:  # refreshing a stored login can fail in as many ways as a network; then there is no token
        return None


def push(destination: Destination, uploads: Sequence[Upload]) -> str:
    """Upload everything in one commit, into a repository that is made when it is not there; return its address.

    Raises HubError, one sentence: offline, no token, token refused, not allowed, the Hub failing again and again.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_session
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    api = HfApi()
    if not _token():
        raise HubError(
            "there is no Hugging Face token here; set HF_TOKEN, or log in once with `hf auth login` (a token with "
            "permission to write)"
        )
    additions = [
        CommitOperationAdd(upload.name, str(upload.content) if isinstance(upload.content, Path) else upload.content)
        for upload in uploads
    ]
    try:
        get_session().timeout = TIMEOUT
        address = _patiently(lambda: api.create_repo(destination.model_id, private=destination.private, exist_ok=True))
        repository, revision = address.repo_id, destination.revision
        if destination.private and not _patiently(lambda: api.model_info(repository)).private:
            raise HubError(
                f"{repository} is there already and is public; make it private in its settings, or leave --private out"
            )
        if revision:
            _patiently(lambda: api.create_branch(repository, branch=revision, exist_ok=True))
        api.preupload_lfs_files(repository, additions, revision=revision, free_memory=False)
        message = "Model, card and figure of a Spatial Swin run"
        _patiently(lambda: api.create_commit(repository, additions, commit_message=message, revision=revision))
    except HubError:
        raise
    except Exception as error:  # the library and what it stands on raise a dozen kinds; a person needs one sentence
        raise HubError(_sentence(error, destination, api.endpoint)) from error
    return f"{address}/tree/{revision}" if revision else str(address)


def _patiently(call: Callable[[], T]) -> T:
    """What `call` gives; a passing failure of the server is waited out, everything else is raised at once."""
    for wait in WAITS:
        try:
            return call()
        except Exception as error:
            if not _is_passing(error):
                raise
            reason = (str(error).strip().splitlines() or [""])[0]
            print(f"the Hub fails ({reason}); trying again in {wait:g} s", file=sys.stderr, flush=True)
            time.sleep(wait)
    return call()


def _is_passing(error: Exception) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING
    return isinstance(error, json.JSONDecodeError)  # the check of the card reads a 500 as JSON before it looks at it


def _sentence(error: BaseException, destination: Destination, endpoint: str) -> str:
    """What went wrong and what to do about it, for the first cause that is understood."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    first = (str(error).strip().splitlines() or [""])[0]
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set, so nothing is sent; unset it to push"
        if isinstance(cause, HfHubHTTPError):
            return _refusal(cause, destination, endpoint)
        if isinstance(cause, OSError) or type(cause).__module__.startswith("httpx"):
            return f"{endpoint} cannot be reached ({type(cause).__name__}: {cause}); is there a network?"
        cause = cause.__cause__
    if isinstance(error, json.JSONDecodeError):
        return f"{endpoint} answers, but not as the Hub does, also after {len(WAITS)} more tries; try again later"
    return f"the push to {destination.model_id} failed ({type(error).__name__}: {first})"


def _refusal(error: Any, destination: Destination, endpoint: str) -> str:
    status = error.response.status_code
    said = " ".join(str(error.server_message or "").split())
    said = f" ({said})" if said else ""
    if status == 401:
        source = "in HF_TOKEN" if os.environ.get("HF_TOKEN") else "stored on this machine"
        return (
            f"the Hub refuses the token {source}{said}; make one with permission to write, and set HF_TOKEN or run "
            "`hf auth login --force`"
        )
    if status == 403:
        return (
            f"the token may not write to {destination.model_id}{said}; give it that permission, or choose a "
            "--hub_model_id under your own name"
        )
    if status == 404:
        branch = f", branch {destination.revision}" if destination.revision else ""
        return f"the Hub finds no repository {destination.model_id}{branch} that this token may write to{said}"
    if status in PASSING:
        return f"{endpoint} answered {status}{said}, also after {len(WAITS)} more tries; try again later"
    return f"the Hub refuses the push to {destination.model_id} with {status}{said}"


def foreseen() -> str | None:
    """What will stop a push at the end of a training that begins now, in a sentence; None when nothing is seen."""
    from huggingface_hub import is_offline_mode

    if is_offline_mode():
        return "HF_HUB_OFFLINE is set"
    return None if _token() else "there is no Hugging Face token here (HF_TOKEN, or `hf auth login`)"


def push_after_training(run: RunFolder) -> None:
    """Push where the recipe says; whatever fails is printed with the line that pushes later, and never raised."""
    destination = Destination.of(run)
    try:
        print(f"pushing to {destination.model_id}", flush=True)
        address = push(destination, collect(run, destination.model_id))
        print(f"pushed to {address}", flush=True)
    except Exception as error:  # hours of training are done and saved: no trouble with a push may look like a failure
        reason = str(error) or type(error).__name__
        print(f"NOT PUSHED: {reason}\nThe run is whole; push it later with\n  {destination.command(run)}", flush=True)


def describe(uploads: Sequence[Upload]) -> str:
    """Names and sizes, one line per file, and the sum."""
    lines = [f"  {upload.name:<34} {_in_words(upload.size):>10}" for upload in uploads]
    return "\n".join([*lines, f"  {'together':<34} {_in_words(sum(upload.size for upload in uploads)):>10}"])


def _in_words(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
