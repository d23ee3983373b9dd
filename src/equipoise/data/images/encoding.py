"""One image array to the bytes of a file that `equipoise.data.images.decoding` reads back value for value."""

import io

import numpy as np
from PIL import Image, PngImagePlugin

from equipoise.arrays import Images
from equipoise.exceptions import DataError

HEAD = 33  # bytes of a PNG before its second chunk: signature 8, chunk IHDR 4 + 4 + 13 + 4
KEYWORD = "synthetic"  # of the text chunk


def suffix_for(images: Images) -> str:
    """Name the kind of file for images (n, c, h, w): whole numbers become PNG, float32 becomes TIFF.

    Raises:
        DataError: Volumes, or color of float32, for which no kind of file is read back.
    """
    if images.ndim != 4:
        raise DataError(
            f"Expected images of shape (n, c, h, w) to write, got {images.shape}. Cut volumes into slices."
        )
    if images.dtype != np.float32:
        return ".png"
    if images.shape[1] == 1:
        return ".tiff"
    raise DataError(
        "Expected gray float32 images, got color: no image file keeps these. Train on 8 or 16 bits."
    )


def encode(image: Images, note: str) -> bytes:
    """Encode one image without loss; the same image and note give the same bytes.

    Args:
        image: (c, h, w), uint8 or uint16, c = 1 or 3; or float32, c = 1.
        note: Plain ASCII, kept in the file: as a PNG's text chunk "synthetic", or as a TIFF's description.
    """
    if image.dtype == np.float32:
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image[0])).save(
            file, "TIFF", description=f"{KEYWORD}: {note}"
        )
        return file.getvalue()
    plain, chunk = _plain_png(image), io.BytesIO()
    PngImagePlugin.putchunk(chunk, b"tEXt", KEYWORD.encode("ascii") + b"\0" + note.encode("ascii"))
    return plain[:HEAD] + chunk.getvalue() + plain[HEAD:]


def _plain_png(image: Images) -> bytes:
    """Encode by OpenCV, because Pillow writes no color of 16 bits; OpenCV writes no text."""
    import cv2

    pixels = np.ascontiguousarray(np.moveaxis(image, 0, -1)[..., ::-1])  # blue first
    done, encoded = cv2.imencode(".png", pixels)
    if not done:
        raise DataError(f"OpenCV cannot encode an image of {image.shape} {image.dtype} as PNG.")
    return encoded.tobytes()
