import re
from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import cross_entropy

from equipoise.losses import LOSSES
from equipoise.losses.base import LossFactory
from equipoise.networks.heads import HEADS
from equipoise.testing.losses import LOSS_CONTRACT

SOURCE = re.compile(r"\(\d{4}\)|paper S\d|Definition")


@pytest.mark.parametrize("check", LOSS_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("factory", LOSSES.values(), ids=LOSSES)
def test_loss_contract(factory: LossFactory, check: Callable[[LossFactory], None]) -> None:
    check(factory)


@pytest.mark.parametrize("factory", LOSSES.values(), ids=LOSSES)
def test_every_loss_is_described(factory: LossFactory) -> None:
    assert factory.summary
    assert SOURCE.search(factory.source)
    assert factory.head in HEADS
    assert LOSSES[factory.name] is factory


@pytest.mark.parametrize("factory", LOSSES.values(), ids=LOSSES)
def test_losses_that_only_rebalance_are_cross_entropy_for_equal_classes(
    factory: LossFactory,
) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(8, 3), torch.arange(8) % 3
    value = factory(torch.tensor([7, 7, 7]))(logits, target)
    same = torch.allclose(value, cross_entropy(logits, target), rtol=1e-6)
    assert same == factory.cross_entropy_if_balanced
