"""An image file before its pixels are decoded: its header, or the reason why it cannot be read."""

import os
import struct
import sys
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from equipoise.data.limits import MAX_IMAGE_BYTES, mib
from equipoise.data.walking import pointer_reason
from equipoise.exceptions import DataError
from equipoise.shortages import is_out_of_files

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
MIN_SIDE = 4  # pixels

GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
DEEP_COLOR_MODES = frozenset({"RGB", "RGBA"})  # gray with alpha of 16 bits is "RGBA" to Pillow
# TIFF tags.
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
TILE_WIDTH, TILE_LENGTH = 322, 323
PLANES = 284
APART = 2  # red, green and blue, each in a plane
UNSIGNED, FLOAT = 1, 3  # sample formats
WHITE_IS_ZERO = 0  # photometric interpretation
# How other files begin, so that an error can name them: (byte, content, name).
SIGNATURES = (
    (0, b"\x1f\x8b", "a gzip archive"), (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"%PDF", "a PDF"), (0, b"GIF8", "a GIF"), (8, b"WEBP", "a WebP image"),
    (4, b"ftyp", "a HEIC or AVIF image"), (4, b"jP  ", "a JPEG 2000"), (128, b"DICM", "DICOM"),
    (344, b"n+1", "a NIfTI volume"), (0, b"<!doctype", "a web page"), (0, b"<html", "a web page"),
    (0, b"<svg", "an SVG"),
    (0, b"II*\0", "a TIFF of a kind that is not read (signed, float color, more than 32 bits)"),
    (0, b"MM\0*", "a TIFF of a kind that is not read (signed, float color, more than 32 bits)"),
)  # fmt: skip
# What Pillow's parsers raise on damaged files.
PARSER_ERRORS = (SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
DAMAGE = (*PARSER_ERRORS, EOFError, MemoryError, RuntimeError, struct.error, zlib.error)

_SILENCE_LOCK = threading.RLock()  # warning filters and standard error belong to the whole process


class UnreadableError(DataError):
    """A file that cannot be decoded; `reason` says why and how to fix it, without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"Cannot read {path}: {reason}")
        self.reason = reason


class Header(NamedTuple):
    """Channels, storage type, upright size in pixels and alpha of a file, without its pixels."""

    channels: int
    dtype: np.dtype[Any]
    height: int
    width: int
    alpha: bool


def read_header(path: Path) -> Header:
    """Read channels, storage type and upright size of an image file.

    Raises:
        UnreadableError: Not an image, damaged, too small or too large, of several frames, or of a
            type without a storage type.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (40, 30)).save(Path(folder, "cell.png"))
        ...     header = read_header(Path(folder, "cell.png"))
        >>> header.channels, header.height, header.width
        (3, 30, 40)
    """
    with opened(path) as image:
        return header_of(image, path)


@contextmanager
def opened(path: Path) -> Iterator[ImageFile]:
    """Open an image; whatever Pillow raises until the block ends becomes an `UnreadableError`."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except UnreadableError:
        raise
    except UnidentifiedImageError as error:
        what = f"it is not a PNG, JPEG, BMP or TIFF image{kind_of(path)}. Convert or remove it."
        reason = pointer_reason(path) or what
        if path.stat().st_size == 0:
            reason = "the file is empty (0 bytes). Copy it again."
        raise UnreadableError(path, reason) from error
    except Image.DecompressionBombError as error:
        raise UnreadableError(path, _too_large()) from error
    except OSError as error:
        reason = f"{error.strerror}. Check it."
        if error.errno is None:  # of Pillow, not of the operating system
            reason = f"it is damaged ({error}). Copy it again."
        raise UnreadableError(path, reason) from error
    except DAMAGE as error:
        if is_out_of_files(error):
            raise
        raise UnreadableError(path, f"it is damaged ({error}). Copy it again.") from error


def kind_of(path: Path) -> str:
    """Return what a file is by its first bytes, as ", but a web page"; "" if that is not known."""
    with path.open("rb") as file:
        start = file.read(512)
    text = start.lstrip()
    for place, content, name in SIGNATURES:
        if start[place:].startswith(content) or text.lower().startswith(content):
            return f", but {name}"
    return ""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings, and libraries that write to standard error past Python (libtiff).

    Enter it in the thread that starts the decoding ones. Everything that any thread writes to
    standard error meanwhile is lost.
    """
    with _SILENCE_LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        if sys.__stderr__ is None:  # a program without a terminal
            yield
            return
        sys.__stderr__.flush()
        stderr = sys.__stderr__.fileno()
        saved_stderr = os.dup(stderr)
        null_device = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null_device, stderr)
            yield
        finally:
            os.dup2(saved_stderr, stderr)
            os.close(saved_stderr)
            os.close(null_device)


def header_of(image: ImageFile, path: Path) -> Header:
    """Check an open image and return its header; call it before `load`.

    Raises:
        UnreadableError: See `read_header`.
    """
    width, height = image.size
    if width * height * _bytes_per_pixel(image) > MAX_IMAGE_BYTES:
        raise UnreadableError(path, _too_large())
    if min(width, height) < MIN_SIDE:
        raise UnreadableError(
            path,
            f"it has {width} x {height} pixels, expected at least {MIN_SIDE} x {MIN_SIDE}. "
            "Remove it.",
        )
    n_frames = getattr(image, "n_frames", 1)
    has_preview = image.format == "MPO"  # of a camera; the preview is the second frame
    if n_frames > 1 and not has_preview:
        raise UnreadableError(
            path, f"it has {n_frames} frames, expected 1. Save each frame as a separate file."
        )
    if image.format == "TIFF":
        _check_tags(image, path)
    # Pillow swaps the sides of a TIFF; `getexif` would decode a PNG to look behind its pixels.
    may_be_sideways = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
    if may_be_sideways and orientation_of(image) >= 5:
        width, height = height, width
    channels = 1 if image.mode in GRAY_MODES else 3
    is_plain = image.mode == "1" or image.mode.startswith("I")  # modes without transparency
    alpha = not is_plain and bool(image.has_transparency_data)
    return Header(channels, _storage_type(image, path), height, width, alpha)


def orientation_of(image: ImageFile) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; this decodes a PNG."""
    return int(image.getexif().get(ExifTags.Base.Orientation, 1))


def is_deep_color(image: ImageFile) -> bool:
    """Return whether a color file has 16 bits per channel; call it before `load`."""
    return image.mode in DEEP_COLOR_MODES and _bits(image) == 16


def is_inverted(image: ImageFile) -> bool:
    """Return whether 0 is white in a file of 16 bits, which Pillow inverts at 8 bits only."""
    is_deep = image.mode.startswith("I;16")
    return image.format == "TIFF" and is_deep and _tag(image, PHOTOMETRIC) == {WHITE_IS_ZERO}


def _check_tags(image: ImageFile, path: Path) -> None:
    """Check what the numbers of a TIFF mean, which Pillow leaves to the reader.

    Raises:
        UnreadableError: The file does not say whether 0 is black; its numbers are signed; 0 is
            white and they have no largest value; its colors are 16 bits in separate planes, which
            Pillow reads as 8; or a tile takes more memory than an image may.
    """
    photometric = _tag(image, PHOTOMETRIC)
    formats = _tag(image, SAMPLE_FORMAT) or {UNSIGNED}
    if not photometric:
        raise UnreadableError(
            path, "it does not say whether 0 is black or white (tag 262). Save it again."
        )
    if formats not in ({UNSIGNED}, {FLOAT}):
        raise UnreadableError(
            path, "it has signed or undefined numbers (tag 339). Save it as unsigned or as float32."
        )
    if image.mode == "F" and photometric == {WHITE_IS_ZERO}:
        raise UnreadableError(
            path, "0 is white in it (tag 262), and floats have no black. Save it with 0 as black."
        )
    if is_deep_color(image) and _tag(image, PLANES) == {APART}:
        raise UnreadableError(
            path, "its 16-bit colors are in separate planes (tag 284). Save it as 16-bit PNG."
        )
    sides = [max(_tag(image, tag), default=1) for tag in (TILE_WIDTH, TILE_LENGTH)]
    if sides[0] * sides[1] * _bytes_per_pixel(image) > MAX_IMAGE_BYTES:
        raise UnreadableError(path, _too_large())


def _tag(image: ImageFile, tag: int) -> set[Any]:
    """Return the values of a TIFF tag, none if it is absent."""
    value = getattr(image, "tag_v2", {}).get(tag, ())
    return set(value) if isinstance(value, tuple) else {value}


def _bytes_per_pixel(image: ImageFile) -> int:
    is_deep = image.mode.startswith("I;16") or is_deep_color(image)
    width = 4 if image.mode in ("F", "I") else 2 if is_deep else 1
    return width * len(image.getbands())


def _storage_type(image: ImageFile, path: Path) -> np.dtype[Any]:
    if image.mode == "F":
        return np.dtype(np.float32)
    if image.mode == "I" and image.format != "PNG":  # older Pillow calls 16-bit PNG "I"
        raise UnreadableError(
            path, "it has signed or 32-bit integers. Save it as unsigned 16-bit or as float32."
        )
    if image.mode.startswith("I") or is_deep_color(image):
        return np.dtype(np.uint16)
    if _bits(image) > 8:
        raise UnreadableError(
            path, f"it has {_bits(image)}-bit {image.mode} color. Save it as 16-bit RGB."
        )
    return np.dtype(np.uint8)


def _bits(image: ImageFile) -> int:
    """Return the bits per channel in the file, which Pillow's mode hides; call it before `load`."""
    if tags := getattr(image, "tag_v2", None):
        return int(max(tags.get(BITS_PER_SAMPLE, (1,))))
    tile = image.tile[0][3] if image.tile else ""
    return 16 if ";16" in str(tile) else 8


def _too_large() -> str:
    return f"it has more than {mib(MAX_IMAGE_BYTES)} of pixels. Scale it down, or cut it up."
