"""The SLURM example and accelerate's configurations: read by bash and accelerate, run with a stand-in for srun."""

import os
import subprocess
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser

ROOT = Path(__file__).parents[2]
SRUN = """#!/bin/sh
shift                            # --kill-on-bad-exit=1
SLURM_NODEID=1 exec "$@"         # as on the second node
"""
PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0          # is the package there?
for word in "$@"; do echo "$word"; done
"""


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_bash_parses_every_script(script: Path) -> None:
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "machines"), [("accelerate_config.yaml", 1), ("accelerate_config_nodes.yaml", 2)])
def test_accelerate_reads_our_configurations(name: str, machines: int) -> None:
    config = load_config_from_file(str(ROOT / name))
    assert config.num_machines == machines
    assert config.mixed_precision == "fp16"


def test_every_node_starts_its_part_of_one_training(tmp_path: Path) -> None:
    for name, text in (("srun", SRUN), ("python", PYTHON), ("scontrol", "#!/bin/sh\necho node-a\necho node-b\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    job = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": str(tmp_path / "python"),
        "SLURM_SUBMIT_DIR": str(ROOT),
        "SLURM_JOB_NODELIST": "node-[a-b]",
        "SLURM_NNODES": "2",
        "SLURM_GPUS_ON_NODE": "4",
        "SLURM_JOB_ID": "71234",
    }
    done = subprocess.run(
        ["bash", str(ROOT / "scripts" / "slurm_training.sh"), "recipe with space.yaml", "--seed", "3"],
        capture_output=True,
        text=True,
        env={**os.environ, **job},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()
    assert words[:2] == ["-m", "accelerate.commands.launch"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(words[2:]))
    assert (arguments.num_machines, arguments.num_processes, arguments.machine_rank) == (2, 8, 1)
    assert (arguments.main_process_ip, arguments.main_process_port) == ("node-a", 31234)
    assert arguments.multi_gpu
    assert arguments.mixed_precision == "fp16"
    assert [arguments.training_script, *arguments.training_script_args] == [
        "spatial_swin.cli",
        "train",
        "--config",
        "recipe with space.yaml",
        "--seed",
        "3",
    ]


def test_outside_of_a_job_the_usage_is_told() -> None:
    bare = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
    script = str(ROOT / "scripts" / "slurm_training.sh")
    done = subprocess.run(["bash", script, "r.yaml"], capture_output=True, text=True, env=bare, check=False)
    assert done.returncode == 2
    assert "usage: sbatch" in done.stderr
