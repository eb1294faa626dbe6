"""Decide how wandb works before anything starts it: online with a key, offline without, never a question on a
terminal.

Only environment variables are set here; the Trainer's own integration does the tracking.
"""

import netrc
import os
from pathlib import Path

from spatial_swin.config import Recipe


def choose_tracking(recipe: Recipe) -> str | None:
    """Set wandb's mode, project and folder for this run; return what was chosen in a sentence, None without wandb."""
    if "wandb" not in (recipe.trainer.report_to or []):
        os.environ["WANDB_DISABLED"] = "true"
        return None
    os.environ.pop("WANDB_DISABLED", None)
    os.environ.setdefault("WANDB_MODE", "online" if has_key() else "offline")
    os.environ.setdefault("WANDB_PROJECT", recipe.trainer.project)
    os.environ.setdefault("WANDB_DIR", str(recipe.output_dir))
    os.environ.setdefault("WANDB_SILENT", "true")
    mode = os.environ["WANDB_MODE"]
    hint = "" if mode != "offline" else f"; `wandb sync {recipe.output_dir}/wandb/offline-run-*` sends it later"
    return f"wandb: {mode}, project {os.environ['WANDB_PROJECT']}{hint}"


def has_key() -> bool:
    """Whether wandb finds a key without asking: in the environment or in ~/.netrc."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        hosts = netrc.netrc(Path.home() / ".netrc").hosts
    except (OSError, netrc.NetrcParseError):
        return False
    return any("wandb" in host for host in hosts)
