"""Fixed views of an image: what augmentation becomes where features are computed only once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from equipoise.discovery import Family, pick


@dataclass(frozen=True, kw_only=True)
class View:
    """A change of an image that leaves its class alone.

    Attributes:
        mirrored: Whether left and right are exchanged, first of all.
        quarter_turns: Quarter turns, which are exact.
        degrees: A further rotation, sampled bilinearly and reflected at the border.
        zoom: Magnification about the center, sampled with the rotation.
    """

    mirrored: bool = False
    quarter_turns: int = 0
    degrees: float = 0.0
    zoom: float = 1.0

    def __call__(self, images: Tensor) -> Tensor:
        """Map images (b, c, h, w) in [0, 1] to the view of each.

        Quarter turns of images that are not square exchange h and w.
        """
        if self.mirrored:
            images = images.flip(-1)
        if self.quarter_turns:
            images = torch.rot90(images, self.quarter_turns, dims=(2, 3))
        if self.degrees == 0.0 and self.zoom == 1.0:
            return images
        height, width = images.shape[2:]
        angle = np.deg2rad(self.degrees)
        cosine, sine = np.cos(angle) / self.zoom, np.sin(angle) / self.zoom
        # sampling positions run from -1 to 1 along both sides, whatever their lengths
        rows = [[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]]
        matrix = torch.tensor(rows, dtype=images.dtype, device=images.device)
        size = list(images.shape)
        grid = affine_grid(matrix.expand(len(images), 2, 3), size, align_corners=False)
        return grid_sample(images, grid, padding_mode="reflection", align_corners=False)


PLAIN = View()
SYMMETRIES = (
    PLAIN,
    View(mirrored=True),
    View(quarter_turns=2),
    View(mirrored=True, quarter_turns=2),
    View(quarter_turns=1),
    View(quarter_turns=3),
    View(mirrored=True, quarter_turns=1),
    View(mirrored=True, quarter_turns=3),
)
VIEWS: Mapping[str, Sequence[View]] = {
    "none": (PLAIN,),
    "film": (
        PLAIN,
        View(degrees=7.0),
        View(degrees=-7.0),
        View(zoom=1.1),
        View(zoom=0.9),
        View(degrees=4.0, zoom=1.05),
        View(degrees=-4.0, zoom=1.05),
        View(degrees=10.0, zoom=0.95),
    ),
    "cell": SYMMETRIES,
    "skin": SYMMETRIES,
    "stain": SYMMETRIES,
}
FAMILY = Family(
    name="views",
    summary="Fixed views of an image for features of a frozen network, by augmentation.",
    members=VIEWS,
    line=lambda views: f"{len(views)} views, the image itself first.",
)


def views_of(augmentation: str, n_views: int) -> tuple[View, ...]:
    """Return the first views of an augmentation, the image itself first; all, if it has fewer.

    "film" has small rotations and zooms and no flips; "cell", "skin" and "stain" have the eight
    flips and quarter turns and leave colors alone; "none" has the image alone: the fixed
    counterparts of `equipoise.training.augmentation`.

    Raises:
        SettingError: No such augmentation.

    Example:
        >>> len(views_of("film", 4)), len(views_of("none", 4))
        (4, 1)
    """
    return tuple(pick(VIEWS, augmentation, "augmentation")[:n_views])
