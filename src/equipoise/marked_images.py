"""Images that carry which of them are synthetic, so that a pipeline does not lose it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.image_rows import ImageRows, ImageSource

Mask = NDArray[np.bool_]  # (n,) True where an image is synthetic


class MarkedImages(np.ndarray[tuple[Any, ...], np.dtype[Any]]):
    """An array of images with a mask of the synthetic ones.

    A pipeline of imbalanced-learn passes images and labels from step to step, nothing else. What is
    computed or selected from the array has no mask.

    Attributes:
        synthetic: (n,) True where an image is synthetic; None where nobody says.
    """

    synthetic: Mask | None

    def __array_finalize__(self, source: object) -> None:
        self.synthetic = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the mask, too: a pipeline may cache its steps."""
        if self.synthetic is None:
            return np.asarray(self).__reduce__()  # type: ignore[return-value]
        return marked, (np.asarray(self), self.synthetic)


def marked(images: ImageSource, synthetic: Mask) -> ImageSource:
    """Return images that carry the mask (n,) of the synthetic ones; unchanged where none is.

    Example:
        >>> films = marked(np.zeros((3, 1, 2, 2)), np.array([False, False, True]))
        >>> synthetic_of(films).tolist(), synthetic_of(films[1:])
        ([False, False, True], None)
    """
    if not synthetic.any():
        return images
    if isinstance(images, ImageRows):
        rows = images.selected(slice(None))
        rows.synthetic = synthetic
        return rows
    array = images.view(MarkedImages)
    array.synthetic = synthetic
    return array


def synthetic_of(images: object) -> Mask | None:
    """Return the mask (n,) that images carry; None where they carry none."""
    if isinstance(images, ImageRows | MarkedImages):
        return images.synthetic
    return None


def unmarked(images: ImageSource) -> ImageSource:
    """Return images without their mask, for computing."""
    return images.view(np.ndarray) if isinstance(images, MarkedImages) else images
