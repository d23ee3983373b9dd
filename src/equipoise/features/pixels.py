"""The pixels themselves, small and standardized: the simplest features, which no weights decide."""

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from equipoise.arrays import ValueRange
from equipoise.features.network import NetworkExtractor

SIDE, DIMENSION = 16, 3 * 16 * 16
LEAST = 1e-3  # deviation of an image of one color, whose rounding errors must not be blown up


class StandardizedPixels(nn.Module):
    """Averages images down to 16 px, subtracts the mean of each and divides by its deviation."""

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 1 or 3, h, w) to (b, 768), mean 0 and deviation 1; grey images are repeated."""
        small = adaptive_avg_pool2d(images, SIDE).expand(-1, 3, -1, -1).flatten(1)
        centered = small - small.mean(dim=1, keepdim=True)
        deviation = centered.square().mean(dim=1, keepdim=True).sqrt()
        return centered / deviation.clamp_min(LEAST)


def pixels(*, device: str = "auto", span: ValueRange | None = None) -> NetworkExtractor:
    """Make the extractor of 16 x 16 pixels: brightness and contrast do not matter, position does.

    Arguments as in `NetworkExtractor`. Ours: standardized by image and not over a set, so that an image's features
    never depend on the others.
    """
    return NetworkExtractor(
        "pixels",
        StandardizedPixels(),
        dimension=DIMENSION,
        preparation=f"16 px averages, standardized by image, least deviation {LEAST}",
        span=span,
        device=device,
    )
