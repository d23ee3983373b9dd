import math
import warnings
from itertools import pairwise

import pytest
import torch
from torch import nn

from equipoise.exceptions import SettingError
from equipoise.training.optimizers import (
    OPTIMIZERS,
    SCHEDULES,
    RateGroup,
    make_optimizer,
    make_schedule,
)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_descends(name: str) -> None:
    weight = nn.Parameter(torch.tensor([3.0]))
    optimizer = make_optimizer(name, [weight], learning_rate=0.05, weight_decay=0.0)
    for _ in range(100):
        optimizer.zero_grad()
        torch.autograd.backward(weight**2)
        optimizer.step()
    assert abs(weight.item()) < 0.5


def test_settings_reach_the_optimizer() -> None:
    weights = [nn.Parameter(torch.ones(1))]
    adamw = make_optimizer("adamw", weights, learning_rate=0.1, weight_decay=0.01)
    assert isinstance(adamw, torch.optim.AdamW)
    assert (adamw.param_groups[0]["lr"], adamw.param_groups[0]["weight_decay"]) == (0.1, 0.01)
    sgd = make_optimizer("sgd", weights, learning_rate=0.1)
    assert (sgd.param_groups[0]["momentum"], sgd.param_groups[0]["weight_decay"]) == (0.9, 0.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_groups_have_rates_of_their_own(name: str) -> None:
    slow, quick = (nn.Parameter(torch.ones(3)) for _ in range(2))
    groups = [RateGroup((quick,), 1.0), RateGroup((slow,), 0.25)]
    optimizer = make_optimizer(name, groups, learning_rate=0.1)
    schedule = make_schedule("cosine", optimizer, 2)
    torch.autograd.backward(quick.sum() + slow.sum())
    optimizer.step()
    assert ((1 - slow) / (1 - quick)).detach().numpy() == pytest.approx(0.25, rel=1e-4)
    schedule.step()
    assert schedule.get_last_lr() == pytest.approx([0.05, 0.0125])
    assert all(group["fused"] for group in optimizer.param_groups)


def rates(name: str, n_steps: int, n_warmup: int = 0) -> list[float]:
    """Return the learning rate of every step."""
    optimizer = make_optimizer("sgd", [nn.Parameter(torch.ones(1))], learning_rate=1.0)
    schedule = make_schedule(name, optimizer, n_steps, n_warmup=n_warmup)
    used = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(n_steps):
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
    return used


def test_schedules() -> None:
    assert rates("constant", 4) == [1.0] * 4
    assert rates("step", 8) == pytest.approx([1.0] * 4 + [0.1] * 2 + [0.01] * 2)
    assert rates("cosine", 4) == pytest.approx(
        [1.0, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125)]
    )


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_follows_its_warm_up(name: str) -> None:
    assert rates(name, 11, n_warmup=3) == pytest.approx([0.25, 0.5, 0.75, *rates(name, 8)])


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_start_full_and_never_rise(name: str) -> None:
    factors = [SCHEDULES[name](t / 100) for t in range(101)]
    assert factors[0] == 1.0
    assert all(0 <= later <= earlier for earlier, later in pairwise(factors))


def test_unknown_names_are_told_from_known_ones() -> None:
    with pytest.raises(SettingError, match=r"optimizer named 'adamww'.* 'adamw'"):
        make_optimizer("adamww", [], learning_rate=0.1)
    optimizer = make_optimizer("sgd", [nn.Parameter(torch.ones(1))], learning_rate=1.0)
    with pytest.raises(SettingError, match="No schedule named 'cosin'"):
        make_schedule("cosin", optimizer, 10)
