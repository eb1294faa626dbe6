"""Put a finished run's model on the Hugging Face Hub: weights, processor, card with intervals, confusion figure.

    hf auth login                                                  # once; or set HF_TOKEN
    spatial-swin push runs/first --hub_model_id me/spatial --dry_run true
    spatial-swin push runs/first --hub_model_id me/spatial --private true

Only what is on a list goes up, and it is searched for tokens and folders of this machine first; the data set, its
pictures and the names of its files stay here. A recipe with `push_to_hub: true` and `hub_model_id` does this at the
end of its training. The same command pushes again; files that did not change are not sent.
"""

import argparse
from pathlib import Path

from spatial_swin.commands import values


def add_arguments(parser: values.Parser) -> None:
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--hub_model_id", help="your-name/your-model (default: the recipe's hub_model_id)")
    parser.boolean_option(
        "--private", "make a new repository private (default: the recipe's, or as the account decides)", default=None
    )
    parser.add_argument("--revision", help="branch to push to, made when it is not there (default: main)")
    parser.add_argument(
        "--license", help="of the weights, as the Hub writes it (default: that of the Swin the run began from)"
    )
    parser.boolean_option("--dry_run", "list what would go up, and send nothing")
    parser.add_argument("--resamples", type=values.resamples, default=10_000, help="of the bootstrap in the card")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin.publishing import Destination, collect, describe, push
    from spatial_swin.runs import RunFolder

    folder = RunFolder(arguments.run).require()
    destination = Destination.of(folder, arguments.hub_model_id, arguments.private, arguments.revision)
    uploads = collect(folder, destination.model_id, arguments.license, arguments.resamples)
    print(describe(uploads), flush=True)
    if arguments.dry_run:
        print(f"\nnothing was sent; without --dry_run this goes to {destination.model_id}")
        return 0
    print(f"\npushed to {push(destination, uploads)}")
    return 0
