"""Two gloo processes: equal weights on both ranks at every phase, and the same as one process with the same batch."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

A_GPU_EACH = pytest.mark.skipif(
    torch.cuda.device_count() < 2, reason="accelerate's barrier asks for a GPU for each process, by gloo too"
)
SCRIPT = """
import sys
import torch
from spatial_swin.config import load_recipe
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.training import fine_tune

torch.set_num_threads(1)
recipe, output, folder = sys.argv[1:4]
original = TwoPhaseTrainer._maybe_log_save_evaluate
inner = TwoPhaseTrainer.train

def keep(trainer, *rest, **named):
    name = f"step{trainer.state.global_step}_rank{trainer.args.process_index}.pt"
    averages = trainer.average.averages if trainer.average else {}
    averages = {f"average of {name}": tensor for name, tensor in averages.items()}
    torch.save({**trainer.model.state_dict(), **averages}, f"{folder}/{name}")
    return original(trainer, *rest, **named)

TwoPhaseTrainer._maybe_log_save_evaluate = keep
fine_tune(load_recipe(recipe, ["--output_dir", output, *sys.argv[4:]]))
"""


def launch(tmp_path: Path, recipe: Path, name: str, processes: int, *overrides: str) -> Path:
    """Run SCRIPT under torchrun's launcher; return the folder of weights by step and rank."""
    script, folder = tmp_path / "run.py", tmp_path / f"weights_{name}"
    script.write_text(SCRIPT)
    folder.mkdir()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command += [str(script), str(recipe), str(tmp_path / "runs" / name), str(folder), *overrides]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, A_GPU_EACH])])
@pytest.mark.parametrize("keys", [{}, {"ema_decay": 0.8, "layer_decay": 0.5}], ids=["plain", "averaged"])
def test_two_processes_agree_with_each_other_and_with_one(
    device: str, keys: dict[str, float], write_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    """28 training pictures: 7 steps of 2 x 2 or of 1 x 4; no stochastic depth, whose draws belong to a process."""
    plain = {"drop_path_rate": 0.0, "use_cpu": device == "cpu", "fp16": False}
    recipe = write_recipe(**plain, **keys, per_device_train_batch_size=4, ddp_backend="gloo")
    near = 2e-5 if device == "cpu" else 1e-3  # a GPU may take another kernel for another batch
    one = launch(tmp_path, recipe, "one", 1)
    two = launch(tmp_path, recipe, "two", 2, "--per_device_train_batch_size", "2")
    steps = sorted(int(path.name[4:].split("_")[0]) for path in two.glob("step*_rank0.pt"))
    assert steps[-1] == 28
    last = torch.load(two / "step28_rank0.pt", map_location="cpu")
    assert ("average of classifier.weight" in last) == bool(keys)
    for step in steps:
        ranks = [torch.load(two / f"step{step}_rank{rank}.pt", map_location="cpu") for rank in (0, 1)]
        assert [name for name in ranks[0] if not torch.equal(ranks[0][name], ranks[1][name])] == [], f"step {step}"
        alone = torch.load(one / f"step{step}_rank0.pt", map_location="cpu")
        for name, tensor in alone.items():
            assert torch.allclose(tensor, ranks[0][name], atol=near), f"step {step}, {name}"
