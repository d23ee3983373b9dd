import re
from collections.abc import Callable
from functools import partial

import pytest

from equipoise.losses import LOSSES
from equipoise.losses.regions import REGION_LOSSES, RegionLossFactory, pick_loss
from equipoise.testing.region_losses import REGION_LOSS_CONTRACT, Factory

LINEAR = [name for name, factory in LOSSES.items() if factory.head == "linear"]


@pytest.mark.parametrize("check", REGION_LOSS_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [*REGION_LOSSES, *LINEAR])
def test_region_loss_contract(name: str, check: Callable[[Factory], None]) -> None:
    check(partial(pick_loss, name))


@pytest.mark.parametrize("factory", REGION_LOSSES.values(), ids=REGION_LOSSES)
def test_every_region_loss_is_described(factory: RegionLossFactory) -> None:
    assert factory.summary
    assert re.search(r"\(\d{4}\)", factory.source)
    assert REGION_LOSSES[factory.name] is factory
    assert factory.name not in LOSSES
