"""Models on the Hugging Face Hub: is one within reach, and where is it once it is here?

A name goes in, a folder or one clear sentence comes out, in seconds, before torch is imported. Tokens come from the
environment or from `hf auth login`; nothing asks for one. What is pushed to the Hub is `publishing`.
"""

import os
import re
import threading
from pathlib import Path

from spatial_swin.errors import HubError, RecipeError
from spatial_swin.shipped import locate_model

PATIENCE = 3.0  # seconds that the Hub has to answer before a training is refused
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
FILES = ["*.json", "*.safetensors"]  # of a model; no pickles


def require_within_reach(name: str) -> None:
    """Raise RecipeError when the model `name` of a recipe is neither here nor to be had from the Hub.

    Only the way to it is looked at: a name that the Hub does not know is refused when the model is loaded.
    """
    if Path(locate_model(name)).exists() or not REPOSITORY.fullmatch(name) or name.endswith(".json"):
        return
    from huggingface_hub import constants

    kept = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "snapshots"
    if any(kept.glob("*/config.json")):
        return
    if constants.HF_HUB_OFFLINE:
        raise RecipeError(out_of_reach(name, "HF_HUB_OFFLINE is set, and it is not among the models fetched before"))
    if reason := _why_silent(constants.ENDPOINT):
        raise RecipeError(out_of_reach(name, reason))


def _why_silent(address: str) -> str:
    """Why the Hub does not answer within PATIENCE; nothing when it does, whatever it says."""
    outcome = [f"{address} does not answer within {PATIENCE:g} s"]

    def ask() -> None:
        from huggingface_hub.utils import get_session

        try:
            get_session().head(address, timeout=PATIENCE)
            outcome[0] = ""
        except Exception as error:  # no name server, no route, no proxy, no certificate: each library has its own
            outcome[0] = f"{address} cannot be reached: {_first_line(error)}"

    asking = threading.Thread(target=ask, daemon=True)  # a name server that is silent has no time limit of its own
    asking.start()
    asking.join(PATIENCE)
    return outcome[0]


def out_of_reach(name: str, reason: str) -> str:
    """The sentence for a model that a recipe names and that cannot be loaded."""
    return (
        f"model_name_or_path: {name} could not be loaded ({reason}); without the Hub, copy the model's folder to this "
        f"machine (on one with network: `hf download {name} --local-dir swin`) and pass `--model_name_or_path swin`; "
        "a Swin config.json gives random weights for a rehearsal"
    )


def fetch_model(path_or_id: str | os.PathLike[str], revision: str | None = None) -> Path:
    """The folder of a model: a folder as it is, the one that ships by its name, else fetched from the Hub by its id.

    Raises:
        HubError: no such folder, and no such model on the Hub or no way to it.
    """
    named = os.fspath(path_or_id)
    if (folder := Path(locate_model(named))).is_dir():
        return folder
    if not REPOSITORY.fullmatch(named):
        raise HubError(f"{named}: no such folder; give a run folder, a model folder, or an id on the Hub (me/spatial)")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(named, revision=revision, allow_patterns=FILES))
    except (OSError, ValueError) as error:  # the Hub library's own errors are of these kinds
        raise HubError(
            f"{named}: no such folder here, and the model cannot be fetched from the Hub ({_first_line(error)})"
        ) from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
