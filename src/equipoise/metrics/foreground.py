"""How much of a heat map lies on what is pictured, and how much at the edge of the picture.

A share of a map's mass says nothing without the share of the area: a map that is the same everywhere has just that.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from equipoise.arrays import Images
from equipoise.exceptions import DataError

Masks = NDArray[np.bool_]  # (n, h, w)
Values = NDArray[np.float64]

LEVELS = 256  # of the histogram that Otsu's threshold is found in
FRAME = 1 / 8  # of height and of width, on each side


def foreground(images: Images) -> Masks:
    """Tell the pictured object from its background, for images that came without masks.

    Otsu's threshold parts dark from bright; the background is what is connected with the border of the image and on
    that side of the threshold on which most of the border lies. The rest is foreground, holes included.

    What it cannot do: an object that fills most of the border is taken for the background, and what it encloses for
    the foreground (the lungs of a film that shows no more than the chest). Two tones are all it knows: vignettes,
    rulers and letters count as background or as foreground by their gray. It finds no organ and no lesion. Show its
    outline beside any number that rests on it. An image of one value has no foreground.

    Args:
        images: (n, c, h, w) of any storage type; the mean over channels is looked at.

    Returns:
        (n, h, w) True in the foreground.
    """
    found = np.zeros((len(images), *images.shape[2:]), dtype=bool)
    for i, image in enumerate(images):
        gray = image.mean(axis=0, dtype=np.float64)
        if gray.min() < gray.max():
            found[i] = ~_background(gray > otsu(gray))
    return found


def otsu(gray: Values) -> float:
    """Give the value that parts (h, w) values into two groups whose means differ most, given their sizes.

    Source: Otsu 1979, on 256 equal steps from the smallest value to the largest; the threshold is the upper edge
    of a step. Where several steps between two far groups are equally good, the middle one is taken.
    """
    counts, edges = np.histogram(gray, bins=LEVELS)
    centers = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above, total = counts.sum() - below, np.cumsum(counts * centers)
    between = below * above * (total[:-1] / below - (total[-1] - total[:-1]) / above) ** 2
    best = np.flatnonzero(np.isclose(between, between.max(), rtol=1e-9))
    return float(edges[1 + best[len(best) // 2]])


def _background(bright: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Flood from the border through what is as most of the border is; (h, w)."""
    border = border_frame(bright.shape, width=0.0)
    same = bright == (bright[border].mean() > 0.5)
    return np.asarray(ndimage.binary_propagation(same & border, mask=same), dtype=bool)


def border_frame(shape: tuple[int, ...], *, width: float = FRAME) -> NDArray[np.bool_]:
    """Mark the outer frame of an image (h, w), `width` of each side wide and at least 1 pixel."""
    frame = np.ones(shape, dtype=bool)
    top, left = (max(1, round(side * width)) for side in shape)
    frame[top:-top, left:-left] = False
    return frame


def mass_share(maps: NDArray[np.floating], region: Masks) -> Values:
    """Give the share of each map's mass that lies in a region.

    Args:
        maps: (n, h, w) >= 0, for example of `equipoise.estimators.grad_cam.grad_cam`.
        region: (n, h, w) or (h, w), True inside.

    Returns:
        (n,) in [0, 1]; NaN where a map is 0 everywhere or nothing is inside.

    Raises:
        DataError: Other shapes, or negative values.
    """
    region = np.broadcast_to(region, maps.shape) if region.ndim == maps.ndim - 1 else region
    if region.shape != maps.shape or maps.ndim != 3:
        raise DataError(
            f"Expected maps (n, h, w) and a region of that shape, got {maps.shape} and {region.shape}."
        )
    if maps.size and not maps.min() >= 0:
        raise DataError(f"Expected maps from 0, got {maps.min()}. Cut off what is negative first.")
    inside = np.where(region, maps, 0).sum(axis=(1, 2), dtype=np.float64)
    total = np.where(region.any(axis=(1, 2)), maps.sum(axis=(1, 2), dtype=np.float64), 0.0)
    share = np.full(len(maps), np.nan)
    np.divide(inside, total, out=share, where=total > 0)
    return share
