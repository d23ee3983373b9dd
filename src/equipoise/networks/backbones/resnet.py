"""ResNet-18, by MONAI."""

from collections import OrderedDict
from functools import partial

from torch import nn

from equipoise.networks.backbone import SMALL_SIDE, Backbone
from equipoise.networks.weights import IMAGENET, TORCHVISION, TORCHVISION_LICENSE, Weights

TRUNK = ("conv1", "bn1", "act", "maxpool", "layer1", "layer2", "layer3", "layer4")


def resnet18(channels: int, n_classes: int, side: int, *, small_kernel: int = 3) -> nn.Module:
    """Build MONAI's ResNet-18 with a stem that suits the image side.

    Source: He et al. (2016), Table 1. Differences: below 64 px the first convolution has stride 1
    and no max pool follows, because the last map would be 1 x 1. MONAI's own default is a 7x7 stem
    of stride 1 at every size, four times the work. No bias in the shortcuts, as in torchvision.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        side: Smaller side of the images in px.
        small_kernel: Kernel of the stem for small images; 7 fits the official weights.
    """
    from monai.networks.nets.resnet import ResNet

    small = side < SMALL_SIDE
    return ResNet(
        block="basic",
        layers=[2, 2, 2, 2],
        block_inplanes=[64, 128, 256, 512],
        spatial_dims=2,
        n_input_channels=channels,
        num_classes=n_classes,
        conv1_t_size=small_kernel if small else 7,
        conv1_t_stride=1 if small else 2,
        no_max_pool=small,
        bias_downsample=False,
    )


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
        weights={
            "imagenet": Weights(
                url=f"{TORCHVISION}/resnet18-f37072fd.pth",
                sha256="f37072fd",
                license=TORCHVISION_LICENSE,
                statistics=IMAGENET,
                build=partial(resnet18, small_kernel=7),
                head="fc.",
            )
        },
    ),
)
