"""Heat maps laid over images, in colors whose brightness grows with the value."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

Pixels = NDArray[np.uint8]

# Viridis at ten equal steps (Smith and van der Walt 2015, CC0): brightness alone tells the order, to everyone.
VIRIDIS = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip
OPACITY = 0.5


def colored(maps: Pixels) -> NDArray[np.float64]:
    """Give the colors of maps (n, h, w) as (n, 3, h, w) from 0 to 255."""
    anchors = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in VIRIDIS], dtype=np.float64)
    places = np.linspace(0, 255, len(VIRIDIS))
    return np.stack([np.interp(maps, places, anchors[:, channel]) for channel in range(3)], axis=1)


def beside_overlays(images: Pixels, maps: Pixels, masks: NDArray[np.bool_]) -> Pixels:
    """Put each image beside the same in gray under its map; the edge of the foreground is white.

    Args:
        images: (n, c, h, w), c = 1 or 3.
        maps: (n, h, w).
        masks: (n, h, w) True in the foreground.

    Returns:
        (2 n, 3, h, w): image, overlay, image, overlay, ...
    """
    gray = images.mean(axis=1, keepdims=True)
    over = np.rint(OPACITY * colored(maps) + (1 - OPACITY) * gray).astype(np.uint8)
    edges = np.array([mask & ~binary_erosion(mask, border_value=1) for mask in masks], dtype=bool)
    over = np.where(edges[:, None], np.uint8(255), over)
    plain = np.broadcast_to(images, (len(images), 3, *images.shape[2:]))
    return np.stack([plain, over], axis=1).reshape(-1, *over.shape[1:])
