"""Simple statistics of an image: intensities, a thumbnail, the spectrum; no network is needed."""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from equipoise.arrays import ValueRange
from equipoise.features.network import NetworkExtractor
from equipoise.features.spectrum import DIMENSION as RINGS
from equipoise.features.spectrum import RadialSpectrum

THUMBNAIL = 8
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LEAST = 1e-3  # deviation of a constant image, whose skewness must not be amplified
DIMENSION = 3 * (3 + len(QUANTILES)) + THUMBNAIL**2 + RINGS


class IntensityStatistics(nn.Module):
    """Moments and quantiles of each channel, a gray thumbnail of 8 px, the radial spectrum."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = RadialSpectrum()

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 1 or 3, h, w) in [0, 1] to (b, 120); gray images are repeated."""
        values = images.expand(-1, 3, -1, -1).flatten(2)  # (b, 3, h * w)
        mean = values.mean(dim=2)
        centered = values - mean.unsqueeze(2)
        deviation = centered.square().mean(dim=2).sqrt()
        skewness = centered.pow(3).mean(dim=2) / deviation.clamp_min(LEAST).pow(3)
        levels = torch.tensor(QUANTILES, device=values.device)
        quantiles = torch.quantile(values, levels, dim=2)  # (quantiles, b, 3)
        thumbnail = adaptive_avg_pool2d(images.mean(dim=1, keepdim=True), THUMBNAIL)
        parts = (mean, deviation, skewness, *quantiles, thumbnail.flatten(1))
        return torch.cat((*parts, self.spectrum(images)), dim=1)


def intensity_statistics(
    *, device: str = "auto", span: ValueRange | None = None
) -> NetworkExtractor:
    """Build the extractor of intensity statistics, a thumbnail and the spectrum: 120 numbers.

    Args:
        device: Where to compute.
        span: See `NetworkExtractor`.

    Raises:
        SettingError: No such device.

    Example:
        >>> import numpy as np
        >>> images = np.full((1, 1, 32, 32), 51, dtype=np.uint8)
        >>> features = intensity_statistics(device="cpu")(images)
        >>> features.shape, round(float(features[0, 0]), 2)  # the mean of a channel
        ((1, 120), 0.2)

    See Also:
        `equipoise.features.pixels.pixels`: a larger thumbnail that ignores brightness.
        `equipoise.features.spectrum.radial_spectrum`: the spectrum alone.
    """
    return NetworkExtractor(
        "statistics",
        IntensityStatistics(),
        dimension=DIMENSION,
        preparation=f"moments, quantiles {QUANTILES}, {THUMBNAIL} px averages, {RINGS} rings",
        span=span,
        device=device,
    )
