import torch
from torch import Tensor, nn

from equipoise.training.optimizers import make_schedule
from equipoise.training.steps import LossStep


def test_one_step_is_one_plain_update() -> None:
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer = torch.optim.SGD([weight], lr=0.1)

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        return ((weight * images - labels) ** 2).mean()

    step = LossStep(loss=loss, optimizer=optimizer, schedule=make_schedule("step", optimizer, 2))
    scalars = step(torch.tensor([1.0]), torch.tensor([0.0]))
    assert scalars["loss"] == 4.0
    assert not scalars["loss"].requires_grad
    torch.testing.assert_close(weight.data, torch.tensor([2.0 - 0.1 * 4.0]))
    step(
        torch.tensor([1.0]), torch.tensor([0.0])
    )  # the gradient of the first step is gone, the rate a tenth
    torch.testing.assert_close(weight.data, torch.tensor([1.6 - 0.01 * 3.2]))


def test_the_loss_runs_in_the_given_precision() -> None:
    layer = nn.Linear(2, 2)
    seen: list[torch.dtype] = []

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        outputs: Tensor = layer(images)
        seen.append(outputs.dtype)
        return outputs.float().sum()

    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    step = LossStep(
        loss=loss, optimizer=optimizer, autocast=lambda: torch.autocast("cpu", dtype=torch.bfloat16)
    )
    step(torch.rand(1, 2), torch.zeros(1))
    assert seen == [torch.bfloat16]
    assert layer.weight.dtype == torch.float32
