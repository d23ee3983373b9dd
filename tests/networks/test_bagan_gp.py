"""Networks of BAGAN-GP: parameter counts of the paper, every valid side, initial weights."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from equipoise.exceptions import SettingError
from equipoise.networks.bagan_gp import LabeledFeatures, LabelProduct, bagan_gp_pair, encoder
from equipoise.networks.design import Design
from equipoise.networks.initialization import CONVOLUTIONS
from equipoise.networks.layouts import build_pair


def design(size: int = 16, channels: int = 1, n_classes: int = 2, **changes: Any) -> Design:
    settings: dict[str, Any] = {"latent_size": 9, "base_channels": 2} | changes
    return Design(
        size=size, channels=channels, n_classes=n_classes, conditioning="product", **settings
    )


def n_parameters(*networks: nn.Module) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())


def test_parameter_counts_are_those_of_the_paper() -> None:
    paper = design(64, 3, 3, latent_size=128, base_channels=64)
    generator, critic = bagan_gp_pair(paper)
    assert n_parameters(encoder(paper)) == 1_445_568
    assert n_parameters(generator.stem, generator.body) == 1_449_923  # the decoder
    assert n_parameters(generator.into_latent) == 384  # the embedding
    assert n_parameters(critic) == 5_122_113


@pytest.mark.parametrize("size", [8, 28, 32, 48, 96, 160])
@pytest.mark.parametrize(("channels", "n_classes"), [(1, 2), (3, 7), (1, 1)])
def test_every_valid_side(size: int, channels: int, n_classes: int) -> None:
    requested_design = design(size, channels, n_classes)
    generator, critic = bagan_gp_pair(requested_design)
    labels = torch.tensor([0, n_classes - 1])
    images = generator(torch.randn(2, 9), labels)
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    assert critic(images, labels).shape == (2,)
    assert encoder(requested_design)(images).shape == (2, 9)


@pytest.mark.parametrize("size", [30, 100])
def test_a_side_that_is_not_valid_is_refused(size: int) -> None:
    for build in (bagan_gp_pair, encoder):
        with pytest.raises(SettingError, match=f"got {size}"):
            build(design(size))


@pytest.mark.parametrize(
    "changes", [{"critic_norm": "batch"}, {"attention": True}, {"conditioning": "one_hot"}]
)
def test_what_has_no_place_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(changes))):
        bagan_gp_pair(replace(design(), **changes))


def test_no_other_layout_takes_products() -> None:
    with pytest.raises(SettingError, match="layout 'bagan_gp'"):
        build_pair("dcgan", design())


def test_max_channels_bounds_every_map() -> None:
    generator, critic = bagan_gp_pair(design(32, base_channels=4, max_channels=6))
    maps = [
        m
        for network in (generator, critic)
        for m in network.modules()
        if isinstance(m, CONVOLUTIONS)
    ]
    assert max(m.out_channels for m in maps) == 6


def test_the_latent_is_multiplied_by_the_labels_vector() -> None:
    generator = bagan_gp_pair(design())[0].eval()
    latent, labels = torch.randn(3, 9), torch.tensor([1, 0, 1])
    assert isinstance(generator.into_latent, LabelProduct)
    expected = generator.body(
        generator.stem(latent * generator.into_latent.embedding.weight[labels])
    )
    assert torch.equal(generator(latent, labels), expected)


def test_the_critics_features_are_multiplied_by_those_of_the_label() -> None:
    critic = bagan_gp_pair(design())[1]
    images, labels = torch.rand(3, 1, 16, 16), torch.tensor([1, 0, 1])
    assert isinstance(critic.into_image, LabeledFeatures)
    product = critic.into_image.trunk(images) * critic.into_image.label_path(labels)
    assert torch.equal(critic(images, labels), critic.body(product)[:, 0])


def test_first_weights() -> None:
    """Convolutions N(0, 0.02), dense Glorot-uniform, embeddings U(-0.05, 0.05), as in Keras."""
    torch.manual_seed(0)
    wide = design(16, base_channels=32, latent_size=64)
    generator, critic = bagan_gp_pair(wide)
    for network in (generator, critic, encoder(wide)):
        for module in network.modules():
            if isinstance(module, CONVOLUTIONS):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            elif isinstance(module, nn.Linear):
                bound = (6 / (module.in_features + module.out_features)) ** 0.5
                assert 0.9 * bound < module.weight.abs().max() <= bound
            elif isinstance(module, nn.Embedding):
                assert 0.04 < module.weight.abs().max() <= 0.05


def test_the_critic_has_no_batch_norm() -> None:
    """A gradient penalty needs the slope of each score at its own image."""
    assert not any(
        isinstance(module, nn.BatchNorm2d) for module in bagan_gp_pair(design())[1].modules()
    )
