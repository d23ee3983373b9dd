"""How much of a heat map lies on the pictured object, and how much at the border of the image.

A share of a map's mass says nothing without the share of the area: a constant map has just that.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from equipoise.arrays import Images
from equipoise.exceptions import DataError

Masks = NDArray[np.bool_]  # (n, h, w)
Values = NDArray[np.float64]

LEVELS = 256  # bins of the histogram of Otsu's threshold
FRAME = 1 / 8  # of height and of width, on each side


def foreground(images: Images) -> Masks:
    """Separate the pictured object from its background, for images without masks.

    Otsu's threshold separates dark from bright; the background is what is connected with the border
    of the image and on the side of the threshold on which most of the border lies. The rest is
    foreground, holes included.

    Limits: an object that fills most of the border counts as background, and what it encloses as
    foreground (the lungs of a film that shows only the chest). There are two tones only: vignettes,
    rulers and letters count as background or foreground by their gray. It segments no organ and no
    lesion. Show its outline beside any number that depends on it.

    Args:
        images: (n, c, h, w) of any storage type; the mean over channels is used.

    Returns:
        (n, h, w) True in the foreground; all False for a constant image.

    Source: ours, on the threshold of Otsu (1979).

    Example:
        >>> import numpy as np
        >>> image = np.zeros((1, 1, 5, 5), dtype=np.uint8)
        >>> image[0, 0, 1:4, 1:4] = 200
        >>> int(foreground(image).sum())
        9
    """
    masks = np.zeros((len(images), *images.shape[2:]), dtype=bool)
    for i, image in enumerate(images):
        gray = image.mean(axis=0, dtype=np.float64)
        if gray.min() == gray.max():
            continue
        bright = gray > otsu(gray)
        border = border_frame(bright.shape, width=0.0)
        like_border = bright == (bright[border].mean() > 0.5)
        background = ndimage.binary_propagation(like_border & border, mask=like_border)
        masks[i] = ~np.asarray(background, dtype=bool)
    return masks


def otsu(gray: Values) -> float:
    """Find the threshold that separates (h, w) values into two groups of largest variance between.

    Source: Otsu (1979), Eq. 14, on 256 equal steps from the smallest value to the largest; the
    threshold is the upper edge of a step. If several steps between two distant groups are equally
    good, the middle one is taken.

    Example:
        >>> import numpy as np
        >>> round(otsu(np.array([[0.0, 0.1], [0.9, 1.0]])), 1)
        0.5
    """
    counts, edges = np.histogram(gray, bins=LEVELS)
    centers = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    total = np.cumsum(counts * centers)
    mean_difference = total[:-1] / below - (total[-1] - total[:-1]) / above
    between = below * above * mean_difference**2
    best = np.flatnonzero(np.isclose(between, between.max(), rtol=1e-9))
    return float(edges[1 + best[len(best) // 2]])


def border_frame(shape: tuple[int, ...], *, width: float = FRAME) -> NDArray[np.bool_]:
    """Mark the outer frame of an image (h, w), `width` of each side wide and at least 1 pixel.

    Example:
        >>> int(border_frame((8, 8)).sum())
        28
    """
    frame = np.ones(shape, dtype=bool)
    top, left = (max(1, round(side * width)) for side in shape)
    frame[top:-top, left:-left] = False
    return frame


def mass_share(maps: NDArray[np.floating], region: Masks) -> Values:
    """Compute the share of each map's mass that lies in a region.

    Args:
        maps: (n, h, w) >= 0, for example of `equipoise.estimators.grad_cam.grad_cam`.
        region: (n, h, w) or (h, w), True inside.

    Returns:
        (n,) in [0, 1]; NaN if a map is 0 everywhere or its region is empty.

    Raises:
        DataError: Other shapes, or negative values.

    Source: ours, of the maps of Selvaraju et al. (2017).

    Example:
        >>> import numpy as np
        >>> maps = np.array([[[3.0, 1.0], [0.0, 0.0]]])
        >>> mass_share(maps, np.array([[True, False], [True, False]])).tolist()
        [0.75]
    """
    region = np.broadcast_to(region, maps.shape) if region.ndim == maps.ndim - 1 else region
    if region.shape != maps.shape or maps.ndim != 3:
        raise DataError(
            f"Expected maps (n, h, w) and a region of that shape, "
            f"got {maps.shape} and {region.shape}."
        )
    if maps.size and not maps.min() >= 0:
        raise DataError(f"Expected maps >= 0, got {maps.min()}. Clip negative values first.")
    inside = np.where(region, maps, 0).sum(axis=(1, 2), dtype=np.float64)
    mass = maps.sum(axis=(1, 2), dtype=np.float64)
    total = np.where(region.any(axis=(1, 2)), mass, 0.0)
    share = np.full(len(maps), np.nan)
    np.divide(inside, total, out=share, where=total > 0)
    return share
