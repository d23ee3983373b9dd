"""Self-attention between the positions of a map."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.networks.sizes import check_size

LARGEST_SIDE = 32  # of a map with attention: the cost grows with the fourth power of the side


class SelfAttention(nn.Module):
    """Adds to every position of a map a weighted mean over similar positions; initially 0.

    out = x + gamma o(g A^T), A = softmax(theta^T phi) over the positions of phi and g, which are
    max-pooled by 2; gamma starts at 0.

    Args:
        channels: Channels of the map.

    Source: Zhang et al. (2019), "Self-Attention Generative Adversarial Networks". Difference:
    spectral norm only in a critic whose other layers have it.

    Example:
        >>> maps = torch.randn(2, 8, 4, 4)
        >>> torch.equal(SelfAttention(8)(maps), maps)
        True
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
        """Map (b, c, h, w) to (b, c, h, w)."""
        theta = self.theta(x).flatten(2)  # (b, c / 8, h w)
        phi = functional.max_pool2d(self.phi(x), 2).flatten(2)  # (b, c / 8, h w / 4)
        g = functional.max_pool2d(self.g(x), 2).flatten(2)  # (b, c / 2, h w / 4)
        # Written out, because torch's fused kernels have no second derivative, which gradient
        # penalties need.
        attention = torch.softmax(theta.transpose(1, 2) @ phi, dim=2)
        means = (g @ attention.transpose(1, 2)).reshape(len(x), -1, *x.shape[2:])
        attended: Tensor = x + self.gamma * self.o(means)
        return attended


def attention_side(size: int) -> int:
    """Return the side of the map with self-attention for images of side `size`.

    It is the largest side of at most 32 px that is smaller than the image.

    Example:
        >>> [attention_side(size) for size in (28, 32, 48, 64, 128, 224)]
        [14, 16, 24, 32, 32, 28]
    """
    side = check_size(size)[0]
    while 2 * side <= min(LARGEST_SIDE, size // 2):
        side *= 2
    return side
