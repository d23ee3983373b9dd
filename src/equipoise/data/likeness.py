"""How alike two images are, whatever their brightness, contrast, mirroring and small shifts: search for copies."""

from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from equipoise.arrays import Images, Rows
from equipoise.data.duplicates import KEPT, SIDE, area_weights
from equipoise.exceptions import DataError

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
        likeness: (n,) from -1 to 1; 1 for the same image, about 0 for two that have nothing in common.
        mirrored: (n,) True where the image has to be mirrored left to right to be so alike.
        shift: (n, 2) pixels by which it then has to be moved, down and to the right.
    """

    row: Rows
    likeness: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    shift: NDArray[np.int64]

    def align(self, images: Images, rows: Rows) -> Images:
        """Mirror and move the (n, c, h, w) images of some rows so that they lie on their references."""
        turned = [images[row][:, :, ::-1] if self.mirrored[row] else images[row] for row in rows]
        moved = [
            _move(image, *by) for image, by in zip(turned, self.shift[rows].tolist(), strict=True)
        ]
        return np.stack(moved)


@dataclass(frozen=True, kw_only=True, eq=False)
class Likeness:
    """Compares images with references by what sets each apart from the average of its kind.

    An image is coded by the 255 lowest frequencies of its gray thumbnail of 32 x 32 pixels (those of
    `find_duplicates`), divided by their length, so that brightness and contrast do not matter, then standardized
    with mean and spread over real images, so that what all films share does not count. The likeness of two images
    is the cosine of their codes, the largest over mirroring and shifts of up to two 64ths of the side.

    Of 4,374 held-out films, lesions and cells at 64 pixels, one is 0.9 or more like a training image of another
    patient (a lesion, 0.92), the others are below. Of copies that were compressed, made noisier, paler, brighter,
    mirrored, shifted or blurred, most lie above 0.9 at 64 pixels; at 28 pixels strong compression and noise hide
    most. Copies turned by 5 degrees are not found.

    Attributes:
        codes: (m, 255) of the references.
        mean: (255,) of real images, before standardization.
        spread: (255,) standard deviations, 1 where all real images agree.
        shape: (h, w) of the images.
    """

    codes: Codes
    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, references: Images, others: Images | None = None) -> Self:
        """Code references; mean and spread are measured on them and on `others`, further real images.

        Raises:
            DataError: The images are not two-dimensional, or there is no reference.
        """
        if references.ndim != 4 or not len(references):
            raise DataError(
                f"Expected at least one image, shape (n, c, h, w), got {references.shape}."
            )
        codes = _codes(references, shifts=(0,), mirror=False)[:, 0]
        real = (
            codes
            if others is None
            else np.concatenate([codes, _codes(others, shifts=(0,), mirror=False)[:, 0]])
        )
        mean, spread = real.mean(axis=0), real.std(axis=0)
        spread = np.where(spread > 0, spread, 1).astype(np.float32)
        return cls(
            codes=_standardized(codes, mean, spread),
            mean=mean,
            spread=spread,
            shape=references.shape[2:],
        )

    def match(self, images: Images) -> Matches:
        """Find the most alike reference of each image.

        Raises:
            DataError: Images of another size than the references.
        """
        if images.shape[2:] != self.shape:
            raise DataError(
                f"Expected images of {self.shape} pixels, got {images.shape[2:]}. Resize all alike."
            )
        n_variants, n = 2 * len(SHIFTS) ** 2, len(images)
        best, place = np.empty(n), np.empty(n, dtype=np.int64)
        for start in range(0, n, CODED):
            coded = _codes(images[start : start + CODED], shifts=SHIFTS, mirror=True)
            coded = _standardized(coded, self.mean, self.spread)
            for first in range(0, len(coded), COMPARED):
                alike = (coded[first : first + COMPARED] @ self.codes.T).reshape(
                    -1, n_variants * len(self.codes)
                )
                rows = slice(start + first, start + first + len(alike))
                best[rows], place[rows] = alike.max(axis=1), alike.argmax(axis=1)
        variant, row = np.divmod(place, len(self.codes))
        steps = np.array(list(product((False, True), SHIFTS, SHIFTS)), dtype=np.int64)[variant]
        pixels = np.array([_step(side) for side in self.shape])
        return Matches(
            row=row,
            likeness=best.clip(-1, 1),
            mirrored=steps[:, 0].astype(bool),
            shift=steps[:, 1:] * pixels,
        )


def _codes(images: Images, *, shifts: tuple[int, ...], mirror: bool) -> Codes:
    """Code each image under every mirroring and shift: (n, variants, 255), in the order of `product`."""
    down, across = (_frequencies(side, shifts) for side in images.shape[2:])
    across = np.stack(
        [across, across[:, :, ::-1]] if mirror else [across]
    )  # (mirrorings, shifts, KEPT, w)
    coded = []
    for start in range(0, len(images), CODED):
        gray = images[start : start + CODED].astype(np.float32).mean(axis=1)
        rows = np.einsum("skh,nhw->nskw", down, gray, optimize=True)
        low = np.einsum("nskw,mtlw->nmstkl", rows, across, optimize=True)
        low = low.reshape(len(gray), -1, KEPT * KEPT)
        visible = np.linalg.norm(low[:, :, 1:], axis=-1, keepdims=True) > ROUNDING * np.abs(
            low[:, :, :1]
        )
        coded.append(_unit(np.where(visible, low[:, :, 1:], 0)))  # all but the mean
    return np.concatenate(coded)


def _frequencies(side: int, shifts: tuple[int, ...]) -> NDArray[np.float32]:
    """Give for each shift the (KEPT, side) matrix that shifts, shrinks to SIDE and transforms one axis."""
    low = dct(np.eye(SIDE), axis=0, norm="ortho")[:KEPT]
    return np.stack(
        [low @ _shifted(area_weights(side), shift * _step(side)) for shift in shifts]
    ).astype(np.float32)


def _shifted(weights: NDArray[np.float32], pixels: int) -> NDArray[np.float32]:
    """Let (SIDE, side) weights act as if the image had been moved by so many pixels, its edge repeated."""
    side = weights.shape[1]
    moved = np.zeros_like(weights)
    np.add.at(moved.T, _sources(side, pixels), weights.T)
    return moved


def _move(image: Images, down: int, right: int) -> Images:
    return image[:, _sources(image.shape[1], down)][:, :, _sources(image.shape[2], right)]


def _sources(side: int, pixels: int) -> Rows:
    """Say which pixel comes to stand at each place when an axis is moved."""
    return np.clip(np.arange(side) - pixels, 0, side - 1)


def _step(side: int) -> int:
    return max(1, round(side / STEPS_PER_SIDE))


def _standardized(codes: Codes, mean: NDArray[np.float32], spread: NDArray[np.float32]) -> Codes:
    """Standardize and scale to length 1; an image without any contrast keeps zeros and is like none."""
    return _unit(np.where(codes.any(axis=-1, keepdims=True), (codes - mean) / spread, 0))


def _unit(codes: NDArray[np.float32]) -> Codes:
    length = np.linalg.norm(codes, axis=-1, keepdims=True)
    return np.asarray(codes / np.where(length > 0, length, 1), dtype=np.float32)
