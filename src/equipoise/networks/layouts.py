"""Layouts of GAN networks by name; a new architecture is a new row of `LAYOUTS`."""

from collections.abc import Callable, Mapping

from equipoise.discovery import Family, pick
from equipoise.networks.bagan_gp import bagan_gp_pair
from equipoise.networks.convolutional import constant_pair, dcgan_pair
from equipoise.networks.design import Critic, Design, Generator
from equipoise.networks.residual import residual_pair

LAYOUTS: Mapping[str, Callable[[Design], tuple[Generator, Critic]]] = {
    "dcgan": dcgan_pair,
    "constant": constant_pair,
    "residual": residual_pair,
    "bagan_gp": bagan_gp_pair,
}
FAMILY = Family(
    name="layouts",
    summary="Pairs of generator and critic.",
    members=LAYOUTS,
)


def build_pair(layout: str, design: Design) -> tuple[Generator, Critic]:
    """Build a generator and its critic with the initial weights of their layout.

    Random weights come from torch's global generator.

    Raises:
        SettingError: No such layout, conditioning, norm or initialization, an invalid image side,
            or a setting that the layout does not support.

    Example:
        >>> import torch
        >>> generator, critic = build_pair("dcgan", Design(size=16, channels=1, base_channels=4))
        >>> labels = torch.zeros(2, dtype=torch.int64)
        >>> images = generator(torch.randn(2, 100), labels)
        >>> images.shape, critic(images, labels).shape
        (torch.Size([2, 1, 16, 16]), torch.Size([2]))
    """
    return pick(LAYOUTS, layout, "layout")(design)
