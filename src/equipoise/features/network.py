"""An extractor made of a torch network: images in storage type to the network's output."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from equipoise.arrays import Images, ValueRange, fingerprint
from equipoise.exceptions import DataError
from equipoise.training.batches import resident, to_unit
from equipoise.training.devices import resolve_device

CHUNK = 2**20  # pixels that pass the network at once, at the side it works on
BYTE_RANGE: ValueRange = (0.0, 255.0)


class NetworkExtractor:
    """Features of a fixed network.

    Args:
        name: Name of the extractor.
        network: Maps images (b, 1 or 3, h, w), float32 in [0, 1], to (b, dimension); it is put into evaluation.
        dimension: Length of a feature vector.
        preparation: What the network does beyond its stored weights, in words; a change of it must change them.
        side: Side in px to which the network brings all images; None where it takes them as they are.
        span: The values that stand for black and white: `arrays.value_range` of the real training images, for all
            images that will be compared. None suits 8-bit images only, whose range is 0 to 255.
        device: "auto", or the name of a device.

    Attributes:
        digest: SHA-256 of the weights, the preparation and the range of values.

    Raises:
        SettingError: The device is not there.
    """

    def __init__(
        self, name: str, network: nn.Module, *, dimension: int, preparation: str, side: int | None = None,
        span: ValueRange | None = None, device: str = "auto",
    ) -> None:  # fmt: skip
        self.name, self.dimension, self.span, self.side = name, dimension, span, side
        self.digest = fingerprint(
            name, preparation, *_weights(network), *map(float, span or BYTE_RANGE)
        )
        self.device = resolve_device(device)
        self.network = network.to(self.device).eval().requires_grad_(False)

    @torch.inference_mode()
    def __call__(self, images: Images) -> NDArray[np.float32]:
        """Map images (n, 1 or 3, h, w) in storage type to (n, dimension).

        Raises:
            DataError: The range of 16-bit or float images is not known.
        """
        span = self._span_of(images)
        rows = max(1, CHUNK // (self.side**2 if self.side else images.shape[2] * images.shape[3]))
        found = np.empty((len(images), self.dimension), dtype=np.float32)
        for start in range(0, len(images), rows):
            unit = to_unit(resident(images[start : start + rows], self.device), span)
            batch = unit.contiguous(memory_format=torch.channels_last)
            found[start : start + rows] = self.network(batch).cpu().numpy()
        return found

    def _span_of(self, images: Images) -> ValueRange:
        if self.span is None and images.dtype != np.uint8:
            raise DataError(
                f"Expected the values that stand for black and white of {images.dtype} images, got none. Pass "
                "span=value_range(real training images) when you make the extractor."
            )
        return self.span or BYTE_RANGE


class Stretched(nn.Module):
    """Brings images to a square of `side` px, bilinear with antialiasing."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, c, side, side)."""
        return interpolate(images, (self.side, self.side), mode="bilinear", antialias=True)


def _weights(network: nn.Module) -> Sequence[object]:
    """Name and content of every stored tensor; how many batches a norm has seen decides nothing."""
    kept = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    return [part for name in sorted(kept) for part in (name, kept[name].detach().cpu().numpy())]
