"""Models adapted once to a renderer and kept: named heads in, the folder of their model out, made when it is missing.

    ~/.cache/spatial-swin/adapted/<SHA-256 of the file>-<what else made it>/

The name says all that decides the model: the content of the SOFA file (not its name), the shipped trunk, the recipe,
the cues, the programmes, and the version of the package, so that a newer one never takes an older one's model. A model
counts as whole when whole.json, which is written last, agrees with every file of it; what is half-made is continued,
what is damaged is made again. Two processes that want the same model wait for one another.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from spatial_swin import __version__, files
from spatial_swin.adapting import DATA, NOTED, SAMPLE_RATE, SECONDS, Adaptation, adapt, require_heads
from spatial_swin.audio.tiles import tile_map
from spatial_swin.errors import AudioError, DataError, RunError, printable
from spatial_swin.recipe_keys import read_recipe
from spatial_swin.runs import RunFolder
from spatial_swin.shipped import find_recipe

ENVIRONMENT = "SPATIAL_SWIN_ADAPTED"  # another place for all of them
WHOLE = "whole.json"  # in the folder of a model: {"files": {name: SHA-256}, "seconds"}
ADVICE = f"choose another --adapted_dir, or set {ENVIRONMENT}"


def adapted_root(given: str | os.PathLike[str] | None = None) -> Path:
    """The folder of all adapted models: as given, else that of the environment, else in the user's cache (XDG)."""
    if chosen := given or os.environ.get(ENVIRONMENT):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spatial-swin" / "adapted"


def folder_of(wish: Adaptation, root: Path) -> Path:
    """Where the model of a wish is kept, whether it is there or not. Raises AudioError for a head that is no file."""
    heads = sorted(wish.heads())
    made = {option: value for option, value in wish.made_of().items() if option != "hrtf"}
    size = int(read_recipe(find_recipe(wish.recipe))["Model"]["image_size"])
    cues = asdict(tile_map("4x4", size, SAMPLE_RATE, SECONDS))
    head = heads[0] if len(heads) == 1 and " " not in heads[0] else _digest(heads)
    return root / f"{head}-{_digest([__version__, made, cues])[:16]}"


def adapted_to(
    listeners: Sequence[str],
    root: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    wish: Adaptation | None = None,
) -> Path:
    """The folder of the model adapted to `listeners`, made now if it is not there, which takes minutes.

    Args:
        root: the folder of all adapted models (`adapted_root` when None).
        wish: what to adapt, where it is more than the listeners.

    What happens, and how long it takes, is printed to standard error.

    Raises:
        AudioError: heads that cannot be used, all at once. RunError: the folder cannot be written.
    """
    wish = wish or Adaptation(tuple(listeners))
    try:
        folder = folder_of(wish, adapted_root(root))
    except AudioError:
        require_heads(wish.listeners)  # says what is wrong with all of them
        raise
    if is_whole(folder):
        _say(f"adapted to {_names(listeners)} before: {folder}")
        return folder
    with _alone(folder):
        if not is_whole(folder):  # nobody made it while we waited
            _make(wish, folder, workers)
    return folder


def is_whole(folder: Path) -> bool:
    """Whether a model was finished there and every file of it is as it was then."""
    try:
        noted = json.loads((folder / WHOLE).read_text(encoding="utf-8"))["files"]
        return bool(noted) and all(files.sha256_of(folder / name) == digest for name, digest in noted.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _make(wish: Adaptation, folder: Path, workers: int | None) -> None:
    began = time.monotonic()
    names = _names(wish.listeners)
    if (folder / WHOLE).exists():
        _say(f"{folder}: is damaged; it is made again")
        shutil.rmtree(folder)
    started = (folder / NOTED).is_file()
    how = "goes on" if started else "begins"
    _say(
        f"adapting a model to {names}, once: about 3 minutes on two cores, of which nothing is needed again; it {how}"
    )
    with contextlib.redirect_stdout(sys.stderr):  # standard output belongs to the answer
        try:
            run = adapt(wish, folder, workers)
        except (RunError, DataError) as error:
            if not started:
                raise
            _say(f"{folder}: what is there cannot be continued ({error}); it is made again")
            run = adapt(wish, folder, workers, overwrite=True)
    _finish(run, time.monotonic() - began)
    _say(f"kept in {folder}")


def _finish(run: RunFolder, seconds: float) -> None:
    """Keep the model and what is known of it; write whole.json last."""
    for name in (DATA, run.checkpoints.name):
        shutil.rmtree(run.path / name, ignore_errors=True)
    kept = [path for path in files.files_below(run.path) if path.name != WHOLE]
    content = {path.relative_to(run.path).as_posix(): files.sha256_of(path) for path in kept}
    files.write_json(run.path / WHOLE, {"files": content, "seconds": round(seconds, 1)}, durable=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process makes this model. The kernel lets go when a process dies."""
    lock = folder.with_name(f"{folder.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise RunError(f"{lock.parent}: cannot be written ({error.strerror}); {ADVICE}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"{folder}: another process is making this model; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _names(listeners: Sequence[str]) -> str:
    return ", ".join(os.path.basename(os.path.normpath(name)) for name in listeners)


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr, flush=True)
