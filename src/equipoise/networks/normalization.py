"""Normalization of a critic: of its maps, or of its weights."""

from collections.abc import Callable, Mapping

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from equipoise.discovery import Family

SPECTRAL = "spectral"


def batch(channels: int) -> list[nn.Module]:
    """Normalize each channel over the batch; not for gradient penalties, which are per image."""
    return [nn.BatchNorm2d(channels)]


def layer(channels: int) -> list[nn.Module]:
    """Normalize each image over its channels and positions; weight and bias per channel."""
    return [nn.GroupNorm(1, channels)]


def instance(channels: int) -> list[nn.Module]:
    """Normalize each channel of each image; weight and bias per channel."""
    return [nn.InstanceNorm2d(channels, affine=True)]


def nothing(channels: int) -> list[nn.Module]:
    """Leave maps as they are."""
    return []


def spectral(channels: int) -> list[nn.Module]:
    """Leave maps as they are, but divide weights by their largest singular value."""
    return []


NORMS: Mapping[str, Callable[[int], list[nn.Module]]] = {
    "batch": batch,
    "layer": layer,
    "instance": instance,
    "none": nothing,
    SPECTRAL: spectral,
}
FAMILY = Family(
    name="critic_norms",
    summary="Normalizations of a GAN's critic.",
    members=NORMS,
)


def constrain_spectra(network: nn.Module) -> None:
    """Parametrize every weight of a network as itself divided by its largest singular value.

    The singular value is updated by one step of the power method per forward pass in training mode.
    Its vectors are buffers, so they are part of every checkpoint; evaluation mode does not change
    them. Draw the initial weights first: afterwards `weight` is computed. A weight matrix has one
    row per output channel, also for a transposed convolution.

    Source: Miyato et al. (2018), Algorithm 1. As there, the critic's passes in the generator's
    update take a step, too, although its weights do not change then. Under bfloat16 on a GPU the
    singular value is computed in bfloat16, too.

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Linear(2, 2, bias=False))
        >>> _ = network[0].weight.data.copy_(torch.diag(torch.tensor([3.0, 1.0])))
        >>> constrain_spectra(network)
        >>> outputs = [network(torch.ones(1, 2)) for _ in range(20)]
        >>> torch.linalg.matrix_norm(network[0].weight, 2) < 1.001
        tensor(True)
    """
    for module in list(network.modules()):
        if isinstance(module, nn.ConvTranspose2d):
            spectral_norm(module, dim=1)
        elif isinstance(module, (nn.Conv2d, nn.Linear, nn.Embedding)):
            spectral_norm(module, dim=0)
