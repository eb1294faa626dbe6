"""Put a pretrained model into the package: half precision, without what only training needs.

    python scripts/ship_nano.py runs/whitened        # a model folder

The weights are stored as fp16 (5 MB) and loaded as float32; config.json keeps the labels of the pretraining, so that
no head is mistaken for the task's.
"""

import sys

import torch
from transformers import SwinForImageClassification

from spatial_swin.data.pictures import build_processor
from spatial_swin.modeling.swin import ASSETS


def main(folder: str) -> None:
    target = ASSETS / "swin-nano-192"
    model = SwinForImageClassification.from_pretrained(folder, dtype=torch.float32)
    model.to(torch.float16).save_pretrained(target)
    build_processor(model.config.image_size).save_pretrained(target)
    size = (target / "model.safetensors").stat().st_size
    print(f"{target}: {model.num_parameters() / 1e6:.2f} M parameters, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
