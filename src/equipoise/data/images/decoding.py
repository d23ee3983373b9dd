"""Decode one image file into an array, upright and in its storage type."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.ImageFile import ImageFile

from equipoise.arrays import Images
from equipoise.data.images.file import (
    UnreadableError,
    header_of,
    is_deep_color,
    opened,
    orientation_of,
)

# EXIF orientation: whether to mirror left to right first, then quarter turns counterclockwise.
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
    """Decode an image file: PNG, JPEG, BMP or TIFF (by content), of 8 or 16 bits or float.

    1-bit images become 0 and 255; palettes, CMYK and other color spaces become RGB (color profiles
    are not applied). Alpha is composited on black. EXIF orientation is applied. 16-bit color is
    read by OpenCV, because Pillow would silently reduce it to 8 bits.

    Returns:
        (c, h, w), uint8, uint16 or finite float32, c = 1 or 3.

    Raises:
        UnreadableError: See `read_header`; or pixels are missing, NaN or infinite.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (40, 30), (9, 8, 7)).save(Path(folder, "cell.png"))
        ...     image = decode(Path(folder, "cell.png"))
        >>> image.shape, image[:, 0, 0].tolist()
        ((3, 30, 40), [9, 8, 7])

    See Also:
        equipoise.data.images.encoding.encode: The inverse, without loss.
        equipoise.data.images.loading.load: Decode many files in parallel.
    """
    with opened(path) as image:
        header = header_of(image, path)
        deep_color = is_deep_color(image)
        image.load()  # a truncated file ends here, before OpenCV could complain on the terminal
        if deep_color:
            return _decode_deep_color(image, path)
        ImageOps.exif_transpose(image, in_place=True)
        mode = "L" if header.channels == 1 else "RGB"
        if header.dtype != np.uint8:
            pixels = np.asarray(image)[None].astype(header.dtype)
        elif header.alpha:
            pixels = _on_black(np.asarray(image.convert(f"{mode}A")))
        else:
            pixels = _channels_first(np.asarray(image.convert(mode)))
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise UnreadableError(path, "it has NaN or infinity. Replace those values.")
    return pixels


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Rotate and mirror (h, w, c) pixels by EXIF orientation, 1 to 8 (anything else is upright).

    Example:
        >>> upright(np.array([[[1], [2]]]), 6)[..., 0].tolist()  # a quarter turn clockwise
        [[1], [2]]
    """
    mirrored, turns = TURNS.get(orientation, (False, 0))
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, turns)


def _decode_deep_color(image: ImageFile, path: Path) -> Images:
    """Decode 16-bit color with OpenCV, which applies the orientation of a TIFF but not of a PNG."""
    import cv2

    pixels = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise UnreadableError(
            path,
            f"OpenCV cannot decode this {image.format} of 16-bit color. Save it as 16-bit PNG.",
        )
    if image.format == "PNG":
        pixels = upright(pixels, orientation_of(image))
    color = pixels[..., 2::-1]  # OpenCV has blue first
    if pixels.shape[-1] == 4:
        return _on_black(np.concatenate([color, pixels[..., 3:]], axis=-1))
    return _channels_first(color)


def _on_black(pixels: NDArray[Any]) -> Images:
    """Composite (h, w, c + alpha) on black."""
    opacity = pixels[..., -1:] / np.iinfo(pixels.dtype).max
    return _channels_first(np.rint(pixels[..., :-1] * opacity).astype(pixels.dtype))


def _channels_first(pixels: NDArray[Any]) -> Images:
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(pixels), -1, 0))
