"""A convolutional network with fixed random weights: it responds to structure, untrained."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, leaky_relu

from equipoise.arrays import ValueRange
from equipoise.features.network import NetworkExtractor, Stretched
from equipoise.randomness import make_rng

SIDE, SEED = 64, 0
WIDTHS = (3, 32, 64, 128, 128)
SLOPE = 0.2
DIMENSION = 4 * WIDTHS[-1]


class RandomNetwork(nn.Module):
    """Four convolutions that halve the map, with seeded He-normal weights, averaged to 2 x 2.

    The weights come from NumPy: those of torch depend on the device and its version.

    Args:
        seed: Seed of the weights.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        rng = make_rng(seed, "random network")
        gain = 2.0 / (1.0 + SLOPE**2)
        for number, (inputs, outputs) in enumerate(pairwise(WIDTHS)):
            draws = rng.standard_normal((outputs, inputs, 4, 4)) * np.sqrt(gain / (inputs * 16))
            self.register_buffer(f"weight_{number}", torch.from_numpy(draws.astype(np.float32)))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (b, 1 or 3, 64, 64) in [0, 1] to (b, 512); gray ones are repeated."""
        maps = (images * 2 - 1).expand(-1, 3, -1, -1)
        for weight in self.buffers():
            maps = leaky_relu(nn.functional.conv2d(maps, weight, stride=2, padding=1), SLOPE)
        return adaptive_avg_pool2d(maps, 2).flatten(1)


def random_network(*, device: str = "auto", span: ValueRange | None = None) -> NetworkExtractor:
    """Build the extractor of a fixed random network (seed 0) on images of 64 px: 512 numbers.

    Its numbers are not comparable with those of any other extractor.

    Args:
        device: Where to compute.
        span: See `NetworkExtractor`.

    Source: Naeem et al. (2020), who evaluate generators with a randomly initialized VGG-16.
    Difference: a far smaller network.

    Raises:
        SettingError: No such device.

    Example:
        >>> random_network(device="cpu").digest[:8]
        '1fd8463e'
    """
    return NetworkExtractor(
        "random",
        nn.Sequential(Stretched(SIDE), RandomNetwork(SEED)),
        dimension=DIMENSION,
        preparation=f"64 px bilinear with antialiasing, [-1, 1], leaky {SLOPE}, 2 x 2 means",
        side=SIDE,
        span=span,
        device=device,
    )
