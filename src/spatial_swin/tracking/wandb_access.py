"""How wandb is to work, decided before it starts: environment, key, server and folders in, a mode and a reason out.

Online with a key that the server accepts; offline without a key or without network; not at all when WANDB_MODE or
WANDB_DISABLED says so. A key that the server refuses is an error before anything is computed. Never a question, and
never a wait of more than some seconds.
"""

import base64
import json
import netrc
import os
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from spatial_swin.errors import RecipeError
from spatial_swin.tracking.tracker import is_writable

ANSWER_WITHIN = 10.0  # seconds for the server's first answer
OFF, OFFLINE, ONLINE = "disabled", "offline", "online"


def choose_mode(key: str | None, key_from: str) -> tuple[str, str]:
    """How wandb is to work, and why where that needs a reason. Raises RecipeError when the server refuses the key."""
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
    """The key and its source, the environment or netrc, without a question; (None, "") without one.

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
    folder = next((folder for folder in candidates if is_writable(folder / "wandb")), None)
    failed = candidates if folder is None else candidates[: candidates.index(folder)]
    remark = "; ".join(f"{folder / 'wandb'} cannot be written" for folder in failed)
    return folder, remark + ("; set WANDB_DIR to a folder that can" if folder is None else "")


def has_cache() -> bool:
    """Whether wandb can write to its cache, where its service keeps a log: WANDB_CACHE_DIR, else the user's own."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return is_writable(Path(os.environ.get("WANDB_CACHE_DIR") or Path(home) / "wandb").expanduser())


def first_sentence(error: object) -> str:
    return " ".join(str(error).split())[:160].rstrip(".")
