"""ResNet-18 and ResNet-50, by MONAI."""

import re
from collections import OrderedDict
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

RADIMAGENET = "https://huggingface.co/Lab-Rasool/RadImageNet/resolve/main/ResNet50.pt"
RADIMAGENET_LAYERS = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
}
TRUNK = ("conv1", "bn1", "act", "maxpool", "layer1", "layer2", "layer3", "layer4")


def resnet18(channels: int, n_classes: int, side: int, *, small_kernel: int = 3) -> nn.Module:
    """Build MONAI's ResNet-18 with a stem that suits the image side; see `resnet`."""
    return resnet("basic", (2, 2, 2, 2), channels, n_classes, side, small_kernel=small_kernel)


def resnet50(channels: int, n_classes: int, side: int, *, small_kernel: int = 3) -> nn.Module:
    """Build MONAI's ResNet-50 with a stem that suits the image side; see `resnet`.

    Its blocks halve the map in their 3x3 convolution, as torchvision's do ("ResNet v1.5").
    """
    return resnet("bottleneck", (3, 4, 6, 3), channels, n_classes, side, small_kernel=small_kernel)


def resnet(
    block: str,
    layers: tuple[int, ...],
    channels: int,
    n_classes: int,
    side: int,
    *,
    small_kernel: int,
) -> nn.Module:
    """Build a ResNet of MONAI with a stem that suits the image side.

    Source: He et al. (2016), Table 1. Differences: below 64 px the first convolution has stride 1
    and no max pool follows, because the last map would be 1 x 1. MONAI's own default is a 7x7 stem
    of stride 1 at every size, four times the work. No bias in the shortcuts, as in torchvision.

    Args:
        block: "basic" or "bottleneck".
        layers: Blocks of each stage.
        channels: Input channels.
        n_classes: Outputs (logits).
        side: Smaller side of the images in px.
        small_kernel: Kernel of the stem for small images; 7 fits the official weights.
    """
    from monai.networks.nets.resnet import ResNet

    small = side < SMALL_SIDE
    return ResNet(
        block=block,
        layers=list(layers),
        block_inplanes=[64, 128, 256, 512],
        spatial_dims=2,
        n_input_channels=channels,
        num_classes=n_classes,
        conv1_t_size=small_kernel if small else 7,
        conv1_t_stride=1 if small else 2,
        no_max_pool=small,
        bias_downsample=False,
    )


def from_radimagenet(name: str) -> str:
    """Translate a parameter name of RadImageNet's ResNet-50, whose layers are numbered.

    Example:
        >>> from_radimagenet("backbone.4.0.conv1.weight")
        'layer1.0.conv1.weight'
    """
    numbered = re.match(r"(?:module\.)?backbone\.([014567])\.", name)
    if numbered is None:
        return name
    return f"{RADIMAGENET_LAYERS[numbered[1]]}.{name[numbered.end() :]}"


def _trunk(network: nn.Module) -> nn.Module:
    """Return the network's layers before the average pool, under their names."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name in TRUNK:
        if name != "maxpool" or not network.no_max_pool:
            layers[name] = network.get_submodule(name)
    return nn.Sequential(layers)


BACKBONES = (
    Backbone(
        name="resnet18",
        summary="ResNet-18, small stem below 64 px; ImageNet weights.",
        source="He et al. (2016), Table 1",
        build=resnet18,
        trunk=_trunk,
        head="fc",
        last_map="layer4",
        bfloat16=True,
        weights={
            "imagenet": Weights(
                url=f"{TORCHVISION}/resnet18-f37072fd.pth",
                sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
                license=TORCHVISION_LICENSE,
                statistics=IMAGENET,
                build=partial(resnet18, small_kernel=7),
                head="fc.",
            )
        },
    ),
    Backbone(
        name="resnet50",
        summary="ResNet-50, small stem below 64 px; weights of ImageNet or of radiology.",
        source="He et al. (2016), Table 1",
        build=resnet50,
        trunk=_trunk,
        head="fc",
        last_map="layer4",
        weights={
            "imagenet": Weights(
                url=f"{TORCHVISION}/resnet50-0676ba61.pth",
                sha256="0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
                license=TORCHVISION_LICENSE,
                statistics=IMAGENET,
                build=partial(resnet50, small_kernel=7),
                head="fc.",
            ),
            "radimagenet": Weights(
                url=RADIMAGENET,
                sha256="",
                license="not stated with the file; see github.com/BMEII-AI/RadImageNet",
                statistics=InputStatistics((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), side=224),
                build=partial(resnet50, small_kernel=7),
                head="fc.",
                rename=from_radimagenet,
            ),
        },
    ),
)
