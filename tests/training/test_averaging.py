"""The running average of weights, and the batch norms of an averaged network."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from equipoise.training.averaging import ExponentialAverage, refresh_batch_norm
from equipoise.training.loop import History


def constant(value: float) -> nn.Linear:
    linear = nn.Linear(2, 2)
    for parameter in linear.parameters():
        nn.init.constant_(parameter, value)
    return linear


def test_constant_weights_stay() -> None:
    average = ExponentialAverage(constant(1.0))
    for done in range(1, 50):
        average(done, History())
    assert torch.equal(average.network.get_parameter("weight"), torch.ones(2, 2))


def test_from_0_to_1_as_one_minus_decay_to_the_n() -> None:
    source = constant(0.0)
    average = ExponentialAverage(source, decay=0.9, ramp=math.inf)
    source.load_state_dict(constant(1.0).state_dict())
    for done in range(1, 11):
        average(done, History())
    assert average.network.get_parameter("weight")[0, 0].item() == pytest.approx(
        1 - 0.9**10, rel=1e-5
    )


def test_the_half_life_is_at_most_a_share_of_the_steps_done() -> None:
    average = ExponentialAverage(constant(0.0), decay=0.999, ramp=0.05)
    assert average.decay_at(1000) ** 50 == pytest.approx(0.5)
    assert average.decay_at(10**6) == 0.999


def test_the_source_is_not_touched_and_the_average_needs_no_gradient() -> None:
    source = constant(1.0)
    average = ExponentialAverage(source)
    average(1, History())
    assert all(parameter.requires_grad for parameter in source.parameters())
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert not average.network.training
    assert source.training


def test_buffers_are_copied() -> None:
    source = nn.BatchNorm2d(1)
    average = ExponentialAverage(source)
    source(torch.full((4, 1, 2, 2), 7.0))
    average(1, History())
    assert torch.equal(
        average.network.get_buffer("running_mean"), source.get_buffer("running_mean")
    )


def test_golden_average_of_weights_and_buffers() -> None:
    """The same as torch's `AveragedModel`, which copies the first weights that it is shown."""
    torch.manual_seed(0)
    source = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))
    optimizer = torch.optim.SGD(source.parameters(), lr=0.1)
    average = ExponentialAverage(source, decay=0.9, ramp=math.inf, average_buffers=True)
    reference = AveragedModel(source, avg_fn=lambda old, new, _n: 0.9 * old + 0.1 * new)
    reference.update_parameters(source)
    mean = source[1].get_buffer("running_mean").clone()
    for done in range(1, 8):
        optimizer.zero_grad()
        torch.autograd.backward(source(torch.randn(5, 1, 4, 4) + done).square().mean())
        optimizer.step()
        average(done, History())
        reference.update_parameters(source)
        mean = 0.9 * mean + 0.1 * source[1].get_buffer("running_mean")
    expected = reference.module.state_dict()
    for name, tensor in average.network.named_parameters():
        torch.testing.assert_close(tensor, expected[name])
    torch.testing.assert_close(average.network.get_buffer("1.running_mean"), mean)
    assert average.network.get_buffer("1.num_batches_tracked") == 7


def test_state_round_trip() -> None:
    average, other = ExponentialAverage(constant(0.3)), ExponentialAverage(constant(0.0))
    other.load_state_dict(average.state_dict())
    assert torch.equal(other.network.get_parameter("bias"), average.network.get_parameter("bias"))


def test_refreshed_statistics_are_plain_means_over_the_inputs() -> None:
    norm = nn.BatchNorm2d(1)
    norm(torch.full((4, 1, 2, 2), 100.0))
    batches: list[tuple[Tensor]] = [(torch.randn(8, 1, 4, 4) + shift,) for shift in (1.0, 3.0)]
    refresh_batch_norm(norm, batches)
    means = [images.mean().item() for (images,) in batches]
    assert norm.get_buffer("running_mean").item() == pytest.approx(sum(means) / 2, abs=1e-5)
    assert norm.momentum == 0.1
    assert not norm.training


def test_a_network_without_batch_norm_is_left_alone() -> None:
    linear = constant(1.0)
    refresh_batch_norm(linear, [])
    assert not linear.training


def test_golden_decay() -> None:
    """A half-life of 10,000 images in batches of 64: 5 % of the images after 3,125 steps."""
    decay = ExponentialAverage(constant(0.0), decay=0.999, ramp=0.05).decay_at(3125)
    assert decay == pytest.approx(0.995574, rel=1e-6)
    assert decay == pytest.approx(0.5 ** (64 / 10_000))
