"""Networks of the original BAGAN: widths of the reference, valid sides, latents of a class."""

from typing import Any

import pytest
import torch
from torch import nn

from equipoise.exceptions import SettingError
from equipoise.networks.bagan import ClassCritic, ClassGaussians, bagan_networks, generator
from equipoise.networks.design import Design


def design(size: int = 16, channels: int = 1, n_classes: int = 2, **changes: Any) -> Design:
    settings: dict[str, Any] = {"latent_size": 9, "base_channels": 2} | changes
    return Design(
        size=size, channels=channels, n_classes=n_classes, conditioning="gaussians", **settings
    )


def widths(network: nn.Module, kind: type[nn.Linear | nn.Conv2d]) -> list[int]:
    return [len(module.weight) for module in network.modules() if isinstance(module, kind)]


def test_widths_are_those_of_the_reference() -> None:
    """Conv 32/2, 64/1, 128/2, 256/1, then pairs of 256 down to side 8; linear 1024, 128 * s0^2."""
    generator, critic, encoder = bagan_networks(design(64, 3, 3, latent_size=100, base_channels=32))
    assert (
        widths(critic.trunk, nn.Conv2d)
        == widths(encoder[0], nn.Conv2d)
        == [32, 64, 128, 256, 256, 256]
    )
    assert [m.stride[0] for m in critic.trunk.modules() if isinstance(m, nn.Conv2d)] == [
        2,
        1,
        2,
        1,
        2,
        1,
    ]
    assert widths(generator, nn.Linear) == [1024, 128 * 4 * 4]
    assert widths(generator, nn.Conv2d) == [256, 256, 256, 128, 3]
    assert not [name for name, _ in generator.named_parameters() if name.endswith("bias")]


@pytest.mark.parametrize("size", [8, 10, 28, 32, 48, 96, 160])
@pytest.mark.parametrize(("channels", "n_classes"), [(1, 2), (3, 20)])
def test_every_valid_side(size: int, channels: int, n_classes: int) -> None:
    made, critic, encoder = bagan_networks(design(size, channels, n_classes))
    images = made(torch.randn(2, 9), torch.tensor([0, n_classes - 1]))
    assert images.shape == (2, channels, size, size)
    assert images.abs().max() <= 1
    assert critic.logits(images).shape == (2, n_classes + 1)
    assert encoder(images).shape == (2, 9)


def test_a_side_that_is_not_valid_is_refused() -> None:
    with pytest.raises(SettingError, match="got 30"):
        bagan_networks(design(30))


def test_the_score_is_the_logit_of_not_being_generated() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5], [-3.0, 0.0, 4.0]])
    real = 1 - logits.softmax(dim=1)[:, -1]
    torch.testing.assert_close(ClassCritic.realness(logits), real.logit())


def test_first_weights_do_not_make_images_of_one_gray() -> None:
    """Without biases, a latent of 0 is mid-gray; other latents differ from the start."""
    torch.manual_seed(0)
    made = generator(design(32, base_channels=8))
    assert made(torch.zeros(1, 9), torch.tensor([0])).abs().max() == 0
    assert made(torch.randn(8, 9), torch.zeros(8, dtype=torch.long)).std(dim=0).mean() > 1e-4


def test_gaussians_leave_latents_alone_until_they_are_fitted() -> None:
    latents = torch.randn(5, 9)
    assert torch.equal(ClassGaussians(2, 9)(latents, torch.tensor([0, 1, 0, 1, 0])), latents)


def test_gaussians_have_the_mean_and_covariance_of_their_class() -> None:
    torch.manual_seed(0)
    gaussians = ClassGaussians(2, 3)
    factors = torch.randn(2, 3, 3)
    gaussians.load_state_dict(
        {"means": torch.tensor([[1.0, 2, 3], [-4, 0, 9]]), "factors": factors}
    )
    labels = torch.arange(10_000) % 2
    latents = gaussians(torch.randn(10_000, 3), labels)
    for label in (0, 1):
        mine = latents[labels == label]
        torch.testing.assert_close(mine.mean(dim=0), gaussians.means[label], atol=0.15, rtol=0)
        torch.testing.assert_close(
            mine.T.cov(), factors[label] @ factors[label].T, atol=0.3, rtol=0.1
        )
