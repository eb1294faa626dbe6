"""The driver of the CUDA measurements: it continues part by part, writes tables, and says what stayed open."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import cuda_steps

    return cuda_steps


def measure(out: Path, *parts: str, device: str = "cpu") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPTS / "measure_cuda.py"), str(out), "--device", device, "--tiny", "true"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run([*command, "--parts", *parts], capture_output=True, text=True, env=environment)


@pytest.mark.slow
def test_a_part_that_is_done_is_not_measured_again_and_a_failed_one_is(tmp_path: Path) -> None:
    assert measure(tmp_path, "machine").returncode == 0
    stored = tmp_path / "parts" / "machine.json"
    part = json.loads(stored.read_text())
    assert part["state"] == "done"
    stored.write_text(json.dumps({**part, "notes": ["kept"]}))
    assert measure(tmp_path, "machine").returncode == 0
    assert "- kept" in (tmp_path / "cuda.md").read_text()
    stored.write_text(json.dumps({**part, "state": "failed", "notes": ["kept"]}))
    assert measure(tmp_path, "machine").returncode == 0
    assert "- kept" not in (tmp_path / "cuda.md").read_text()
    assert [one["name"] for one in json.loads((tmp_path / "cuda.json").read_text())["parts"]] == ["machine"]


@pytest.mark.slow
def test_without_a_gpu_one_sentence_says_what_runs_here(tmp_path: Path) -> None:
    done = measure(tmp_path, "machine", device="cuda")
    assert done.returncode == 1
    assert "no CUDA device here; `--device cpu --tiny true` runs without one" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("limit", "expected"), [(2.45, 19), (24.05, 235), (0.4, 0)])
def test_the_largest_batch_is_found_from_two_and_checked(limit: float, expected: int, steps: object) -> None:
    def held(batch: int) -> float:
        return 0.5 + 0.1 * batch

    assert steps.largest_batch(held, {8: held(8), 16: held(16)}, limit) == expected  # type: ignore[attr-defined]


def test_a_batch_that_needs_more_than_the_line_says_is_made_smaller(steps: object) -> None:
    asked = []

    def held(batch: int) -> float:
        asked.append(batch)
        return 0.1 * batch * (1.2 if batch > 16 else 1)

    found = steps.largest_batch(held, {8: 0.8, 16: 1.6}, 4.8)  # type: ignore[attr-defined]
    assert held(found) <= 4.8
    assert found > 16
    assert len(asked) > 2
