"""A saved network answers as before, and a file that is not one is refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from spatial_swin.modeling import pooled_network
from spatial_swin.modeling.pooled_network import PooledNetwork


def network(features: int = 12, **more: int) -> PooledNetwork:
    torch.manual_seed(0)
    return PooledNetwork(
        ["510", "514"], torch.linspace(0, 99, features), torch.linspace(1, 9, features), **more
    ).eval()


@pytest.mark.parametrize("width", [pooled_network.WIDTH, 7])  # a file is of its own width
def test_it_answers_as_before_it_was_saved(width: int, tmp_path: Path) -> None:
    made, features = network(width=width), torch.rand(5, 12, generator=torch.Generator().manual_seed(1)) * 100
    made.save(tmp_path / "n.safetensors")
    read = PooledNetwork.read(tmp_path / "n.safetensors")
    assert read.layouts == ["510", "514"]
    assert not read.training
    assert torch.allclose(read(features), made(features), atol=2e-2)  # kept as fp16
    read.save(tmp_path / "again.safetensors")
    again = PooledNetwork.read(tmp_path / "again.safetensors")
    assert torch.equal(again(features), read(features))


def test_features_of_another_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network().save(tmp_path / "n.safetensors")
    monkeypatch.setattr(pooled_network, "FEATURES", 3)
    with pytest.raises(ValueError, match="version 2, this program makes 3"):
        PooledNetwork.read(tmp_path / "n.safetensors")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "n.safetensors"
    network().save(file)
    tensors = load_file(file)
    tensors["mean"][0] = torch.nan
    save_file(tensors, file, {"layouts": '["510", "514"]', "say": "0.5", "features": "2"})
    with pytest.raises(ValueError, match="not finite"):
        PooledNetwork.read(file)


def test_a_blend_answers_as_both_and_is_kept_as_one(tmp_path: Path) -> None:
    one, features = network(width=7), torch.rand(5, 12, generator=torch.Generator().manual_seed(1)) * 100
    torch.manual_seed(9)
    other = PooledNetwork(one.layouts, one.mean.clone(), one.spread.clone(), width=5)
    for _ in range(3):
        other(features)  # statistics of its own
    other.eval()
    one.say = 0.7
    both = one.blended(other, 0.6)
    assert torch.allclose(both(features), 0.6 * one(features) + 0.4 * other(features), atol=1e-5)
    assert (both.say, both.layouts, both.training) == (0.7, one.layouts, False)
    both.save(tmp_path / "n.safetensors")
    assert torch.allclose(PooledNetwork.read(tmp_path / "n.safetensors")(features), both(features), atol=2e-2)
    with pytest.raises(AssertionError, match="different things"):
        one.blended(PooledNetwork(["514", "510"], one.mean, one.spread), 0.5)
