"""The range of values in which a critic sees images: real ones, and the output of a tanh."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class DataRange:
    """Two maps of image values.

    Attributes:
        into: Images in [0, 1] -> input of the critic.
        back: Generated images in [-1, 1] -> images in [0, 1].
    """

    into: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]


SYMMETRIC = DataRange(
    into=lambda images: images * 2 - 1, back=lambda generated: generated / 2 + 0.5
)
UNIT = DataRange(into=lambda images: images, back=lambda generated: generated.clamp(0.0, 1.0))

DATA_RANGES: Mapping[str, DataRange] = {"symmetric": SYMMETRIC, "unit": UNIT}
"""By name; "unit" is that of Sun and Li (paper S2): real images fill half of the tanh's range."""
