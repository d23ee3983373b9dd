"""Augmentation of all that a critic sees, as often as its certainty about real images requires."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from equipoise.discovery import pick
from equipoise.training.diffaugment import Transform

TARGET = 0.6  # of r_t, the mean sign of the scores of real images
IMAGES_TO_1 = 500_000  # real images in which the probability could go from 0 to 1
INTERVAL = 4  # minibatches between two changes
MOST = 0.85  # probability
DEFAULT = "translation,scale,stretch,shift,brightness,contrast"


class AdaptiveAugmentation:
    """Apply transforms, each of which changes an image with probability p.

    `observe` receives the scores of real images. After every 4 minibatches p moves by 4 b / 500,000
    toward where the mean sign of those scores is 0.6: up where the critic overfits to real images,
    down where it does not. It is `Stateful`: put it into the checkpoint's parts. All state is on
    the device.

    Args:
        policy: Names in `TRANSFORMS`, for example "translation,scale"; DEFAULT is all that leaves
            anatomy and stains alone. Use "flip" and "quarter_turns" only where images have these
            symmetries, "saturation" where colors carry no meaning.
        device: Where the images are.

    Raises:
        SettingError: A name in the policy is not known.

    Source: Karras et al. (2020), arXiv 2006.06676, Eq. 1 (r_t) and the strengths of Appendix B.
    Differs in the largest p of 0.85, in leaving out what changes the meaning of a medical image or
    needs a general resampling (rotation by any angle, inverted light, rotated hue), and in bilinear
    interpolation on mirrored images without filters.

    Example:
        >>> ada = AdaptiveAugmentation("brightness", torch.device("cpu"))
        >>> for _ in range(4):
        ...     ada.observe(torch.ones(500))
        >>> round(ada.probability.item(), 4)
        0.004

    See Also:
        diffaugment: Transforms every image.
    """

    def __init__(self, policy: str, device: torch.device) -> None:
        names = [name.strip() for name in policy.split(",") if name.strip()]
        self.transforms = [pick(TRANSFORMS, name, "ADA transform") for name in names]
        self.probability = torch.zeros((), device=device)
        self.signs = torch.zeros((), device=device)
        self.minibatches = 0

    def __call__(self, images: Tensor) -> Tensor:
        """(b, c, s, s) in [-1, 1] -> the same shape."""
        for transform in self.transforms:
            chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < self.probability
            images = torch.where(chosen, transform(images), images)
        return images

    def observe(self, scores: Tensor) -> None:
        """Record the scores (b,) of one minibatch of real images, and move p where due."""
        self.signs += scores.sign().mean()
        self.minibatches += 1
        if self.minibatches % INTERVAL == 0:
            step = INTERVAL * len(scores) / IMAGES_TO_1
            direction = (self.signs / INTERVAL - TARGET).sign()
            self.probability = (self.probability + step * direction).clamp(0.0, MOST)
            self.signs = torch.zeros_like(self.signs)

    def state_dict(self) -> dict[str, Any]:
        """Return p and what was observed since its last change."""
        return {
            "probability": self.probability,
            "signs": self.signs,
            "minibatches": self.minibatches,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        device = self.probability.device
        self.probability = state["probability"].to(device)
        self.signs = state["signs"].to(device)
        self.minibatches = state["minibatches"]


def flip(images: Tensor) -> Tensor:
    """Swap left and right in half of the images."""
    return torch.where(_uniform(images) < 0.5, images.flip(3), images)


def quarter_turns(images: Tensor) -> Tensor:
    """Rotate by 0, 90, 180 or 270 degrees."""
    turns = torch.randint(4, (len(images), 1, 1, 1), device=images.device)
    for number in range(1, 4):
        images = torch.where(turns == number, images.rot90(number, (2, 3)), images)
    return images


def translation(images: Tensor) -> Tensor:
    """Shift by whole pixels, up to an eighth of the side along each axis."""
    reach = 0.125 * images.shape[2]
    return _moved(images, *(((2 * _uniform(images) - 1) * reach).round() for _ in range(2)))


def scale(images: Tensor) -> Tensor:
    """Enlarge or shrink by 2^N(0, 0.2^2)."""
    factor = _power(images, 0.2)
    return _resampled(images, _about_center(images, factor), _about_center(images, factor))


def stretch(images: Tensor) -> Tensor:
    """Stretch one axis by 2^N(0, 0.2^2) and the other by its inverse."""
    factor = _power(images, 0.2)
    return _resampled(images, _about_center(images, factor), _about_center(images, 1 / factor))


def shift(images: Tensor) -> Tensor:
    """Shift along each axis by N(0, 0.125^2) of the side."""
    return _moved(images, *(0.125 * images.shape[2] * _normal(images) for _ in range(2)))


def brightness(images: Tensor) -> Tensor:
    """Add N(0, 0.2^2)."""
    return images + 0.2 * _normal(images)


def contrast(images: Tensor) -> Tensor:
    """Multiply by 2^N(0, 0.5^2)."""
    return images * _power(images, 0.5)


def saturation(images: Tensor) -> Tensor:
    """Multiply the distance to gray by 2^N(0, 1); leaves images of one channel as they are."""
    gray = images.mean(dim=1, keepdim=True)
    return gray + (images - gray) * _power(images, 1.0)


TRANSFORMS: Mapping[str, Transform] = {
    "flip": flip,
    "quarter_turns": quarter_turns,
    "translation": translation,
    "scale": scale,
    "stretch": stretch,
    "shift": shift,
    "brightness": brightness,
    "contrast": contrast,
    "saturation": saturation,
}


def _moved(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    return _resampled(
        images, lambda places: places - down.flatten(1), lambda places: places - right.flatten(1)
    )


def _about_center(images: Tensor, factor: Tensor) -> Callable[[Tensor], Tensor]:
    center = (images.shape[2] - 1) / 2
    return lambda places: (places - center) / factor.flatten(1) + center


def _resampled(
    images: Tensor, rows: Callable[[Tensor], Tensor], columns: Callable[[Tensor], Tensor]
) -> Tensor:
    """Resample each image bilinearly.

    It is a product with matrices: their gradients, unlike those of `grid_sample` on a GPU, do not
    depend on the order in which threads add.

    Args:
        images: (b, c, s, s).
        rows: Rows of the result (1, s) -> rows of the image (b, s).
        columns: The same of columns.
    """
    places = torch.arange(images.shape[2], device=images.device, dtype=images.dtype)[None]
    return _weights(rows(places)) @ images @ _weights(columns(places)).transpose(2, 3)


def _weights(at: Tensor) -> Tensor:
    """Return (b, 1, s, s) weights of the pixels at places (b, s), mirrored into the image."""
    last = at.shape[1] - 1
    inside = last - (at.remainder(2 * last) - last).abs()
    pixels = torch.arange(last + 1, device=at.device, dtype=at.dtype)
    return (1 - (inside[:, :, None] - pixels).abs()).relu()[:, None]


def _uniform(images: Tensor) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device)


def _normal(images: Tensor) -> Tensor:
    return torch.randn(len(images), 1, 1, 1, device=images.device)


def _power(images: Tensor, spread: float) -> Tensor:
    return torch.exp2(spread * _normal(images))
