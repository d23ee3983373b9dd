"""The features of MobileNetV2 trained on ImageNet."""

from pathlib import Path

from torch import Tensor, nn

from equipoise.arrays import ValueRange
from equipoise.features.network import NetworkExtractor, Stretched
from equipoise.networks.backbones import find_backbone
from equipoise.training.chance import isolated_chance

NETWORK = "mobilenet_v2"
FILES = ("mobilenet_v2-b0353104.pth", "mobilenet_v2-b0353104.safetensors")
SIDE, DIMENSION = 224, 1280


class PooledMap(nn.Module):
    """The mean over the last map of a convolutional trunk."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 3, h, w) to (b, d)."""
        maps: Tensor = self.trunk(images)
        return maps.mean(dim=(2, 3))


def imagenet(
    weights: str | Path | None = None, *, device: str = "auto", span: ValueRange | None = None
) -> NetworkExtractor:
    """Build the extractor of MobileNetV2: the input of its head for an image of 224 px.

    It has 1,280 numbers.

    Args:
        weights: A local .pth or .safetensors file with torchvision's names; None downloads the
            official one.
        device: Where to compute.
        span: See `NetworkExtractor`.

    Source: Sandler et al. (2018), torchvision's first ImageNet weights (IMAGENET1K_V1). Difference:
    theirs crops the center of an image of 256 px; here the whole image is resized to 224 px,
    because the border of a medical image matters.

    Raises:
        WeightsError: The weights cannot be downloaded or do not fit; the message says what to do.
        SettingError: No such device.
    """
    backbone = find_backbone(NETWORK)
    with isolated_chance("imagenet", "overwritten weights"):
        network = backbone.build_pretrained(n_classes=2, side=SIDE)
    backbone.load_weights(network, "imagenet" if weights is None else weights)
    normalize, mobilenet = network
    return NetworkExtractor(
        "imagenet",
        nn.Sequential(Stretched(SIDE), normalize, PooledMap(backbone.trunk(mobilenet))),
        dimension=DIMENSION,
        preparation=(
            "224 px bilinear with antialiasing, ImageNet mean and deviation, mean over the last map"
        ),
        side=SIDE,
        span=span,
        device=device,
    )
