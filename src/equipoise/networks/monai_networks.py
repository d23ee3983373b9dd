"""The two-dimensional classification networks of MONAI by their name there: monai:densenet121, ...

They are built with MONAI's own defaults and random weights, or with those of a local file: the
state dict of the same network, for images normalized as ImageNet's. Its ResNets do not halve images
in the first convolution, which takes four times the work of the ResNets in `backbones`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial

from torch import Tensor, nn

from equipoise.discovery import pick
from equipoise.networks.backbone import Backbone, Build
from equipoise.networks.weights import IMAGENET, Weights

PREFIX = "monai:"
RESNET_TRUNK = ("conv1", "bn1", "act", "maxpool", "layer1", "layer2", "layer3", "layer4")
SENET_TRUNK = ("layer0", "layer1", "layer2", "layer3", "layer4")
DENSENETS = {
    "densenet121": "DenseNet121",
    "densenet169": "DenseNet169",
    "densenet201": "DenseNet201",
    "densenet264": "DenseNet264",
}
RESNETS = ("resnet10", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet200")
SENETS = {
    "senet154": "SENet154",
    "seresnet50": "SEResNet50",
    "seresnet101": "SEResNet101",
    "seresnet152": "SEResNet152",
    "seresnext50": "SEResNext50",
    "seresnext101": "SEResNext101",
}
EFFICIENTNETS = tuple(f"efficientnet-b{size}" for size in range(9))


class EfficientNetTrunk(nn.Module):
    """The layers of MONAI's EfficientNet up to its last map, under their names.

    Args:
        network: An `EfficientNet`, with which the layers are shared.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for name, layer in network.named_children():
            if name not in ("_avg_pooling", "_dropout", "_fc"):
                self.add_module(name, layer)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, c, h, w) to the last map (b, d, h / 32, w / 32)."""
        layer = self.get_submodule
        x = layer("_bn0")(layer("_conv_stem")(layer("_conv_stem_padding")(images)))
        x = layer("_blocks")(layer("_swish")(x))
        x = layer("_bn1")(layer("_conv_head")(layer("_conv_head_padding")(x)))
        last: Tensor = layer("_swish")(x)
        return last


def densenet(class_name: str, channels: int, n_classes: int, _side: int) -> nn.Module:
    """Build a DenseNet; see Huang et al. (2017), Table 1."""
    from monai.networks import nets

    build = getattr(nets, class_name)
    network: nn.Module = build(spatial_dims=2, in_channels=channels, out_channels=n_classes)
    return network


def resnet(name: str, channels: int, n_classes: int, _side: int) -> nn.Module:
    """Build a ResNet; see He et al. (2016), Table 1."""
    from monai.networks import nets

    build = getattr(nets, name)
    network: nn.Module = build(spatial_dims=2, n_input_channels=channels, num_classes=n_classes)
    return network


def senet(class_name: str, channels: int, n_classes: int, _side: int) -> nn.Module:
    """Build a network with squeeze and excitation; see Hu et al. (2018), Table 1."""
    from monai.networks import nets

    build = getattr(nets, class_name)
    network: nn.Module = build(spatial_dims=2, in_channels=channels, num_classes=n_classes)
    return network


def efficientnet(name: str, channels: int, n_classes: int, _side: int) -> nn.Module:
    """Build an EfficientNet; see Tan and Le (2019)."""
    from monai.networks.nets.efficientnet import EfficientNetBN

    return EfficientNetBN(
        name, pretrained=False, spatial_dims=2, in_channels=channels, num_classes=n_classes
    )


def _densenet_trunk(network: nn.Module) -> nn.Module:
    return network.get_submodule("features")


def _children(names: tuple[str, ...], network: nn.Module) -> nn.Module:
    """Return some layers of a network in this order, under their names."""
    return nn.Sequential(OrderedDict((name, network.get_submodule(name)) for name in names))


def _backbones() -> Iterator[Backbone]:
    for name, class_name in DENSENETS.items():
        yield _record(
            name,
            build=partial(densenet, class_name),
            trunk=_densenet_trunk,
            head="class_layers.out",
            last_map="class_layers.relu",
            smallest_side=32,
        )
    resnet_trunk = partial(_children, RESNET_TRUNK)
    for name in RESNETS:
        build = partial(resnet, name)
        yield _record(name, build=build, trunk=resnet_trunk, head="fc", last_map="layer4")
    senet_trunk = partial(_children, SENET_TRUNK)
    for name, class_name in SENETS.items():
        build = partial(senet, class_name)
        yield _record(name, build=build, trunk=senet_trunk, head="last_linear", last_map="layer4")
    for name in EFFICIENTNETS:
        yield _record(
            name,
            build=partial(efficientnet, name),
            trunk=EfficientNetTrunk,
            head="_fc",
            last_map="_bn1",  # before its swish, a layer that the stem uses, too
            smallest_side=32,
        )


def _record(
    name: str,
    *,
    build: Build,
    trunk: Callable[[nn.Module], nn.Module],
    head: str,
    last_map: str,
    smallest_side: int = 12,
) -> Backbone:
    return Backbone(
        name=PREFIX + name,
        summary=f"MONAI's {name} with its own defaults; random weights, or a file of them.",
        source=f"monai.networks.nets, {name}",
        build=build,
        trunk=trunk,
        head=head,
        last_map=last_map,
        smallest_side=smallest_side,
        own_file=Weights(
            url="",
            sha256="",
            license="that of the file",
            statistics=IMAGENET,
            build=build,
            head=f"{head}.",
        ),
    )


MONAI_BACKBONES = {backbone.name: backbone for backbone in _backbones()}


def find_monai(name: str) -> Backbone:
    """Look up the record of a network of MONAI.

    Raises:
        SettingError: No such network; the message names the nearest one.

    Example:
        >>> find_monai("monai:densenet169").head
        'class_layers.out'
    """
    return pick(MONAI_BACKBONES, name, "network of MONAI")
