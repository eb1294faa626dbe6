"""The plain cross-entropy of an epoch is torch's without smoothing, also for logits that would overflow."""

import numpy as np
import torch
from torch.nn import functional

from spatial_swin.modeling.metrics import cross_entropy


def test_cross_entropy_is_torchs_without_smoothing() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (20, 4)).astype(np.float32)
    logits[0] = [800, -800, 0, 0]
    labels = np.arange(20) % 4
    expected = functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels), reduction="none")
    np.testing.assert_allclose(cross_entropy(logits, labels), expected.numpy(), rtol=1e-5, atol=1e-6)
