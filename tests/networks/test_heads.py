import torch
from torch import nn

from equipoise.networks.heads import CosineLinear, features_before, replace_linear


def test_only_directions_count() -> None:
    torch.manual_seed(0)
    head, features = CosineLinear(5, 3), torch.randn(4, 5)
    torch.testing.assert_close(head.weight.norm(dim=1), torch.ones(3))
    expected = head(features)
    with torch.no_grad():
        head.weight.mul_(torch.tensor([[0.1], [3.0], [7.0]]))
    torch.testing.assert_close(head(8 * features), expected)
    assert torch.equal(head(torch.zeros(1, 5)), torch.zeros(1, 3))  # from a dead layer before it


def test_several_views_of_an_image_are_normalized_each() -> None:
    head = CosineLinear(5, 3)
    views = torch.randn(4, 2, 5)
    torch.testing.assert_close(head(views)[:, 1], head(views[:, 1]))


def test_a_layer_is_replaced_where_its_name_says() -> None:
    layers = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    network = nn.Sequential(nn.Flatten(), layers)
    replace_linear(network, "1.0", "cosine")
    assert isinstance(layers[0], CosineLinear)
    assert type(layers[1]) is nn.Linear
    assert layers[0].weight.shape == (3, 4)


def test_features_are_what_the_layer_gets() -> None:
    network = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(4, 3))
    images = torch.randn(2, 1, 2, 2)
    assert torch.equal(features_before(network[2], network, images), images.flatten(1).relu())
