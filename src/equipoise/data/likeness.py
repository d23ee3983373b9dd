"""Search for copies: how alike two images are, whatever brightness, mirroring and shift."""

from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from equipoise.arrays import Images, Rows
from equipoise.data.duplicates import N_LOW, SIDE, area_weights
from equipoise.exceptions import DataError
from equipoise.image_rows import ImageSource

Codes = NDArray[np.float32]  # (..., 255), rows of unit length

SHIFTS = (-2, -1, 0, 1, 2)  # along each axis, in steps
STEPS_PER_SIDE = 64  # a step is a 64th of the side and at least a pixel
CODED = 256  # images coded at once, and
COMPARED = 16  # queries compared at once, to bound the memory
ROUNDING = 1e-5  # of the mean: contrast below it is that of float32


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """For each of n images the most alike reference.

    Attributes:
        row: (n,) row of the reference.
        likeness: (n,) from -1 to 1; 1 for the same image, about 0 for two unrelated ones.
        mirrored: (n,) True if the image has to be mirrored left to right to be so alike.
        shift: (n, 2) pixels by which it then has to be moved, down and to the right.
    """

    row: Rows
    likeness: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    shift: NDArray[np.int64]

    def align(self, images: ImageSource, rows: Rows) -> Images:
        """Mirror and move the (n, c, h, w) images of some rows to fit their references."""
        height, width = images.shape[2:]
        aligned = []
        for row in rows:
            down, right = self.shift[row].tolist()
            image = images[row][:, :, ::-1] if self.mirrored[row] else images[row]
            moved_down = image[:, _source_pixels(height, down)]
            aligned.append(moved_down[:, :, _source_pixels(width, right)])
        return np.stack(aligned)


@dataclass(frozen=True, kw_only=True, eq=False)
class Likeness:
    """Compare images with references by what distinguishes each from the average of its kind.

    An image is coded by the 255 lowest frequencies of its gray thumbnail of 32 x 32 pixels (those
    of `find_duplicates`), divided by their length, so that brightness and contrast do not matter,
    then standardized with mean and standard deviation over real images, so that what all films
    share does not count. The likeness of two images is the cosine of their codes, the largest over
    mirroring and shifts of up to two 64ths of the side.

    Of 4,374 held-out films, lesions and cells at 64 pixels, one is 0.9 or more like a training
    image of another patient (a lesion, 0.92), the others are below. Of copies that were compressed,
    made noisier, paler, brighter, mirrored, shifted or blurred, most are above 0.9 at 64 pixels; at
    28 pixels strong compression and noise hide most. Copies rotated by 5 degrees are not found.

    Attributes:
        codes: (m, 255) of the references.
        mean: (255,) of real images, before standardization.
        spread: (255,) standard deviations, 1 where all real images agree.
        shape: (h, w) of the images.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> images = cells((20, 10), size=32).images
        >>> matches = Likeness.of(images).match(images[:3, :, :, ::-1])
        >>> matches.row.tolist(), matches.mirrored.tolist(), matches.likeness.round(3).tolist()
        ([0, 1, 2], [True, True, True], [1.0, 1.0, 1.0])

    See Also:
        equipoise.data.duplicates.find_duplicates: Finds pairs within one dataset, faster.
    """

    codes: Codes
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, references: ImageSource, more_real: ImageSource | None = None) -> Self:
        """Code references, and measure mean and spread on them and on more real images.

        Raises:
            DataError: The images are not two-dimensional, or there is no reference.
        """
        if references.ndim != 4 or not len(references):
            raise DataError(
                f"Expected at least one image, shape (n, c, h, w), got {references.shape}."
            )
        codes = _codes(references, shifts=(0,), mirror=False)[:, 0]
        real = codes
        if more_real is not None:
            real = np.concatenate([codes, _codes(more_real, shifts=(0,), mirror=False)[:, 0]])
        mean, spread = real.mean(axis=0), real.std(axis=0)
        spread = np.where(spread > 0, spread, 1).astype(np.float32)
        return cls(
            codes=_standardized(codes, mean, spread),
            mean=mean,
            spread=spread,
            shape=references.shape[2:],
        )

    def match(self, images: ImageSource) -> Matches:
        """Find the most alike reference of each image.

        Raises:
            DataError: The images have another size than the references.
        """
        if images.shape[2:] != self.shape:
            raise DataError(
                f"Expected images of {self.shape} pixels, got {images.shape[2:]}. "
                "Resize all to one size."
            )
        n_variants, n = 2 * len(SHIFTS) ** 2, len(images)
        best = np.empty(n)
        position = np.empty(n, dtype=np.int64)  # in the table of variants x references
        for start in range(0, n, CODED):
            codes = _codes(images[start : start + CODED], shifts=SHIFTS, mirror=True)
            codes = _standardized(codes, self.mean, self.spread)
            for first in range(0, len(codes), COMPARED):
                cosines = codes[first : first + COMPARED] @ self.codes.T
                cosines = cosines.reshape(-1, n_variants * len(self.codes))
                rows = slice(start + first, start + first + len(cosines))
                best[rows] = cosines.max(axis=1)
                position[rows] = cosines.argmax(axis=1)
        variant, row = np.divmod(position, len(self.codes))
        variants = np.array(list(product((False, True), SHIFTS, SHIFTS)), dtype=np.int64)
        pixels_per_step = np.array(list(map(_step, self.shape)))
        return Matches(
            row=row,
            likeness=best.clip(-1, 1),
            mirrored=variants[variant, 0].astype(bool),
            shift=variants[variant, 1:] * pixels_per_step,
        )


def _codes(images: ImageSource, *, shifts: tuple[int, ...], mirror: bool) -> Codes:
    """Code each image under every mirroring and shift: (n, variants, 255)."""
    height, width = images.shape[2:]
    down = _low_frequencies(height, shifts)  # (shifts, N_LOW, h)
    right = _low_frequencies(width, shifts)
    across = np.stack([right, right[:, :, ::-1]] if mirror else [right])  # (mirrorings, shifts, ..)
    codes = []
    for start in range(0, len(images), CODED):
        gray = images[start : start + CODED].astype(np.float32).mean(axis=1)
        rows = np.einsum("skh,nhw->nskw", down, gray, optimize=True)
        low = np.einsum("nskw,mtlw->nmstkl", rows, across, optimize=True)
        low = low.reshape(len(gray), -1, N_LOW * N_LOW)
        mean, contrast = low[:, :, :1], low[:, :, 1:]
        length = np.linalg.norm(contrast, axis=-1, keepdims=True)
        visible = length > ROUNDING * np.abs(mean)
        codes.append(_unit(np.where(visible, contrast, 0)))
    return np.concatenate(codes)


def _low_frequencies(side: int, shifts: tuple[int, ...]) -> NDArray[np.float32]:
    """Return for each shift the matrix (N_LOW, side) that shifts, shrinks, transforms an axis."""
    low = dct(np.eye(SIDE), axis=0, norm="ortho")[:N_LOW]
    weights = area_weights(side)  # (SIDE, side)
    matrices = []
    for shift in shifts:
        shifted = np.zeros_like(weights)  # acts as if the image had been moved, its edge repeated
        np.add.at(shifted.T, _source_pixels(side, shift * _step(side)), weights.T)
        matrices.append(low @ shifted)
    return np.stack(matrices).astype(np.float32)


def _source_pixels(side: int, shift: int) -> Rows:
    """Return which pixel is at each place after an axis is moved by `shift` pixels."""
    return np.clip(np.arange(side) - shift, 0, side - 1)


def _step(side: int) -> int:
    return max(1, round(side / STEPS_PER_SIDE))


def _standardized(codes: Codes, mean: NDArray[np.float32], spread: NDArray[np.float32]) -> Codes:
    """Standardize and scale to length 1; an image without contrast stays 0 and matches nothing."""
    return _unit(np.where(codes.any(axis=-1, keepdims=True), (codes - mean) / spread, 0))


def _unit(codes: NDArray[np.float32]) -> Codes:
    length = np.linalg.norm(codes, axis=-1, keepdims=True)
    return np.asarray(codes / np.where(length > 0, length, 1), dtype=np.float32)
