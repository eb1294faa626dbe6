"""kill -9 at twenty random moments of a run: it continues each time, and ends as the run that nothing stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spatial_swin.config import load_recipe
from spatial_swin.runs import RunFolder
from spatial_swin.training import fine_tune

KILLS = int(os.environ.get("SPATIAL_SWIN_KILLS", "20"))
STEPS = 9  # a start is killed by then, so that 20 starts cannot reach the 210th step
SCRIPT = """
import os, random, signal, sys, threading
from spatial_swin.config import load_recipe
from spatial_swin.modeling.trainer import TwoPhaseTrainer
from spatial_swin.training import fine_tune
import torch

torch.set_num_threads(1)
step, done = TwoPhaseTrainer.training_step, []
moment = random.Random(int(sys.argv[2]))
first, delay = moment.randrange(STEPS), moment.uniform(0, 0.5)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def count(trainer, *rest, **named):
    done.append(step)
    if len(done) > STEPS:
        die()
    if len(done) == first + 1:
        timer = threading.Timer(delay, die)
        timer.daemon = True
        timer.start()
    return step(trainer, *rest, **named)

TwoPhaseTrainer.training_step = count
fine_tune(load_recipe(sys.argv[1]))
""".replace("STEPS", str(STEPS))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_that_is_killed_again_and_again_ends_as_the_whole_one(
    write_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(SCRIPT)
    recipe = write_recipe("killed", num_train_epochs=30)
    for number in range(KILLS):
        command = [sys.executable, str(script), str(recipe), str(number)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    recipe_now = load_recipe(recipe)
    run = RunFolder(recipe_now.output_dir)
    fine_tune(recipe_now)
    whole = fine_tune(load_recipe(write_recipe("whole", num_train_epochs=30)))
    ours, theirs = (load_file(one.model / "model.safetensors") for one in (run, whole))
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []
    for column in ("epoch", "train_loss", "validation_loss"):
        assert [row[column] for row in run.read_history()] == [row[column] for row in whole.read_history()]
