"""How much alike images are: MS-SSIM of pairs, and how varied a set of images is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.ndimage import correlate1d

from equipoise.arrays import Images, ValueRange
from equipoise.exceptions import DataError
from equipoise.metrics.statistics import CONFIDENCE
from equipoise.validation import check_images

Values = NDArray[np.float64]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, fine to coarse
WINDOW, SIGMA = 11, 1.5
STABLE = (0.01, 0.03)  # K1 of luminance and K2 of contrast


def n_scales(height: int, width: int) -> int:
    """Give the number of scales whose maps are not smaller than the window: 5 from 176 px on, 2 at 28 px.

    Raises:
        DataError: A side is below 11 px, where no window fits.
    """
    side = min(height, width)
    if side < WINDOW:
        raise DataError(
            f"Expected images of at least {WINDOW} px for MS-SSIM, got {height} x {width}."
        )
    return min(len(WEIGHTS), int(np.log2(side / WINDOW)) + 1)


def ms_ssim(one: Images, other: Images, *, span: ValueRange) -> Values:
    """Give the MS-SSIM of pairs of images, (n,): 1 for equal images, around 0 for unrelated ones.

    Contrast and structure at each scale, luminance at the coarsest, each to the power of its weight; a scale is the
    means of the 2 x 2 blocks of the one before. Differences from the paper: where an image is too small for five
    scales, the weights of the finest ones are kept and divided by their sum; a negative mean counts as 0, since it
    has no such power; the channels' values are averaged.

    Args:
        one: (n, c, h, w).
        other: (n, c, h, w).
        span: The values of black and white.

    Raises:
        DataError: Other shapes, or a side below 11 px.

    Source: Wang, Simoncelli and Bovik 2003; window and constants of Wang et al. 2004.
    """
    one, other = check_images(one), check_images(other)
    if one.shape != other.shape or one.ndim != 4:
        raise DataError(
            f"Expected two sets of images (n, c, h, w) of one shape, got {one.shape}, {other.shape}."
        )
    a, b = (_scales(images, span) for images in (one, other))
    return _similarity(a, b)


@dataclass(frozen=True)
class Diversity:
    """Mean MS-SSIM over all pairs of a set, with its 95 % interval; the lower, the more varied the set."""

    value: float
    low: float
    high: float
    n_pairs: int


def diversity(images: Images, *, span: ValueRange) -> Diversity:
    """Give the mean MS-SSIM of all pairs of images.

    An image is in many pairs, so that the interval leaves out one image after another (jackknife, Student's t).

    Args:
        images: (n, c, h, w), at least 3; n (n - 1) / 2 pairs are compared, so keep n to some dozens.
        span: The values of black and white.

    Raises:
        DataError: Fewer than 3 images, other shapes, or a side below 11 px.

    Source: Odena et al. 2017, who look at 100 random pairs of a class.
    """
    n = len(check_images(images))
    if n < 3:
        raise DataError(f"Expected at least 3 images to compare, got {n}.")
    scales = _scales(images, span)
    sums = np.zeros(n)
    for i in range(n - 1):
        rest = slice(i + 1, n)
        found = _similarity(
            [scale.part(slice(i, i + 1)) for scale in scales],
            [scale.part(rest) for scale in scales],
        )
        sums[i] += found.sum()
        sums[rest] += found
    value = float(sums.sum() / (n * (n - 1)))
    without = (sums.sum() - 2 * sums) / ((n - 1) * (n - 2))
    half = float(np.sqrt((n - 1) * without.var()) * stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
    return Diversity(value, value - half, value + half, n * (n - 1) // 2)


@dataclass(frozen=True)
class _Scale:
    """Images at one scale with their local means and variances: computed once, used in many pairs."""

    images: Values
    means: Values
    variances: Values

    def part(self, rows: slice) -> "_Scale":
        return _Scale(self.images[rows], self.means[rows], self.variances[rows])


def _scales(images: Images, span: ValueRange) -> list[_Scale]:
    low, high = span
    unit, found = (images.astype(np.float64) - low) / (high - low), []
    for _ in range(n_scales(*images.shape[2:])):
        means = _blurred(unit)
        found.append(_Scale(unit, means, _blurred(unit**2) - means**2))
        unit = _halved(unit)
    return found


def _similarity(one: list[_Scale], other: list[_Scale]) -> Values:
    """(n,) MS-SSIM of pairs; a first axis of 1 is compared with all of the other."""
    weights, c1, c2 = np.array(WEIGHTS[: len(one)]), *(k**2 for k in STABLE)
    found = 1.0
    for weight, a, b in zip(weights / weights.sum(), one, other, strict=True):
        crossed = _blurred(a.images * b.images) - a.means * b.means
        structure = (2 * crossed + c2) / (a.variances + b.variances + c2)
        if a is one[-1]:
            structure = structure * (2 * a.means * b.means + c1) / (a.means**2 + b.means**2 + c1)
        found = found * np.maximum(structure.mean(axis=(2, 3)), 0) ** weight
    return np.asarray(np.mean(found, axis=1))


def _blurred(images: Values) -> Values:
    """Average with the Gaussian window where it fits whole."""
    half = WINDOW // 2
    window = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * SIGMA**2))
    for axis in (2, 3):
        images = correlate1d(images, window / window.sum(), axis=axis)
    return np.asarray(images[:, :, half:-half, half:-half])


def _halved(images: Values) -> Values:
    """Average blocks of 2 x 2; an odd last row or column is left out."""
    height, width = (side // 2 for side in images.shape[2:])
    cut = images[:, :, : 2 * height, : 2 * width]
    return np.asarray(cut.reshape(*images.shape[:2], height, 2, width, 2).mean(axis=(3, 5)))
