"""Training on blends of two images of a batch: mixup, and Remix, which favors the rarer label."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise.discovery import Family, summarize

ALPHA = 0.2  # of the Beta distribution of the shares: most blends are nearly one of both images
KAPPA = 3.0  # least ratio of the sizes of two classes at which Remix favors the rarer one
TAU = 0.5  # the rarer label gets weight 1 only where its image has more than this share


@dataclass(frozen=True)
class Mixed:
    """Blends of the images of a batch with others of the same batch.

    Attributes:
        images: (b, c, *spatial) blends.
        partners: (b,) index in the batch of the second image of each blend.
        shares: (b,) weight of the label of the first image; 1 - shares is that of the second.
    """

    images: Tensor
    partners: Tensor
    shares: Tensor


Mixing = Callable[[Tensor, Tensor], Mixed]  # images (b, c, *spatial), labels (b,) -> blends


def mixup(_counts: Tensor) -> Mixing:
    """Build mixup: blends lam x_i + (1 - lam) x_j, lam ~ Beta(0.2, 0.2), weight labels alike.

    Source: Zhang et al. (2018), arXiv 1710.09412. Difference to its code: one lam per image,
    not one per batch.

    See Also:
        `remix`: favors the rarer label.
    """
    return lambda images, _labels: _blend(images, lambda shares, _partners: shares)


def remix(counts: Tensor) -> Mixing:
    """Build Remix: blends as `mixup`, but labels some blends by their rarer class alone.

    Args:
        counts: (k,) images of each class.

    Source: Chou et al. (2020), arXiv 2007.03943, with kappa = 3 and tau = 0.5; see `remix_shares`.
    """

    def mix(images: Tensor, labels: Tensor) -> Mixed:
        sizes = counts.to(images)[labels]
        return _blend(images, lambda shares, partners: remix_shares(shares, sizes, sizes[partners]))

    return mix


def remix_shares(shares: Tensor, sizes: Tensor, partner_sizes: Tensor) -> Tensor:
    """Compute the weight of the first label of each blend.

    It is 0 where the first class is at least 3 times as large as the second and its image has less
    than half of the blend, 1 in the reverse case, else the share of the image.

    Args:
        shares: (b,) share of the first image.
        sizes: (b,) size of its class.
        partner_sizes: (b,) size of the class of the second image.

    Source: Chou et al. (2020).

    Example:
        >>> remix_shares(torch.tensor([0.4, 0.6]), torch.tensor([90, 90]), torch.tensor([10, 10]))
        tensor([0.0000, 0.6000])
    """
    weights = shares.masked_fill((sizes >= KAPPA * partner_sizes) & (shares < TAU), 0.0)
    return weights.masked_fill((partner_sizes >= KAPPA * sizes) & (1 - shares < TAU), 1.0)


MIXINGS: dict[str, Callable[[Tensor], Mixing] | None] = {
    "none": None,
    "mixup": mixup,
    "remix": remix,
}
FAMILY = Family(
    name="mixings",
    summary="Ways of blending training images.",
    members=MIXINGS,
    line=lambda mixing: summarize(mixing) or "Images are not blended.",
)


def _blend(images: Tensor, label_shares: Callable[[Tensor, Tensor], Tensor]) -> Mixed:
    b = len(images)
    partners = torch.randperm(b, device=images.device)
    alpha = torch.full((b,), ALPHA, device=images.device)
    shares = torch.distributions.Beta(alpha, alpha).sample()
    blends = torch.lerp(images[partners], images, shares.view(-1, *[1] * (images.ndim - 1)))
    return Mixed(blends, partners, label_shares(shares, partners))
