from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import cross_entropy

from equipoise.losses import LOSSES
from equipoise.losses.base import LossFactory
from equipoise.networks.heads import HEADS
from equipoise.testing.losses import LOSS_CONTRACT

OTHER_THAN_CROSS_ENTROPY = {"focal", "class_balanced_focal", "ldam", "ldam_drw", "two_sigmoid"}


@pytest.mark.parametrize("check", LOSS_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("factory", LOSSES.values(), ids=LOSSES)
def test_loss_contract(factory: LossFactory, check: Callable[[LossFactory], None]) -> None:
    check(factory)


@pytest.mark.parametrize("factory", LOSSES.values(), ids=LOSSES)
def test_every_loss_says_what_it_is(factory: LossFactory) -> None:
    assert factory.summary
    assert factory.source.startswith("methods")
    assert factory.head in HEADS
    assert LOSSES[factory.name] is factory


@pytest.mark.parametrize("factory", LOSSES.values(), ids=LOSSES)
def test_what_only_rebalances_is_cross_entropy_where_classes_are_equal(
    factory: LossFactory,
) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(8, 3), torch.arange(8) % 3
    value = factory(torch.tensor([7, 7, 7]))(logits, target)
    same = torch.allclose(value, cross_entropy(logits, target), rtol=1e-6)
    assert same == (factory.name not in OTHER_THAN_CROSS_ENTROPY)
