import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from equipoise.exceptions import SettingError
from equipoise.networks.backbones import NETWORKS, build
from equipoise.networks.heads import CosineLinear, features_of, last_linear, replace_head
from equipoise.networks.weights import build_for_imagenet


def classifier(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(name, channels=1, n_classes=3, side=16)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_head_of_the_features_gives_the_logits(name: str) -> None:
    network, images = classifier(name).eval(), torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        features = features_of(network, images)
        assert features.shape == (2, last_linear(network).in_features)
        assert torch.equal(last_linear(network)(features), network(images))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_cosine_head_gives_cosines(name: str) -> None:
    network, images = classifier(name), torch.rand(2, 1, 16, 16)
    replace_head(network, "cosine")
    with torch.no_grad():
        features, logits = features_of(network.eval(), images), network(images)
    angles = normalize(features.double(), dim=1) @ last_linear(network).weight.double().T
    torch.testing.assert_close(logits.double(), angles, atol=1e-5, rtol=0)
    assert [name for name, _ in network.named_parameters()][-1].endswith(
        "weight"
    )  # the bias is gone


def test_pretrained_classifiers_have_their_head_deeper_down() -> None:
    network = build_for_imagenet("resnet18", n_classes=3, side=16)
    replace_head(network, "cosine")
    assert isinstance(network.get_submodule("1.fc"), CosineLinear)


def test_a_head_of_that_kind_stays_and_another_comes_from_the_seed() -> None:
    network = classifier("small_cnn")
    first = last_linear(network)
    replace_head(network, "linear")
    assert last_linear(network) is first
    drawn = []
    for _ in range(2):
        network = classifier("small_cnn").double()
        replace_head(network, "cosine")
        drawn.append(last_linear(network).weight)
    assert drawn[0].dtype == torch.float64
    assert torch.equal(*drawn)


def test_only_directions_count() -> None:
    torch.manual_seed(0)
    head, features = CosineLinear(5, 3), torch.randn(4, 5)
    torch.testing.assert_close(head.weight.norm(dim=1), torch.ones(3))
    expected = head(features)
    with torch.no_grad():
        head.weight.mul_(torch.tensor([[0.1], [3.0], [7.0]]))
    torch.testing.assert_close(head(8 * features), expected)
    assert torch.equal(head(torch.zeros(1, 5)), torch.zeros(1, 3))  # what a dead last layer gives


def test_gradients_reach_the_features_and_nothing_listens_afterwards() -> None:
    network = classifier("small_cnn")
    total = features_of(network, torch.rand(2, 1, 16, 16)).sum()
    (gradient,) = torch.autograd.grad(total, next(network.parameters()))
    assert gradient.abs().sum() > 0
    assert not last_linear(network)._forward_pre_hooks


def test_refuses_other_kinds_and_networks_without_a_linear_layer() -> None:
    with pytest.raises(SettingError, match=r"No head named 'cosinus'. Did you mean 'cosine'"):
        replace_head(classifier("small_cnn"), "cosinus")
    with pytest.raises(SettingError, match="ends in a linear layer, got Conv2d"):
        last_linear(nn.Conv2d(1, 1, 1))
