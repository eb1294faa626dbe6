"""What sealing and checking a checkpoint of Swin-B/384 costs, against the time of an epoch.

    python scripts/benchmark_checkpoint.py --folder /tmp          # a folder on the disk that runs are written to

The files have the sizes of a real one in phase 2: all weights, and two moments of every parameter of stage 4 and head.
An epoch is 5,244 pictures (70 % of the 7,492 of the experiment of record) at `--rate` pictures/s.
"""

import json
import tempfile
import time
from pathlib import Path

import torch
from measuring import SWIN_BASE_384, parser_of
from safetensors.torch import save_file
from transformers import SwinConfig

from spatial_swin.modeling import checkpoints, swin

PICTURES = 5244


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--folder", type=Path, default=None, help="where the checkpoint is written (TMPDIR)")
    parser.add_argument("--rate", type=float, default=1.8, help="pictures/s of training (1.8: recipes/README.md)")
    options = parser.parse_args()
    with torch.device("meta"):
        model = swin.Swin(SwinConfig(**SWIN_BASE_384, num_labels=4))
    swin.set_learning(model, [4])
    total = model.num_parameters()
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        checkpoint = Path(folder) / "checkpoint-1"
        checkpoint.mkdir()
        save_file({"weights": torch.rand(total)}, checkpoint / "model.safetensors")
        torch.save({"moments": torch.rand(2 * learning)}, checkpoint / "optimizer.pt")
        for name in ("scheduler.pt", "rng_state.pth"):
            torch.save({}, checkpoint / name)
        for name in ("config.json", "trainer_state.json"):
            (checkpoint / name).write_text(json.dumps({"epoch": 1.0}))
        began = time.perf_counter()
        checkpoints.seal(checkpoint, {"epoch_sums": [[0.0, 0.0]], "remarks": []})
        sealed = time.perf_counter()
        assert checkpoints.damage(checkpoint) is None
        checked = time.perf_counter()
        size = sum(path.stat().st_size for path in checkpoint.iterdir()) / 1e6
    epoch = PICTURES / options.rate
    for what, seconds in (("sealing, fsync included", sealed - began), ("checking", checked - sealed)):
        print(f"{what}: {seconds:.2f} s for {size:.0f} MB, {seconds / epoch:.3%} of an epoch of {epoch:.0f} s")


if __name__ == "__main__":
    main()
