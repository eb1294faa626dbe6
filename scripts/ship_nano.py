"""Put a pretrained model into the package: half precision, without what only training needs.

    python scripts/ship_nano.py runs/whitened        # a model folder

The weights are stored as fp16 (5 MB); config.json says float32, so that `from_pretrained` alone gives a model that
trains on any device. It also keeps the labels of the pretraining, so that no head is mistaken for the task's.
"""

import sys

import torch
from transformers import SwinForImageClassification

from spatial_swin.data.pictures import build_processor
from spatial_swin.shipped import ASSETS


def main(folder: str) -> None:
    target = ASSETS / "swin-nano-192"
    model = SwinForImageClassification.from_pretrained(folder, dtype=torch.float32)
    model.to(torch.float16).save_pretrained(target)
    model.config.dtype = torch.float32
    model.config.save_pretrained(target)
    build_processor(model.config.image_size).save_pretrained(target)
    size = (target / "model.safetensors").stat().st_size
    print(f"{target}: {model.num_parameters() / 1e6:.2f} M parameters, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
