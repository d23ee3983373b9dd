"""The pixels themselves, small and standardized: the simplest features, without weights."""

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from equipoise.arrays import ValueRange
from equipoise.features.network import NetworkExtractor

SIDE, DIMENSION = 16, 3 * 16 * 16
LEAST = 1e-3  # deviation of a constant image, whose rounding errors must not be amplified


class StandardizedPixels(nn.Module):
    """Averages images down to 16 px, subtracts the mean of each and divides by its deviation."""

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 1 or 3, h, w) to (b, 768), mean 0 and deviation 1; gray images are repeated."""
        small = adaptive_avg_pool2d(images, SIDE).expand(-1, 3, -1, -1).flatten(1)
        centered = small - small.mean(dim=1, keepdim=True)
        deviation = centered.square().mean(dim=1, keepdim=True).sqrt()
        return centered / deviation.clamp_min(LEAST)


def pixels(*, device: str = "auto", span: ValueRange | None = None) -> NetworkExtractor:
    """Build the extractor of 16 x 16 pixels: brightness and contrast are ignored, position is not.

    Images are standardized one by one, so that the features of an image never depend on others.

    Args:
        device: Where to compute.
        span: See `NetworkExtractor`.

    Raises:
        SettingError: No such device.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).integers(0, 128, (2, 1, 32, 32)).astype(np.uint8)
        >>> extractor = pixels(device="cpu")
        >>> np.allclose(extractor(images), extractor(2 * images), atol=1e-4)
        True
    """
    return NetworkExtractor(
        "pixels",
        StandardizedPixels(),
        dimension=DIMENSION,
        preparation=f"16 px averages, standardized by image, least deviation {LEAST}",
        span=span,
        device=device,
    )
