"""Similarity of images: MS-SSIM of pairs, and the diversity of a set of images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from equipoise.arrays import Images, ValueRange
from equipoise.exceptions import DataError
from equipoise.metrics.statistics import CONFIDENCE, t_quantile
from equipoise.validation import check_images

Values = NDArray[np.float64]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, fine to coarse
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03  # stabilize luminance and contrast


def n_scales(height: int, width: int) -> int:
    """Count the scales whose maps are not smaller than the window: 5 from 176 px, 2 at 28 px.

    Raises:
        DataError: A side is below 11 px, where no window fits.

    Example:
        >>> n_scales(28, 28)
        2
    """
    side = min(height, width)
    if side < WINDOW:
        raise DataError(
            f"Expected images of at least {WINDOW} px for MS-SSIM, got {height} x {width}."
        )
    return min(len(WEIGHTS), int(np.log2(side / WINDOW)) + 1)


def ms_ssim(first: Images, second: Images, *, span: ValueRange) -> Values:
    """Compute the MS-SSIM of n pairs of images: 1 for equal images, around 0 for unrelated ones.

    Contrast and structure at each scale, luminance at the coarsest, each to the power of its
    weight; a scale is the means of the 2 x 2 blocks of the previous one.

    Args:
        first: (n, c, h, w).
        second: (n, c, h, w).
        span: The values of black and white.

    Returns:
        (n,) in 0..1.

    Raises:
        DataError: Other shapes, or a side below 11 px.

    Source: Wang, Simoncelli and Bovik (2003), Eq. 7; window and constants of Wang et al. (2004).
    Differences: if an image is too small for five scales, the weights of the finest ones are kept
    and divided by their sum; a negative mean counts as 0, since it has no such power; the values of
    the channels are averaged.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).integers(0, 256, (2, 1, 28, 28), dtype=np.uint8)
        >>> ms_ssim(images, images, span=(0, 255)).tolist()
        [1.0, 1.0]

    See Also:
        `diversity`: the mean over all pairs of one set.
    """
    first, second = np.asarray(check_images(first)), np.asarray(check_images(second))
    if first.shape != second.shape or first.ndim != 4:
        raise DataError(
            f"Expected two sets of images (n, c, h, w) of one shape, "
            f"got {first.shape} and {second.shape}."
        )
    return _similarity(_scales(first, span), _scales(second, span))


@dataclass(frozen=True)
class Diversity:
    """Mean MS-SSIM over all pairs of a set, with its 95 % interval: the lower, the more varied."""

    value: float
    low: float
    high: float
    n_pairs: int


def diversity(images: Images, *, span: ValueRange) -> Diversity:
    """Compute the mean MS-SSIM of all pairs of images.

    An image is in many pairs, so the interval leaves out one image at a time (jackknife, Student's
    t).

    Args:
        images: (n, c, h, w), at least 3; n (n - 1) / 2 pairs are compared, so keep n below 100.
        span: The values of black and white.

    Raises:
        DataError: Fewer than 3 images, other shapes, or a side below 11 px.

    Source: Odena et al. (2017), section 4.2, who compare 100 random pairs of a class; all pairs are
    compared here.

    Example:
        >>> import numpy as np
        >>> same = np.tile(np.arange(28, dtype=np.uint8), (4, 1, 28, 1))
        >>> diversity(same, span=(0, 255)).value
        1.0
    """
    n = len(check_images(images))
    if n < 3:
        raise DataError(f"Expected at least 3 images to compare, got {n}.")
    scales = _scales(images, span)
    sums = np.zeros(n)  # of each image's similarities to all others
    for i in range(n - 1):
        rest = slice(i + 1, n)
        image = [scale.part(slice(i, i + 1)) for scale in scales]
        similarities = _similarity(image, [scale.part(rest) for scale in scales])
        sums[i] += similarities.sum()
        sums[rest] += similarities
    value = float(sums.sum() / (n * (n - 1)))
    without = (sums.sum() - 2 * sums) / ((n - 1) * (n - 2))  # (n,) mean without each image
    half = float(np.sqrt((n - 1) * without.var()) * t_quantile((1 + CONFIDENCE) / 2, n - 1))
    return Diversity(value, value - half, value + half, n * (n - 1) // 2)


@dataclass(frozen=True)
class _Scale:
    """Images at a scale with local means and variances: computed once, used in many pairs."""

    images: Values
    means: Values
    variances: Values

    def part(self, rows: slice) -> "_Scale":
        return _Scale(self.images[rows], self.means[rows], self.variances[rows])


def _scales(images: Images, span: ValueRange) -> list[_Scale]:
    low, high = span
    unit = (images.astype(np.float64) - low) / (high - low)
    scales = []
    for _ in range(n_scales(*images.shape[2:])):
        means = _blurred(unit)
        scales.append(_Scale(unit, means, _blurred(unit**2) - means**2))
        # The next scale: means of 2 x 2 blocks; an odd last row or column is left out.
        height, width = unit.shape[2] // 2, unit.shape[3] // 2
        even = unit[:, :, : 2 * height, : 2 * width]
        unit = even.reshape(*unit.shape[:2], height, 2, width, 2).mean(axis=(3, 5))
    return scales


def _similarity(first: list[_Scale], second: list[_Scale]) -> Values:
    """Compute the (n,) MS-SSIM of pairs; a first axis of 1 is compared with all of the other."""
    weights = np.array(WEIGHTS[: len(first)])
    c1, c2 = K1**2, K2**2
    product = 1.0
    for weight, a, b in zip(weights / weights.sum(), first, second, strict=True):
        covariance = _blurred(a.images * b.images) - a.means * b.means
        structure = (2 * covariance + c2) / (a.variances + b.variances + c2)
        if a is first[-1]:
            structure = structure * (2 * a.means * b.means + c1) / (a.means**2 + b.means**2 + c1)
        product = product * np.maximum(structure.mean(axis=(2, 3)), 0) ** weight
    return np.asarray(np.mean(product, axis=1))


def _blurred(images: Values) -> Values:
    """Average with the Gaussian window, at all positions where it fits entirely."""
    half = WINDOW // 2
    window = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * SIGMA**2))
    for axis in (2, 3):
        images = correlate1d(images, window / window.sum(), axis=axis)
    return np.asarray(images[:, :, half:-half, half:-half])
