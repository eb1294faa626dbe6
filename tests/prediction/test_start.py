"""`predict` starts quickly: it imports nothing of what only training, reports and explanations need."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from model_folders import make_model_folder

HEAVY = ("transformers", "accelerate", "datasets", "evaluate", "kornia", "matplotlib", "pandas", "sklearn", "gradio")
SLOW_PARTS = ("torch._dynamo", "torch._inductor", "torch.distributed.tensor", "sympy", "spatial_swin.audio.render")
JUDGE = """
import sys
from spatial_swin.cli import main
left = main(["predict", *sys.argv[1:]])
print("loaded:", *sorted(name for name in sys.modules if name.count(".") < 3), file=sys.stderr)
sys.exit(left)
"""


@pytest.mark.slow
def test_predict_imports_only_what_it_uses(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "model")
    sound = np.random.default_rng(0).uniform(-0.2, 0.2, (48_000, 2))
    soundfile.write(tmp_path / "take.wav", sound, 48_000)
    command = [sys.executable, "-c", JUDGE, str(folder), str(tmp_path / "take.wav")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "take.wav" in done.stdout
    loaded = set(done.stderr.partition("loaded:")[2].split())
    assert "spatial_swin.modeling.quick_swin" in loaded, "the test looks at nothing"
    assert not loaded & {*HEAVY, *SLOW_PARTS}
