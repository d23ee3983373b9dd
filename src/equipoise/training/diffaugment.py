"""Differentiable augmentation of everything a critic sees, real and fake alike."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from equipoise.discovery import pick

Transform = Callable[[Tensor], Tensor]  # images (b, c, s, s) in [-1, 1] -> the same shape


def diffaugment(policy: str) -> Transform:
    """Compose the transforms of a policy, for example "translation,cutout"; "" changes nothing.

    Every image draws its own transform from torch's global generator, and gradients pass through.
    For X-rays leave "color" out: their gray levels carry meaning.

    Raises:
        SettingError: A name in the policy is not known.

    Source: Zhao et al. (2020), arXiv 2006.10738; brightness, saturation and contrast on [-1, 1] as
    in its code.

    Example:
        >>> augment = diffaugment("translation,cutout")
        >>> augment(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 1, 8, 8])

    See Also:
        AdaptiveAugmentation: Applies its transforms only as often as the critic's certainty
            requires.
    """
    transforms: list[Transform] = []
    for name in policy.split(","):
        if name.strip():
            transforms.append(pick(TRANSFORMS, name.strip(), "DiffAugment transform"))

    def augment(images: Tensor) -> Tensor:
        for transform in transforms:
            images = transform(images)
        return images

    return augment


def unchanged(images: Tensor) -> Tensor:
    """Return images as they are."""
    return images


def color(images: Tensor) -> Tensor:
    """Change brightness (by up to 0.5), saturation (0 to 2 times), contrast (0.5 to 1.5 times)."""
    images = images + _uniform(images, -0.5, 0.5)
    gray = images.mean(dim=1, keepdim=True)
    images = (images - gray) * _uniform(images, 0.0, 2.0) + gray
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - middle) * _uniform(images, 0.5, 1.5) + middle


def translation(images: Tensor) -> Tensor:
    """Shift by up to an eighth of the side along each axis; new pixels are 0 (mid-gray)."""
    b, c, height, width = images.shape
    reach = (round(height / 8), round(width / 8))
    padded = functional.pad(images, (reach[1], reach[1], reach[0], reach[0]))
    down, right = (torch.randint(0, 2 * r + 1, (b, 1), device=images.device) for r in reach)
    rows = torch.arange(height, device=images.device) + down
    columns = torch.arange(width, device=images.device) + right
    shifted = padded.gather(2, rows[:, None, :, None].expand(b, c, height, padded.shape[3]))
    return shifted.gather(3, columns[:, None, None, :].expand(b, c, height, width))


def cutout(images: Tensor) -> Tensor:
    """Set a square of half the side to 0; its center may lie anywhere in the image.

    The square may reach beyond the image, equally far on all sides. Half of an odd side is rounded
    up.
    """
    b, _, *sides = images.shape
    inside = [_span(b, side, images.device) for side in sides]
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(hole, 0.0)


TRANSFORMS: Mapping[str, Transform] = {"color": color, "translation": translation, "cutout": cutout}


def _span(b: int, side: int, device: torch.device) -> Tensor:
    """Return (b, side), True over half the side around a random center."""
    length = (side + 1) // 2
    # The center of an even length lies between two pixels: there are `side` + 1 such places.
    center = torch.randint(0, side + 1 - length % 2, (b, 1), device=device)
    start = center - length // 2
    position = torch.arange(side, device=device)
    return (position >= start) & (position < start + length)


def _uniform(images: Tensor, low: float, high: float) -> Tensor:
    return torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(low, high)
