"""DenseNet-121, by MONAI, with its usual head and with that of paper S0."""

import re
from functools import partial

from torch import nn

from equipoise.networks.backbone import SMALL_SIDE, Backbone
from equipoise.networks.weights import (
    IMAGENET,
    TORCHVISION,
    TORCHVISION_LICENSE,
    InputStatistics,
    Weights,
)

XRV_RELEASE = "https://github.com/mlmed/torchxrayvision/releases/download/v1"
XRV_ALL = (
    "nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121"
    "-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt"
)
XRV_INPUT = InputStatistics((0.5,), (1 / 2048,), side=224)  # gray images in [-1024, 1024]
LAST_MAP = "class_layers.relu"  # MONAI applies the ReLU behind the last batch norm in its head
_TORCHVISION_LAYER = re.compile(r"(denselayer\d+)\.(norm|conv)\.?([12])\.")


def densenet121(channels: int, n_classes: int, side: int, *, small_kernel: int = 3) -> nn.Module:
    """Build MONAI's DenseNet-121 with a stem that suits the image side.

    Source: Huang et al. (2017), Table 1; 6,953,856 parameters without the head for three channels.
    Difference: below 64 px the first convolution has stride 1 and no max pool follows, because the
    last map would be 1 x 1.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        side: Smaller side of the images in px.
        small_kernel: Kernel of the stem for small images; 7 fits the official weights.
    """
    from monai.networks.nets.densenet import DenseNet

    network = DenseNet(spatial_dims=2, in_channels=channels, out_channels=n_classes)
    if side < SMALL_SIDE:
        stem = nn.Conv2d(channels, 64, small_kernel, padding=small_kernel // 2, bias=False)
        nn.init.kaiming_normal_(stem.weight)
        network.features.conv0, network.features.pool0 = stem, nn.Identity()
    return network


def densenet121_s0(channels: int, n_classes: int, side: int) -> nn.Module:
    """Build the classifier of paper S0: `densenet121` with one hidden layer of 1,024 units.

    Source: Kupas and Harangi (paper S0 in docs/methods.md): mean over the last map,
    Linear(1024, 1024), ReLU, Linear(1024, k). They do not state the depth of their DenseNet.
    """
    network = densenet121(channels, n_classes, side)
    layers: nn.Module = network.get_submodule("class_layers")
    layers.out = nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, n_classes))
    return network


def from_torchvision(name: str) -> str:
    """Translate a parameter name of torchvision's DenseNet, old or new, to MONAI's.

    Example:
        >>> from_torchvision("features.denseblock1.denselayer1.norm.1.weight")
        'features.denseblock1.denselayer1.layers.norm1.weight'
    """
    renamed = _TORCHVISION_LAYER.sub(r"\1.layers.\2\3.", name)
    return renamed.replace("classifier.", "class_layers.out.")


def from_torchxrayvision(name: str) -> str:
    """Translate a parameter name of torchxrayvision's DenseNet to MONAI's.

    The thresholds of its findings are dropped.
    """
    return "" if name == "op_threshs" else from_torchvision(name)


def _trunk(network: nn.Module) -> nn.Module:
    """Return the convolutions; the last map lacks its ReLU, see `LAST_MAP`."""
    return network.get_submodule("features")


BACKBONES = (
    Backbone(
        name="densenet121",
        summary="DenseNet-121, small stem below 64 px; weights of ImageNet or of chest films.",
        source="Huang et al. (2017), Table 1",
        build=densenet121,
        trunk=_trunk,
        head="class_layers.out",
        last_map=LAST_MAP,
        bfloat16=True,
        weights={
            "imagenet": Weights(
                url=f"{TORCHVISION}/densenet121-a639ec97.pth",
                sha256="a639ec97d7c33b07ae66f0b5fb7d0192f95a3b11b7576c66c0126c2a727c4395",
                license=TORCHVISION_LICENSE,
                statistics=IMAGENET,
                build=partial(densenet121, small_kernel=7),
                head="class_layers.out.",
                rename=from_torchvision,
            ),
            "xrv_all": Weights(
                url=f"{XRV_RELEASE}/{XRV_ALL}",
                sha256="56524913dd16a906422e8d8b66a7a5c46be1d82eb7ac012d8103776f1aa68899",
                license="Apache-2.0 (torchxrayvision); the films have terms of their own",
                statistics=XRV_INPUT,
                build=partial(densenet121, small_kernel=7),
                head="class_layers.out.",
                rename=from_torchxrayvision,
                whole_module=True,
            ),
        },
    ),
    Backbone(
        name="densenet121_s0",
        summary="DenseNet-121 with a hidden layer of 1,024 units before the logits (paper S0).",
        source="Kupas and Harangi (paper S0)",
        build=densenet121_s0,
        trunk=_trunk,
        head="class_layers.out.2",
        last_map=LAST_MAP,
    ),
)
