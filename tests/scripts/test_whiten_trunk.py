"""Whitening a trunk: every direction of its output gets the same variance, and nothing else of the trunk changes."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pictures_and_swins import TINY_SWIN
from transformers import SwinConfig, SwinForImageClassification

SCRIPT = Path(__file__).parents[2] / "scripts" / "whiten_trunk.py"


@pytest.fixture
def script() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def test_whitened_trunk_is_an_ordinary_swin_with_even_output(
    pictures: Path, tmp_path: Path, script: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    before = SwinForImageClassification(SwinConfig.from_dict(TINY_SWIN))
    with torch.no_grad():  # a trunk that writes most of its variance into one direction
        before.swin.encoder.layers[2].downsample.reduction.weight[0] *= 30
    before.save_pretrained(tmp_path / "run" / "model")
    words = ["whiten_trunk.py", str(tmp_path / "run"), str(pictures), "--output_dir", str(tmp_path / "white")]
    monkeypatch.setattr(sys, "argv", words)
    runpy.run_path(str(SCRIPT), run_name="__main__")
    after = SwinForImageClassification.from_pretrained(tmp_path / "white")
    ranks = [
        script.effective_rank(script.covariance(script.trunk_outputs(model.eval(), pictures, 40)))
        for model in (before, after)
    ]
    width = TINY_SWIN["embed_dim"] * 8
    assert ranks[0] < 0.2 * width
    assert ranks[1] > 2 * ranks[0]
    old, new = before.state_dict(), after.state_dict()
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert "swin.encoder.layers.2.downsample.reduction.weight" in changed
    assert all("layers.3." in name or name.endswith("layers.2.downsample.reduction.weight") for name in changed)


def test_whitening_makes_the_covariance_the_unit_matrix(script: SimpleNamespace) -> None:
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(5_000, 6, generator=generator) @ torch.diag(torch.tensor([9.0, 3, 1, 1, 0.5, 0.2]))
    covariance = script.covariance(data @ torch.linalg.qr(torch.randn(6, 6, generator=generator))[0])
    matrix = script.whitening(covariance, 1e-9)
    torch.testing.assert_close(matrix @ covariance @ matrix.T, torch.eye(6), atol=1e-3, rtol=0)
    assert script.effective_rank(covariance) < 3
    assert script.effective_rank(matrix @ covariance @ matrix.T) == pytest.approx(6, rel=1e-3)
