"""The values that a critic sees: real images and the output of a tanh brought to one range (methods 1.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class DataRange:
    """Two maps of image values.

    Attributes:
        into: Images in [0, 1] -> what the critic sees.
        back: Generated images in [-1, 1] -> images in [0, 1].
    """

    into: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]


SYMMETRIC = DataRange(
    into=lambda images: images * 2 - 1, back=lambda generated: generated / 2 + 0.5
)
UNIT = DataRange(into=lambda images: images, back=lambda generated: generated.clamp(0.0, 1.0))

DATA_RANGES: Mapping[str, DataRange] = {"symmetric": SYMMETRIC, "unit": UNIT}
"""By name; "unit" only to reproduce paper S2: real images fill half the range of the tanh (erratum 22)."""
