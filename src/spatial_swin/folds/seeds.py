"""One recipe trained with several seeds on one split, each an ordinary run, and the report that pools them.

In go a recipe as it is written, the seeds and the folder; out come FOLDER/seed_42, seed_43 ... and thesis_results/.
The split is made once, by the recipe's split_seed (its own seed when it has none) or its split_file, and is the same
for every seed. The same command continues; more seeds can be added later. A folder that is a run is refused.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from spatial_swin import files
from spatial_swin.boosting import add_baseline
from spatial_swin.config import load_recipe
from spatial_swin.data.folder import scan_folder
from spatial_swin.data.preflight import usable_pictures
from spatial_swin.data.splits import describe_split
from spatial_swin.errors import RunError, UsageError
from spatial_swin.folds.data import require_one_process
from spatial_swin.folds.runs import FoldRun, Work, open_plan, run_folds, seed_of
from spatial_swin.preparing import make_split
from spatial_swin.recipe_keys import read_overrides, read_recipe
from spatial_swin.reporting.card import model_card
from spatial_swin.reporting.seeds import VERB, SeedsReport, finished_seeds, in_short
from spatial_swin.reporting.seeds_page import report_seeds
from spatial_swin.runs import RunFolder


def train_seeds(config: str, overrides: Sequence[str], seeds: Sequence[int], jobs: int = 1) -> SeedsReport:
    """Train the recipe at `config` with every one of `seeds`, pool them, print the result and return it.

    Args:
        overrides: keys of the recipe as on the command line; output_dir is the folder that holds the runs
            (runs/<recipe's name>_seeds when neither they nor the recipe name one).
        jobs: seeds side by side, each in its own process.

    Raises:
        UsageError: seeds that contradict `overrides`, or a launcher of several processes.
        RunError: the folder is a run, or was begun with another recipe or split; a seed failed.
    """
    require_one_process()
    recipe = load_recipe(config, overrides)
    _require_plain(read_overrides(overrides), seeds, pushes=bool(recipe.trainer.push_to_hub))
    named = read_recipe(config, overrides)["Trainer"].get("output_dir")
    output = Path(named) if named else Path("runs") / f"{recipe.name}_seeds"
    if RunFolder(output).recipe_file.is_file():
        raise RunError(f"{output}: this is a run of one seed; choose another --output_dir for several")
    folder, sha256 = usable_pictures(
        scan_folder(recipe.data.data_dir), recipe.data.preflight_workers, skip_bad=recipe.data.skip_bad
    )
    split = make_split(recipe, folder, sha256)
    print(f"\nthe split of every seed:\n{describe_split(split)}", flush=True)
    given = ["--split_seed", str(seed_of(recipe))]
    runs = [
        FoldRun(f"seed_{seed}", output / f"seed_{seed}", split, ("--seed", str(seed), *given))
        for seed in dict.fromkeys(seeds)
    ]
    computed = {key: value for key, value in recipe.computed().items() if key != "seed"}
    plan = {"verb": VERB, "recipe": computed | {"split_seed": seed_of(recipe)}}
    overwrite = bool(recipe.trainer.overwrite)
    open_plan(output, plan, runs, overwrite)
    run_folds(Work.of(output, config, overrides, jobs, overwrite, noun="seed"), runs)
    for one in runs:
        files.write_text(one.run.model / "README.md", model_card(one.run))
    missing = add_baseline(next(iter(finished_seeds(output).values())), recipe.data.data_dir)
    report = report_seeds(output, no_baseline=missing)
    print(f"\n{in_short(report)}\n\nopen {output / 'thesis_results' / 'report.html'}", flush=True)
    return report


def _require_plain(given: Collection[str], seeds: Sequence[int], *, pushes: bool) -> None:
    """Raise UsageError for what cannot go with several seeds."""
    if "seed" in given:
        raise UsageError("--seed and --seeds contradict each other; give one of them")
    if twice := sorted({seed for seed in seeds if list(seeds).count(seed) > 1}):
        raise UsageError(f"--seeds: {', '.join(map(str, twice))} is there twice; each seed is trained once")
    if pushes:
        raise UsageError(
            "push_to_hub: several seeds are several models and --hub_model_id is one; leave it out and push the run "
            "of your choice with `spatial-swin push`"
        )
