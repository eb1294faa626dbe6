"""The whole way in a few minutes on a laptop: render, fine-tune, evaluate, report.

Synthetic programmes are rendered in mono, stereo, 5.1 and 5.1.4 for the measured listener that ships with the package;
the small Swin that ships with it is fine-tuned in two phases and tested on programmes it never heard. Interrupted, the
same command continues; finished, it shows the result again (--overwrite true starts anew).
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spatial_swin.runs import RunFolder

NEEDED_BYTES = 1_000_000_000  # pictures and checkpoints take less; a disk full in the middle costs more than asking
SHORT = (
    "--num_train_epochs",
    "6",
    "--warmup_epochs",
    "1",
    "--head_only_epochs",
    "1",
    "--train_share",
    "0.6",
    "--validation_share",
    "0.2",
    "--test_share",
    "0.2",
)
RECIPE = Path("recipes") / "swin-nano-192" / "demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output_dir", default="demo", help="folder for the data and the run [demo]")
    parser.add_argument("--programmes", type=int, default=None, help="programmes to render [300; 60 when short]")
    parser.add_argument("--short", choices=("true", "false"), default="false", help="a minute or two, for CI [false]")
    parser.add_argument("--seed", type=int, default=42, help="of the programmes, the split and the training [42]")
    parser.add_argument("--workers", type=int, default=None, help="processes that render [one a core]")
    parser.add_argument("--overwrite", choices=("true", "false"), default="false", help="start anew [false]")


def run(arguments: argparse.Namespace) -> int:
    output = Path(arguments.output_dir)
    require_space(output)
    from spatial_swin.runs import RunFolder

    with RunFolder(output).lock():
        return make(output, arguments)


def make(output: Path, arguments: argparse.Namespace) -> int:
    """Every step is skipped or continued when it is already done or begun."""
    from spatial_swin.cli import main
    from spatial_swin.runs import RunFolder

    began = time.monotonic()
    short = arguments.short == "true"
    programmes = arguments.programmes or (60 if short else 300)
    data, run_folder = output / "data", RunFolder(output / "run")
    if arguments.overwrite == "true":
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(output / "trunk_cache", ignore_errors=True)
        shutil.rmtree(run_folder.path, ignore_errors=True)
        (output / "demo.json").unlink(missing_ok=True)
    require_same(output, {"programmes": programmes, "seed": arguments.seed, "short": arguments.short})
    if (run_folder.thesis_results / "report.html").is_file():  # its test part was opened once, and stays so
        print(f"{output}: this demo is done; --overwrite true starts anew", flush=True)
        show_result(run_folder)
        return 0
    render = [
        "render",
        "--synthetic",
        str(programmes),
        "--seed",
        str(arguments.seed),
        "--listeners",
        "kemar",
        "--seconds",
        "3",
        "--size",
        "192",
        "--sound",
        "false",
        "--output_dir",
        str(data),
    ]
    if arguments.workers is not None:
        render += ["--workers", str(arguments.workers)]
    print(f"1/3  {programmes} programmes in mono, stereo, 5.1 and 5.1.4", flush=True)
    if code := main(render):
        return code
    print("\n2/3  fine-tune the shipped Swin in two phases, programmes kept apart", flush=True)
    print(f"     ears exchanged and time shifted at random; why, and what it is worth: {RECIPE}", flush=True)
    if run_folder.state() != "finished":
        train = [
            "train",
            "--config",
            str(find_recipe()),
            "--data_dir",
            str(data / "pictures"),
            "--output_dir",
            str(run_folder.path),
            "--seed",
            str(arguments.seed),
            "--trunk_cache_dir",
            str(output / "trunk_cache"),
            *(SHORT if short else ()),
        ]
        if code := main(train):
            return code
        shutil.rmtree(output / "trunk_cache", ignore_errors=True)
    print("\n3/3  evaluate and report", flush=True)
    if code := main(["evaluate", str(run_folder.path)]) or main(["report", str(run_folder.path)]):
        return code
    show_result(run_folder, time.monotonic() - began)
    return 0


def require_same(output: Path, wanted: dict[str, object]) -> None:
    """Remember what this demo is made of; raise RunError when the folder was begun with something else."""
    from spatial_swin import files
    from spatial_swin.errors import RunError

    noted = output / "demo.json"
    begun = json.loads(noted.read_text()) if noted.is_file() else wanted
    if begun != wanted:
        told = " ".join(f"--{key} {value}" for key, value in begun.items())
        raise RunError(
            f"{output}: this demo was begun with {told}; pass the same to continue it, --overwrite true to start "
            "anew, or another --output_dir"
        )
    files.write_json(noted, wanted)


def show_result(run_folder: "RunFolder", seconds: float | None = None) -> None:
    """Accuracy on programmes never heard, the confusion matrix, and what to open."""
    metrics = run_folder.read_metrics()
    test, names = metrics["test"], metrics["class_names"]
    accuracy = test["accuracy"]
    print(
        f"\naccuracy on {test['items']} clips of {test['groups']} programmes never heard: {accuracy['value']:.3f}"
        f"  [{accuracy['low']:.3f}, {accuracy['high']:.3f}]\n"
    )
    print("  true, predicted:" + "".join(f"{name:>7}" for name in names))
    for name, row in zip(names, test["confusion"], strict=True):
        print(f"  {name:<16}" + "".join(f"{count:>7}" for count in row))
    took = "" if seconds is None else f"{seconds:.0f} s; "
    print(f"\n{took}report: {run_folder.thesis_results / 'report.html'}")


def find_recipe() -> Path:
    """recipes/ beside the working folder, else in the checkout this package is installed from."""
    from spatial_swin.errors import RecipeError

    for root in (Path.cwd(), Path(__file__).parents[3]):
        if (root / RECIPE).is_file():
            return root / RECIPE
    raise RecipeError(f"{RECIPE} is neither here nor beside the package; run `make demo` in a clone of the repository")


def require_space(output: Path) -> None:
    """Raise RunError when the disk has less than a gigabyte left or the folder cannot be made."""
    from spatial_swin.errors import RunError

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{output}: cannot be made ({error.strerror}); choose another --output_dir") from None
    free = shutil.disk_usage(output).free
    if free < NEEDED_BYTES:
        raise RunError(
            f"{output}: {free / 1e9:.2f} GB are free, the demo wants {NEEDED_BYTES / 1e9:.0f} GB; make room or choose "
            "another --output_dir"
        )


if __name__ == "__main__":
    from spatial_swin.cli import main as cli_main

    sys.exit(cli_main(["demo"]))
