"""What `accelerate launch` starts: the training of one recipe, on one device or several.

    accelerate launch --config_file accelerate_config.yaml scripts/train.py \
        --config recipes/swin-base-384/spatial_audio.yaml --data_dir data --output_dir runs/first
"""

import sys

from spatial_swin.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
