from collections.abc import Callable

import pytest

from equipoise.losses import LOSSES
from equipoise.losses.base import LossFactory
from equipoise.testing.losses import LOSS_CONTRACT


@pytest.mark.parametrize("check", LOSS_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("factory", LOSSES.values(), ids=LOSSES)
def test_loss_contract(factory: LossFactory, check: Callable[[LossFactory], None]) -> None:
    check(factory)


@pytest.mark.parametrize("factory", LOSSES.values(), ids=LOSSES)
def test_every_loss_says_what_it_is(factory: LossFactory) -> None:
    assert factory.summary
    assert factory.source.startswith("methods")
    assert LOSSES[factory.name] is factory
