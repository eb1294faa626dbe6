"""Put a finished run into the package as the detector that `predict` and the page use where no model is named.

    python scripts/ship_detector.py made/runs/detector --steps made/steps.json

Takes what `spatial-swin push` would upload: the weights as fp16 (5 MB), config.json with float32 (so that it loads for
any device), the second opinion, processor, tile map, temperature, prediction sets, statement and score of the domain,
and the model card, to which it adds the sha256 of the weights, the recipe's header, and the commands of --steps with
their seconds. The run must have been evaluated, with `--domain_score true`.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from make_detector import said

from spatial_swin import files
from spatial_swin.errors import RunError
from spatial_swin.finished import TEMPERATURE, open_finished
from spatial_swin.publishing import collect
from spatial_swin.runs import RunFolder
from spatial_swin.shipped import DETECTOR, detector, find_recipe

WEIGHTS, CARD = "model.safetensors", "README.md"
NOTICE = """
## Whose responses it learnt from

People: the CIPIC HRTF database. Copyright (c) 2001 The Regents of the University of California. All Rights Reserved.
V. R. Algazi, R. O. Duda, D. M. Thompson, C. Avendano, The CIPIC HRTF database, IEEE WASPAA 2001. The model holds no
responses, only weights.
"""


def main() -> None:
    from safetensors.torch import load_file, save

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument(
        "--steps", type=Path, required=True, help="what scripts/make_detector.py noted of its commands"
    )
    options = parser.parse_args()
    run, steps = options.run, json.loads(options.steps.read_text(encoding="utf-8"))

    if open_finished(run).temperature is None:
        raise RunError(f"{run}: has no {TEMPERATURE}; run `spatial-swin evaluate {run}` first")
    target = detector()
    for upload in collect(RunFolder(Path(run)), f"spatial-swin/{DETECTOR}"):
        content = upload.content if isinstance(upload.content, bytes) else upload.content.read_bytes()
        files.write_bytes(target / upload.name, content)
    weights = load_file(target / WEIGHTS)
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    files.write_bytes(
        target / WEIGHTS, save({name: tensor.contiguous() for name, tensor in half.items()}, {"format": "pt"})
    )
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(target.glob("*.safetensors"))}
    header = [line for line in find_recipe(DETECTOR).read_text().splitlines() if line.startswith("#")]
    made = "\n".join(line.removeprefix("#").removeprefix(" ") for line in header)
    card = (target / CARD).read_text()
    sums_said = "\n\n".join(f"sha256 of {name}: `{value}`" for name, value in sums.items())
    made = f"\n## How it was made\n\n```text\n{made}\n```\n\n{commands(steps)}\n\n{sums_said}\n"
    files.write_text(target / CARD, card + made + NOTICE)
    size = sum(path.stat().st_size for path in target.iterdir())
    count = sum(tensor.numel() for tensor in half.values())
    print(f"{target}: {count / 1e6:.2f} M numbers, {size / 1e6:.2f} MB; sha256 {sums[WEIGHTS]}")


def commands(steps: dict[str, Any]) -> str:
    """The commands that were run, in order, with their seconds, for the card."""
    lines = [f"{one['seconds']:7.0f} s  {said(one['command'])}" for one in steps.values()]
    minutes = sum(one["seconds"] for one in steps.values()) / 60
    return "\n".join((f"The {len(lines)} commands of it, {minutes:.0f} minutes in all:\n", "```text", *lines, "```"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
