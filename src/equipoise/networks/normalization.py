"""What keeps a critic's layers in scale: norms of its maps, or of its weights (methods 4.2)."""

from collections.abc import Callable, Mapping

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from equipoise.discovery import Family

SPECTRAL = "spectral"


def batch(channels: int) -> list[nn.Module]:
    """Each channel over all images of the batch; not with gradient penalties, whose images must not mix."""
    return [nn.BatchNorm2d(channels)]


def layer(channels: int) -> list[nn.Module]:
    """Each image over all its channels and places, with weight and bias per channel."""
    return [nn.GroupNorm(1, channels)]


def instance(channels: int) -> list[nn.Module]:
    """Each channel of each image by itself, with weight and bias per channel."""
    return [nn.InstanceNorm2d(channels, affine=True)]


def nothing(channels: int) -> list[nn.Module]:
    """Maps stay as they are."""
    return []


def spectral(channels: int) -> list[nn.Module]:
    """Maps stay as they are; the largest singular value of every weight is kept at 1 (`constrain_spectra`)."""
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
    """Divide every weight of a network by its largest singular value, from now on.

    The value is followed by one step of the power method at each forward pass in training mode; its vectors are
    buffers and so part of every checkpoint, and eval mode leaves them. Draw the first weights before: afterwards
    `weight` is computed. A weight matrix has one row per output channel, also that of a transposed convolution.

    Source: Miyato et al. 2018. As there, the critic's passes in the generator's update take a step too, although
    its weights do not change then. Under bfloat16 a GPU follows the value in bfloat16 too.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.ConvTranspose2d):
            spectral_norm(module, dim=1)
        elif isinstance(module, (nn.Conv2d, nn.Linear, nn.Embedding)):
            spectral_norm(module, dim=0)
