"""How small networks on the CPU are trained, in seconds to minutes: what they see of a batch is their own affair."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from tqdm import tqdm


def train(
    network: nn.Module, inputs_of: Callable[[Tensor], Tensor], labels: Tensor, epochs: int, rate: float, batch: int
) -> None:
    """Train with AdamW and one cycle of the learning rate, at most `rate`; leave the network in eval mode.

    inputs_of: what the network sees of the items with these numbers, int64 [B]; it may draw. labels: int64 [N].
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.05, fused=True)
    batch = min(batch, len(labels))
    steps = len(labels) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps, pct_start=0.15)
    network.train()
    for _ in tqdm(range(epochs), desc="training", disable=None):
        for chosen in torch.randperm(len(labels))[: steps * batch].split(batch):
            loss = nn.functional.cross_entropy(network(inputs_of(chosen)), labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
