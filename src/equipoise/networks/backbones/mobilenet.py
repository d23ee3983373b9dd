"""MobileNetV2 with the parameter names of torchvision."""

from torch import Tensor, nn

from equipoise.networks.backbone import SMALL_SIDE, Backbone
from equipoise.networks.weights import IMAGENET, TORCHVISION, TORCHVISION_LICENSE, Weights

# expansion, channels, repeats, stride of the first repeat: Table 2 of Sandler et al. (2018)
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """Widen by 1x1, filter each channel by 3x3, narrow by 1x1; add the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers.append(_conv_norm_relu(inputs, hidden, kernel=1))
        layers.append(_conv_norm_relu(hidden, hidden, stride=stride, groups=hidden))
        layers += [nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*layers)
        self.adds_input = stride == 1 and inputs == outputs

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, inputs, h, w) to (b, outputs, h / stride, w / stride)."""
        filtered: Tensor = self.conv(images)
        return images + filtered if self.adds_input else filtered


class MobileNetV2(nn.Module):
    """Stem, 17 inverted residuals, 1x1 convolution to 1,280 channels, mean, dropout, linear layer.

    Args:
        channels: Input channels.
        n_classes: Outputs (logits).
        stem_stride: Stride of the first convolution; 2 in the paper.

    Source: Sandler et al. (2018), Table 2, width 1. Weights start as in torchvision: He-normal
    convolutions (fan out), N(0, 0.01) in the linear layer.
    """

    def __init__(self, channels: int, n_classes: int, *, stem_stride: int = 2) -> None:
        super().__init__()
        layers = [_conv_norm_relu(channels, 32, stride=stem_stride)]
        inputs = 32
        for expansion, outputs, repeats, first_stride in STAGES:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                block = InvertedResidual(inputs, outputs, stride=stride, expansion=expansion)
                layers.append(block)
                inputs = outputs
        layers.append(_conv_norm_relu(320, 1280, kernel=1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, n_classes))
        self.apply(_initialize)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, channels, h, w) to logits (b, n_classes)."""
        logits: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return logits


def mobilenet_v2(channels: int, n_classes: int, side: int) -> MobileNetV2:
    """Build MobileNetV2; unlike in the paper, the stem does not halve images below 64 px."""
    return MobileNetV2(channels, n_classes, stem_stride=1 if side < SMALL_SIDE else 2)


def _conv_norm_relu(
    inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6())


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)


def _trunk(network: nn.Module) -> nn.Module:
    return network.get_submodule("features")


BACKBONES = (
    Backbone(
        name="mobilenet_v2",
        summary="MobileNetV2, small stem below 64 px; ImageNet weights, the smallest download.",
        source="Sandler et al. (2018), Table 2",
        build=mobilenet_v2,
        trunk=_trunk,
        head="classifier.1",
        last_map="features.18",
        weights={
            "imagenet": Weights(
                url=f"{TORCHVISION}/mobilenet_v2-b0353104.pth",
                sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
                license=TORCHVISION_LICENSE,
                statistics=IMAGENET,
                build=mobilenet_v2,
                head="classifier.",
            )
        },
    ),
)
