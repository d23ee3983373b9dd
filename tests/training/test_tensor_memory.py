import pytest
import torch
from torch import nn

from equipoise.training.tensor_memory import TensorMemory

MIB = 2**20


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_backward_pass_needs_its_saved_maps(device: str) -> None:
    layers = nn.Sequential(*(nn.Sigmoid() for _ in range(4)))
    images = torch.ones(MIB // 4, device=device, requires_grad=True)  # 1 MiB
    with TensorMemory() as memory:
        scores = layers(images)
        after_forward = memory.live
        scores.sum().backward()
    assert after_forward == 4 * MIB  # each sigmoid keeps its output
    assert 5 * MIB <= memory.peak <= 7 * MIB


def test_views_and_freed_tensors_are_not_counted() -> None:
    with TensorMemory() as memory:
        images = torch.ones(MIB // 4)
        rows = images.reshape(4, -1)[1:]
        assert memory.live == MIB
        del images
        assert memory.live == MIB  # the view holds the storage
        del rows
        assert memory.live == 0
    assert memory.peak == MIB
