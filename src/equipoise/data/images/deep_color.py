"""Read color of 16 bits per channel; Pillow stores 8 of them: once the high bytes, once the low."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.ImageFile import ImageFile

from equipoise.data.images.file import opened

# Pillow stores the byte that is high in the order of bytes that a layout names ("RGB;16B").
# libtiff gives the order of this machine (N), whatever that of the file is.
OPPOSITE = {"B": "L", "L": "B"}
GRAY_WITH_ALPHA = "LA;16B"
FOUR_BYTES = "RGBA"  # a layout of 8 bits: the four bytes of a pixel of gray and alpha as they are


def read_deep_color(image: ImageFile, path: Path) -> tuple[NDArray[np.uint16], bool]:
    """Read the pixels of an open image of 16-bit color, upright.

    Args:
        image: See `is_deep_color`; nothing of it was read so far.
        path: The same file, which is opened again for the low bytes.

    Returns:
        (h, w, c) pixels, and whether alpha, which they were not yet multiplied by, is the last of
        c = 4 channels; else c = 3. Gray with alpha gets three equal channels.
    """
    layout = _layout(image.tile[0]).replace("RGBa", "RGBA")  # or Pillow would divide by alpha
    was_multiplied = "RGBa" in _layout(image.tile[0])
    if layout == GRAY_WITH_ALPHA:
        values = np.ascontiguousarray(_load_as(image, FOUR_BYTES)).view(">u2").astype(np.uint16)
        return values[..., [0, 0, 0, 1]], True
    pixels = _load_as(image, layout).astype(np.uint16) * np.uint16(256)
    with opened(path) as same_image:
        pixels |= _load_as(same_image, layout[:-1] + OPPOSITE[layout[-1]])
    if was_multiplied:
        return pixels[..., :3], False
    return pixels, pixels.shape[-1] == 4


def _layout(tile: Any) -> str:
    """Return how the file stores a pixel, in Pillow's words ("RGB;16B"): B is big-endian."""
    arguments = tile[3]
    layout = arguments if isinstance(arguments, str) else str(arguments[0])
    native = "L" if sys.byteorder == "little" else "B"
    return layout[:-1] + native if layout.endswith("N") else layout


def _load_as(image: ImageFile, layout: str) -> NDArray[np.uint8]:
    """Load an open image as if its pixels were stored in another layout."""
    tiles = []
    for tile in image.tile:
        arguments: Any = tile[3]
        changed = layout if isinstance(arguments, str) else (layout, *arguments[1:])
        tiles.append(tile._replace(args=changed))
    image.tile = tiles
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return np.asarray(image)
