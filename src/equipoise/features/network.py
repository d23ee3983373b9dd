"""An extractor that consists of a torch network: images in storage type to its output."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from equipoise.arrays import Images, ValueRange, fingerprint
from equipoise.exceptions import DataError
from equipoise.networks.folding import fold_batch_norms
from equipoise.training.batches import resident, to_unit
from equipoise.training.devices import resolve_device

CHUNK = 2**20  # pixels in one pass of the network, at the side it works on
BYTE_RANGE: ValueRange = (0.0, 255.0)


class NetworkExtractor:
    """Features of a fixed network.

    Args:
        name: Name of the extractor.
        network: Maps images (b, 1 or 3, h, w), float32 in [0, 1], to (b, dimension); it is switched
            to evaluation mode.
        dimension: Length of a feature vector.
        preparation: What the network does besides applying its stored weights, in words; it enters
            the digest.
        side: Side in px to which the network resizes all images; None where it does not.
        span: The values of black and white: `arrays.value_range` of the real training images, for
            all images that will be compared. None suits only 8-bit images: 0 to 255.
        device: "auto", or the name of a device.

    Attributes:
        digest: SHA-256 of the weights, the preparation and the range of values.

    Raises:
        SettingError: The device is not available.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        *,
        dimension: int,
        preparation: str,
        side: int | None = None,
        span: ValueRange | None = None,
        device: str = "auto",
    ) -> None:
        self.name = name
        self.dimension = dimension
        self.span = span
        self.side = side
        state = network.state_dict()
        weights: list[object] = []  # name and content of every tensor
        for key in sorted(state):
            if not key.endswith("num_batches_tracked"):  # without effect on the features
                weights += [key, state[key].detach().cpu().numpy()]
        low, high = span or BYTE_RANGE
        self.digest = fingerprint(name, preparation, *weights, float(low), float(high))
        self.device = resolve_device(device)
        fold_batch_norms(network)  # after the digest, which is that of the stored weights
        self.network = network.to(self.device).eval().requires_grad_(False)

    @torch.inference_mode()
    def __call__(self, images: Images) -> NDArray[np.float32]:
        """Map images (n, 1 or 3, h, w) in storage type to (n, dimension).

        Raises:
            DataError: The range of 16-bit or float images was not given.
        """
        if self.span is None and images.dtype != np.uint8:
            raise DataError(
                f"Expected the values of black and white of {images.dtype} images, got none. Pass "
                "span=value_range(real training images) when you build the extractor."
            )
        span = self.span or BYTE_RANGE
        pixels = self.side**2 if self.side else images.shape[2] * images.shape[3]
        # a power of two, so that full batches of `extract` are divided into equal parts
        rows = 2 ** int(np.log2(max(1, CHUNK // pixels)))
        features = np.empty((len(images), self.dimension), dtype=np.float32)
        for start in range(0, len(images), rows):
            unit = to_unit(resident(images[start : start + rows], self.device), span)
            batch = unit.contiguous(memory_format=torch.channels_last)
            features[start : start + rows] = self.network(batch).cpu().numpy()
        return features


class Stretched(nn.Module):
    """Resizes images to a square of `side` px, bilinear with antialiasing."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, c, side, side)."""
        return interpolate(images, (self.side, self.side), mode="bilinear", antialias=True)
