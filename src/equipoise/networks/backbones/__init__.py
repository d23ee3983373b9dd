"""Classification networks by name; each file of this package contributes its own.

To add one, write a file here that lists its records in `BACKBONES`; nothing else has to change.
"""

import sys

from torch import nn

from equipoise.discovery import Family, modules, pick
from equipoise.networks.backbone import Backbone


def _all_backbones() -> dict[str, Backbone]:
    backbones: dict[str, Backbone] = {}
    for module in modules(sys.modules[__name__]).values():
        for backbone in module.BACKBONES:
            backbones[backbone.name] = backbone
    return backbones


BACKBONES = _all_backbones()
FAMILY = Family(
    name="networks",
    summary="Networks of a classifier: --network.",
    members=BACKBONES,
)


def find_backbone(name: str) -> Backbone:
    """Look up the record of a network.

    Raises:
        SettingError: No such network.

    Example:
        >>> find_backbone("resnet18").weights["imagenet"].sha256
        'f37072fd'
    """
    return pick(BACKBONES, name, "network")


def build(name: str, *, channels: int, n_classes: int, side: int) -> nn.Module:
    """Build a network with random weights from torch's global generator.

    Args:
        name: One of `BACKBONES`.
        channels: Channels of the images.
        n_classes: Outputs (logits).
        side: Smaller side of the images in px.

    Raises:
        SettingError: No such network.
        DataError: The images are too small for it.

    Example:
        >>> import torch
        >>> network = build("small_cnn", channels=1, n_classes=3, side=28)
        >>> network(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 3])
    """
    backbone = find_backbone(name)
    backbone.check_side(side)
    return backbone.build(channels, n_classes, side)
