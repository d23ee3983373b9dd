"""Encode an image array as a file that `images.decoding` reads back value for value."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from equipoise.arrays import Images
from equipoise.exceptions import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"  # the first bytes of a PNG
COLOR_TYPES = {1: 0, 3: 2}  # of a PNG, by channels
UP = 2  # filter of a PNG: each byte less the one above it
KEYWORD = "synthetic"  # of the text chunk


def suffix_for(images: Images) -> str:
    """Return the file suffix for images (n, c, h, w): integers become PNG, float32 becomes TIFF.

    Raises:
        DataError: Volumes, or color of float32, for which there is no file format.

    Example:
        >>> suffix_for(np.zeros((2, 3, 8, 8), dtype=np.uint16))
        '.png'
    """
    if images.ndim != 4:
        raise DataError(
            f"Expected images of shape (n, c, h, w) to write, got {images.shape}. "
            "Cut volumes into slices."
        )
    if images.dtype != np.float32:
        return ".png"
    if images.shape[1] == 1:
        return ".tiff"
    raise DataError(
        "Expected gray float32 images, got color: no image file can store these. "
        "Train on 8 or 16 bits."
    )


def encode(image: Images, note: str) -> bytes:
    """Encode one image without loss; the same image and note give the same bytes.

    PNG is written here, because Pillow does not write 16-bit color.

    Args:
        image: (c, h, w), uint8 or uint16, c = 1 or 3; or float32, c = 1.
        note: Plain ASCII, stored in the file: as a PNG's text chunk "synthetic", or as a TIFF's
            description.

    Example:
        >>> image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
        >>> with Image.open(io.BytesIO(encode(image, "dcgan, seed 4"))) as picture:
        ...     note = picture.info["synthetic"]
        ...     same = np.array_equal(picture, image[0])
        >>> note, same
        ('dcgan, seed 4', True)

    See Also:
        equipoise.data.images.decoding.decode: The inverse.
    """
    if image.dtype == np.float32:
        file = io.BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(image[0]))
        picture.save(file, "TIFF", description=f"{KEYWORD}: {note}")
        return file.getvalue()
    return _encode_png(np.moveaxis(image, 0, -1), note)


def _encode_png(pixels: NDArray[Any], note: str) -> bytes:
    """Write (h, w, c) pixels of 8 or 16 bits; each row of bytes is stored as its change (filter 2).

    Source: PNG specification (third edition), sections 5.6, 9.2 and 11.
    """
    height, width, channels = pixels.shape
    big_endian = pixels.astype(pixels.dtype.newbyteorder(">"), order="C")
    rows = big_endian.view(np.uint8).reshape(height, -1)
    filtered = np.full((height, 1 + rows.shape[1]), UP, dtype=np.uint8)
    filtered[:, 1:] = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))  # modulo 256
    bits = 8 * pixels.dtype.itemsize
    head = struct.pack(">IIBBBBB", width, height, bits, COLOR_TYPES[channels], 0, 0, 0)
    text = KEYWORD.encode("ascii") + b"\0" + note.encode("ascii")
    body = zlib.compress(filtered.tobytes())
    file = io.BytesIO()
    file.write(SIGNATURE)
    for kind, data in ((b"IHDR", head), (b"tEXt", text), (b"IDAT", body), (b"IEND", b"")):
        PngImagePlugin.putchunk(file, kind, data)
    return file.getvalue()
