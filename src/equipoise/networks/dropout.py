"""Dropout whose random numbers cost little on a processor."""

import torch
from torch import Tensor, nn

LEVELS = 256  # of a random byte


class ByteDropout(nn.Dropout):
    """Set a share of the values to 0 and divide the others by what is left, while training.

    Source: Srivastava et al. (2014), in the inverted form of `torch.nn.Dropout`. Difference: each
    value is decided by one byte of torch's random stream where torch draws a whole number for each
    and converts it, which on a processor takes several times as long (`benchmarks.dropout`).

    Args:
        p: Share, a multiple of 1/256 from 0 up to 255/256.

    Raises:
        ValueError: `p` is not such a multiple.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> dropped = ByteDropout(0.25)(torch.ones(1000))
        >>> dropped.unique().tolist(), bool(0.7 < (dropped > 0).float().mean() < 0.8)
        ([0.0, 1.3333333730697632], True)
        >>> ByteDropout(0.25).eval()(torch.ones(2)).tolist()
        [1.0, 1.0]
    """

    def __init__(self, p: float) -> None:
        super().__init__(p)
        if not (0 <= p < 1 and (LEVELS * p).is_integer()):
            raise ValueError(f"Expected p as a multiple of 1/{LEVELS} in [0, 1), got {p}.")

    def forward(self, values: Tensor) -> Tensor:
        """Map values of any shape to the same shape and type."""
        if not self.training:
            return values
        # whole words of random bits, laid out in memory as the values are
        words = torch.empty(-(-values.numel() // 8), dtype=torch.int64, device=values.device)
        random_bytes = words.random_(-(2**63), None).view(torch.uint8)
        strides = torch.empty_like(values, device="meta").stride()  # without gaps
        stays = random_bytes.as_strided(values.shape, strides) >= round(LEVELS * self.p)
        return values * (stays.to(values.dtype) / (1 - self.p))
