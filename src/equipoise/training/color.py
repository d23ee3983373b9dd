"""Random flips, turns and changes of color, one for each image of a batch."""

import math

import torch
from torch import Tensor, nn

# Luminance and the two color differences of RGB (NTSC, 1953): gray is (y, 0, 0), hue is an angle.
TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


class FlipsAndTurns(nn.Module):
    """Applies one of the eight symmetries of a square to each image (b, c, h, w), without blur.

    An image that is not square gets one of the four that keep its sides.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return changed images; all symmetries are equally likely."""
        first, second, third = torch.rand(3, len(images), 1, 1, 1, device=images.device) < 0.5
        images = torch.where(first, images.flip(-1), images)
        images = torch.where(second, images.flip(-2), images)
        if images.shape[2] == images.shape[3]:
            images = torch.where(third, images.transpose(2, 3), images)
        return images


class ColorChange(nn.Module):
    """Changes brightness, contrast, saturation and hue of each image (b, c, h, w) in [0, 1].

    Hue is rotated and saturation scaled about the gray axis (YIQ), in one matrix for each image.
    Images with other than three channels only change in brightness and contrast.

    Args:
        light: Largest change of brightness and of contrast, as a share.
        saturation: Largest change of the saturation, as a share.
        degrees: Largest rotation of the hue.

    Example:
        >>> gray = torch.full((2, 3, 4, 4), 0.5)
        >>> ColorChange(light=0.0, saturation=0.5, degrees=90.0)(gray).sub(gray).abs().max() < 1e-3
        tensor(True)
    """

    def __init__(self, *, light: float, saturation: float, degrees: float) -> None:
        super().__init__()
        self.light = light
        self.saturation = saturation
        self.degrees = degrees

    def forward(self, images: Tensor) -> Tensor:
        """Return changed images, clamped to [0, 1]."""
        draws = 2.0 * torch.rand(4, len(images), device=images.device) - 1.0  # in [-1, 1]
        brightness, contrast = (1.0 + self.light * draws[:2]).view(2, -1, 1, 1, 1)
        if images.shape[1] == 3:
            factors = 1.0 + self.saturation * draws[2]
            matrices = color_matrices(factors, self.degrees * draws[3])
            images = torch.einsum("bij,bjhw->bihw", matrices.to(images), images)
        means = images.mean(dim=(1, 2, 3), keepdim=True)
        changed: Tensor = brightness * (means + contrast * (images - means))
        return changed.clamp(0.0, 1.0)


def color_matrices(factors: Tensor, degrees: Tensor) -> Tensor:
    """Compute matrices (b, 3, 3) that scale saturation and rotate hue of RGB; gray stays gray.

    Args:
        factors: (b,) factor of the saturation.
        degrees: (b,) rotation of the hue.

    Example:
        >>> color_matrices(torch.ones(1), torch.zeros(1)).sub(torch.eye(3)).abs().max() < 1e-6
        tensor(True)
    """
    device = factors.device
    dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
    to_yiq = torch.tensor(TO_YIQ, dtype=torch.float64)
    to_rgb = torch.linalg.inv(to_yiq).to(device, dtype)
    angles = degrees.to(dtype) * math.pi / 180.0
    cosines, sines = factors.to(dtype) * torch.cos(angles), factors.to(dtype) * torch.sin(angles)
    changes = torch.zeros(len(factors), 3, 3, dtype=dtype, device=device)
    changes[:, 0, 0] = 1.0
    changes[:, 1, 1] = cosines
    changes[:, 1, 2] = -sines
    changes[:, 2, 1] = sines
    changes[:, 2, 2] = cosines
    matrices: Tensor = (to_rgb @ changes @ to_yiq.to(device, dtype)).float()
    return matrices
