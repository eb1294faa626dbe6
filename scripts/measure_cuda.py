"""Measure everything that is open without a GPU: part by part, each in a process of its own, with a limit in seconds.

`measure_cuda.sh` calls it and has the command lines. Each part's result goes to OUT/parts/NAME.json at once; a part
that is there already, from this device, size and torch, is not measured again. OUT/cuda.json holds all of them and
OUT/cuda.md their tables. What a part does is in `cuda_parts.py`; here nothing is measured and torch is not imported.
Exit codes: 0 when every part is done or cannot be done here, 1 when one failed or there was no time for it.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spatial_swin import files

HERE = Path(__file__).parent
PARTS = {  # title and limit in seconds on one GPU; `--minutes` limits their sum, so the longest come last
    "machine": ("The machine", 30),
    "steps": ("Training steps, eager", 60),
    "overhead": ("Our step against the bare loop", 100),
    "loader": ("Loader", 40),
    "cache": ("The trunk cache", 70),
    "folds": ("All folds at once", 30),
    "sound": ("From sound to picture", 20),
    "scaler": ("GradScaler with forced overflows", 30),
    "resume": ("Resume with deterministic kernels", 50),
    "onnx": ("ONNX", 40),
    "kernels": ("Channels, attention kernels, optimizer", 40),
    "compiled": ("Training steps, compiled", 110),
    "memory": ("Largest batch that fits", 150),
    "memory_compiled": ("Largest batch that fits, compiled", 110),
    "tests": ("Tests marked gpu", 240),
}
UNFINISHED = ("failed", "no time")


@dataclass
class Part:
    """What became of one part. state: done, not here (with the reason), failed, no time."""

    name: str
    state: str
    device: str
    seconds: float = 0.0
    reason: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def main() -> int:
    options = read_options()
    began = time.monotonic()
    environment = environment_for(options.device)
    device = device_of(environment, options)
    results = {name: read_part(options.out / "parts" / f"{name}.json", device) for name in options.parts}
    missing = [name for name, part in results.items() if part is None]
    for names in [missing] if options.tiny == "true" and missing else [[name] for name in missing]:  # tiny: one import
        left = 60 * options.minutes - (time.monotonic() - began)
        limit = left if options.device == "cpu" else min(left, sum(PARTS[name][1] for name in names))
        for part in measure(names, options, device, environment, limit):
            files.write_json(options.out / "parts" / f"{part.name}.json", asdict(part))
            results[part.name] = part
            print(f"{part.name:<10} {part.state:<9} {part.seconds:6.1f} s  {part.reason}", flush=True)
    parts = [part for part in results.values() if part is not None]
    write_results(options, device, parts)
    unfinished = [part.name for part in parts if part.state in UNFINISHED]
    if unfinished:
        print(f"open: {', '.join(unfinished)}; the same command measures them again")
    print(f"{options.out / 'cuda.md'}")
    return 1 if unfinished else 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", choices=("true", "false"), nargs="?", const="true", default="false")
    names = ", ".join(PARTS)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=f"of {names}")
    parser.add_argument("--minutes", type=float, default=9.0, help="for all parts together (9)")
    return parser.parse_args()


def environment_for(device: str) -> dict[str, str]:
    """Of every part: offline, no trackers, and with `--device cpu` no GPU to be seen."""
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    offline = {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled", "TOKENIZERS_PARALLELISM": "false"}
    return {**os.environ, **offline, **hidden}


def device_of(environment: dict[str, str], options: argparse.Namespace) -> str:
    """Name of the device, the torch and the size, which a stored part must match. Exits where there is no GPU."""
    name = "torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'"
    code = f"import torch; print({name}, torch.__version__, sep=', torch ')"
    asked = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    if asked.returncode:
        raise SystemExit(f"measure_cuda: {sys.executable} cannot import torch; set PYTHON to one that can")
    device = asked.stdout.strip()
    if options.device == "cuda" and device.startswith("CPU,"):
        raise SystemExit("measure_cuda: torch sees no CUDA device here; `--device cpu --tiny true` runs without one")
    return device + (", tiny" if options.tiny == "true" else "")


def read_part(stored: Path, device: str) -> Part | None:
    """The part as measured before on this device, unless it failed then."""
    try:
        part = Part(**json.loads(stored.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return part if part.device == device and part.state not in UNFINISHED else None


def measure(
    names: list[str], options: argparse.Namespace, device: str, environment: dict[str, str], seconds: float
) -> list[Part]:
    """Run parts in a process of their own, so that their memory and their crashes stay there."""
    if seconds < 5:
        return [Part(name, "no time", device, reason=f"the {options.minutes:g} minutes were over") for name in names]
    folder = options.out / "parts"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.part").unlink(missing_ok=True)  # of a run that was killed
    log = folder / f"{names[0]}.log"
    command = [sys.executable, str(HERE / "cuda_parts.py"), str(folder), *names, "--tiny", options.tiny]
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
        try:
            state, reason = "failed", f"exit code {process.wait(seconds)}, see {log}"
        except subprocess.TimeoutExpired:
            state, reason = "no time", f"stopped after {seconds:.0f} s"
        finally:
            end(process)
    return [answer(folder / f"{name}.part", device) or Part(name, state, device, reason=reason) for name in names]


def answer(file: Path, device: str) -> Part | None:
    """What the process wrote for a part, None when it did not come to it."""
    if not file.is_file():
        return None
    part = Part(file.stem, device=device, **json.loads(file.read_text(encoding="utf-8")))
    file.unlink()
    return part


def end(process: "subprocess.Popen[bytes]") -> None:
    """Nothing that the part started goes on after it: loader workers, launched trainings."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def write_results(options: argparse.Namespace, device: str, results: list[Part]) -> None:
    command = f"bash scripts/measure_cuda.sh {' '.join(sys.argv[1:])}"
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    facts = {"device": device, "date": day, "command": command, "parts": [asdict(part) for part in results]}
    files.write_json(options.out / "cuda.json", facts)
    lines = [f"# Measured on {device}", "", f"{day}, `{command}`; medians, quartiles in brackets.", ""]
    for part in results:
        lines += [f"## {PARTS[part.name][0]}", ""]
        if part.state != "done":
            lines += [f"Open: {part.state}; {part.reason}.", ""]
        lines += [*table(part.rows), *(f"- {note}" for note in part.notes), ""]
    files.write_text(options.out / "cuda.md", "\n".join(lines))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as Markdown; the columns are the keys of all rows, in order."""
    if not rows:
        return []
    columns = list(dict.fromkeys(key for row in rows for key in row))
    body = [" | ".join(cell(row.get(column)) for column in columns) for row in rows]
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(f"| {line} |" for line in body), ""]


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):  # lower quartile, median, upper quartile
        low, median, high = (cell(number) for number in value)
        return f"{median} ({low} to {high})"
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
