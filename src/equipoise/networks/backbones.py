"""Classification networks by name: images (b, c, h, w) in [0, 1] to logits (b, k)."""

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from equipoise.discovery import pick
from equipoise.exceptions import DataError
from equipoise.networks.initialization import keras
from equipoise.networks.mobilenet import mobilenet_v2


def small_cnn(channels: int, n_classes: int, side: int) -> nn.Sequential:
    """Build the skin-lesion CNN: maps of side 32, 16, 15, 8, 7, 3, 2 for 32 px, then one dense layer.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        side: Smaller side of the images in px, at least 12.

    Source: methods 5 (paper S4), 108,225 parameters for three channels and one output. The mixture of paddings
    (second pool rounds up, third down) is the only one that gives the printed shapes. Ours: dropout 0.25 and
    0.5 (rates unstated), K logits in place of one, the last map averaged to 2x2 for sides other than 32, no
    third pool below 20 px, where nothing would be left. Glorot weights, zero biases as in Keras (methods 1.5).
    """
    network = nn.Sequential(
        *(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Conv2d(32, 64, 2), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True), nn.Dropout(0.25)),
        *(
            nn.Conv2d(64, 128, 2),
            nn.ReLU(),
            nn.MaxPool2d(2) if side >= 20 else nn.Identity(),
            nn.Dropout(0.25),
        ),
        *(nn.Conv2d(128, 128, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Dropout(0.5)),
        nn.Flatten(),
        nn.Linear(512, n_classes),
    )
    return network.apply(keras)


SMALL = 64  # px; below it the usual stem (7x7 stride 2, max pool) would leave a last map of 1x1
SMALLEST = 12  # px; below it the small CNN and DenseNet have no pixel left

Factory = Callable[[int, int, int], nn.Module]  # channels, number of classes, smaller side in px


def resnet18(channels: int, n_classes: int, side: int, *, small_kernel: int = 3) -> nn.Module:
    """Build MONAI's ResNet-18 with the stem that suits the side.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        side: Smaller side in px; below 64 the first convolution has stride 1 and no max pool follows.
        small_kernel: Kernel of that small-image stem; 7 lets the official weights fit.

    Source: methods 5 and appendix B (rule for small images). MONAI's own default is a 7x7 stem of stride 1 at
    every size, four times the work; no bias in the shortcuts, as in the official weights.
    """
    from monai.networks.nets.resnet import ResNet

    small = side < SMALL
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


def densenet121(channels: int, n_classes: int, side: int, *, small_kernel: int = 3) -> nn.Module:
    """Build MONAI's DenseNet-121 with the stem that suits the side; arguments and rule as in `resnet18`.

    Source: methods 5 and appendix B; 6,953,856 parameters without the head for three channels.
    """
    from monai.networks.nets.densenet import DenseNet

    network = DenseNet(spatial_dims=2, in_channels=channels, out_channels=n_classes)
    if side < SMALL:
        stem = nn.Conv2d(channels, 64, small_kernel, padding=small_kernel // 2, bias=False)
        nn.init.kaiming_normal_(stem.weight)
        network.features.conv0, network.features.pool0 = stem, nn.Identity()
    return network


def densenet121_s0(channels: int, n_classes: int, side: int) -> nn.Module:
    """Build the classifier of paper S0: the trunk of `densenet121` with one hidden layer of 1,024 units behind it.

    Source: methods 3.6: mean over the map, Linear(1024, 1024), ReLU, Linear(1024, K).
    """
    network = densenet121(channels, n_classes, side)
    layers: nn.Module = network.get_submodule("class_layers")
    layers.out = nn.Sequential(nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, n_classes))
    return network


NETWORKS: dict[str, Factory] = {
    "small_cnn": small_cnn,
    "resnet18": resnet18,
    "densenet121": densenet121,
    "densenet121_s0": densenet121_s0,
    "mobilenet_v2": mobilenet_v2,
}


def build(name: str, *, channels: int, n_classes: int, side: int) -> nn.Module:
    """Build a network with random weights, drawn from torch's global generator.

    Raises:
        SettingError: No such network.
        DataError: The images are too small for any of them.
    """
    factory = pick(NETWORKS, name, "network")
    check_side(side)
    return factory(channels, n_classes, side)


def trunk_of(network: nn.Module) -> nn.Module:
    """Give the convolutional part of a network of `NETWORKS`: images (b, c, h, w) to its last map (b, d, h', w').

    It is made of the network's own layers, so that loading a state dict into it changes the network, and so does
    switching it to evaluation. MONAI's DenseNet applies the ReLU behind its last batch norm in its head, in place.
    """
    if isinstance(network, nn.Sequential):  # small_cnn; a slice keeps the names of its layers
        pooling = next(
            i for i, layer in enumerate(network) if isinstance(layer, nn.AdaptiveAvgPool2d)
        )
        return network[:pooling]
    if hasattr(network, "features"):
        return network.get_submodule("features")
    parts = ["conv1", "bn1", "act", "maxpool", "layer1", "layer2", "layer3", "layer4"]
    if network.no_max_pool:
        parts.remove("maxpool")
    return nn.Sequential(OrderedDict((name, network.get_submodule(name)) for name in parts))


def check_side(side: int) -> None:
    """Refuse images that are too small for some network.

    Raises:
        DataError: The smaller side is below 12 px.
    """
    if side < SMALLEST:
        raise DataError(
            f"Expected images of at least {SMALLEST} px a side, got {side} px. Resize them."
        )
