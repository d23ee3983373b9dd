"""One image file to an array, upright and in its storage type."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.ImageFile import ImageFile

from equipoise.arrays import Images
from equipoise.data.images.file import (
    Header,
    UnreadableError,
    header_of,
    is_deep_color,
    opened,
    orientation_of,
)

# EXIF orientation: mirror left to right first?, then quarter turns to the left.
TURNS = {
    2: (True, 0),
    3: (False, 2),
    4: (True, 2),
    5: (True, 1),
    6: (False, -1),
    7: (True, -1),
    8: (False, 1),
}


def decode(path: Path) -> Images:
    """Decode an image file: PNG, JPEG, BMP or TIFF, told by content, of 8 or 16 bits or float.

    1-bit images become 0 and 255; palettes, CMYK and other color spaces become RGB (color profiles are not
    applied). Alpha is composited on black. EXIF orientation is applied. 16-bit color is read by OpenCV, because
    Pillow would reduce it to 8 bits without a word.

    Returns:
        (c, h, w), uint8, uint16 or finite float32, c = 1 or 3.

    Raises:
        UnreadableError: See `read_header`; or pixels are missing, NaN or infinite.
    """
    with opened(path) as image:
        header, deep = header_of(image, path), is_deep_color(image)
        image.load()  # a truncated file ends here, before OpenCV could complain on the terminal
        pixels = _deep_color(image, path) if deep else _pixels(image, header)
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise UnreadableError(path, "it holds NaN or infinity. Replace those values.")
    return pixels


def _pixels(image: ImageFile, header: Header) -> Images:
    ImageOps.exif_transpose(image, in_place=True)
    if header.dtype != np.uint8:
        return np.asarray(image)[None].astype(header.dtype)
    plain = "L" if header.channels == 1 else "RGB"
    if not header.alpha:
        return _channels_first(np.asarray(image.convert(plain)))
    return _on_black(np.asarray(image.convert("LA" if plain == "L" else "RGBA")))


def _deep_color(image: ImageFile, path: Path) -> Images:
    """Decode 16-bit color with OpenCV, which turns a TIFF upright and a PNG not."""
    import cv2

    pixels = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise UnreadableError(
            path,
            f"OpenCV cannot decode this {image.format} of 16-bit color. Save it as 16-bit PNG.",
        )
    if image.format == "PNG":
        pixels = upright(pixels, orientation_of(image))
    color = pixels[..., 2::-1]
    if pixels.shape[-1] == 4:
        return _on_black(np.concatenate([color, pixels[..., 3:]], axis=-1))
    return _channels_first(color)


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn (h, w, c) pixels by their EXIF orientation, 1 to 8 (anything else is upright)."""
    mirrored, turns = TURNS.get(orientation, (False, 0))
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, turns)


def _on_black(pixels: NDArray[Any]) -> Images:
    """Composite (h, w, c + alpha) on black."""
    opacity = pixels[..., -1:] / np.iinfo(pixels.dtype).max
    return _channels_first(np.rint(pixels[..., :-1] * opacity).astype(pixels.dtype))


def _channels_first(pixels: NDArray[Any]) -> Images:
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(pixels), -1, 0))
