"""An image file before its pixels are decoded: what it holds, and why it cannot be read if it cannot."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from equipoise.exceptions import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
MIN_SIDE = 4  # pixels
MAX_PIXELS = 100_000_000  # 10,000 x 10,000; a small file can claim far more than memory holds

GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
DEEP_COLOR_MODES = frozenset({"RGB", "RGBA"})  # gray with alpha of 16 bits is "RGBA" to Pillow
BITS_PER_SAMPLE = 258  # TIFF tag
# What Pillow's parsers raise on damaged files.
DAMAGE = (
    SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, EOFError, MemoryError,
    RuntimeError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip


class UnreadableError(DataError):
    """A file that cannot be decoded; `reason` says why and what to do, without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"Cannot read {path}: {reason}")
        self.reason = reason


class Header(NamedTuple):
    """What a file holds, known without decoding its pixels."""

    channels: int
    dtype: np.dtype[Any]
    height: int
    width: int
    alpha: bool


def read_header(path: Path) -> Header:
    """Read channels, storage type and upright size of an image file.

    Raises:
        UnreadableError: Not an image, damaged, too small or too large, of several frames, or of a type without a
            storage type.
    """
    with opened(path) as image:
        return header_of(image, path)


@contextmanager
def opened(path: Path) -> Iterator[ImageFile]:
    """Open an image; whatever Pillow raises until the block ends becomes an `UnreadableError`."""
    try:
        _refuse_empty(path)
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except UnreadableError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableError(
            path, "it is not a PNG, JPEG, BMP or TIFF image. Convert or remove it."
        ) from error
    except Image.DecompressionBombError as error:
        raise UnreadableError(path, _too_large()) from error
    except OSError as error:
        raise UnreadableError(path, _os_reason(error)) from error
    except DAMAGE as error:
        raise UnreadableError(path, f"it is damaged ({error}). Copy it again.") from error


def _refuse_empty(path: Path) -> None:
    if path.stat().st_size == 0:
        raise UnreadableError(path, "the file is empty (0 bytes). Copy it again.")


def header_of(image: ImageFile, path: Path) -> Header:
    """Check and describe an open image; only before `load`."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UnreadableError(path, _too_large())
    if min(width, height) < MIN_SIDE:
        reason = f"it has {width} x {height} pixels, expected at least {MIN_SIDE} x {MIN_SIDE}. Remove it."
        raise UnreadableError(path, reason)
    n_frames = getattr(image, "n_frames", 1)
    if (
        n_frames > 1 and image.format != "MPO"
    ):  # a camera's MPO holds a preview beside the photograph
        raise UnreadableError(
            path, f"it has {n_frames} frames, expected 1. Save each frame as a file of its own."
        )
    if _lies_sideways(image):
        width, height = height, width
    channels = 1 if image.mode in GRAY_MODES else 3
    return Header(channels, _storage_type(image, path), height, width, _has_alpha(image))


def _storage_type(image: ImageFile, path: Path) -> np.dtype[Any]:
    if image.mode == "F":
        return np.dtype(np.float32)
    if image.mode == "I" and image.format != "PNG":  # older Pillow calls 16-bit PNG "I"
        raise UnreadableError(
            path, "it holds signed or 32-bit integers. Save it as unsigned 16-bit or as float32."
        )
    if image.mode.startswith("I") or is_deep_color(image):
        return np.dtype(np.uint16)
    if _bits(image) > 8:
        raise UnreadableError(
            path, f"it holds {_bits(image)}-bit {image.mode} color. Save it as 16-bit RGB."
        )
    return np.dtype(np.uint8)


def _has_alpha(image: ImageFile) -> bool:
    return (
        image.mode != "1" and not image.mode.startswith("I") and bool(image.has_transparency_data)
    )


def _lies_sideways(image: ImageFile) -> bool:
    if image.format == "TIFF":
        return False  # Pillow turns its size itself
    if image.format == "PNG" and "exif" not in image.info:
        return False  # `getexif` would decode the pixels to look behind them
    return orientation_of(image) >= 5


def orientation_of(image: ImageFile) -> int:
    """Give the EXIF orientation, 1 (upright) to 8; decodes a PNG."""
    return int(image.getexif().get(ExifTags.Base.Orientation, 1))


def _bits(image: ImageFile) -> int:
    """Give the bits per channel in the file, which Pillow's mode hides; only before `load`."""
    if tags := getattr(image, "tag_v2", None):
        return int(max(tags.get(BITS_PER_SAMPLE, (1,))))
    tile = image.tile[0][3] if image.tile else ""
    return 16 if ";16" in str(tile) else 8


def is_deep_color(image: ImageFile) -> bool:
    """Tell whether a color file has 16 bits per channel; only before `load`."""
    return image.mode in DEEP_COLOR_MODES and _bits(image) == 16


def _os_reason(error: OSError) -> str:
    """Tell the system's errors, which have a number, from Pillow's, which have none."""
    return (
        f"it is damaged ({error}). Copy it again."
        if error.errno is None
        else f"{error.strerror}. Check it."
    )


def _too_large() -> str:
    return f"it has more than {MAX_PIXELS:,} pixels. Make it smaller, or cut it into pieces."
