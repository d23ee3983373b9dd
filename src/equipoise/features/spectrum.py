"""The radial power spectrum of an image: it sees checkerboards, noise and blur, untrained."""

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.arrays import ValueRange
from equipoise.features.network import NetworkExtractor

DIMENSION = 32
HIGHEST = float(np.sqrt(0.5))  # cycles per pixel at the corner of the spectrum
# Power that is added before the logarithm: about that of rounding to 256 gray values, 1/12/255^2.
FLOOR = 1e-6
CENTER, SCALE = -4.0, 2.0  # of the decimal logarithm: features are about -1..2


class RadialSpectrum(nn.Module):
    """The logarithm of the power spectrum, averaged over all directions of one frequency.

    The mean of each image is subtracted and a Hann window fades out its border, whose jump from
    one side to the other would otherwise fill the high frequencies. The image is not resized:
    artifacts of single pixels would vanish.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, 1 or 3, h, w) in [0, 1] to (b, 32): low frequencies first, mean over channels."""
        height, width = images.shape[2:]
        rows = torch.hann_window(height + 2, periodic=False, device=images.device)[1:-1]
        columns = torch.hann_window(width + 2, periodic=False, device=images.device)[1:-1]
        window = rows[:, None] * columns
        centered = images - images.mean(dim=(2, 3), keepdim=True)
        spectrum = torch.fft.fft2(centered * window)
        power = spectrum.abs().square().mean(dim=1) / window.square().sum()
        weights = ring_weights(height, width).to(power)
        rings: Tensor = power.flatten(1) @ weights
        return ((rings + FLOOR).log10() - CENTER) / SCALE


def ring_weights(height: int, width: int) -> Tensor:
    """Compute the weight of each frequency in each ring, (h * w, 32); a ring's sum to 1.

    The weight falls linearly from the radius of a ring to the next ones; where the image has fewer
    frequencies than rings, to the next frequency, so that no ring is empty.
    """
    vertical = np.fft.fftfreq(height)[:, None]
    radius = np.hypot(vertical, np.fft.fftfreq(width)).reshape(-1, 1)  # cycles per pixel
    centers = np.linspace(0, HIGHEST, DIMENSION + 1)[1:]
    reach = max(HIGHEST / DIMENSION, 1 / min(height, width))
    weights = np.maximum(1 - np.abs(radius - centers) / reach, 0)
    weights[0] = 0  # the mean, which was subtracted
    return torch.from_numpy(weights / weights.sum(axis=0))


def radial_spectrum(*, device: str = "auto", span: ValueRange | None = None) -> NetworkExtractor:
    """Build the extractor of the radial power spectrum: 32 numbers.

    Images must have the same size: frequencies are in cycles per pixel.

    Args:
        device: Where to compute.
        span: See `NetworkExtractor`.

    Source: Durall, Keuper and Keuper (2020), section 3.1, who show that upsampling networks fail
    to reproduce it. Differences: the window, the logarithm, and overlapping rings.

    Raises:
        SettingError: No such device.

    Example:
        >>> images = np.indices((2, 1, 32, 32)).sum(axis=0) % 2 * np.uint8(200)
        >>> int(radial_spectrum(device="cpu")(images.astype(np.uint8))[0].argmax())  # checkerboard
        31

    See Also:
        `equipoise.features.random_network.random_network`: shapes and positions too.
    """
    return NetworkExtractor(
        "spectrum",
        RadialSpectrum(),
        dimension=DIMENSION,
        preparation=f"Hann window, {DIMENSION} rings, log10 of power + {FLOOR}",
        span=span,
        device=device,
    )
