"""Resize an image to a square by padding, cropping or stretching, in its storage type."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equipoise.arrays import Images

FITS = ("pad", "crop", "stretch")
FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}

Box = tuple[float, float, float, float]  # left, top, right, bottom


def resize(image: Images, size: int, *, fit: str = "pad", resample: str = "bicubic") -> Images:
    """Resize an image to a square; one that has this size already is returned unchanged.

    Pillow's filters widen with the reduction, so that they antialias (all but "nearest").

    Args:
        image: (c, h, w), uint8, uint16 or float32, c = 1 or 3.
        size: Side in pixels.
        fit: "pad" scales the longer side to `size`, centers the image and fills the rest with
            black: 0, or for float32 the image's own lowest value, because float images often have 0
            in their middle. "crop" takes the central square. "stretch" takes the whole image and
            changes its aspect.
        resample: A name in `FILTERS`.

    Returns:
        (c, size, size) in the storage type; integers are rounded and clipped to their range.

    Example:
        >>> wide = np.full((1, 10, 20), 9, dtype=np.uint8)
        >>> resize(wide, 40)[0, :, 0].tolist() == [0] * 10 + [9] * 20 + [0] * 10
        True
        >>> resize(wide, 40, fit="crop").min()
        np.uint8(9)
    """
    height, width = image.shape[1:]
    if height == width == size:
        return image
    if fit == "crop":
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        return _scale(image, (size, size), resample, box=(left, top, left + side, top + side))
    if fit == "stretch":
        return _scale(image, (size, size), resample)
    longest = max(height, width)
    scaled_height = max(1, round(height * size / longest))
    scaled_width = max(1, round(width * size / longest))
    if scaled_height == scaled_width:
        return _scale(image, (size, size), resample)
    black = image.min() if image.dtype == np.float32 else 0
    canvas = np.full((len(image), size, size), black, dtype=image.dtype)
    top, left = (size - scaled_height) // 2, (size - scaled_width) // 2
    scaled = _scale(image, (scaled_height, scaled_width), resample)
    canvas[:, top : top + scaled_height, left : left + scaled_width] = scaled
    return canvas


def channels_first(pixels: NDArray[Any]) -> Images:
    """Return a view (c, h, w) of pixels (h, w) or (h, w, c)."""
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _scale(image: Images, shape: tuple[int, int], resample: str, box: Box | None = None) -> Images:
    """Resample to (height, width): 8 bits by Pillow directly, more as 32-bit float, per channel."""
    if image.dtype == np.uint8:
        pixels = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
        return channels_first(_pillow(pixels, shape, resample, box))
    values = np.empty((len(image), *shape), dtype=np.float32)
    for channel, pixels in zip(values, image, strict=True):
        channel[:] = _pillow(pixels.astype(np.float32), shape, resample, box)
    if image.dtype == np.uint16:
        values = np.clip(np.rint(values), 0, np.iinfo(np.uint16).max)
    return values.astype(image.dtype)


def _pillow(
    pixels: NDArray[Any], shape: tuple[int, int], resample: str, box: Box | None
) -> NDArray[Any]:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize((shape[1], shape[0]), FILTERS[resample], box=box))
