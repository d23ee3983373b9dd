import pytest
import torch

from equipoise.exceptions import DataError
from equipoise.losses import LOSSES
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
