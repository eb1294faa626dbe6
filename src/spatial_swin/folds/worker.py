"""Train one fold in a process of its own: what `crossval` and `generalise` start with --jobs. Not a verb."""

import argparse
import sys
from pathlib import Path

from spatial_swin.errors import SpatialSwinError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", required=True)
    parser.add_argument("--split_file", required=True, type=Path)
    parser.add_argument("--fold_dir", required=True, type=Path)
    arguments, overrides = parser.parse_known_args()

    from spatial_swin.config import load_recipe
    from spatial_swin.runs import read_samples
    from spatial_swin.training import fine_tune

    try:
        recipe = load_recipe(arguments.config, [*overrides, "--output_dir", str(arguments.fold_dir)])
        fine_tune(recipe, read_samples(arguments.split_file))
    except SpatialSwinError as error:
        print(f"spatial-swin fold: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
