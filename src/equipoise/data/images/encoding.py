"""Encode an image array as a file that `images.decoding` reads back value for value."""

import io

import numpy as np
from PIL import Image, PngImagePlugin

from equipoise.arrays import Images
from equipoise.exceptions import DataError

HEAD = 33  # bytes of a PNG before its second chunk: signature 8, chunk IHDR 4 + 4 + 13 + 4
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

    OpenCV writes the PNG, because Pillow does not write 16-bit color; the note is inserted as a
    text chunk, because OpenCV does not write text.

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
    import cv2

    pixels = np.ascontiguousarray(np.moveaxis(image, 0, -1)[..., ::-1])  # blue first
    success, encoded = cv2.imencode(".png", pixels)
    if not success:
        raise DataError(f"OpenCV cannot encode an image of {image.shape} {image.dtype} as PNG.")
    png = encoded.tobytes()
    chunk = io.BytesIO()
    PngImagePlugin.putchunk(chunk, b"tEXt", KEYWORD.encode("ascii") + b"\0" + note.encode("ascii"))
    return png[:HEAD] + chunk.getvalue() + png[HEAD:]
