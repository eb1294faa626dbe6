"""What the verbs share that make a model from nothing, step by step: `demo` and `adapt`.

In go a folder, what it is made of, and a finished run; out come sentences: no room on the disk, begun with other
options, and what the test part says. Nothing is rendered or trained here.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from spatial_swin import files
from spatial_swin.errors import RunError
from spatial_swin.runs import RunFolder


def require_space(output: Path, needed: int, who: str) -> None:
    """Raise RunError when the disk has fewer than `needed` bytes left or the folder cannot be made.

    A disk full in the middle costs more than asking. who: what wants the room, in words.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{output}: cannot be made ({error.strerror}); choose another --output_dir") from None
    free = shutil.disk_usage(output).free
    if free < needed:
        raise RunError(
            f"{output}: {free / 1e9:.2f} GB are free, {who} wants {needed / 1e9:g} GB; make room or choose "
            "another --output_dir"
        )


def begin(noted: Path, options: Mapping[str, object], what: str) -> None:
    """Remember in the file `noted` what `what` is made of, by option.

    Raises RunError when the folder was begun with something else, or when the file is damaged.
    """
    begun = dict(options)
    if noted.is_file():
        try:
            begun = dict(json.loads(noted.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise RunError(f"{noted}: is damaged; pass --overwrite true to start again") from None
    if begun != options:
        words = " ".join(f"--{key} {value}" for key, value in begun.items())
        raise RunError(
            f"{noted.parent}: {what} was begun with {words}; pass the same to continue it, --overwrite true "
            "to start again, or another --output_dir"
        )
    files.write_json(noted, begun)


def show_test(run: RunFolder) -> None:
    """Print the accuracy on programmes never heard, with its interval, and the confusion matrix."""
    metrics = run.read_metrics()
    test, names = metrics["test"], metrics["class_names"]
    accuracy, low, high = (test["accuracy"][key] for key in ("value", "low", "high"))
    interval = "" if low is None or high is None else f"  [{low:.3f}, {high:.3f}]"  # too few programmes
    seed = run.read_recipe()["Trainer"].get("seed")
    print(
        f"\naccuracy on {test['items']} clips of {test['groups']} programmes never heard: {accuracy:.3f}"
        f"{interval}  (one seed, {seed})\n"
    )
    print("  true, predicted:" + "".join(f"{name:>7}" for name in names))
    for name, row in zip(names, test["confusion"], strict=True):
        print(f"  {name:<16}" + "".join(f"{count:>7}" for count in row))
