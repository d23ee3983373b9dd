"""MobileNetV2 with the parameter names of the official weights."""

from itertools import pairwise

from torch import Tensor, nn

# expansion, channels, repeats, stride of the first repeat: Table 2 of Sandler et al. 2018
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
    """Widen by 1x1, filter each channel by 3x3, narrow by 1x1; add the input where the shape allows."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        widen = [_conv_norm_relu(inputs, hidden, kernel=1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *widen,
            _conv_norm_relu(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, inputs, h, w) to (b, outputs, h / stride, w / stride)."""
        filtered: Tensor = self.conv(images)
        return images + filtered if self.adds else filtered


class MobileNetV2(nn.Module):
    """Stem, 17 inverted residuals, 1x1 convolution to 1,280 channels, global mean, dropout, one dense layer."""

    def __init__(self, channels: int, n_classes: int, *, stem_stride: int = 2) -> None:
        super().__init__()
        widths = [32] + [width for _, width, repeats, _ in STAGES for _ in range(repeats)]
        plans = [
            (e, stride if i == 0 else 1) for e, _, repeats, stride in STAGES for i in range(repeats)
        ]
        blocks = [
            InvertedResidual(inputs, outputs, stride=stride, expansion=expansion)
            for (inputs, outputs), (expansion, stride) in zip(pairwise(widths), plans, strict=True)
        ]
        stem = _conv_norm_relu(channels, 32, stride=stem_stride)
        self.features = nn.Sequential(stem, *blocks, _conv_norm_relu(320, 1280, kernel=1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, n_classes))
        self.apply(_initial)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, channels, h, w) to logits (b, n_classes)."""
        logits: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return logits


def mobilenet_v2(channels: int, n_classes: int, side: int) -> MobileNetV2:
    """Build MobileNetV2 at width 1; below 64 px its stem does not halve the image.

    Source: Sandler et al. 2018, "MobileNetV2", Table 2; parameter names as torchvision's, so that the official
    weights fit. Ours: the stem's stride of 1 for small images (methods, appendix B, rule for small images).
    """
    return MobileNetV2(channels, n_classes, stem_stride=1 if side < 64 else 2)


def _conv_norm_relu(
    inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


def _initial(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)
