"""Checkpoints of a run: which are whole, which is the newest, and the seal that one gets when all of it is written.

`seal.json` is written last: size and SHA-256 of every file, and what a continued run needs beside the Trainer's files.
A checkpoint without a seal (of an earlier version, or cut off just before its end) is whole when its files open: each
carries checksums or sizes of its own. No pickle is ever run to find that out.
"""

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from spatial_swin import files

CHECKPOINT = re.compile(r"checkpoint-(\d+)$")
SEAL = "seal.json"
STATE = "trainer_state.json"
NEEDED = ("model.safetensors", "optimizer.pt", "scheduler.pt", STATE)  # to continue from it


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def checkpoints_in(folder: Path) -> list[Path]:
    """All checkpoints in `folder`, whole or not, oldest first."""
    return sorted((path for path in folder.glob("checkpoint-*") if CHECKPOINT.search(path.name)), key=step_of)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint in `folder` that is whole."""
    return next((path for path in reversed(checkpoints_in(folder)) if damage(path) is None), None)


def seal(checkpoint: Path, about: Mapping[str, Any]) -> None:
    """Put a written checkpoint on the disk for good, readable as the umask says, with `about` in its seal."""
    files.sync(checkpoint)
    sizes = {
        path.name: {"bytes": path.stat().st_size, "sha256": files.sha256_of(path)}
        for path in sorted(checkpoint.iterdir())
        if path.is_file() and path.name != SEAL
    }
    share(checkpoint)
    content = {**about, "files": sizes}
    files.write_json(checkpoint / SEAL, {**content, "sha256": _digest(content)}, durable=True)


def share(folder: Path) -> None:
    """Give every file the mode that the umask gave to config.json: safetensors writes files for their owner alone."""
    mode = (folder / "config.json").stat().st_mode & 0o777
    for path in folder.iterdir():
        if path.is_file():
            path.chmod(mode)


def read_seal(checkpoint: Path) -> dict[str, Any]:
    """What the seal says; empty for a checkpoint that has none. Raises ValueError when it is not what was written."""
    path = checkpoint / SEAL
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.pop("sha256") != _digest(content):
        raise ValueError("another checksum than was written")
    return content


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, in words; None for a whole one."""
    missing = [name for name in NEEDED if not (checkpoint / name).is_file()]
    if missing or not any(checkpoint.glob("rng_state*.pth")):
        return f"{' and '.join(missing or ['rng_state.pth'])} is missing"
    try:
        sealed = read_seal(checkpoint)
        if not sealed:
            return _cannot_open(checkpoint)
        return next(filter(None, (_differs(checkpoint / name, said) for name, said in sealed["files"].items())), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{SEAL} cannot be read ({type(error).__name__})"


def _differs(file: Path, said: Mapping[str, Any]) -> str | None:
    if not file.is_file():
        return f"{file.name} is missing"
    if (size := file.stat().st_size) != said["bytes"]:
        return f"{file.name} has {size:,} bytes, {said['bytes']:,} were written"
    return None if files.sha256_of(file) == said["sha256"] else f"{file.name} has another checksum than was written"


def _cannot_open(checkpoint: Path) -> str | None:
    for file in sorted(checkpoint.iterdir()):
        try:
            if file.suffix == ".json":
                json.loads(file.read_text(encoding="utf-8"))
            elif file.suffix == ".safetensors":
                with safe_open(file, "pt"):
                    pass
            elif file.suffix in (".pt", ".pth"):
                with zipfile.ZipFile(file) as archive:
                    if bad := archive.testzip():
                        return f"{file.name} is damaged at {bad}"
        except (OSError, ValueError, SafetensorError, zipfile.BadZipFile) as error:
            return f"{file.name} cannot be opened ({type(error).__name__})"
    return None


def remove_damaged(folder: Path) -> list[str]:
    """Remove what cannot be used, so that the Trainer does not count it; return one sentence per checkpoint."""
    sentences = []
    for path in checkpoints_in(folder):
        if (reason := damage(path)) is not None:
            shutil.rmtree(path)
            sentences.append(f"{path} is damaged ({reason}); it is removed, and the one before it is used")
    return sentences


def ends_epoch(checkpoint: Path) -> bool:
    """Whether it was saved at the end of an epoch."""
    return float(json.loads((checkpoint / STATE).read_text(encoding="utf-8"))["epoch"]).is_integer()


def best_whole(folder: Path, scores: Mapping[int, float]) -> Path | None:
    """The whole checkpoint with the greatest score by step, the earliest of equal ones; None when none is whole."""
    scored = [path for path in checkpoints_in(folder) if step_of(path) in scores and damage(path) is None]
    return max(scored, key=lambda path: scores[step_of(path)], default=None)
