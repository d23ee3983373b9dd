import pytest
import torch
from torch import nn

from equipoise.exceptions import SettingError
from equipoise.networks.probing import can_run, layer_that_returns, unmaterialized


def test_nothing_is_computed_and_no_number_drawn() -> None:
    state = torch.get_rng_state()
    with unmaterialized():
        layer = nn.Linear(2, 2)
    assert layer.weight.is_meta
    assert torch.equal(torch.get_rng_state(), state)


def test_own_errors_are_not_taken_for_a_network_that_is_too_small() -> None:
    def build() -> nn.Module:
        raise SettingError("not installed")

    with pytest.raises(SettingError, match="not installed"):
        can_run(build, 32)


def test_the_layer_that_returns_the_map_is_the_last_of_those_that_do() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Identity()))
    images = torch.rand(1, 1, 8, 8)
    assert layer_that_returns(network, lambda: network(images)) == "1"
    assert layer_that_returns(network, lambda: network(images).relu()) is None
    assert not any(layer._forward_hooks for layer in network.modules())
