"""A folder of small pictures whose class can be seen, and the configuration of a Swin that learns them in seconds."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("100", "200", "510", "514")
TINY_SWIN = {
    "model_type": "swin",
    "image_size": 32,
    "patch_size": 2,
    "num_channels": 3,
    "embed_dim": 8,
    "depths": [1, 1, 2, 2],
    "num_heads": [1, 1, 2, 2],
    "window_size": 2,
    "mlp_ratio": 2.0,
    "drop_path_rate": 0.1,
}


def make_pictures(
    root: Path, classes: tuple[str, ...] = CLASSES, recordings: int = 5, chunks: int = 2, size: int = 32, seed: int = 0
) -> Path:
    """Class folders of grey noise with a bright quarter that tells the class: recordings x chunks pictures a class."""
    generator = np.random.default_rng(seed)
    for index, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for recording in range(recordings):
            for chunk in range(chunks):
                picture = generator.integers(0, 120, (size, size), dtype=np.uint8)
                row, column = divmod(index % 4, 2)
                half = size // 2
                picture[row * half : (row + 1) * half, column * half : (column + 1) * half] += 100
                Image.fromarray(picture).save(root / name / f"take{index}{recording:02d}_chunk{chunk:04d}.png")
    return root
