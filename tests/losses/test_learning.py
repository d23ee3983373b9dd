"""How losses change what a network learns from 950 points of one class and 50 of another."""

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from equipoise.losses import LOSSES
from equipoise.losses.base import ImbalanceLoss
from equipoise.networks.heads import replace_linear

REBALANCING = [name for name, factory in LOSSES.items() if factory.rebalances]
NEUTRAL = [name for name, factory in LOSSES.items() if not factory.rebalances]
SEEDS = range(4)


@pytest.mark.slow
@pytest.mark.parametrize("name", REBALANCING)
def test_rebalancing_finds_more_of_a_rare_class_that_overlaps(name: str) -> None:
    """For every seed. The best possible border has a balanced accuracy of 0.841."""
    for seed in SEEDS:
        plain, rebalanced = recalls("cross_entropy", seed), recalls(name, seed)
        assert rebalanced[1] > plain[1] + 0.25
        assert rebalanced.mean() > plain.mean() + 0.08


@pytest.mark.slow
@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_losses_do_not_rebalance_classes_that_overlap(name: str) -> None:
    """Focal loss and two sigmoids ignore the counts; for LDAM without weights see `test_ldam`."""
    gains = []
    for seed in SEEDS:
        gains.append(recalls(name, seed).mean() - recalls("cross_entropy", seed).mean())
    assert torch.stack(gains).mean() < 0.05


@cache
def recalls(name: str, seed: int) -> Tensor:
    """Recall of both classes after full-batch training, on 4,000 new points, half of each class."""
    torch.manual_seed(seed)
    points, target = draw((950, 50), seed)
    network = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    replace_linear(network, "2", LOSSES[name].head)
    loss = LOSSES[name](torch.bincount(target))
    learn(network, loss, points, target)
    points, target = draw((2000, 2000), 1000 + seed)
    with torch.no_grad():
        correct = loss.probabilities(network(points)).argmax(dim=1) == target
    return torch.stack([correct[target == label].float().mean() for label in (0, 1)])


def learn(
    network: nn.Module, loss: ImbalanceLoss, points: Tensor, target: Tensor, *, n_steps: int = 600
) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for step in range(n_steps):
        loss.advance(step / n_steps)
        optimizer.zero_grad()
        torch.autograd.backward(loss(network(points), target))
        optimizer.step()


def draw(counts: tuple[int, int], seed: int) -> tuple[Tensor, Tensor]:
    """Points around (0, 0) and (2, 0) with deviation 1."""
    target = torch.repeat_interleave(torch.arange(2), torch.tensor(counts))
    noise = torch.randn(len(target), 2, generator=torch.Generator().manual_seed(seed))
    return noise + 2.0 * torch.stack([target, torch.zeros_like(target)], dim=1), target
