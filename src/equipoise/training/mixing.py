"""Training on blends of two images of a batch: mixup, and Remix, which leans towards the rarer label."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise.discovery import Family

ALPHA = 0.2  # of the Beta distribution that the shares come from: most blends are nearly one of the two images
KAPPA = 3.0  # one class has to be at least so many times the other before Remix leans
TAU = 0.5  # the rarer label takes all only where the other image has less than this share


@dataclass(frozen=True)
class Mixed:
    """Blends of the images of a batch with others of the same batch.

    Attributes:
        images: (b, c, *spatial) blends.
        partners: (b,) place in the batch of the second image of each blend.
        shares: (b,) weight of the label of the first image; 1 - shares is that of the second.
    """

    images: Tensor
    partners: Tensor
    shares: Tensor


Mixing = Callable[
    [Tensor, Tensor], Mixed
]  # images (b, c, *spatial), labels (b,); chance is torch's


def mixup(_counts: Tensor) -> Mixing:
    """Blend lam x_i + (1 - lam) x_j, lam ~ Beta(0.2, 0.2); the labels get the same weights.

    Source: methods 2.7; Zhang et al. 2018 (arXiv 1710.09412). It differs from its code, which draws one lam for
    a whole batch, by a lam for each image.
    """
    return lambda images, _labels: _blend(images, lambda own, _partners: own)


def remix(counts: Tensor) -> Mixing:
    """Blend as `mixup` does, but label a blend by the rarer class alone where that outweighs the other's image.

    Source: methods 2.7; Chou et al. 2020 (arXiv 2007.03943), kappa = 3, tau = 0.5; see `remix_shares`.
    """

    def mix(images: Tensor, labels: Tensor) -> Mixed:
        sizes = counts.to(images)[labels]
        return _blend(images, lambda own, partners: remix_shares(own, sizes, sizes[partners]))

    return mix


def remix_shares(own: Tensor, sizes: Tensor, partner_sizes: Tensor) -> Tensor:
    """Give the weight (b,) of the first label, for the share (b,) of the first image and both classes' sizes (b,).

    0 where the first class is at least 3 times the second and its image has less than half; 1 where it is the
    other way round; else the share of the image.
    """
    shares = own.masked_fill((sizes >= KAPPA * partner_sizes) & (own < TAU), 0.0)
    return shares.masked_fill((partner_sizes >= KAPPA * sizes) & (1 - own < TAU), 1.0)


MIXINGS: dict[str, Callable[[Tensor], Mixing] | None] = {
    "none": None,
    "mixup": mixup,
    "remix": remix,
}
FAMILY = Family(
    name="mixings",
    summary="Ways of blending training images.",
    members=MIXINGS,
)


def _blend(images: Tensor, label_shares: Callable[[Tensor, Tensor], Tensor]) -> Mixed:
    b = len(images)
    partners = torch.randperm(b, device=images.device)
    alpha = torch.full((b,), ALPHA, device=images.device)
    own = torch.distributions.Beta(alpha, alpha).sample()
    blends = torch.lerp(images[partners], images, own.view(-1, *[1] * (images.ndim - 1)))
    return Mixed(blends, partners, label_shares(own, partners))
