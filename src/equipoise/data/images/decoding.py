"""Decode one image file into an array, upright and in its storage type."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.ImageFile import ImageFile

from equipoise.arrays import Images
from equipoise.data.images.deep_color import read_deep_color
from equipoise.data.images.file import (
    Header,
    UnreadableError,
    header_of,
    is_deep_color,
    is_inverted,
    opened,
)
from equipoise.data.images.resizing import channels_first

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
ROWS = 64  # composited at once
NO_DATA_TAG = 42113  # of GDAL in a TIFF
NO_DATA = 1e30  # larger numbers stand for missing ones
# Values that programs write where they have none, and how many times the range of all other pixels
# they must be away from these; any other value must be farther.
CUSTOMARY = {999, 9999, 99999, 999999, 2**15 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31}
FAR, FARTHER = 2, 8
LEAST = 999.0  # absolute value of one; smaller ones occur in images


def decode(path: Path) -> Images:
    """Decode an image file: PNG, JPEG, BMP or TIFF (by content), of 8 or 16 bits or float.

    1-bit images become 0 and 255; palettes, CMYK and other color spaces become RGB (color profiles
    are not applied). Alpha is composited on black, and where 0 is white in a TIFF, it becomes
    black. EXIF orientation is applied. 16-bit color is read twice, because Pillow has 8 bits of it
    at a time.

    Returns:
        (c, h, w), uint8, uint16 or finite float32, c = 1 or 3.

    Raises:
        UnreadableError: See `read_header`; or pixels are missing, NaN, infinite or no data, or all
            are transparent.

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
    return decode_with_header(path)[1]


def decode_with_header(path: Path) -> tuple[Header, Images]:
    """Read the header of an image file, and decode it as `decode` does.

    Raises:
        UnreadableError: See `decode`.
    """
    with opened(path) as image:
        header = header_of(image, path)
        deep_color, inverted = is_deep_color(image), is_inverted(image)
        declared = no_data_of(image)
        if deep_color:
            pixels, has_alpha = read_deep_color(image, path)
            color = _on_black(pixels, path) if has_alpha else channels_first(pixels)
            refuse_no_data(color, declared, path)
            return header, color
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        mode = "L" if header.channels == 1 else "RGB"
        if header.dtype != np.uint8:
            pixels = np.asarray(image)[None].astype(header.dtype)
        elif header.alpha:
            pixels = _on_black(np.asarray(image.convert(f"{mode}A")), path)
        else:
            converted = image if image.mode == mode else image.convert(mode)  # which would copy it
            pixels = channels_first(np.asarray(converted))
    refuse_no_data(pixels, declared, path)
    return header, np.iinfo(np.uint16).max - pixels if inverted else pixels


def no_data_of(image: ImageFile) -> float | None:
    """Return the value that a TIFF declares to stand for missing pixels."""
    tags = getattr(image, "tag_v2", {})
    try:
        return float(str(tags.get(NO_DATA_TAG, "none")).strip("\0 "))
    except ValueError:
        return None


def refuse_no_data(pixels: Images, declared: float | None, path: Path) -> None:
    """Check that every number is one that was measured.

    8 bits are not checked beyond a declared value: black and white are their ends.

    Args:
        pixels: (c, h, w) as they are stored.
        declared: The value that the file declares to stand for missing pixels.
        path: The file.

    Raises:
        UnreadableError: A pixel is NaN, infinite, above 1e30 or as declared; or the least or
            largest value is far from all others, as -9999 or 65535 are where they mean no data.
    """
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise UnreadableError(path, "it has NaN or infinity. Replace those values.")
    sentinel = declared
    if sentinel is None or not (pixels == sentinel).any():
        sentinel = _isolated(pixels)
    if sentinel is not None:
        n = int((pixels == sentinel).sum())
        raise UnreadableError(
            path,
            f"it has {sentinel:g} in {n:,} pixel{'s' * (n != 1)}, which seems to mean no data. "
            "Replace it by a value of the background.",
        )


def _isolated(pixels: Images) -> float | None:
    """Return the least or largest value if it is far from all others, else None."""
    if pixels.dtype == np.uint8:
        return None
    for value, nearest in ((float(pixels.min()), np.min), (float(pixels.max()), np.max)):
        if abs(value) < LEAST:
            continue
        if abs(value) > NO_DATA:
            return value
        rest = pixels[pixels != value]
        extent = float(np.ptp(rest)) if rest.size else 0.0
        times = FAR if abs(value) in CUSTOMARY else FARTHER
        is_candidate = pixels.dtype == np.float32 or times == FAR
        if extent > 0 and is_candidate and abs(value - float(nearest(rest))) > times * extent:
            return value
    return None


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Rotate and mirror (h, w, c) pixels by EXIF orientation, 1 to 8 (anything else is upright).

    Example:
        >>> upright(np.array([[[1], [2]]]), 6)[..., 0].tolist()  # a quarter turn clockwise
        [[1], [2]]
    """
    mirrored, turns = TURNS.get(orientation, (False, 0))
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, turns)


def _on_black(pixels: NDArray[Any], path: Path) -> Images:
    """Composite (h, w, c + alpha) on black, by some rows: floats take eight times the memory.

    Raises:
        UnreadableError: All pixels are transparent.
    """
    if not pixels[..., -1].any():
        raise UnreadableError(path, "it is transparent throughout. Save it without alpha.")
    composited = np.empty((*pixels.shape[:2], pixels.shape[2] - 1), dtype=pixels.dtype)
    for start in range(0, len(pixels), ROWS):
        rows = pixels[start : start + ROWS]
        opacity = rows[..., -1:] / np.iinfo(pixels.dtype).max
        composited[start : start + ROWS] = np.rint(rows[..., :-1] * opacity)
    return channels_first(composited)
