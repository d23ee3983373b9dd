"""Layouts of three papers: their parameter counts, and where labels enter."""

import pytest
import torch
from torch import nn

from equipoise.networks.design import Design
from equipoise.networks.layouts import build_pair

S1 = Design(
    size=64,
    channels=3,
    n_classes=3,
    conditioning="one_hot",
    latent_size=128,
    base_channels=64,
    bias=True,
)
S2 = Design(size=128, channels=1, base_channels=128)
S2_ALL_STRIDE_2 = Design(size=128, channels=1, base_channels=128, all_stride_2=True)
S4 = Design(size=32, channels=3, base_channels=32)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("layout", "design", "generator", "critic"),
    [
        ("dcgan", S1, 3_831_619, 2_769_729),  # Sharma et al., 64 x 64
        ("constant", S2, 1_879_681, 1_650_433),  # Sun and Li, 128 x 128
        ("constant", S2_ALL_STRIDE_2, 1_879_681, 1_644_289),
        ("dcgan", S4, 370_624, 167_872),  # Mukhedkar and Kim, 32 x 32
    ],
)
def test_parameter_counts_of_the_papers(
    layout: str, design: Design, generator: int, critic: int
) -> None:
    assert tuple(map(count, build_pair(layout, design))) == (generator, critic)


@pytest.mark.parametrize("layout", ["dcgan", "constant"])
@pytest.mark.parametrize("conditioning", ["one_hot", "embedding", "embedding_map"])
def test_smallest_side_with_labels(layout: str, conditioning: str) -> None:
    design = Design(size=8, channels=1, n_classes=2, conditioning=conditioning, base_channels=2)
    generator, critic = build_pair(layout, design)
    labels = torch.tensor([0, 1])
    assert critic(generator(torch.randn(2, 100), labels), labels).shape == (2,)


def test_join_vector_gives_the_first_linear_150_inputs() -> None:
    design = Design(size=32, channels=1, n_classes=2, conditioning="embedding", base_channels=4)
    linear = next(
        m for m in build_pair("constant", design)[0].stem.modules() if isinstance(m, nn.Linear)
    )
    assert linear.in_features == 150


def test_join_map_gives_the_first_transposed_convolution_129_channels() -> None:
    design = Design(
        size=32, channels=1, n_classes=2, conditioning="embedding_map", base_channels=128
    )
    body = build_pair("constant", design)[0].body
    assert next(m for m in body.modules() if isinstance(m, nn.ConvTranspose2d)).in_channels == 129


@pytest.mark.parametrize(
    ("conditioning", "extra"), [("embedding", 1), ("embedding_map", 1), ("one_hot", 7)]
)
def test_the_critic_sees_labels_beside_the_image(conditioning: str, extra: int) -> None:
    design = Design(size=32, channels=3, n_classes=7, conditioning=conditioning, base_channels=2)
    body = build_pair("dcgan", design)[1].body
    assert next(m for m in body.modules() if isinstance(m, nn.Conv2d)).in_channels == 3 + extra


def test_a_label_changes_image_and_score() -> None:
    design = Design(size=16, channels=1, n_classes=2, conditioning="embedding", base_channels=4)
    generator, critic = (network.eval() for network in build_pair("dcgan", design))
    latent, zeros, ones = (
        torch.randn(3, 100),
        torch.zeros(3, dtype=torch.long),
        torch.ones(3, dtype=torch.long),
    )
    assert not torch.equal(generator(latent, zeros), generator(latent, ones))
    images = torch.rand(3, 1, 16, 16)
    assert not torch.equal(critic(images, zeros), critic(images, ones))


def test_an_image_of_another_size_is_not_scored() -> None:
    critic = build_pair("dcgan", S4)[1]
    with pytest.raises(RuntimeError):
        critic(torch.rand(2, 3, 64, 64), torch.zeros(2, dtype=torch.long))
