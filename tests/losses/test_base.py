from typing import Any

import numpy as np
import pytest
import torch

from equipoise.exceptions import DataError
from equipoise.losses import (
    LDAM,
    LOSSES,
    DeferredLDAM,
    LogitAdjustment,
    PosthocLogitAdjustment,
)
from equipoise.losses.base import ImbalanceLoss


@pytest.mark.parametrize("counts", [[5, 0], [5], [[1, 2], [3, 4]]])
def test_refuses_bad_counts(counts: list[int]) -> None:
    with pytest.raises(DataError, match="at least 2 classes"):
        LOSSES["cross_entropy"](torch.tensor(counts))


def test_image_weights_meet_the_image_axis_and_the_mean_keeps_its_divisor() -> None:
    """Three terms for each of two images: (3 * 1 * 1.0 + 3 * 2 * 0.5) / 6, not / 4.5."""

    class Target(ImbalanceLoss):
        def terms(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return target.to(logits.dtype)

    target = torch.tensor([[1, 1, 1], [2, 2, 2]])
    value = Target()(torch.zeros(2, 4, 3), target, torch.tensor([1.0, 0.5]))
    torch.testing.assert_close(value, torch.tensor(1.0))


@pytest.mark.parametrize("name", LOSSES)
def test_counts_may_be_whole_numbers_of_any_kind(name: str) -> None:
    logits, target = torch.tensor([[2.0, -1.0], [0.5, 1.0]]), torch.tensor([0, 1])
    expected = LOSSES[name](torch.tensor([60.0, 20.0]))(logits, target)
    for counts in ([60, 20], np.array([60, 20]), torch.tensor([60, 20])):
        torch.testing.assert_close(LOSSES[name](counts)(logits, target), expected)


@pytest.mark.parametrize("loss", [LDAM, DeferredLDAM, LogitAdjustment, PosthocLogitAdjustment])
def test_a_loss_alone_takes_whole_numbers(loss: type[LDAM] | type[LogitAdjustment]) -> None:
    logits, target = torch.tensor([[0.2, -0.1], [0.5, 0.1]]), torch.tensor([0, 1])
    expected = loss(torch.tensor([60.0, 20.0]))(logits, target)
    torch.testing.assert_close(loss([60, 20])(logits, target), expected)


@pytest.mark.parametrize("counts", [[0, 32], [-1, 32], [float("nan"), 3], [[3, 4]], 5])
def test_impossible_counts_are_refused(counts: Any) -> None:
    with pytest.raises(DataError, match="at least 2 classes"):
        LDAM(counts)
