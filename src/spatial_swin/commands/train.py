"""Fine-tune a Swin on a folder of pictures in two phases, from one recipe.

    spatial-swin train --config recipes/swin-base-384/spatial_audio.yaml --data_dir data --output_dir runs/first
    accelerate launch --config_file accelerate_config.yaml scripts/train.py --config ... --data_dir ...
    spatial-swin train --config demo --data_dir data --seeds 42 43 44        # a run for each, on one split

Any key of the recipe can be overridden: --learning_rate 1e-4 --unfreeze_stages 3 4. The same command on an unfinished
run continues it; a finished one is refused unless --overwrite true. Every TrainingArguments key of transformers is
accepted beside the keys listed here.
"""

import argparse
from typing import Any

from spatial_swin.commands import values
from spatial_swin.errors import UsageError, printable

TAKES_RECIPE_KEYS = True


class HelpWithKeys(argparse.Action):
    """Print the help with every key of a recipe; they are gathered only now, because that imports transformers."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from spatial_swin.config import describe_keys

        parser.epilog = describe_keys()
        parser.print_help()
        parser.exit()


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("-h", "--help", action=HelpWithKeys, nargs=0, help="show this and every key of a recipe")
    parser.add_argument("--config", required=True, metavar="RECIPE", help=values.RECIPE)
    parser.add_argument(
        "--seeds",
        type=values.seed,
        nargs="+",
        metavar="SEED",
        help="train a run for each seed into --output_dir (runs/<recipe's name>_seeds), and pool them",
    )
    parser.add_argument("--jobs", type=values.workers, help="of --seeds, so many side by side (default: 1)")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.background.output import make_output_lasting

    make_output_lasting()  # before the imports: libraries print too
    if arguments.seeds:
        from spatial_swin.folds.seeds import train_seeds

        train_seeds(arguments.config, arguments.overrides, arguments.seeds, arguments.jobs or 1)
        return 0
    if arguments.jobs:
        raise UsageError("--jobs trains several seeds side by side; give them with --seeds")
    from accelerate import PartialState

    from spatial_swin import files
    from spatial_swin.boosting import add_baseline
    from spatial_swin.config import load_recipe
    from spatial_swin.publishing import check_model_id, foreseen, push_after_training
    from spatial_swin.reporting.card import model_card
    from spatial_swin.training import fine_tune

    recipe = load_recipe(arguments.config, arguments.overrides)
    if recipe.trainer.push_to_hub:
        check_model_id(str(recipe.trainer.hub_model_id))
        if PartialState().is_main_process and (trouble := foreseen()):
            print(f"WARNING: the push at the end of this training will fail: {trouble}\n", flush=True)
    done = fine_tune(recipe)
    if PartialState().is_main_process:
        print("gradient boosting learns the same pictures, to stand beside the model in its report", flush=True)
        if missing := add_baseline(done):  # no error: the report says so too
            print(f"without it: {printable(missing)}", flush=True)
        files.write_text(done.model / "README.md", model_card(done))
        if recipe.trainer.push_to_hub:
            push_after_training(done)
    return 0
