"""k-fold cross-validation of a recipe, resumable fold by fold.

    spatial-swin crossval --config recipes/swin-base-384/spatial_audio.yaml --data_dir data --folds 5 --group recording
    spatial-swin crossval --config ... --repeats 3 --jobs 2

A test part is held out first and never opened (held_out_test.csv). Of the rest, every picture is tested by exactly
one fold of each repeat; within a fold the epoch is chosen on pictures that the fold does not test. Each fold is an
ordinary run under --output_dir. The same command continues; finished folds are not trained again. At the end:
crossval.csv, summary.json, crossval.png and .pdf with mean, SD and the corrected 95 % interval. Any key of the recipe
can be overridden, as in `spatial-swin train`.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_swin.commands.values import boolean
from spatial_swin.folds.runs import FoldRun, Train, fold_row, open_plan, run_folds, seed_of, worker_command

if TYPE_CHECKING:
    from spatial_swin.config import Recipe
    from spatial_swin.runs import Sample

TAKES_RECIPE_KEYS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="RECIPE", help="the recipe, a YAML file")
    parser.add_argument("--folds", type=int, default=5, help="folds a repeat (5)")
    parser.add_argument("--repeats", type=int, default=1, help="repeats with other divisions (1)")
    parser.add_argument("--group", help="factor kept whole in the folds, or none (the recipe's split_by)")
    parser.add_argument(
        "--hold_out_test",
        type=boolean,
        default=True,
        metavar="true|false",
        help="keep the recipe's test share out of all folds (true)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="folds side by side, each in a process of its own (1)")
    parser.add_argument("--output_dir", type=Path, help="default: runs/<recipe's name>_crossval")
    parser.add_argument("--overwrite", type=boolean, default=False, metavar="true|false", help="train all folds anew")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.config import load_recipe
    from spatial_swin.folds.data import load_samples, require_one_process, training

    require_one_process()
    recipe = load_recipe(arguments.config, arguments.overrides)
    output = arguments.output_dir or Path("runs") / f"{recipe.name}_crossval"
    group = arguments.group or recipe.data.split_by
    samples = load_samples(recipe, group)
    overrides = [*arguments.overrides, *(["--overwrite", "true"] if arguments.overwrite else [])]
    cross_validate(
        recipe,
        samples,
        output,
        arguments.folds,
        arguments.repeats,
        group,
        arguments.hold_out_test,
        training(arguments.config, overrides),
        worker_command(output, arguments.config, overrides),
        arguments.jobs,
        arguments.overwrite,
    )
    return 0


def cross_validate(
    recipe: "Recipe",
    samples: "list[Sample]",
    output: Path,
    folds: int,
    repeats: int,
    group: str,
    hold_out_test: bool,
    train: Train,
    command: Any,
    jobs: int = 1,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Divide, train every fold, write the summary and return it. `samples`: the recipe's split, with its parts."""
    from spatial_swin.data.factors import WITHOUT
    from spatial_swin.data.splits import fold_samples
    from spatial_swin.errors import UsageError
    from spatial_swin.reporting.figures_crossval import summary_text, write_crossval
    from spatial_swin.runs import write_samples

    if repeats < 1:
        raise UsageError(f"--repeats {repeats}: 1 or more")
    held_out = [sample for sample in samples if hold_out_test and sample.split == "test"]
    rest = [sample for sample in samples if not (hold_out_test and sample.split == "test")]
    data = recipe.data
    share = data.validation_share / (data.train_share + data.validation_share)
    by_group, seed = group.lower() not in WITHOUT, seed_of(recipe)
    runs = []
    for repeat in range(repeats):
        for fold, split in enumerate(fold_samples(rest, folds, seed, by_group, repeat, share), start=1):
            name = f"fold_{fold}" + (f"_repeat_{repeat + 1}" if repeats > 1 else "")
            runs.append(FoldRun(name, output / name, split))
    plan = {
        "verb": "crossval",
        "folds": folds,
        "repeats": repeats,
        "group": group,
        "hold_out_test": hold_out_test,
        "recipe": recipe.computed(),
    }
    open_plan(output, plan, runs, overwrite)
    write_samples(output / "held_out_test.csv", held_out)
    print(f"{len(rest)} pictures in {folds} folds x {repeats}; {len(held_out)} held out and not opened", flush=True)
    run_folds(output, runs, train, command, jobs, overwrite)
    rows = [fold_row(fold) for fold in runs]
    for number, row in enumerate(rows):
        row["repeat"], row["fold"] = number // folds + 1, number % folds + 1
    summary = write_crossval(output, rows, group, len(held_out))
    print(summary_text(summary, output))
    return summary
