"""Validate arrays that reach an estimator or a resampler."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import STORAGE_TYPES, Labels
from equipoise.exceptions import DataError, SettingError
from equipoise.image_rows import ImageRows, ImageSource, blocks

MOST_CHANNELS = 4
MOST_WHOLE = 2**24  # whole numbers up to it are exact in float32


def check_images(images: Any, *, name: str = "images") -> ImageSource:
    """Return images of shape (n, c, *spatial) in a storage type, converted if need be.

    Arrays of uint8, uint16, int16 (Hounsfield units) and float32 stay as they are. Tensors of
    torch and MONAI are brought to the CPU, everything else that NumPy makes an array of becomes
    one, and other numbers become float32, whose black and white are the extremes of the training
    images.

    Raises:
        DataError: No channel axis, not 1 to 4 channels, no numbers, not finite, or whole numbers
            that float32 cannot represent.

    Example:
        >>> check_images(np.zeros((2, 1, 4, 4))).dtype
        dtype('float32')
    """
    if not isinstance(images, np.ndarray | ImageRows):
        images = _as_array(images, name)
    if images.ndim < 4:
        raise DataError(
            f"Expected {name} of shape (n, c, h, w), got {images.shape}. {_missing_axis(images)}"
        )
    if not 1 <= images.shape[1] <= MOST_CHANNELS:
        raise DataError(
            f"Expected {name} with 1 to {MOST_CHANNELS} channels on axis 1, got shape "
            f"{images.shape}. Channels in the end go there with np.moveaxis(X, -1, 1)."
        )
    if images.dtype not in STORAGE_TYPES:
        images = _as_float(np.asarray(images), name)
    if images.dtype == np.float32 and not all(np.isfinite(block).all() for block in blocks(images)):
        raise DataError(
            f"Expected finite {name}, got NaN or infinity. Remove or repair these images."
        )
    checked: ImageSource = images
    return checked


def _as_array(images: Any, name: str) -> NDArray[Any]:
    """Return a tensor, or what NumPy makes an array of, as an array."""
    if hasattr(images, "detach"):  # a tensor; this module does not import torch
        images = images.detach().cpu()
        images = images.float() if str(images.dtype) == "torch.bfloat16" else images
    try:
        return np.asarray(images)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Expected {name} as an array (n, c, h, w), got {type(images).__name__}: {error}"
        ) from error


def _as_float(images: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Convert numbers to float32, without loss where they are whole."""
    if images.dtype.kind not in "biuf":
        raise DataError(f"Expected {name} as numbers, got {images.dtype}.")
    whole = images.dtype.kind in "iu" and images.size > 0
    if whole and not -MOST_WHOLE <= int(images.min()) <= int(images.max()) <= MOST_WHOLE:
        raise DataError(
            f"Expected {name} from {-MOST_WHOLE:,} to {MOST_WHOLE:,}, got whole numbers beyond, "
            "which float32 cannot represent. Divide them first."
        )
    with np.errstate(over="ignore"):  # what is infinite then is refused as such
        return images.astype(np.float32)


def _missing_axis(images: NDArray[Any]) -> str:
    """Return how a table of numbers or gray images become images."""
    if images.ndim == 3:
        return "Add a channel axis with X[:, None]."
    if images.ndim == 2:
        return (
            "Rows of pixels become images with X.reshape(-1, 1, height, width); rows of features "
            "are for imblearn.over_sampling.SMOTE, or for equipoise.data.smote.interpolate."
        )
    return "Pass several images in one array."


def check_square(images: ImageSource) -> None:
    """Refuse images that are not square and two-dimensional.

    Raises:
        DataError: The shape is not (n, c, s, s).
    """
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise DataError(
            f"Expected square images of shape (n, c, s, s), got {images.shape}. Pad or crop them."
        )


def check_labels(labels: Any, n: int, *, name: str = "labels") -> Labels:
    """Return `labels` as int64 of shape (n,).

    Raises:
        DataError: Wrong shape, not integers, or not as many as there are images.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or len(array) != n:
        raise DataError(f"Expected {name} of shape ({n},), one for each image, got {array.shape}.")
    if not np.issubdtype(array.dtype, np.integer):
        raise DataError(f"Expected {name} as integers, got {array.dtype}. Encode names as 0..k-1.")
    return array.astype(np.int64, copy=False)


def check_classes(labels: Any, n: int, *, name: str = "labels") -> NDArray[Any]:
    """Return labels of any kind as an array of shape (n,), in their own type.

    Whole numbers (as floats, too), text and booleans are labels. A column (n, 1) is flattened with
    scikit-learn's warning.

    Raises:
        DataError: Wrong shape, not as many as there are images, fractions, missing labels, or
            labels that cannot be ordered.

    Example:
        >>> check_classes(["normal", "pneumonia"], 2).tolist()
        ['normal', 'pneumonia']
    """
    if labels is None:
        raise DataError(
            f"Expected {name}, one for each image, got None: this fit requires y to be passed, but "
            "the target y is None."
        )
    array = np.asarray(labels)
    if array.shape == (n, 1):
        from sklearn.utils.validation import column_or_1d

        array = column_or_1d(array, warn=True)
    if array.ndim != 1 or len(array) != n:
        raise DataError(f"Expected {name} of shape ({n},), one for each image, got {array.shape}.")
    if array.dtype.kind not in "biufUOT":
        raise DataError(
            f"Expected {name} as whole numbers, text or booleans, got {array.dtype}. Convert them."
        )
    if array.dtype.kind == "f" and not np.equal(array, np.rint(array)).all():
        raise DataError(
            f"Expected {name} of classes, got fractions or NaN. Unknown label type: continuous. "
            "Cut them into classes first."
        )
    if array.dtype.kind == "O" and len({type(label) for label in array.tolist()}) > 1:
        kinds = sorted({type(label).__name__ for label in array.tolist()})
        raise DataError(
            f"Expected {name} of one kind, got {' and '.join(kinds)}. Use text for all, and remove "
            "images without a label."
        )
    return array


def check_images_and_labels(images: Any, labels: Any) -> tuple[ImageSource, Labels]:
    """Check images and labels, and that there is at least one image.

    Raises:
        DataError: See `check_images` and `check_labels`; or there is no image.
    """
    images = _at_least_one(check_images(images))
    return images, check_labels(labels, len(images))


def check_images_and_classes(images: Any, labels: Any) -> tuple[ImageSource, NDArray[Any]]:
    """Check images and labels of any kind, and that there is at least one image.

    Raises:
        DataError: See `check_images` and `check_classes`; or there is no image.
    """
    images = _at_least_one(check_images(images))
    return images, check_classes(labels, len(images))


def _at_least_one(images: ImageSource) -> ImageSource:
    if len(images) == 0:
        raise DataError("Expected at least one image, got none.")
    return images


def check_mask(synthetic: object, n: int) -> NDArray[np.bool_]:
    """Return (n,) booleans, all False for None.

    Raises:
        DataError: Another shape or type.
    """
    mask = np.zeros(n, dtype=bool) if synthetic is None else np.asarray(synthetic)
    if mask.shape != (n,) or mask.dtype != bool:
        raise DataError(
            f"Expected synthetic as {n} booleans, one for each image, got {mask.dtype} of shape "
            f"{mask.shape}."
        )
    return mask


def check_class_sizes(
    labels: NDArray[Any], minimum: int, *, method: str, alternatives: str
) -> None:
    """Check that every class has enough images for a method.

    Raises:
        DataError: A class has fewer than `minimum` images; the message names it and alternatives.
    """
    for label, count in sorted(Counter(labels.tolist()).items()):
        if count < minimum:
            raise DataError(
                f"Class {label} has {count} training image{'s' * (count != 1)} and {method} needs "
                f"at least {minimum}. Merge the class, or use {alternatives} for it."
            )


def check_whole(name: str, value: object, *, minimum: int) -> None:
    """Raise unless a setting is a whole number of at least `minimum`.

    Raises:
        SettingError: Names the setting and its minimum.
    """
    if not isinstance(value, int | np.integer) or value < minimum:
        raise SettingError(
            f"Expected {name} as a whole number of at least {minimum}, got {value!r}."
        )


def joined_faults(source: Path, faults: Sequence[str]) -> str:
    r"""Return the message about all faults of a source.

    Example:
        >>> joined_faults(Path("labels.csv"), ["no header.", "no lines."])
        'labels.csv has 2 faults:\n- no header.\n- no lines.'
    """
    if len(faults) == 1:
        return f"{source}: {faults[0]}"
    listed = "".join(f"\n- {fault}" for fault in faults)
    return f"{source} has {len(faults)} faults:{listed}"


def refuse_together(source: Path, faults: Sequence[str]) -> None:
    """Raise one error for all faults of a source, if there are any.

    Raises:
        DataError: There are faults.

    Example:
        >>> refuse_together(Path("labels.csv"), [])
    """
    if faults:
        raise DataError(joined_faults(source, faults))
