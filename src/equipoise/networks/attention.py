"""Self-attention between the places of a map (methods 9.3)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.networks.sizes import check_size

LARGEST_SIDE = 32  # of a map with attention: its cost grows with the fourth power of the side


class SelfAttention(nn.Module):
    """Adds to every place of a map what the places that resemble it hold; adds nothing at the start.

    Source: Zhang et al. 2019: out = x + gamma o(g A^T), A = softmax(theta^T phi) over the places of phi and g,
    which are max-pooled by 2. Differs in having spectral norm only in a critic whose other layers have it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow, half = max(1, channels // 8), max(1, channels // 2)
        self.theta = nn.Conv2d(channels, narrow, 1, bias=False)
        self.phi = nn.Conv2d(channels, narrow, 1, bias=False)
        self.g = nn.Conv2d(channels, half, 1, bias=False)
        self.o = nn.Conv2d(half, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h, w)."""
        theta = self.theta(x).flatten(2)
        phi, g = (functional.max_pool2d(layer(x), 2).flatten(2) for layer in (self.phi, self.g))
        # written out: the fused kernels of torch have no second derivative, which gradient penalties need
        attention = torch.softmax(theta.transpose(1, 2) @ phi, dim=2)
        seen = (g @ attention.transpose(1, 2)).reshape(len(x), -1, *x.shape[2:])
        attended: Tensor = x + self.gamma * self.o(seen)
        return attended


def attention_side(size: int) -> int:
    """Choose the map that gets self-attention: the largest of at most 32 px that is smaller than the image.

    >>> [attention_side(size) for size in (28, 32, 48, 64, 128, 224)]
    [14, 16, 24, 32, 32, 28]
    """
    side = check_size(size)[0]
    while 2 * side <= min(LARGEST_SIDE, size // 2):
        side *= 2
    return side
